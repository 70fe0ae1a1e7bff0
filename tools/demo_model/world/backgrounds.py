"""Backgrounds. Each place is painted from the scene's seed, in coordinates in which the picture is 1 wide
and 1 high. Behind a person the place is drawn out of focus."""

from __future__ import annotations

import math
import random

import skia

from .painter import Painter
from .pen import mix, scaled

WHITE, BLACK = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)


def _studio(p: Painter):
    r = p.rng
    base = r.choice(
        (
            (0.72, 0.75, 0.80),
            (0.50, 0.60, 0.72),
            (0.82, 0.74, 0.64),
            (0.55, 0.60, 0.50),
            (0.80, 0.62, 0.60),
            (0.24, 0.27, 0.33),
            (0.60, 0.52, 0.66),
            (0.30, 0.42, 0.44),
            (0.93, 0.91, 0.88),
        )
    )
    p.sky(scaled(base, 0.92), scaled(base, 0.66))
    p.glow(r.uniform(0.25, 0.75), r.uniform(0.25, 0.6), 0.75, mix(base, WHITE, 0.55), 0.85)


def _street(p: Painter):
    r = p.rng
    p.sky((0.62, 0.78, 0.93), (0.93, 0.90, 0.84), (0.8, 0.78, 0.74), stops=[0, 0.55, 1])
    vanish = r.uniform(0.35, 0.65)
    walls = ((0.74, 0.46, 0.36), (0.83, 0.73, 0.58), (0.58, 0.60, 0.64), (0.67, 0.56, 0.47), (0.86, 0.62, 0.42))
    for side in (0, 1):
        for k in range(3):
            near, far = k / 3, (k + 1) / 3
            edge = lambda t: vanish * t if side == 0 else 1 - (1 - vanish) * t  # noqa: E731
            x0, x1 = edge(near * 0.9), edge(far * 0.9)
            height = r.uniform(0.75, 1.0)
            y0, y1 = 0.62 - height * (1 - 0.8 * near), 0.62 - height * (1 - 0.8 * far)
            color = scaled(r.choice(walls), 1.05 if side else 0.82)
            p.shape([(x0, y0), (x1, y1 + 0.05), (x1, 0.70 - 0.05 * far), (x0, 1.0 - 0.3 * near)], color)
            for row in range(5):
                for column in range(2):
                    t = (column + 0.35) / 2.2
                    x = x0 + (x1 - x0) * t
                    y = y0 + (0.60 - y0) * (row + 0.45) / 5
                    p.rect(
                        x - 0.018,
                        y,
                        0.036 * (1 - 0.5 * near),
                        0.07 * (1 - 0.5 * near),
                        (0.30, 0.36, 0.44) if r.random() < 0.7 else (1.0, 0.87, 0.58),
                        0.85,
                    )
    p.shape([(-0.1, 1), (vanish - 0.05, 0.66), (vanish + 0.05, 0.66), (1.1, 1)], (0.42, 0.42, 0.45))
    p.line([(vanish, 0.68), (vanish, 1)], (0.95, 0.92, 0.8), 0.012, 0.7)
    for _ in range(3):
        x = r.choice((r.uniform(0.02, 0.25), r.uniform(0.75, 0.98)))
        p.rect(x - 0.006, 0.4, 0.012, 0.5, (0.16, 0.17, 0.19))
        p.disc(x, 0.39, 0.03, (1.0, 0.93, 0.72), 0.95)
    for color in ((0.78, 0.20, 0.18), (0.18, 0.40, 0.55)):
        p.rect(r.uniform(0, 0.9), 0.66, 0.16, 0.05, color)


def _cafe(p: Painter):
    r = p.rng
    p.sky((0.36, 0.22, 0.14), (0.56, 0.36, 0.22), (0.30, 0.18, 0.11))
    x = r.choice((0.04, 0.62))
    p.rect(x, 0.12, 0.34, 0.46, (0.97, 0.91, 0.75))
    p.rect(x + 0.16, 0.12, 0.02, 0.46, (0.25, 0.15, 0.1))
    p.rect(x, 0.33, 0.34, 0.02, (0.25, 0.15, 0.1))
    other = 0.58 if x < 0.3 else 0.03
    for row in range(3):
        y = 0.26 + 0.15 * row
        p.rect(other, y, 0.38, 0.018, (0.20, 0.11, 0.07))
        for _ in range(7):
            color = r.choice(((0.90, 0.86, 0.78), (0.72, 0.30, 0.20), (0.28, 0.45, 0.42), (0.87, 0.66, 0.30)))
            w, h = r.uniform(0.02, 0.04), r.uniform(0.04, 0.09)
            p.rect(other + r.uniform(0, 0.34), y - h, w, h, color)
    p.rect(0, 0.78, 1, 0.22, (0.24, 0.14, 0.09))
    p.rect(0, 0.76, 1, 0.03, (0.52, 0.33, 0.19))
    for k in range(4):
        x = 0.08 + 0.28 * k + r.uniform(-0.04, 0.04)
        y = r.uniform(0.10, 0.24)
        p.rect(x - 0.002, 0, 0.004, y, BLACK)
        p.glow(x, y, 0.17, (1.0, 0.74, 0.34), 0.75, plus=True)
        p.disc(x, y, 0.028, (1.0, 0.95, 0.78))


