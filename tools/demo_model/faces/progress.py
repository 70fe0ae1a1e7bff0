"""Shared by long stages: priority and threads, a log with the time left, atomic checkpoints."""

import os
import pathlib
import time

import cv2
import torch


def polite(threads=None):
    """Sets low priority and one thread, or DEMO_MODEL_THREADS."""
    torch.set_num_threads(threads or int(os.environ.get("DEMO_MODEL_THREADS", "1")))
    cv2.setNumThreads(0)
    if os.nice(0) < 15:
        os.nice(15 - os.nice(0))


class Progress:
    """Lines of progress with the time left, to a log file and the screen."""

    def __init__(self, log, total, start=0, unit="steps"):
        self.log, self.total, self.start, self.unit, self.began = pathlib.Path(log), total, start, unit, time.time()
        self.log.parent.mkdir(parents=True, exist_ok=True)

    def tell(self, done, more=""):
        seconds = time.time() - self.began
        rate = (done - self.start) / max(seconds, 1e-9)
        left = (self.total - done) / max(rate, 1e-9)
        self.say(f"{done}/{self.total} {self.unit}, {rate:.1f} a second, {left / 60:.1f} min left {more}".rstrip())

    def say(self, line):
        line = f"{time.strftime('%H:%M:%S')} {line}"
        print(line, flush=True)
        with self.log.open("a") as file:
            file.write(line + "\n")


def load_net(kind, path):
    """Loads a network of `kind` saved by a stage, in eval mode."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    net = kind(**state["settings"])
    net.load_state_dict(state["net"])
    return net.eval()


def keep_net(net, path):
    """Saves a file for load_net in half precision, for the repository."""
    halves = {name: value.half() if value.is_floating_point() else value for name, value in net.state_dict().items()}
    save_atomically({"settings": net.settings, "net": {name: value.contiguous() for name, value in halves.items()}}, path)


def save_atomically(value, path):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    torch.save(value, beside)
    os.replace(beside, path)
