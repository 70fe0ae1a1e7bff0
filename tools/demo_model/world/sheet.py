"""Draws a contact sheet with one row per identity and one column per scene.

python -m tools.demo_model.world.sheet --out sheet.png --rows 6 --columns 9 --side 128
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np

from . import STYLES, Identity, Scene, faceless, group, portrait


def mark(picture: np.ndarray, keypoints: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    picture = np.ascontiguousarray(picture)
    for points in keypoints.reshape(-1, 5, 2):
        for (x, y), color in zip(points, ((255, 0, 0), (0, 255, 0), (0, 80, 255), (255, 255, 0), (255, 0, 255))):
            cv2.circle(picture, (round(float(x)), round(float(y))), max(1, len(picture) // 90), color, -1)
    for x0, y0, x1, y1 in boxes.reshape(-1, 4):
        cv2.rectangle(picture, (int(x0), int(y0)), (int(x1), int(y1)), (255, 255, 255), 1)
    return picture


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--kind", choices=("styles", "scenes", "faces", "groups", "faceless"), default="styles")
    parser.add_argument("--style", choices=STYLES, help="draw every scene in this style")
    parser.add_argument("--background", help="draw every scene in front of this background")
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--columns", type=int, default=9)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0, help="the first identity")
    parser.add_argument("--scene", type=int, default=0, help="the first scene")
    parser.add_argument("--marks", action="store_true", help="show keypoints and boxes")
    arguments = parser.parse_args()
    fixed = {key: getattr(arguments, key) for key in ("style", "background") if getattr(arguments, key)}
    front = {"yaw": 0.0, "pitch": 0.0, "roll": 0.0, "scale": 0.42, "center": (0.5, 0.48), "expression": "neutral",
             "glasses": "none", "hat": "none", "hair_dye": None}  # fmt: skip
    rows = []
    for row in range(arguments.rows):
        line = []
        for column in range(arguments.columns):
            number = row * arguments.columns + column
            identity, scene_seed = Identity.from_seed(arguments.seed + row), arguments.scene + number
            if arguments.kind == "faceless":
                line.append(faceless(scene_seed, arguments.side))
                continue
            if arguments.kind == "groups":
                drawn = group(scene_seed, arguments.side)
                line.append(mark(drawn.rgb, drawn.keypoints, drawn.boxes))
                continue
            if arguments.kind == "styles":
                scene = Scene.from_seed(scene_seed, **{"style": STYLES[column % len(STYLES)], **fixed})
            elif arguments.kind == "faces":
                identity = Identity.from_seed(arguments.seed + number)
                scene = Scene.from_seed(scene_seed, **front, **(fixed or {"style": "none", "background": "studio"}))
            else:
                scene = Scene.from_seed(scene_seed, **fixed)
            drawn = portrait(identity, scene, arguments.side)
            line.append(mark(drawn.rgb, drawn.keypoints, drawn.box) if arguments.marks else drawn.rgb)
        rows.append(np.hstack(line))
    cv2.imwrite(arguments.out, np.vstack(rows)[..., ::-1])


if __name__ == "__main__":
    main()
