"""Places drawn with a few ink lines, for line art."""

from __future__ import annotations

import random

import skia

from .painter import Painter


def draw_line_background(canvas: skia.Canvas, name: str, seed: int, side: int):
    """The place as a few ink lines on paper."""
    canvas.clear(skia.Color(251, 250, 246))
    canvas.save()
    canvas.scale(side, side)
    p, r = Painter(canvas, random.Random(f"background {seed}"), side), random.Random(f"lines {seed}")
    ink, width = (0.30, 0.30, 0.34), 0.004
    if name == "mountains":
        for base, height, steps in ((0.52, 0.34, 7), (0.66, 0.14, 10)):
            points = [(k / steps, base - height * r.random()) for k in range(steps + 1)]
            p.line(points, ink, width)
            for x, y in points[1:-1]:
                p.line([(x, y), (x + 0.015, y + 0.05), (x + 0.005, y + 0.1)], ink, 0.6 * width)
    elif name == "forest":
        for _ in range(7):
            x = r.random()
            p.line([(x, 0), (x + r.uniform(-0.02, 0.02), 1)], ink, width)
            p.line([(x + 0.035, 0), (x + 0.04, 1)], ink, width)
            for _ in range(3):
                y = r.random()
                p.line([(x + 0.012, y), (x + 0.014, y + 0.07)], ink, 0.6 * width)
    elif name == "street":
        x = 0.0
        while x < 1:
            w, top = r.uniform(0.12, 0.24), r.uniform(0.05, 0.45)
            p.line([(x, 1), (x, top), (x + w, top), (x + w, 1)], ink, width)
            for row in range(5):
                for column in range(3):
                    a, b = x + w * (0.15 + 0.28 * column), top + 0.05 + 0.11 * row
                    p.line(
                        [(a, b), (a + 0.16 * w, b), (a + 0.16 * w, b + 0.05), (a, b + 0.05), (a, b)], ink, 0.6 * width
                    )
            x += w
    elif r.random() < 0.4:
        p.disc(
            r.uniform(0.3, 0.7),
            r.uniform(0.3, 0.5),
            r.uniform(0.3, 0.42),
            r.choice(((0.96, 0.86, 0.78), (0.84, 0.91, 0.94), (0.95, 0.91, 0.76))),
        )
    canvas.restore()