def _beach(p: Painter):
    r = p.rng
    horizon = r.uniform(0.48, 0.60)
    p.sky((0.28, 0.62, 0.92), (0.72, 0.89, 0.98), (0.98, 0.92, 0.80), stops=[0, horizon, 1])
    p.glow(r.uniform(0.1, 0.9), r.uniform(0.08, 0.25), 0.28, (1.0, 0.97, 0.80), 0.95)
    for _ in range(4):
        x, y = r.random(), r.uniform(0.08, 0.34)
        for _ in range(5):
            p.oval(
                x + r.uniform(-0.1, 0.1),
                y + r.uniform(-0.012, 0.02),
                r.uniform(0.05, 0.1),
                r.uniform(0.015, 0.035),
                WHITE,
                0.75,
            )
    p.rect(0, horizon, 1, 0.30, (0.10, 0.52, 0.68))
    p.rect(0, horizon + 0.09, 1, 0.16, (0.22, 0.70, 0.76))
    for _ in range(22):
        x, y = r.random(), horizon + r.uniform(0.01, 0.2)
        p.rect(x, y, r.uniform(0.04, 0.14), 0.005, WHITE, 0.6)
    p.oval(0.5, horizon + 0.25, 0.8, 0.035, WHITE, 0.85)
    p.rect(0, horizon + 0.25, 1, 0.6, (0.95, 0.85, 0.62))
    p.oval(0.4, horizon + 0.42, 0.7, 0.08, (0.90, 0.76, 0.52))
    if r.random() < 0.6:
        x, lean = r.choice((0.06, 0.92)), r.uniform(-0.04, 0.04)
        p.line([(x, 0.85), (x + lean, 0.45), (x + 2 * lean, 0.16)], (0.48, 0.33, 0.20), 0.026)
        for k in range(8):
            p.leaf(x + 2 * lean, 0.16, 0.24, k * 0.82, (0.14, 0.48, 0.22), 0.13, vein=False)


def _forest(p: Painter):
    r = p.rng
    p.sky((0.80, 0.90, 0.62), (0.42, 0.62, 0.34), (0.14, 0.26, 0.12))
    for layer in range(3):
        tone = ((0.50, 0.64, 0.40), (0.28, 0.42, 0.24), (0.15, 0.22, 0.12))[layer]
        for _ in range(7 - layer):
            x, w = r.random(), (0.015 + 0.018 * layer) * r.uniform(0.7, 1.4)
            lean = r.uniform(-0.03, 0.03)
            p.shape(
                [(x - w, 1), (x - 0.6 * w + lean, 0), (x + 0.6 * w + lean, 0), (x + w, 1)],
                mix(tone, (0.28, 0.18, 0.10), 0.35),
            )
        for _ in range(24):
            p.disc(
                r.random(),
                r.choice((r.uniform(-0.05, 0.34), r.uniform(0.75, 1.0))),
                r.uniform(0.03, 0.08),
                mix(tone, (0.55, 0.75, 0.2), 0.3 * r.random()),
                0.75,
            )
    for _ in range(4):
        x = r.uniform(0, 0.9)
        p.shape([(x, -0.1), (x + 0.08, -0.1), (x + 0.42, 1), (x + 0.20, 1)], (1.0, 0.98, 0.70), 0.20, blur=0.02)
    for _ in range(16):
        p.disc(r.random(), r.uniform(0, 0.6), r.uniform(0.008, 0.03), (0.98, 1.0, 0.72), 0.40)


