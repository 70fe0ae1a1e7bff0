"""Neck, shoulders and clothes."""

from __future__ import annotations

import math
import random

import numpy as np
import skia

from . import palette
from .head import Head
from .pen import Pen, mix, scaled, smooth_path


class Body:
    """An upright body below the head that follows its turns slightly."""

    def __init__(self, head: Head):
        i, s = head.identity, head.shape
        self.head = head
        self.neck = 0.56 + 0.06 * i.neck_width + (0.0 if i.woman else 0.10)
        self.collar = s.chin_v + 0.27
        self.wide = 2.02 + 0.22 * i.shoulders + (0.0 if i.woman else 0.32)
        self.bottom = self.collar + max(4.0, 1.5 * head.side / head.unit)
        self.origin = head.points([(0.0, 1.0, -0.35)])[0]
        lean = 0.25 * head.roll
        self.turn = -0.10 * math.sin(head.yaw)
        self.axes = np.array([[math.cos(lean), math.sin(lean)], [-math.sin(lean), math.cos(lean)]]) * head.unit

    def at(self, points) -> np.ndarray:
        points = np.asarray(points, dtype=np.float64) - (0.0, 1.0)
        points = points + np.column_stack([self.turn * np.maximum(0, points[:, 1]), 0 * points[:, 1]])
        return self.origin + points @ self.axes

    def path(self, points, closed: bool = True, tension: float = 1.0) -> skia.Path:
        return smooth_path(self.at(points), closed=closed, tension=tension)

    def torso(self, neckline) -> skia.Path:
        """The clothes' outline; `neckline` runs from the left of the neck to its right."""
        c, w, low = self.collar, self.wide, self.bottom
        right = [
            (0.5 * (self.neck + w) * 0.92, c + 0.15),
            (0.90 * w, c + 0.42),
            (1.08 * w, c + 0.85),
            (1.18 * w, c + 1.7),
            (1.2 * w, c + 2.8),
            (1.2 * w, low),
        ]
        left = [(-x, y) for x, y in right[::-1]]
        return self.path(list(neckline) + right + left, tension=0.85)


def draw_body(pen: Pen, head: Head, chin_shadow: skia.Path):
    body = Body(head)
    cloth = palette.CLOTH[head.scene.clothes_color]
    if head.scene.clothes == "hoodie":
        c, n = body.collar, body.neck
        hood = body.path(
            [
                (-n - 0.42, c + 0.30),
                (-n - 0.36, c - 0.42),
                (0, c - 0.62),
                (n + 0.36, c - 0.42),
                (n + 0.42, c + 0.30),
                (0, c + 0.8),
            ]
        )
        pen.fill(hood, scaled(cloth, 0.55))
        pen.outline(hood, 0.025)
    _draw_neck(pen, head, body, chin_shadow)
    clothes = head.scene.clothes
    if clothes == "dress" and not head.identity.woman:
        clothes = "tshirt"
    DRESSERS[clothes](pen, head, body, cloth)
    if head.scene.scarf:
        _draw_scarf(pen, head, body)


def _draw_neck(pen: Pen, head: Head, body: Body, chin_shadow):
    skin = palette.skin(head.identity)
    shade = palette.shadow(skin)
    n, c = body.neck, body.collar
    path = body.path(
        [
            (-n * 0.98, 0.55),
            (-n, 1.2),
            (-n * 1.02, c - 0.12),
            (-n - 0.45, c + 0.14),
            (-1.5, c + 0.45),
            (-1.2, c + 1.2),
            (1.2, c + 1.2),
            (1.5, c + 0.45),
            (n + 0.45, c + 0.14),
            (n * 1.02, c - 0.12),
            (n, 1.2),
            (n * 0.98, 0.55),
        ],
        tension=0.9,
    )
    pen.fill(path, mix(skin, shade, 0.22))
    pen.outline(path, 0.022)
    with pen.clipped(path):
        dark = -np.sign(head.scene.light_side)
        pen.blob(body.at([(dark * n, c - 0.3)])[0], 0.6, 1.1, shade, 0.75)
        pen.canvas.save()
        pen.canvas.translate(*map(float, head.direction(0.05 * dark, 0.20)))
        pen.fill(chin_shadow, scaled(shade, 0.72), 0.80, blur=0.09)
        pen.canvas.restore()
        for sign in (-1, 1):
            tendon = body.path(
                [(sign * n * 0.72, 1.35), (sign * 0.34, c - 0.05), (sign * 0.12, c + 0.14)], closed=False
            )
            pen.stroke(tendon, shade, 0.05, 0.45, blur=0.025)
            bone = body.path([(sign * 0.16, c + 0.20), (sign * 0.55, c + 0.17), (sign * 1.15, c + 0.26)], closed=False)
            pen.stroke(bone, shade, 0.05, 0.55, blur=0.025)


