"""Pictures for the detector: drawn once, stored as arrays, then composed into any number of canvases.

    python -m tools.demo_model.faces.detector_scenes        draws (resumes where it stopped)
"""

import argparse
import random

import cv2
import numpy as np

from ..world import Identity, Scene, faceless, group, portrait
from . import augment
from .crops import CACHE, world_digest
from .progress import Progress, polite

KINDS = {"groups": (2400, 320), "portraits": (3000, 256), "faceless": (1000, 256)}
MOST_FACES = 6
FLIPPED = [1, 0, 2, 4, 3]  # keypoints after a horizontal flip, left and right from the viewer's side


def draw(kind, index, side):
    """(rgb, keypoints [n,5,2], boxes [n,4])"""
    if kind == "groups":
        picture = group(index, side)
        return picture.rgb, picture.keypoints, picture.boxes
    if kind == "faceless":
        return faceless(index, side), np.zeros((0, 5, 2)), np.zeros((0, 4))
    rng = random.Random(f"detector {index}")
    picture = portrait(Identity.from_seed(rng.randrange(100_000)), Scene.from_seed(rng.randrange(1 << 40)), side)
    return picture.rgb, picture.keypoints[None], picture.box[None]


class Scenes:
    def __init__(self, create=False, cache=CACHE):
        self.folder = cache / "detector"
        self.arrays = {}
        for kind, (count, side) in KINDS.items():
            for part, shape, dtype in (("rgb", (side, side, 3), np.uint8), ("count", (), np.int8),
                                       ("keypoints", (MOST_FACES, 5, 2), np.float32), ("boxes", (MOST_FACES, 4), np.float32)):
                path = self.folder / f"{kind}_{part}.npy"
                if create and not path.exists():
                    self.folder.mkdir(parents=True, exist_ok=True)
                    made = np.lib.format.open_memmap(path, "w+", dtype, (count, *shape))
                    if part == "count":
                        made[:] = -1  # not drawn
                self.arrays[kind, part] = np.load(path, mmap_mode="r+" if create else "r")

    def get(self, kind, index):
        n = int(self.arrays[kind, "count"][index])
        return (self.arrays[kind, "rgb"][index], self.arrays[kind, "keypoints"][index, :n].copy(),
                self.arrays[kind, "boxes"][index, :n].copy())

    def put(self, kind, index, rgb, keypoints, boxes):
        n = len(boxes)
        self.arrays[kind, "rgb"][index] = rgb
        self.arrays[kind, "keypoints"][index, :n] = keypoints
        self.arrays[kind, "boxes"][index, :n] = boxes
        self.arrays[kind, "count"][index] = n


def place(canvas, rgb, keypoints, boxes, scale, x, y):
    """Draws the scaled picture in place with its top left at (x, y); clips what is outside."""
    side = canvas.shape[0]
    size = max(8, round(rgb.shape[0] * scale))
    scale = size / rgb.shape[0]
    # Bilinear without antialiasing, as the detector's photos are resized.
    small = cv2.resize(rgb, (size, size), interpolation=cv2.INTER_LINEAR)
    x0, y0, x1, y1 = max(0, x), max(0, y), min(side, x + size), min(side, y + size)
    if x1 > x0 and y1 > y0:
        canvas[y0:y1, x0:x1] = small[y0 - y:y1 - y, x0 - x:x1 - x]
    # Maps pixel centres like cv2.resize.
    move = np.array([x, y]) + (scale - 1) / 2
    return keypoints * scale + move, boxes * scale + np.tile(move, 2)