def _library(p: Painter):
    r = p.rng
    p.sky((0.34, 0.21, 0.13), (0.20, 0.12, 0.08))
    tones = (
        (0.60, 0.16, 0.14),
        (0.16, 0.30, 0.42),
        (0.20, 0.40, 0.28),
        (0.76, 0.58, 0.28),
        (0.44, 0.24, 0.16),
        (0.82, 0.76, 0.62),
        (0.36, 0.20, 0.38),
        (0.15, 0.16, 0.20),
    )
    rows = r.choice((5, 6))
    for row in range(rows):
        low = (row + 1) / rows
        x = -0.02
        while x < 1.0:
            w, h = r.uniform(0.016, 0.042), r.uniform(0.62, 0.88) / rows
            if r.random() < 0.08:
                x += 0.03
                continue
            color = scaled(r.choice(tones), r.uniform(0.75, 1.15))
            p.rect(x, low - h - 0.014, w - 0.003, h, color)
            p.rect(x, low - 0.8 * h - 0.014, w - 0.003, 0.012, mix(color, (1, 0.85, 0.5), 0.55))
            x += w
        p.rect(0, low - 0.016, 1, 0.022, (0.42, 0.26, 0.15))
    for x in (r.uniform(0.1, 0.3), r.uniform(0.7, 0.9)):
        p.rect(x - 0.014, 0, 0.028, 1, (0.38, 0.23, 0.13))
    p.glow(r.uniform(0.1, 0.9), 0.1, 0.6, (1.0, 0.75, 0.40), 0.35)


def _night_city(p: Painter):
    r = p.rng
    p.sky((0.04, 0.05, 0.16), (0.16, 0.10, 0.34), (0.34, 0.14, 0.38))
    for layer in range(2):
        tone = ((0.10, 0.10, 0.24), (0.05, 0.05, 0.13))[layer]
        x = -0.05
        while x < 1.0:
            w, h = r.uniform(0.08, 0.18), r.uniform(0.40, 0.85 - 0.1 * layer)
            p.rect(x, 1 - h, w, h, tone)
            for row in range(int(h / 0.055)):
                for column in range(int(w / 0.035)):
                    if r.random() < 0.42:
                        color = r.choice(((1.0, 0.86, 0.50), (1.0, 0.70, 0.35), (0.65, 0.85, 1.0)))
                        p.rect(x + 0.010 + 0.035 * column, 1 - h + 0.015 + 0.055 * row, 0.018, 0.028, color, 0.85)
            x += w + r.uniform(0, 0.03)
    for _ in range(18):
        color = r.choice(((1.0, 0.72, 0.32), (1.0, 0.36, 0.30), (0.42, 0.75, 1.0), (1.0, 0.45, 0.80), (0.6, 1.0, 0.72)))
        p.disc(r.random(), r.uniform(0.45, 1.0), r.uniform(0.015, 0.045), color, 0.36, plus=True)


def _mountains(p: Painter):
    r = p.rng
    p.sky((0.36, 0.62, 0.90), (0.84, 0.92, 0.98), stops=[0, 0.6])
    p.ridge(0.50, 0.30, (0.62, 0.72, 0.84), 7)
    peaks = p.ridge(0.62, 0.38, (0.44, 0.52, 0.62), 8)
    for (x0, y0), (x1, y1), (x2, y2) in zip(peaks[1:], peaks[2:], peaks[3:]):
        if y1 < y0 and y1 < y2 and y1 < 0.46:
            t = 0.42
            p.shape(
                [
                    (x1, y1),
                    (x1 + (x0 - x1) * t, y1 + (y0 - y1) * t),
                    (x1 - 0.01, y1 + 0.05),
                    (x1 + 0.02, y1 + 0.035),
                    (x1 + (x2 - x1) * t, y1 + (y2 - y1) * t),
                ],
                WHITE,
                0.95,
            )
    p.ridge(0.70, 0.10, (0.26, 0.42, 0.32), 12)
    p.ridge(0.86, 0.08, (0.42, 0.60, 0.30), 10)
    for _ in range(8):
        p.fir(r.random(), 0.86, r.uniform(0.12, 0.24), (0.13, 0.30, 0.20))


