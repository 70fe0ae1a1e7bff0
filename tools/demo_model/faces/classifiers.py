"""Trains the classifier of traits and styles on rendered pictures; it is only used for measuring and never shipped.

    python -m tools.demo_model.faces.classifiers            trains (resumes where it stopped)

It is trained on whole pictures of the judge's people. Writes bench/identity/judges/classifiers.pt; its checkpoint is classifiers.pt
under /tmp/demo_model/faces.
"""

import argparse
import math
import time

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from ..world import TRAITS
from . import augment
from .crops import CACHE, WHOLE, Crops
from .judge import KEPT as JUDGE
from .networks import Classifier
from .progress import Progress, keep_net, load_net, polite, save_atomically

SEED = 78
CHECKPOINT = CACHE / "classifiers.pt"
KEPT = JUDGE.with_name("classifiers.pt")


def load(path=KEPT):
    """The trained network in eval mode: [n,3,96,96], RGB, (x - 127.5) / 127.5 -> logits by trait."""
    return load_net(Classifier, path)


@torch.no_grad()
def classify(net, pictures):
    """{trait: class names} of uint8 pictures of any size."""
    small = np.stack([cv2.resize(rgb, (WHOLE, WHOLE), interpolation=cv2.INTER_AREA) for rgb in pictures])
    logits = net((torch.from_numpy(small).permute(0, 3, 1, 2).float() - 127.5) / 127.5)
    return {trait: [TRAITS[trait][i] for i in values.argmax(1).tolist()] for trait, values in logits.items()}


def batch(crops, rng, count):
    rows = rng.integers(0, crops.done, count)
    pictures = np.empty((count, WHOLE, WHOLE, 3), np.uint8)
    for i, row in enumerate(rows):
        matrix = np.float32([[1, 0, 0], [0, 1, 0]]) * np.float32(1 + rng.normal(0, 0.03))
        matrix[:, 2] += rng.normal(0, 2, 2)
        picture = cv2.warpAffine(crops.whole[row], matrix, (WHOLE, WHOLE), borderMode=cv2.BORDER_REFLECT)
        picture = augment.degraded(rng, picture)
        pictures[i] = picture[:, ::-1] if rng.random() < 0.5 else picture
    x = (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() - 127.5) / 127.5
    return x, torch.from_numpy(crops.labels[np.sort(rows)][np.argsort(np.argsort(rows))].astype(np.int64))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=96)
    args = parser.parse_args()
    polite()
    torch.manual_seed(SEED)
    crops = Crops("judge")
    net = Classifier({trait: len(names) for trait, names in TRAITS.items()}).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.02)
    step, names = 0, list(TRAITS)
    if CHECKPOINT.exists():
        state = torch.load(CHECKPOINT, weights_only=True)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    rng = np.random.default_rng([SEED, step])
    progress, saved, mean, hits = Progress(CACHE / "classifiers.log", args.steps, step), time.time(), None, None
    while step < args.steps:
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1.0, step / 50 + 0.02) * (0.5 + 0.5 * math.cos(math.pi * step / args.steps) + 0.01)
        x, wanted = batch(crops, rng, args.batch)
        net.train()
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(x)
        loss = sum(F.cross_entropy(logits[name].float(), wanted[:, i]) for i, name in enumerate(names)) / len(names)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step += 1
        right = np.array([(logits[name].argmax(1) == wanted[:, i]).float().mean().item() for i, name in enumerate(names)])
        mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
        hits = right if hits is None else 0.98 * hits + 0.02 * right
        if step % 50 == 0:
            progress.tell(step, f"loss {mean:.3f} " + " ".join(f"{name} {value:.2f}" for name, value in zip(names, hits)))
        if time.time() - saved > 120 or step == args.steps:
            save_atomically({"settings": net.settings, "net": net.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, CHECKPOINT)
            saved = time.time()
    keep_net(load(CHECKPOINT), KEPT)


if __name__ == "__main__":
    main()
