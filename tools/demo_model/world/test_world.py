"""Tests of the drawn world, run by hand: python -m tools.demo_model.world.test_world"""

from __future__ import annotations

import time
from dataclasses import asdict

import numpy as np

from . import (
    BACKGROUNDS,
    STYLE_BACKGROUNDS,
    STYLES,
    TRAITS,
    Identity,
    Scene,
    caption,
    faceless,
    group,
    labels,
    portrait,
)

COUNT = 150


def test_deterministic():
    for seed in range(0, 30, 3):
        identity, scene = Identity.from_seed(seed), Scene.from_seed(seed + 5)
        assert identity == Identity.from_seed(seed) and scene == Scene.from_seed(seed + 5)
        first, second = portrait(identity, scene, 96), portrait(identity, scene, 96)
        assert np.array_equal(first.rgb, second.rgb) and np.array_equal(first.keypoints, second.keypoints)
        assert np.array_equal(group(seed, 96).rgb, group(seed, 96).rgb)
        assert np.array_equal(faceless(seed, 96), faceless(seed, 96))
        assert caption(identity, scene, seed) == caption(identity, scene, seed)


def test_keypoints_and_box():
    for seed in range(COUNT):
        scene = Scene.from_seed(seed)
        drawn = portrait(Identity.from_seed(seed), scene, 128)
        points, box = drawn.keypoints, drawn.box
        assert drawn.rgb.shape == (128, 128, 3) and drawn.rgb.dtype == np.uint8
        assert points.shape == (5, 2) and points.dtype == np.float32 and box.shape == (4,) and box.dtype == np.float32
        assert (points > 0).all() and (points < 128).all(), (seed, points)
        assert (points >= box[:2]).all() and (points <= box[2:]).all(), (seed, points, box)
        left_eye, right_eye, nose, left_mouth, right_mouth = points
        assert left_eye[0] < right_eye[0] and left_mouth[0] < right_mouth[0], seed
        assert (left_eye + right_eye)[1] / 2 < nose[1] < (left_mouth + right_mouth)[1] / 2, seed
        assert 0.2 < (box[2] - box[0]) / 128 < 0.72, (seed, box)


def test_groups():
    counts = set()
    for seed in range(40):
        drawn = group(seed, 160)
        counts.add(len(drawn.keypoints))
        assert drawn.keypoints.shape == (len(drawn.boxes), 5, 2) and drawn.boxes.shape[1] == 4
        for points, box in zip(drawn.keypoints, drawn.boxes):
            assert (points >= box[:2]).all() and (points <= box[2:]).all()
            assert (points > 0).all() and (points < 160).all()
    assert counts >= {0, 1, 2, 3, 4, 5, 6}, counts
    assert faceless(1, 64).shape == (64, 64, 3)


def test_identities_differ():
    fixed = {"yaw": 0.0, "pitch": 0.0, "roll": 0.0, "style": "none", "background": "studio"}
    scene = Scene.from_seed(3, **fixed, glasses="none", hat="none", hair_dye=None)
    pictures = np.stack([portrait(Identity.from_seed(seed), scene, 64).rgb.astype(np.float32) for seed in range(40)])
    apart = [np.abs(pictures[a] - pictures[b]).mean() for a in range(40) for b in range(a)]
    assert min(apart) > 2.0, min(apart)
    assert len({str(asdict(Identity.from_seed(seed))) for seed in range(1000)}) == 1000


def test_labels_and_captions():
    seen = {trait: set() for trait in TRAITS}
    texts = set()
    for seed in range(3000):
        identity, scene = Identity.from_seed(seed), Scene.from_seed(seed + 11)
        assert scene.background in STYLE_BACKGROUNDS[scene.style]
        given = labels(identity, scene)
        assert list(given) == list(TRAITS)
        for trait, index in given.items():
            assert 0 <= index < len(TRAITS[trait])
            seen[trait].add(index)
        text = caption(identity, scene, seed)
        assert text and "{" not in text and "None" not in text, text
        texts.add(text)
    for trait, found in seen.items():
        assert len(found) == len(TRAITS[trait]), (trait, found)
    assert len(texts) > 2300, len(texts)


def test_scene_overrides():
    for style in STYLES:
        assert Scene.from_seed(1, style=style).background in STYLE_BACKGROUNDS[style]
    for background in BACKGROUNDS:
        assert background in STYLE_BACKGROUNDS[Scene.from_seed(1, background=background).style]
    for wrong in ({"style": "mars", "background": "beach"}, {"mood": "good"}):
        try:
            Scene.from_seed(1, **wrong)
        except ValueError:
            continue
        raise AssertionError(f"accepted {wrong}")


def report_speed():
    for side in (128, 256):
        start = time.process_time()
        for seed in range(60):
            portrait(Identity.from_seed(seed), Scene.from_seed(seed), side)
        print(f"{60 / (time.process_time() - start):.0f} portraits per second and core at {side} px")


if __name__ == "__main__":
    for name, check in list(globals().items()):
        if name.startswith("test_"):
            check()
            print("ok", name)
    report_speed()