def _garden(p: Painter):
    r = p.rng
    p.sky((0.58, 0.80, 0.95), (0.90, 0.95, 0.88), (0.48, 0.68, 0.34), stops=[0, 0.4, 1])
    for _ in range(46):
        p.disc(
            r.random(),
            r.uniform(0.36, 0.66),
            r.uniform(0.05, 0.10),
            mix((0.22, 0.46, 0.20), (0.52, 0.70, 0.28), r.random()),
        )
    p.rect(0, 0.70, 1, 0.3, (0.40, 0.64, 0.28))
    colors = r.sample(
        (
            (0.95, 0.32, 0.46),
            (1.0, 0.82, 0.25),
            (0.98, 0.98, 0.95),
            (0.70, 0.40, 0.85),
            (1.0, 0.52, 0.24),
            (0.98, 0.60, 0.75),
        ),
        3,
    )
    for _ in range(90):
        x, y = r.random(), r.uniform(0.38, 1.0)
        size = 0.010 + 0.020 * max(0, y - 0.3)
        color = r.choice(colors)
        for k in range(5):
            p.disc(x + size * math.cos(1.257 * k), y + size * math.sin(1.257 * k), 0.72 * size, color)
        p.disc(x, y, 0.5 * size, (1.0, 0.88, 0.35))


def _snow(p: Painter):
    r = p.rng
    p.sky((0.56, 0.68, 0.84), (0.84, 0.90, 0.97), (0.97, 0.98, 1.0))
    p.ridge(0.55, 0.25, (0.72, 0.80, 0.91), 7)
    p.ridge(0.62, 0.12, (0.80, 0.87, 0.95), 9)
    for k in range(9):
        near = k / 9
        p.fir(
            r.random(),
            0.70 + 0.16 * near,
            0.22 + 0.34 * near * r.uniform(0.6, 1),
            mix((0.42, 0.54, 0.62), (0.14, 0.28, 0.30), near),
            (0.95, 0.97, 1.0),
        )
    p.oval(0.3, 0.98, 0.8, 0.22, (0.95, 0.97, 1.0))
    p.oval(0.9, 1.0, 0.6, 0.2, (0.89, 0.93, 0.99))


def _jungle(p: Painter):
    r = p.rng
    p.sky((0.44, 0.62, 0.24), (0.10, 0.34, 0.18), (0.02, 0.11, 0.08))
    p.glow(r.uniform(0.2, 0.8), 0.05, 0.6, (0.95, 1.0, 0.55), 0.65)
    for layer in range(3):
        tone = ((0.22, 0.48, 0.22), (0.10, 0.36, 0.17), (0.05, 0.24, 0.13))[layer]
        for _ in range(15):
            x = r.random() if layer == 0 else r.choice((r.uniform(-0.05, 0.3), r.uniform(0.7, 1.05)))
            y = r.uniform(-0.05, 1.0)
            angle = r.uniform(0, 2 * math.pi)
            p.leaf(
                x,
                y,
                r.uniform(0.16, 0.36),
                angle,
                mix(tone, (0.35, 0.60, 0.12), 0.4 * r.random()),
                r.uniform(0.14, 0.26),
            )
        for _ in range(3):
            x, y, turn = r.random(), r.uniform(0, 0.8), r.uniform(0, 6.28)
            for k in range(9):
                p.leaf(x, y, 0.20, turn + 0.24 * k, tone, 0.07, vein=False)
    for _ in range(3):
        x = r.uniform(0, 1)
        p.line(
            [(x, 0), (x + r.uniform(-0.05, 0.05), 0.3), (x + r.uniform(-0.08, 0.08), 0.75)], (0.18, 0.30, 0.10), 0.012
        )
    for _ in range(3):
        x = r.uniform(0, 0.8)
        p.shape([(x, -0.1), (x + 0.07, -0.1), (x + 0.36, 1), (x + 0.16, 1)], (1.0, 1.0, 0.65), 0.16, blur=0.02)
    for _ in range(4):
        x, y = r.random(), r.random()
        color = r.choice(((0.98, 0.35, 0.30), (1.0, 0.62, 0.15), (0.95, 0.35, 0.70)))
        for k in range(5):
            p.disc(x + 0.018 * math.cos(1.257 * k), y + 0.018 * math.sin(1.257 * k), 0.015, color)