def _cloth(pen: Pen, head: Head, body: Body, path, color, folds: bool = True):
    """A piece of cloth, lit from the light's side, with soft folds."""
    side = np.sign(head.scene.light_side)
    a, b = body.at([(-body.wide, body.collar)])[0], body.at([(body.wide, body.collar + 1.2)])[0]
    if side > 0:
        a, b = b * (1, 0) + a * (0, 1), a * (1, 0) + b * (0, 1)
    pen.gradient(path, a, b, [mix(color, (1, 1, 1), 0.16), color, scaled(color, 0.55)])
    pen.outline(path, 0.028)
    if not folds:
        return
    rng = random.Random(head.scene.seed)
    with pen.clipped(path):
        for sign in (-1, 1):
            w, c = body.wide, body.collar
            pen.blob(
                body.at([(sign * 0.78 * w, c + 0.34)])[0],
                0.62,
                0.24,
                mix(color, (1, 1, 1), 0.45),
                0.40 if sign == side else 0.16,
                angle=sign * 18,
            )
            for _ in range(3):
                x = sign * rng.uniform(0.35, 1.0) * w
                fold = body.path(
                    [
                        (x, c + rng.uniform(0.45, 0.8)),
                        (x - sign * 0.12, c + 1.2),
                        (x + sign * rng.uniform(-0.3, 0.1), c + 2.2),
                    ],
                    closed=False,
                )
                pen.stroke(fold, scaled(color, 0.35), 0.07, 0.30, blur=0.075)
            arm = body.path(
                [(sign * 0.90 * w, c + 1.0), (sign * 0.80 * w, c + 1.9), (sign * 0.78 * w, c + 3)], closed=False
            )
            pen.stroke(arm, scaled(color, 0.35), 0.06, 0.50, blur=0.04)
        pen.blob(body.at([(0, body.collar + 0.05)])[0], 0.95, 0.42, scaled(color, 0.35), 0.45)


def _round_neckline(body: Body, depth: float, wide: float):
    n, c = body.neck + wide, body.collar
    return [(-n, c + 0.02), (-0.62 * n, c + 0.75 * depth), (0, c + depth), (0.62 * n, c + 0.75 * depth), (n, c + 0.02)]


def _v_neckline(body: Body, depth: float):
    n, c = body.neck + 0.04, body.collar
    return [(-n, c - 0.02), (-0.5 * n, c + 0.45 * depth), (0, c + depth), (0.5 * n, c + 0.45 * depth), (n, c - 0.02)]


def _tshirt(pen, head, body, color):
    line = _round_neckline(body, 0.24, 0.06)
    _cloth(pen, head, body, body.torso(line), color)
    rib = body.path([(x, y + 0.03) for x, y in line], closed=False)
    pen.stroke(rib, scaled(color, 0.78), 0.085)
    pen.stroke(body.path([(x, y + 0.075) for x, y in line], closed=False), scaled(color, 0.5), 0.014, 0.7)


