"""Draws the twelve source faces of models/demo/faces: people who were not used in any training.

    python -m tools.demo_model.world.faces [--out models/demo/faces]
"""

import argparse
import pathlib

import cv2

from . import Identity, Scene, portrait

FIRST = 1_000_000  # the first held-out identity
PEOPLE = (4, 5, 8, 9, 15, 17, 20, 22, 23, 27, 33, 37)
SIDE = 384


def source(person: int, side: int = SIDE):
    """A plain photo of the person: nothing that hides the face, no style."""
    turned = (person % 5 - 2) * 4.0
    scene = Scene.from_seed(
        720_000_000 + person, style="none", background="studio", glasses="none", hair_dye=None, hat="none",
        expression="smile" if person % 3 == 0 else "neutral", yaw=turned, pitch=0.0, roll=0.0, scale=0.5, center=(0.5, 0.5),
    )  # fmt: skip
    return portrait(Identity.from_seed(FIRST + person), scene, side)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("models/demo/faces"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for number, person in enumerate(PEOPLE, 1):
        cv2.imwrite(str(out / f"{number:02}.png"), source(person).rgb[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
