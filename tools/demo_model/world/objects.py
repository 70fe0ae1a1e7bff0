"""Things that are not faces, for pictures in which the detector must find nothing: fruit, balloons, cups,
flowers, headless busts, patterns, and round things with spots that could pass for a face."""

from __future__ import annotations

import math
import random

import skia

from .backgrounds import BOLD
from .painter import Painter
from .palette import CLOTH, SKIN_RAMP, ramp
from .pen import mix, scaled


def _ball(p: Painter, x, y, size, color):
    p.oval(x, y + 0.98 * size, 0.8 * size, 0.12 * size, (0, 0, 0), 0.35)
    p.disc(x, y, size, color)
    p.glow(x + 0.2 * size, y + 0.35 * size, 0.9 * size, scaled(color, 0.4), 0.6)
    p.glow(x - 0.3 * size, y - 0.35 * size, 0.5 * size, (1, 1, 1), 0.6)


def _spotted(p: Painter, x, y, size, color):
    """A round thing with some spots that are not arranged like a face."""
    _ball(p, x, y, size, color)
    for _ in range(p.rng.choice((1, 2, 3, 5, 6))):
        angle, far = p.rng.uniform(0, 6.28), size * p.rng.uniform(0.1, 0.7)
        p.disc(
            x + far * math.cos(angle),
            y + far * math.sin(angle),
            size * p.rng.uniform(0.07, 0.2),
            scaled(color, p.rng.choice((0.25, 1.4))),
        )


def _fruit(p: Painter, x, y, size, color):
    _ball(p, x, y, size, p.rng.choice(((0.86, 0.16, 0.14), (0.95, 0.60, 0.12), (0.55, 0.74, 0.20), (0.92, 0.80, 0.25))))
    p.line([(x, y - 0.9 * size), (x + 0.1 * size, y - 1.25 * size)], (0.32, 0.2, 0.1), 0.08 * size)
    p.leaf(x + 0.05 * size, y - 1.1 * size, 0.7 * size, -0.5, (0.25, 0.55, 0.20))


def _balloon(p: Painter, x, y, size, color):
    p.line([(x, y + size), (x + 0.2 * size, y + 2 * size), (x, 1.1)], (0.3, 0.3, 0.3), 0.004)
    p.oval(x, y, 0.85 * size, size, color)
    p.glow(x - 0.3 * size, y - 0.4 * size, 0.5 * size, (1, 1, 1), 0.7)


def _cup(p: Painter, x, y, size, color):
    p.line(
        [(x + 0.6 * size, y - 0.3 * size), (x + 1.1 * size, y - 0.1 * size), (x + 0.6 * size, y + 0.4 * size)],
        scaled(color, 0.8),
        0.16 * size,
    )
    p.shape(
        [
            (x - 0.7 * size, y - 0.7 * size),
            (x + 0.7 * size, y - 0.7 * size),
            (x + 0.55 * size, y + 0.8 * size),
            (x - 0.55 * size, y + 0.8 * size),
        ],
        color,
    )
    p.oval(x, y - 0.7 * size, 0.7 * size, 0.16 * size, scaled(color, 0.6))
    p.shape(
        [
            (x - 0.6 * size, y - 0.5 * size),
            (x - 0.3 * size, y - 0.5 * size),
            (x - 0.3 * size, y + 0.7 * size),
            (x - 0.45 * size, y + 0.7 * size),
        ],
        (1, 1, 1),
        0.3,
    )


def _flower(p: Painter, x, y, size, color):
    p.line([(x, y), (x + 0.2 * size, y + 1.2 * size), (x, 1.1)], (0.20, 0.45, 0.18), 0.08 * size)
    for k in range(8):
        p.leaf(x, y, size, 0.785 * k, color, 0.3)
    p.disc(x, y, 0.3 * size, (0.95, 0.75, 0.2))


def _book(p: Painter, x, y, size, color):
    p.rect(x - 0.7 * size, y - size, 1.4 * size, 2 * size, color)
    p.rect(x - 0.7 * size, y - size, 0.16 * size, 2 * size, scaled(color, 0.6))
    p.rect(x - 0.3 * size, y - 0.5 * size, 0.8 * size, 0.12 * size, (0.95, 0.85, 0.5))


def _bust(p: Painter, x, y, size, color):
    """Clothed shoulders and a smooth egg, like a mannequin."""
    tone = ramp(SKIN_RAMP, p.rng.random())
    p.shape(
        [(x - 0.3 * size, y), (x + 0.3 * size, y), (x + 0.4 * size, y + 1.5 * size), (x - 0.4 * size, y + 1.5 * size)],
        scaled(tone, 0.8),
    )
    p.oval(x, y, 0.68 * size, 0.95 * size, tone)
    p.glow(x - 0.2 * size, y - 0.3 * size, 0.7 * size, (1, 1, 1), 0.3)
    if p.rng.random() < 0.6:  # from behind: only hair
        p.oval(
            x,
            y - 0.1 * size,
            0.76 * size,
            0.95 * size,
            p.rng.choice(((0.1, 0.08, 0.08), (0.4, 0.25, 0.14), (0.85, 0.7, 0.4))),
        )
    p.oval(x, y + 2.4 * size, 1.7 * size, 1.2 * size, color)
    p.rect(x - 1.7 * size, y + 2.4 * size, 3.4 * size, 2, color)


def _pattern(p: Painter, x, y, size, color):
    other = p.rng.choice(BOLD)
    kind, count = p.rng.randrange(3), p.rng.randrange(4, 9)
    p.rect(x - size, y - size, 2 * size, 2 * size, color)
    step = 2 * size / count
    for row in range(count):
        for column in range(count if kind else 1):
            if kind == 0:
                p.rect(x - size, y - size + row * step, 2 * size, 0.5 * step, other)
            elif kind == 1 and (row + column) % 2:
                p.rect(x - size + column * step, y - size + row * step, step, step, other)
            elif kind == 2:
                p.disc(x - size + (column + 0.5) * step, y - size + (row + 0.5) * step, 0.3 * step, other)


THINGS = (_ball, _spotted, _fruit, _balloon, _cup, _flower, _book, _bust, _bust, _pattern)


def draw_objects(canvas: skia.Canvas, seed: int, side: int):
    rng = random.Random(f"objects {seed}")
    canvas.save()
    canvas.scale(side, side)
    painter = Painter(canvas, rng, side)
    for _ in range(rng.choice((0, 1, 1, 2, 3, 4, 6))):
        color = mix(rng.choice(list(CLOTH.values())), rng.choice(BOLD), 0.3 * rng.random())
        rng.choice(THINGS)(painter, rng.uniform(0.05, 0.95), rng.uniform(0.15, 0.9), rng.uniform(0.05, 0.22), color)
    canvas.restore()