def _dress(pen, head, body, color):
    n, c = body.neck, body.collar
    line = [(-n - 0.42, c + 0.13), (-n - 0.22, c + 0.50), (0, c + 0.68), (n + 0.22, c + 0.50), (n + 0.42, c + 0.13)]
    _cloth(pen, head, body, body.torso(line), color)
    pen.stroke(body.path(line, closed=False), scaled(color, 0.6), 0.03, 0.8)
    chain = body.path(
        [(-n * 0.9, c + 0.02), (-0.3, c + 0.27), (0, c + 0.34), (0.3, c + 0.27), (n * 0.9, c + 0.02)], closed=False
    )
    gold = ((0.93, 0.76, 0.32), (0.85, 0.88, 0.92))[head.scene.seed % 2]
    pen.stroke(chain, gold, 0.024)
    pen.disc(body.at([(0, c + 0.38)])[0], 0.055, gold)


def _sweater(pen, head, body, color):
    n, c = body.neck + 0.07, body.collar
    _cloth(pen, head, body, body.torso(_round_neckline(body, 0.12, 0.08)), color)
    roll = body.path(
        [
            (-n, c - 0.30),
            (0, c - 0.16),
            (n, c - 0.30),
            (n + 0.07, c + 0.06),
            (0.5 * n, c + 0.20),
            (0, c + 0.24),
            (-0.5 * n, c + 0.20),
            (-n - 0.07, c + 0.06),
        ],
        tension=0.8,
    )
    _cloth(pen, head, body, roll, scaled(color, 1.06), folds=False)
    ribs = skia.Path()
    for t in np.linspace(-0.9, 0.9, 13):
        a, b = body.at(
            [(t * n, c - 0.28 + 0.12 * (1 - t * t)), (t * (n + 0.05), c + 0.06 + 0.16 * (1 - t * t))]
        ).tolist()
        ribs.moveTo(*a)
        ribs.lineTo(*b)
    pen.stroke(ribs, scaled(color, 0.5), 0.020, 0.45)
    pen.stroke(body.path([(-n, c - 0.30), (0, c - 0.16), (n, c - 0.30)], closed=False), scaled(color, 0.4), 0.03, 0.6)


def _collar_wings(pen, body, color, spread=0.0):
    n, c = body.neck + 0.05, body.collar
    for sign in (-1, 1):
        wing = body.path(
            [
                (sign * n, c - 0.16),
                (sign * (0.10 + spread), c + 0.26),
                (sign * (0.32 + spread), c + 0.56),
                (sign * (n + 0.20), c + 0.14),
            ],
            tension=0.25,
        )
        pen.fill(wing, mix(color, (1, 1, 1), 0.12))
        pen.outline(wing, 0.025)
        pen.stroke(wing, scaled(color, 0.45), 0.018, 0.7)


def _shirt(pen, head, body, color):
    c = body.collar
    _cloth(pen, head, body, body.torso(_v_neckline(body, 0.36)), color)
    pen.stroke(body.path([(0, c + 0.36), (0.01, c + 1.4), (0.0, c + 3)], closed=False), scaled(color, 0.5), 0.022, 0.7)
    for k in range(4):
        pen.disc(body.at([(0.045, c + 0.58 + 0.38 * k)])[0], 0.036, mix(color, (1, 1, 1), 0.6))
    _collar_wings(pen, body, color)


def _hoodie(pen, head, body, color):
    n, c = body.neck, body.collar
    _cloth(pen, head, body, body.torso(_v_neckline(body, 0.26)), color)
    edge = body.path(
        [(-n - 0.30, c - 0.22), (-n * 0.72, c + 0.16), (0, c + 0.36), (n * 0.72, c + 0.16), (n + 0.30, c - 0.22)],
        closed=False,
    )
    pen.stroke(edge, scaled(color, 0.70), 0.20)
    pen.stroke(edge, mix(color, (1, 1, 1), 0.12), 0.13)
    for sign in (-1, 1):
        string = body.path([(sign * 0.20, c + 0.34), (sign * 0.24, c + 0.8), (sign * 0.21, c + 1.2)], closed=False)
        pen.stroke(string, (0.95, 0.94, 0.92), 0.036)


def _jacket(pen, head, body, color):
    under = palette.CLOTH[("white", "grey", "black", "red", "yellow")[head.scene.seed % 5]]
    _tshirt(pen, head, body, under)
    _open_coat(pen, head, body, color, 0.52)


