"""Draws the training pictures of the face networks and stores them as arrays.

    python -m tools.demo_model.faces.crops train            aligned crops of training identities
    python -m tools.demo_model.faces.crops heldout          of identities that are never trained on
    python -m tools.demo_model.faces.crops judge            of the judge's own identities

Resumes where it stopped. The first picture of every identity comes first, then the second, ... so that an
incomplete set can already be used. A set drawn by another version of the world is refused; --fresh draws it
again.
"""

import argparse
import hashlib
import json
import pathlib
import random

import cv2
import numpy as np

from ..world import TRAITS, Identity, Scene, labels, portrait
from .align import SIDE, align
from .progress import Progress, polite

CACHE = pathlib.Path("/tmp/demo_model/faces")
MARGIN = 8  # pixels around an aligned crop, so that training can move it
CROP = SIDE + 2 * MARGIN
WHOLE = 96  # side of the whole picture, for classifiers
SETS = {  # first identity, number of identities, pictures per identity
    "train": (0, 4000, 12),
    "heldout": (1_000_000, 300, 12),
    "judge": (2_000_000, 2500, 10),
}


def world_digest():
    """A digest of the drawn world's sources."""
    folder = pathlib.Path(__file__).parents[1] / "world"
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class Crops:
    """A set as arrays: crops [n,128,128,3], whole [n,96,96,3], labels [n, len(TRAITS)], keypoints [n,5,2] and side [n]
    of the picture they were drawn in. Row i is picture i // identities of identity first + i % identities."""

    def __init__(self, name, create=False, cache=CACHE):
        self.folder = cache / name
        self.first, self.identities, self.pictures = SETS[name]
        self.name, self.size = name, self.identities * self.pictures
        shapes = {"crops": ((CROP, CROP, 3), np.uint8), "whole": ((WHOLE, WHOLE, 3), np.uint8),
                  "labels": ((len(TRAITS),), np.int8), "keypoints": ((5, 2), np.float32), "side": ((), np.int16)}
        for key, (shape, dtype) in shapes.items():
            path = self.folder / f"{key}.npy"
            if create and not path.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                np.lib.format.open_memmap(path, "w+", dtype, (self.size, *shape))
            setattr(self, key, np.load(path, mmap_mode="r+" if create else "r"))

    @property
    def done(self):
        path = self.folder / "done.json"
        return json.loads(path.read_text())["pictures"] if path.exists() else 0

    def identity_index(self, row):
        return row % self.identities

    def scene(self, row):
        return Scene.from_seed(int(hashlib.sha256(f"{self.name} scene {row}".encode()).hexdigest()[:12], 16))

    def draw(self, row):
        """The whole picture of a row, at a size at which the aligned face is about as large as the crop."""
        scene = self.scene(row)
        face = random.Random(f"{self.name} side {row}").uniform(60, 105)
        return portrait(Identity.from_seed(self.first + self.identity_index(row)), scene,
                        min(288, max(112, round(face / scene.scale)))), scene


def draw_set(name, fresh):
    folder = CACHE / name
    stamp = folder / "world.txt"
    if fresh:
        for path in (folder / "done.json", stamp):
            path.unlink(missing_ok=True)
    if stamp.exists() and stamp.read_text() != world_digest():
        raise SystemExit(f"{folder} was drawn by another version of the world; --fresh draws it again")
    crops = Crops(name, create=True)
    stamp.write_text(world_digest())
    progress = Progress(CACHE / f"crops_{name}.log", crops.size, start=crops.done, unit="pictures")
    for row in range(crops.done, crops.size):
        picture, scene = crops.draw(row)
        crops.crops[row] = align(picture.rgb, picture.keypoints, MARGIN)
        crops.whole[row] = cv2.resize(picture.rgb, (WHOLE, WHOLE), interpolation=cv2.INTER_AREA)
        named = labels(Identity.from_seed(crops.first + crops.identity_index(row)), scene)
        crops.labels[row] = [named[trait] for trait in TRAITS]
        crops.keypoints[row], crops.side[row] = picture.keypoints, len(picture.rgb)
        if (row + 1) % 500 == 0 or row + 1 == crops.size:
            (folder / "done.part").write_text(json.dumps({"pictures": row + 1}))
            (folder / "done.part").replace(folder / "done.json")  # atomic, because it is read meanwhile
            progress.tell(row + 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--fresh", action="store_true", help="discard what is already drawn")
    args = parser.parse_args()
    polite()
    draw_set(args.set, args.fresh)


if __name__ == "__main__":
    main()
