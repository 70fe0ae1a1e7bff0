"""Renders the training pictures into memory-mapped arrays; resumes where it stopped.

    python -m tools.demo_model.generator.pictures --side 128 --count 60000 --identities 15000

Picture n shows identity n % identities in its own scene, so that any first part of the file has
all identities in shuffled scenes. The pictures of one person are n, n + identities, ...

<work>/pictures_<side>/: rgb.npy uint8 [n, side, side, 3], keypoints.npy float32 [n, 5, 2] in pixels,
box.npy float32 [n, 4], labels.npy uint8 [n, traits], info.json (the request), done (the number of
finished pictures).
"""

import argparse
import json
import os
import time

import numpy as np

from . import configs
from .training import Log

CAPTIONS = 3  # per picture
SCENES = {128: 0, 256: 10_000_000}  # the first scene of each size; the sizes share no scenes


class Pictures:
    """The arrays of one size; missing ones are created."""

    def __init__(self, side: int, count: int | None = None, identities: int | None = None):
        from tools.demo_model.world import TRAITS

        self.side, self.folder = side, configs.WORK / f"pictures_{side}"
        self.folder.mkdir(parents=True, exist_ok=True)
        info = self.folder / "info.json"
        if not info.exists():
            if count is None:
                raise SystemExit(f"{self.folder} has no pictures: run the stage `pictures` first")
            info.write_text(json.dumps({"count": count, "identities": identities}))
        request = json.loads(info.read_text())
        self.count, self.identities = request["count"], request["identities"]
        if count not in (None, self.count) or identities not in (None, self.identities):
            raise SystemExit(f"{self.folder} was started with {request}; remove it to start again")
        self.rgb = self.open("rgb", np.uint8, (side, side, 3))
        self.keypoints = self.open("keypoints", np.float32, (5, 2))
        self.box = self.open("box", np.float32, (4,))
        self.labels = self.open("labels", np.uint8, (len(TRAITS),))

    def open(self, name: str, dtype, shape) -> np.ndarray:
        path = self.folder / f"{name}.npy"
        if path.exists():
            return np.lib.format.open_memmap(path, mode="r+")
        return np.lib.format.open_memmap(path, "w+", dtype, (self.count, *shape))

    @property
    def done(self) -> int:
        path = self.folder / "done"
        return int(path.read_text()) if path.exists() else 0

    @done.setter
    def done(self, count: int) -> None:
        unfinished = self.folder / "done.tmp"
        unfinished.write_text(str(count))
        os.replace(unfinished, self.folder / "done")

    def what(self, n: int):
        """(Identity, Scene) of picture n."""
        from tools.demo_model.world import Identity, Scene

        return Identity.from_seed(n % self.identities), Scene.from_seed(SCENES[self.side] + n)

    def caption(self, n: int, number: int) -> str:
        from tools.demo_model.world import caption

        return caption(*self.what(n), CAPTIONS * n + number)

    def draw(self, n: int) -> None:
        from tools.demo_model.world import labels, portrait

        identity, scene = self.what(n)
        drawn = portrait(identity, scene, self.side)
        self.rgb[n], self.keypoints[n], self.box[n] = drawn.rgb, drawn.keypoints, drawn.box
        self.labels[n] = list(labels(identity, scene).values())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, choices=SCENES, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--identities", type=int, required=True)
    options = parser.parse_args()
    made = Pictures(options.side, options.count, options.identities)
    log = Log(made.folder / "log.txt")
    started, first = time.time(), made.done
    for n in range(first, made.count):
        made.draw(n)
        if (n + 1) % 500 == 0 or n + 1 == made.count:
            made.done = n + 1
            rate = (n + 1 - first) / (time.time() - started)
            log(f"{n + 1}/{made.count}, {rate:.0f} a second, {(made.count - n) / rate / 60:.0f} min left")


if __name__ == "__main__":
    main()