def _mars(p: Painter):
    r = p.rng
    p.sky((0.64, 0.36, 0.26), (0.92, 0.66, 0.46), (0.98, 0.80, 0.60), stops=[0, 0.45, 0.62])
    p.disc(r.uniform(0.1, 0.9), r.uniform(0.08, 0.25), 0.05, (1.0, 0.93, 0.82), 0.95)
    p.disc(r.uniform(0.1, 0.9), r.uniform(0.05, 0.3), 0.02, (0.85, 0.74, 0.66), 0.9)
    p.ridge(0.60, 0.22, (0.74, 0.42, 0.30), 8)
    p.ridge(0.66, 0.12, (0.62, 0.30, 0.20), 10)
    for _ in range(r.choice((1, 2))):
        x, radius = r.choice((r.uniform(0.05, 0.28), r.uniform(0.72, 0.95))), r.uniform(0.09, 0.15)
        p.disc(x, 0.68, radius, (0.80, 0.86, 0.90), 0.92)
        p.disc(x - 0.2 * radius, 0.68 - 0.35 * radius, 0.5 * radius, WHITE, 0.5, blur=0.02)
        for k in (-0.5, 0.0, 0.5):
            p.line([(x, 0.68 - radius), (x + k * radius, 0.68)], (0.45, 0.50, 0.56), 0.006)
        p.rect(x - radius - 0.02, 0.675, 2 * radius + 0.04, 0.022, (0.42, 0.42, 0.46))
        p.rect(x + 1.3 * radius, 0.48, 0.008, 0.2, (0.38, 0.36, 0.38))
    p.rect(0, 0.69, 1, 0.4, (0.70, 0.32, 0.18))
    for k in range(5):
        p.oval(
            r.random(),
            0.74 + 0.06 * k,
            r.uniform(0.3, 0.6),
            0.03,
            mix((0.80, 0.42, 0.24), (0.54, 0.22, 0.12), r.random()),
            0.8,
        )
    for _ in range(14):
        x, y, w = r.random(), r.uniform(0.70, 1.0), r.uniform(0.012, 0.05)
        p.oval(x, y, w, 0.55 * w, (0.40, 0.17, 0.11))
        p.oval(x - 0.2 * w, y - 0.15 * w, 0.6 * w, 0.28 * w, (0.72, 0.36, 0.22))


BOLD = (
    (1.0, 0.20, 0.42),
    (1.0, 0.76, 0.05),
    (0.05, 0.72, 0.92),
    (0.50, 0.16, 0.88),
    (0.12, 0.85, 0.50),
    (1.0, 0.45, 0.08),
    (0.96, 0.28, 0.86),
    (0.10, 0.30, 0.95),
)


def _abstract(p: Painter):
    r = p.rng
    tones = r.sample(BOLD, 6)
    p.sky(tones[0], tones[1])
    kind = r.randrange(3)
    if kind == 0:
        turn = r.random()
        for k in range(14):
            a, b = (k + turn) * 0.4488, (k + turn + 0.5) * 0.4488
            p.shape(
                [
                    (0.5, 0.45),
                    (0.5 + 1.2 * math.cos(a), 0.45 + 1.2 * math.sin(a)),
                    (0.5 + 1.2 * math.cos(b), 0.45 + 1.2 * math.sin(b)),
                ],
                tones[2],
            )
    elif kind == 1:
        for _ in range(9):
            x, y, w = r.uniform(-0.2, 1), r.uniform(-0.2, 1), r.uniform(0.2, 0.5)
            p.shape(
                [(x, y), (x + w, y + r.uniform(-0.2, 0.2)), (x + w + 0.1, y + w), (x - 0.05, y + 0.8 * w)],
                r.choice(tones[2:]),
            )
    else:
        for k in range(7):
            p.disc(r.random(), r.random(), r.uniform(0.10, 0.32), tones[k % 6])
    for _ in range(7):
        x, y, color, size = r.random(), r.random(), r.choice(tones), r.uniform(0.02, 0.06)
        p.disc(x, y, size, color)
        for _ in range(9):
            angle, far = r.uniform(0, 6.28), size * r.uniform(1.1, 2.6)
            p.disc(x + far * math.cos(angle), y + far * math.sin(angle), size * r.uniform(0.08, 0.3), color)
    for row in range(9):
        for column in range(9 - row):
            p.disc(0.02 + 0.035 * column, 0.02 + 0.035 * row, 0.012 * (1 - (row + column) / 10), WHITE, 0.8)


PLACES = {
    "studio": _studio, "street": _street, "cafe": _cafe, "beach": _beach, "forest": _forest, "library": _library,
    "night_city": _night_city, "mountains": _mountains, "garden": _garden, "snow": _snow, "jungle": _jungle,
    "mars": _mars, "abstract": _abstract,
}  # fmt: skip


def draw_background(canvas: skia.Canvas, name: str, seed: int, side: int):
    canvas.save()
    canvas.scale(side, side)
    PLACES[name](Painter(canvas, random.Random(f"background {seed}"), side))
    canvas.restore()
