"""Shared by the training stages: a log with the time left, checkpoints, running means of weights."""

import argparse
import json
import signal
import time
from pathlib import Path

import torch

from tools.demo_model.faces.progress import save_atomically

from . import configs

PROGRESS = configs.PRODUCT / "progress.json"


def parser(doc: str, steps: int, threads: int = 1) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--steps", type=int, default=steps, help="train up to this step")
    made.add_argument("--threads", type=int, default=threads)
    made.add_argument("--save-minutes", type=float, default=4)
    made.add_argument("--sheet-minutes", type=float, default=10)
    return made


def drawn(seed: int, step: int) -> torch.Generator:
    """The random numbers of one step; they do not depend on earlier interruptions."""
    return torch.Generator().manual_seed(seed * 10_000_019 + step)


LARGE = 0.6  # share of pictures at 256 pixels, once these are used


def drawn_side(draw, step: int, large_from: int, batch: dict[int, int]) -> int:
    """The side of a step's pictures: 128 before step `large_from`, then 128 or 256."""
    # The share counts pictures, not batches: batches of large pictures are smaller.
    odds = LARGE / batch[256], (1 - LARGE) / batch[128]
    large = draw.random() * sum(odds) < odds[0]
    return 256 if large and step >= large_from else 128


class Log:
    """Logs lines to the screen and a file."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("a")

    def __call__(self, line: str) -> None:
        line = f"{time.strftime('%H:%M:%S')} {line}"
        print(line, flush=True)
        print(line, file=self.file, flush=True)


class RunningMean:
    """Exponential running means of the weights; they make better pictures than the weights themselves."""

    def __init__(self, modules: dict[str, torch.nn.Module], decay: float):
        self.decay = decay
        names = {}  # of each weight; a weight can be in two modules
        for part, module in modules.items():
            for name, weight in module.named_parameters():
                if weight.requires_grad:
                    names.setdefault(weight, f"{part}.{name}")
        self.live, self.names = list(names), list(names.values())
        self.means = [p.detach().clone() for p in self.live]

    @torch.no_grad()
    def update(self, step: int) -> None:
        # Early steps are forgotten faster.
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.means, [p.detach() for p in self.live], weight)

    @torch.no_grad()
    def forget(self) -> None:
        for mean, live in zip(self.means, self.live):
            mean.copy_(live)

    @torch.no_grad()
    def swap(self) -> None:
        """Swaps weights and means; a second call swaps them back."""
        for mean, live in zip(self.means, self.live):
            kept = live.clone()
            live.copy_(mean)
            mean.copy_(kept)

    def __enter__(self):
        self.swap()

    def __exit__(self, *_):
        self.swap()

    def state_dict(self):
        return dict(zip(self.names, self.means))

    def load_state_dict(self, state):
        for name, mean in zip(self.names, self.means):
            mean.copy_(state[name])


def save_means(modules: dict[str, torch.nn.Module], mean: RunningMean, folder: Path) -> None:
    """Writes weights.pt: the modules with the running means as weights."""
    with mean:
        save_atomically({name: module.state_dict() for name, module in modules.items()}, folder / "weights.pt")


class Run:
    """The loop of a stage:

    run = Run(folder, log, options, {"unet": unet, "optimizer": optimizer, ...})
    for step in run.steps():
        ...
        run.report(loss=loss.item())

    Everything in `parts` is saved every few minutes, at the end, and on SIGTERM or SIGINT; a new Run
    resumes from there. Without a checkpoint, as on a new machine, `exported` is called to load the weights
    in models/demo, and progress.json gives their step. `sheet` is called every sheet_minutes.
    """

    def __init__(self, folder: Path, log: Log, options, parts: dict, sheet=None, exported=None):
        self.path, self.log, self.options, self.parts = folder / "checkpoint.pt", log, options, parts
        self.sheet, self.stop, self.step = sheet, False, 0
        self.sums, self.pictures, self.cold = {}, 0, None
        if self.path.exists():
            saved = torch.load(self.path, weights_only=False)
            for name, part in parts.items():
                part.load_state_dict(saved["parts"][name])
            self.step, self.pictures = saved["step"], saved["pictures"]
            log(f"resumes at step {self.step}")
        elif exported and PROGRESS.exists() and folder.name in json.loads(PROGRESS.read_text()):
            exported()
            parts["mean"].forget()
            progress = json.loads(PROGRESS.read_text())[folder.name]
            self.step, self.pictures = progress["step"], progress["pictures"]
            self.cold = self.step
            log(f"resumes from the exported weights, step {self.step}")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.end)

    def warmth(self) -> float:
        """A factor for the learning rate: exported weights have no optimizer state, which has to build up first."""
        return 1.0 if self.cold is None else min(1.0, (self.step - self.cold + 1) / 100)

    def end(self, *_) -> None:
        self.stop = True

    def save(self) -> None:
        state = {name: part.state_dict() for name, part in self.parts.items()}
        save_atomically({"parts": state, "step": self.step, "pictures": self.pictures}, self.path)
        reached = {"step": self.step, "pictures": self.pictures}
        (self.path.parent / "progress.json").write_text(json.dumps(reached))

    def steps(self):
        started, first = time.time(), self.step
        saved = reported = drawn_at = started
        while self.step < self.options.steps and not self.stop:
            yield self.step
            self.step += 1
            now = time.time()
            if now - reported > 30:
                rate = (self.step - first) / (now - started)
                left = (self.options.steps - self.step) / rate / 60
                means = "  ".join(f"{k} {sum(v) / len(v):.4f}" for k, v in self.sums.items())
                self.log(f"step {self.step}/{self.options.steps}  {means}  {self.pictures} pictures,"
                         f" {rate:.2f} steps/s, {left:.0f} min left")  # fmt: skip
                self.sums, reported = {}, now
            if now - saved > 60 * self.options.save_minutes:
                self.save()
                saved = time.time()
            if self.sheet and now - drawn_at > 60 * self.options.sheet_minutes:
                self.sheet(self.step)
                drawn_at = time.time()
        self.save()
        if self.sheet:
            self.sheet(self.step)
        if self.step < self.options.steps:
            raise SystemExit("stopped; repeat the command to resume")
        self.log("done")

    def report(self, pictures: int, **values: float) -> None:
        self.pictures += pictures
        for name, value in values.items():
            self.sums.setdefault(name, []).append(float(torch.as_tensor(value).detach()))


def learning_rate(step: int, total: int, peak: float, warmup: int = 300, tail: float = 0.25) -> float:
    """Rises over `warmup` steps, then stays level, then falls to a twentieth over the last `tail` of the steps."""
    fall = (total - step) / max(1, tail * total)
    return peak * min(1.0, (step + 1) / warmup) * min(1.0, max(0.05, fall))


def set_rate(optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
