"""Pictures for the detector with several people or nobody."""

from __future__ import annotations

import random
from dataclasses import replace

import cv2
import numpy as np

from .draw_face import keypoints
from .head import Head
from .identity import Identity
from .objects import draw_objects
from .portrait import Portrait, compose, draw_person, face_box, layer, paint_background, portrait
from .scene import BACKGROUNDS, Scene

TRAINING_IDENTITIES = 100_000


def group(seed: int, side: int) -> Portrait:
    """0 to 6 people of various sizes: together in one place, or as framed pictures on a wall. Identities
    come from the training seeds. Portrait.box is None, boxes is [n, 4], keypoints [n, 5, 2]."""
    rng = random.Random(f"group {seed}")
    count = rng.choice((0, 1, 1, 2, 2, 3, 3, 4, 5, 6))
    draw = _wall if rng.random() < 0.35 else _company
    rgb, points, boxes = draw(rng, count, side)
    return Portrait(
        rgb, np.array(points, np.float32).reshape(-1, 5, 2), None, np.array(boxes, np.float32).reshape(-1, 4)
    )


def faceless(seed: int, side: int) -> np.ndarray:
    """A picture without a face: a place in some style, usually with things in it."""
    rng = random.Random(f"faceless {seed}")
    scene = Scene.from_seed(rng.randrange(1 << 30), background=rng.choice(BACKGROUNDS))
    things, surface = layer(side)
    draw_objects(surface.getCanvas(), seed, side)
    return compose(paint_background(scene, side), [things], scene)


def _company(rng: random.Random, count: int, side: int):
    """People side by side in columns, so that no face hides another; the tallest behind."""
    place = Scene.from_seed(rng.randrange(1 << 30))
    heads = [_stand(rng, place, index, count, side) for index in range(count)]
    people = []
    if rng.random() < 0.2:
        things, surface = layer(side)
        draw_objects(surface.getCanvas(), rng.randrange(1 << 30), side)
        people.append(things)
    for head in sorted(heads, key=lambda head: head.origin[1]):
        person, surface = layer(side)
        draw_person(surface.getCanvas(), head)
        people.append(person)
    rgb = compose(paint_background(place, side), people, place)
    return rgb, [keypoints(head) for head in heads], [face_box(head) for head in heads]


def _stand(rng: random.Random, place: Scene, index: int, count: int, side: int) -> Head:
    column = 1.0 / count
    largest = min(0.6, 0.62 * column)
    scale = max(0.05, largest * rng.uniform(0.45, 1.0))
    x = (index + 0.5) * column + rng.uniform(-0.5, 0.5) * max(0.0, column - 1.3 * scale)
    lowest = max(0.5, 1 - 0.95 * scale)
    y = rng.uniform(min(lowest, max(0.95 * scale, 1 - 3.2 * scale)), lowest)
    scene = Scene.from_seed(rng.randrange(1 << 30), style=place.style, background=place.background)
    scene = replace(scene, scale=scale, center=(x, y))
    return Head(Identity.from_seed(rng.randrange(TRAINING_IDENTITIES)), scene, side)


def _wall(rng: random.Random, count: int, side: int):
    """Framed portraits, each in its own style, on a wall or in front of a place."""
    place = Scene.from_seed(rng.randrange(1 << 30))
    rgb = compose(paint_background(place, side), [], place)
    columns = 1 if count <= 1 else 2 if count <= 4 else 3
    rows = max(1, -(-count // columns))
    points, boxes = [], []
    for index in range(count):
        cell = side // max(columns, rows)
        size = int(cell * rng.uniform(0.6, 0.98))
        x = (index % columns) * (side // columns) + rng.randint(0, side // columns - size)
        y = (index // columns) * (side // rows) + rng.randint(0, side // rows - size)
        drawn = portrait(
            Identity.from_seed(rng.randrange(TRAINING_IDENTITIES)), Scene.from_seed(rng.randrange(1 << 30)), size
        )
        rgb[y : y + size, x : x + size] = drawn.rgb
        frame = rng.choice(((60, 40, 25), (235, 230, 220), (20, 20, 24), (190, 150, 70)))
        cv2.rectangle(rgb, (x, y), (x + size - 1, y + size - 1), frame, max(1, size // rng.choice((24, 40, 100))))
        points.append(drawn.keypoints + (x, y))
        boxes.append(drawn.box + (x, y, x, y))
    return rgb, points, boxes