def _open_coat(pen, head, body, color, gap):
    n, c, w = body.neck, body.collar, body.wide
    for sign in (-1, 1):
        front = [
            (sign * (n + 0.04), c - 0.08),
            (sign * gap, c + 0.62),
            (sign * gap * 0.72, c + 1.6),
            (sign * gap * 0.6, body.bottom),
            (sign * 1.2 * w, body.bottom),
            (sign * 1.2 * w, c + 2.8),
            (sign * 1.18 * w, c + 1.7),
            (sign * 1.08 * w, c + 0.85),
            (sign * 0.90 * w, c + 0.42),
            (sign * 0.5 * (n + w) * 0.92, c + 0.15),
        ]
        _cloth(pen, head, body, body.path(front, tension=0.75), color)
        lapel = body.path(
            [
                (sign * (n + 0.02), c - 0.12),
                (sign * (gap * 0.95), c + 0.70),
                (sign * gap * 0.70, c + 1.35),
                (sign * (gap + 0.40), c + 0.92),
                (sign * (gap + 0.28), c + 0.72),
                (sign * (gap + 0.46), c + 0.62),
                (sign * (n + 0.24), c + 0.02),
            ],
            tension=0.25,
        )
        pen.fill(lapel, mix(color, (1, 1, 1), 0.10))
        pen.stroke(lapel, scaled(color, 0.4), 0.02, 0.75)


def _suit(pen, head, body, color):
    c = body.collar
    shirt = palette.CLOTH["white"] if head.scene.clothes_color != "white" else (0.72, 0.82, 0.92)
    _cloth(pen, head, body, body.torso(_v_neckline(body, 0.30)), shirt)
    if head.scene.seed % 3:
        tie = palette.CLOTH[("red", "navy", "teal", "purple", "black")[head.scene.seed % 5]]
        pen.fill(
            body.path([(-0.13, c + 0.26), (0.13, c + 0.26), (0.08, c + 0.46), (-0.08, c + 0.46)], tension=0.3), tie
        )
        blade = body.path(
            [(-0.08, c + 0.45), (0.08, c + 0.45), (0.17, c + 1.5), (0.0, c + 3), (-0.17, c + 1.5)], tension=0.3
        )
        pen.fill(blade, scaled(tie, 0.85))
        pen.outline(blade, 0.02)
    _collar_wings(pen, body, shirt)
    _open_coat(
        pen,
        head,
        body,
        color if head.scene.clothes_color not in ("yellow", "pink", "orange") else scaled(color, 0.7),
        0.42,
    )


def _draw_scarf(pen: Pen, head: Head, body: Body):
    n, c = body.neck, body.collar
    color = palette.CLOTH[head.scene.hat_color]
    end = body.path([(0.12, c + 0.1), (0.62, c + 0.2), (0.70, c + 1.5), (0.22, c + 1.55)], tension=0.4)
    _cloth(pen, head, body, end, scaled(color, 0.85), folds=False)
    loop = body.path(
        [
            (-n - 0.22, c - 0.36),
            (0, c - 0.12),
            (n + 0.22, c - 0.36),
            (n + 0.36, c + 0.10),
            (0, c + 0.46),
            (-n - 0.36, c + 0.10),
        ],
        tension=0.9,
    )
    _cloth(pen, head, body, loop, color, folds=False)
    with pen.clipped(loop):
        for k in range(5):
            y = c - 0.26 + 0.15 * k
            crease = body.path([(-n - 0.3, y - 0.1), (0, y + 0.16), (n + 0.3, y - 0.12)], closed=False)
            pen.stroke(crease, scaled(color, 0.45), 0.035, 0.5, blur=0.012)
        pen.blob(body.at([(0, c - 0.3)])[0], 0.8, 0.3, scaled(color, 0.3), 0.6)


DRESSERS = {
    "tshirt": _tshirt, "shirt": _shirt, "sweater": _sweater, "hoodie": _hoodie, "jacket": _jacket,
    "dress": _dress, "suit": _suit,
}  # fmt: skip
