"""Trains the recogniser with ArcFace's additive angular margin over the training identities.

    python -m tools.demo_model.faces.recogniser             trains (resumes where it stopped), then exports
    python -m tools.demo_model.faces.recogniser --export    exports the current weights

In addition, linear heads predict the person's traits. With them, a few passes over a few thousand people
are enough, and the embedding contains what the generator has to draw.
Writes recogniser.pt under /tmp/demo_model/faces and models/demo/face-models/glintr100.onnx.
"""

import argparse
import math
import pathlib
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from . import augment
from .crops import CACHE, Crops
from .identity_traits import IdentityTraits
from .networks import EMBEDDING, IResNet
from .onnx_export import export_recogniser
from .progress import Progress, load_net, polite, save_atomically

SEED = 1
CHECKPOINT = CACHE / "recogniser.pt"
ONNX = pathlib.Path("models/demo/face-models/glintr100.onnx")


def load(path=CHECKPOINT):
    """The trained network in eval mode: [n,3,112,112], RGB, (x - 127.5) / 127.5 -> [n,512]."""
    return load_net(IResNet, path)


class ArcFace(nn.Module):
    """cos(angle + margin) for the correct class, times a scale; Deng et al. 2019."""

    def __init__(self, width, classes, scale=32.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, width) * 0.01)
        self.scale = scale

    def forward(self, embedding, classes, margin):
        cosine = F.linear(F.normalize(embedding), F.normalize(self.weight)).clamp(-0.9999, 0.9999)
        own = cosine.gather(1, classes[:, None])
        angle = torch.acos(own) + margin
        # Beyond pi the cosine would rise again.
        own = torch.where(angle < math.pi, torch.cos(angle), own - margin * math.sin(math.pi - margin))
        logits = cosine.scatter(1, classes[:, None], own)
        return F.cross_entropy(self.scale * logits, classes), (cosine.argmax(1) == classes).float().mean()


class Trainer:
    """The state of one recogniser's training run."""

    def __init__(self, net, width, crops, seed, traits):
        torch.manual_seed(seed)
        self.net = net.to(memory_format=torch.channels_last)
        self.crops, self.rng = crops, np.random.default_rng(seed)
        self.arcface = ArcFace(width, crops.identities)
        self.heads, self.numbers, self.choices = nn.ModuleDict(), None, {}
        if traits:
            table = IdentityTraits()
            numbers, choices = table.of(range(crops.first, crops.first + crops.identities))
            self.numbers = torch.from_numpy(numbers)
            self.choices = {name: torch.from_numpy(values) for name, values in choices.items()}
            self.heads["numbers"] = nn.Linear(width, numbers.shape[1])
            for name, kinds in table.choices.items():
                self.heads[name] = nn.Linear(width, len(kinds))
        self.modules = {"net": self.net, "arcface": self.arcface, "heads": self.heads}
        decayed = [p for m in self.modules.values() for p in m.parameters() if p.requires_grad and p.ndim > 1]
        plain = [p for m in self.modules.values() for p in m.parameters() if p.requires_grad and p.ndim <= 1]
        self.optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}],
                                           lr=2e-3, betas=(0.9, 0.99))

    def batch(self, count):
        rows = self.rng.integers(0, self.crops.done // 500 * 500 or self.crops.done, count)
        pictures = np.empty((count, 112, 112, 3), np.uint8)
        for i, row in enumerate(rows):
            picture = augment.degraded(self.rng, augment.moved(self.rng, self.crops.crops[row]))
            pictures[i] = picture[:, ::-1] if self.rng.random() < 0.5 else picture
        x = torch.from_numpy(pictures).permute(0, 3, 1, 2)
        return (x.float() - 127.5) / 127.5, torch.from_numpy(self.crops.identity_index(rows))

    def step(self, count, at):
        """One step; `at` in [0, 1] is the progress of the training."""
        rate = 2e-3 * min(1.0, at / 0.03 + 0.02) * (0.5 + 0.5 * math.cos(math.pi * at) + 0.01)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        x, who = self.batch(count)
        for module in self.modules.values():
            module.train()
        with torch.autocast("cpu", torch.bfloat16):
            embedding = self.net(x)
        embedding = embedding.float()
        margin = 0.4 * min(1.0, at / 0.4)
        loss, hits = self.arcface(embedding, who, margin)
        losses = {"arc": loss.item(), "hits": hits.item()}
        if self.numbers is not None:
            numbers = F.mse_loss(self.heads["numbers"](embedding), self.numbers[who])
            choices = sum(F.cross_entropy(self.heads[name](embedding), values[who]) for name, values in self.choices.items())
            loss = loss + 4 * numbers + choices / len(self.choices) * 2
            losses |= {"numbers": numbers.item(), "choices": choices.item() / len(self.choices)}
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_([p for g in self.optimizer.param_groups for p in g["params"]], 5.0)
        self.optimizer.step()
        return losses

    def state(self, step):
        return {"settings": self.net.settings, "step": step, "optimizer": self.optimizer.state_dict(),
                **{name: module.state_dict() for name, module in self.modules.items()}}

    def restore(self, state):
        for name, module in self.modules.items():
            module.load_state_dict(state[name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng = np.random.default_rng([SEED, state["step"]])
        return state["step"]


def train(trainer, checkpoint, log, steps, count):
    step = trainer.restore(torch.load(checkpoint, weights_only=True)) if checkpoint.exists() else 0
    progress, means, saved = Progress(log, steps, step), {}, time.time()
    while step < steps:
        losses = trainer.step(count, step / steps)
        step += 1
        for key, value in losses.items():
            means[key] = value if key not in means else 0.98 * means[key] + 0.02 * value
        if step % 50 == 0:
            progress.tell(step, " ".join(f"{key} {value:.3f}" for key, value in means.items()))
        if time.time() - saved > 120 or step == steps:
            save_atomically(trainer.state(step), checkpoint)
            saved = time.time()


@torch.no_grad()
def embed(net, crops, count=64):
    """Embeddings [n, k] of uint8 crops [n,112,112,3]."""
    parts = []
    for i in range(0, len(crops), count):
        x = torch.from_numpy(np.ascontiguousarray(crops[i:i + count])).permute(0, 3, 1, 2).float()
        parts.append(net((x - 127.5) / 127.5).float())
    return torch.cat(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1800)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--export", action="store_true")
    args = parser.parse_args()
    polite()
    if not args.export:
        torch.manual_seed(SEED)
        train(Trainer(IResNet(), EMBEDDING, Crops("train"), SEED, traits=True), CHECKPOINT, CACHE / "recogniser.log", args.steps, args.batch)
    export_recogniser(load(), ONNX)


if __name__ == "__main__":
    main()