def compose(scenes, rng, side):
    """One canvas: (rgb [side,side,3], keypoints [n,5,2], boxes [n,4], ignored boxes [m,4])."""
    one = lambda kind: scenes.get(kind, int(rng.integers(0, KINDS[kind][0])))
    canvas = np.zeros((side, side, 3), np.uint8)
    kind = rng.random()
    parts = []
    if kind < 0.2:
        rgb, keypoints, boxes = one("faceless")
        parts.append(place(canvas, rgb, keypoints, boxes, side / rgb.shape[0] * rng.uniform(0.6, 2.0), *rng.integers(-side // 3, 1, 2)))
    elif kind < 0.46:
        rgb, keypoints, boxes = one("groups")
        scale = side / rgb.shape[0] * np.exp(rng.uniform(np.log(0.5), np.log(1.7)))
        slack = side - round(rgb.shape[0] * scale)
        x, y = (int(rng.uniform(min(0, slack), max(0, slack) + 1)) for _ in range(2))
        parts.append(place(canvas, rgb, keypoints, boxes, scale, x, y))
    elif kind < 0.64:
        half = side // 2
        for i in range(4):
            rgb, keypoints, boxes = one("portraits" if rng.random() < 0.85 else "faceless")
            tile = np.zeros((half, half, 3), np.uint8)
            scale = half / rgb.shape[0] * np.exp(rng.uniform(np.log(0.4), np.log(1.2)))
            slack = half - round(rgb.shape[0] * scale)
            x, y = (int(rng.uniform(min(0, slack), max(0, slack) + 1)) for _ in range(2))
            keypoints, boxes = place(tile, rgb, keypoints, boxes, scale, x, y)
            inside = ((keypoints > 0) & (keypoints < half - 1)).all((1, 2))
            at = np.array([i % 2, i // 2]) * half
            canvas[at[1]:at[1] + half, at[0]:at[0] + half] = tile
            keypoints, boxes = keypoints + at, np.clip(boxes, 0, half) + np.tile(at, 2)
            keypoints[~inside] = -1e4  # cut off, so it becomes an ignored box
            parts.append((keypoints, boxes))
    else:
        rgb, keypoints, boxes = one("portraits")
        if rng.random() < 0.55:  # as in the program: the whole photo, at the top left
            parts.append(place(canvas, rgb, keypoints, boxes, side / rgb.shape[0], 0, 0))
        else:
            back = one("faceless")[0]
            place(canvas, back, keypoints[:0], boxes[:0], side / back.shape[0], 0, 0)
            scale = side / rgb.shape[0] * np.exp(rng.uniform(np.log(0.15), np.log(1.4)))
            slack = side - round(rgb.shape[0] * scale)
            x, y = (int(rng.uniform(min(0, slack), max(0, slack) + 1)) for _ in range(2))
            parts.append(place(canvas, rgb, keypoints, boxes, scale, x, y))
    keypoints = np.concatenate([part[0] for part in parts]).reshape(-1, 5, 2)
    boxes = np.concatenate([part[1] for part in parts]).reshape(-1, 4)
    if rng.random() < 0.5:
        canvas = np.ascontiguousarray(canvas[:, ::-1])
        keypoints = keypoints[:, FLIPPED]
        keypoints[..., 0] = side - 1 - keypoints[..., 0]
        boxes = np.stack([side - 1 - boxes[:, 2], boxes[:, 1], side - 1 - boxes[:, 0], boxes[:, 3]], 1)
    canvas = augment.degraded(rng, canvas)
    touching = (boxes[:, 2] > 0) & (boxes[:, 3] > 0) & (boxes[:, 0] < side) & (boxes[:, 1] < side)
    seen = ((keypoints > 0) & (keypoints < side - 1)).all((1, 2)) & touching
    # Too small to be required.
    seen &= (boxes[:, 2] - boxes[:, 0]) >= 11
    return canvas, keypoints[seen].astype(np.float32), boxes[seen].astype(np.float32), boxes[touching & ~seen]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fresh", action="store_true")
    args = parser.parse_args()
    polite()
    scenes = Scenes(create=True)
    stamp = scenes.folder / "world.txt"
    if args.fresh:
        for kind in KINDS:
            scenes.arrays[kind, "count"][:] = -1
    elif stamp.exists() and stamp.read_text() != world_digest():
        raise SystemExit(f"{scenes.folder} was drawn by another version of the world; --fresh draws it again")
    stamp.write_text(world_digest())
    for kind, (count, side) in KINDS.items():
        progress = Progress(CACHE / "detector_scenes.log", count, unit=kind)
        for index in range(count):
            if scenes.arrays[kind, "count"][index] < 0:
                scenes.put(kind, index, *draw(kind, index, side))
            if (index + 1) % 200 == 0:
                progress.tell(index + 1)


if __name__ == "__main__":
    main()
