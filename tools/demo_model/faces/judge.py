"""Trains the judge: a different recogniser for different people, only used for measuring and never shipped.

    python -m tools.demo_model.faces.judge                  trains (resumes where it stopped)

It uses the identities from 2,000,000 on, its own seed and network, and the recogniser's training.
Writes bench/identity/judges/judge.pt; its checkpoint is judge.pt under /tmp/demo_model/faces.
"""

import argparse
import pathlib

import torch

from .crops import CACHE, Crops
from .networks import JudgeNet
from .progress import keep_net, load_net, polite
from .recogniser import Trainer, train

SEED = 77
CHECKPOINT = CACHE / "judge.pt"
KEPT = pathlib.Path(__file__).parents[3] / "bench" / "identity" / "judges" / "judge.pt"


def load(path=KEPT):
    """The trained network in eval mode: [n,3,112,112], RGB, (x - 127.5) / 127.5 -> [n,256]."""
    return load_net(JudgeNet, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=128)
    args = parser.parse_args()
    polite()
    torch.manual_seed(SEED)
    train(Trainer(JudgeNet(), 256, Crops("judge"), SEED, traits=True), CHECKPOINT, CACHE / "judge.log", args.steps, args.batch)
    keep_net(load(CHECKPOINT), KEPT)


if __name__ == "__main__":
    main()
