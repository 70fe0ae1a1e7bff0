"""Eyes and brows."""

from __future__ import annotations

import random

import numpy as np
import skia

from . import palette
from .head import Head
from .pen import Pen, color4, mix, scaled, smooth_path

INK = (0.09, 0.06, 0.06)


def lids(head: Head, sign: int):
    """The edges of the upper and lower lid from the inner to the outer corner: two [n, 2] of (u, v)."""
    i, s, m = head.identity, head.shape, head.motion
    tilt = 0.015 + 0.062 * i.eye_tilt
    up, down = s.eye_open * m.lid, 0.66 * s.eye_open * m.lower_lid
    if m.wink == sign:
        up, down = -0.5 * down, 1.05 * down
    flat = 1 - 0.12 * i.eye_round
    upper = [(-1, 0.30 * tilt / 0.06 * 0.06), (-0.5, -0.74 * up), (0.05, -up), (0.58, -0.74 * up * flat), (1.03, 0)]
    lower = [(-1, 0), (-0.45, 0.70 * down), (0.12, down), (0.62, 0.78 * down), (1.03, 0)]
    place = lambda curve: [(sign * (s.eye_u + x * s.eye_half), s.eye_v + y - tilt * x) for x, y in curve]  # noqa: E731
    return np.array(place(upper)), np.array(place(lower))


def draw_eye(pen: Pen, head: Head, sign: int):
    i, s, scene = head.identity, head.shape, head.scene
    skin = palette.skin(i)
    upper, lower = lids(head, sign)
    high, low = head.surface(upper, 0.02), head.surface(lower, 0.02)
    opening = smooth_path(np.concatenate([high, low[-2:0:-1]]), closed=True, tension=0.9)
    lid_line = smooth_path(high)
    center = head.at(sign * s.eye_u, s.eye_v, 0.02)
    _draw_socket(pen, head, sign, skin, center)
    if head.motion.wink == sign:
        pen.stroke(lid_line, INK, 0.045, 0.9)
        _draw_lashes(pen, head, high, sign, 0.8)
        return
    pen.fill(opening, mix((0.95, 0.94, 0.92), skin, 0.10))
    with pen.clipped(opening):
        gaze = np.array([0.07 * scene.gaze * s.eye_half / 0.25, 0.0])
        at = head.at(sign * s.eye_u + gaze[0], s.eye_v - 0.012, 0.02)
        _draw_iris(pen, head, at)
        pen.stroke(lid_line, (0.2, 0.12, 0.13), 0.11, 0.34, blur=0.025)  # the lid's shadow on the eyeball
    corner = head.surface([(sign * (s.eye_u - 0.93 * s.eye_half), s.eye_v + 0.025)], 0.02)[0]
    pen.blob(corner, 0.04, 0.03, (0.86, 0.52, 0.48), 0.6)
    pen.stroke(smooth_path(low[1:]), scaled(skin, 0.45), 0.018, 0.55)
    heavy = 0.030 + 0.022 * i.lashes
    pen.stroke(lid_line, INK, heavy, 0.92)
    pen.stroke(smooth_path(high[2:]), INK, heavy * 1.25, 0.92)
    _draw_lashes(pen, head, high, sign, 1.0)
    _draw_crease(pen, head, upper, sign, skin)


def _draw_socket(pen, head, sign, skin, center):
    i = head.identity
    shade = palette.shadow(skin)
    deep = 0.30 + 0.20 * i.eye_depth
    pen.blob(center + head.direction(-0.05 * sign, -0.11), 0.36, 0.24, shade, deep)
    pen.blob(center + head.direction(-0.26 * sign, -0.06), 0.14, 0.22, shade, 0.25 + 0.15 * i.eye_depth)
    if i.makeup > 0.45:
        tint = ((0.45, 0.28, 0.50), (0.28, 0.36, 0.52), (0.55, 0.33, 0.25), (0.25, 0.22, 0.24))[
            int(97 * abs(i.lip_color)) % 4
        ]
        pen.blob(center + head.direction(0.04 * sign, -0.10), 0.33, 0.15, tint, 0.75 * i.makeup, core=0.2)
    if i.eye_bags > 0.25:
        pen.blob(center + head.direction(0, 0.17), 0.25, 0.09, shade, 0.55 * i.eye_bags)


def _draw_iris(pen: Pen, head: Head, at):
    iris = palette.iris(head.identity)
    radius = 0.122 * (head.shape.eye_half / 0.25) ** 0.6
    x, y, r = float(at[0]), float(at[1]), radius * pen.unit
    if pen.flat:
        pen.disc(at, radius, mix(iris, (1, 1, 1), 0.35))
        pen.ring(at, radius, INK, 0.018)
        pen.disc(at, 0.055, INK)
    else:
        shader = skia.GradientShader.MakeRadial(
            skia.Point(x, y + 0.3 * r), r * 1.25,
            [color4(mix(iris, (1, 0.96, 0.85), 0.38)).toColor(), color4(iris).toColor(), color4(scaled(iris, 0.32)).toColor()],
            [0.0, 0.55, 1.0],
        )  # fmt: skip
        pen.canvas.drawCircle(x, y, r, skia.Paint(Shader=shader, AntiAlias=True))
        pen.ring(at, radius * 0.97, scaled(iris, 0.25), 0.014, 0.7)
        pen.disc(at, radius * 0.44, (0.02, 0.015, 0.02))
    side = head.scene.light_side
    pen.disc(at + head.direction(0.045 * np.sign(side), -0.042), 0.030, (1, 1, 1), 0.96)
    pen.disc(at + head.direction(-0.045 * np.sign(side), 0.045), 0.014, (1, 1, 1), 0.55)


def _draw_lashes(pen, head, high, sign, alpha):
    lashes = head.identity.lashes
    if lashes < 0.45:
        return
    length = 0.045 + 0.07 * lashes
    path = skia.Path()
    for t in (0.45, 0.6, 0.74, 0.87, 1.0):
        place = t * (len(high) - 1)
        k = min(int(place), len(high) - 2)
        root = high[k] + (high[k + 1] - high[k]) * (place - k)
        tip = root + head.direction(sign * length * (0.3 + 0.9 * (t - 0.4)), -length * (1.05 - 0.45 * t))
        bend = (root + tip) / 2 + head.direction(sign * 0.012, 0.012)
        path.moveTo(*map(float, root))
        path.quadTo(*map(float, bend), *map(float, tip))
    pen.stroke(path, INK, 0.016, alpha)


def _draw_crease(pen, head, upper, sign, skin):
    i = head.identity
    gap = {"crease": 0.055, "double": 0.075, "hooded": 0.028, "monolid": 0.0}[i.lid]
    line = upper.copy()
    line[:, 1] -= gap + (0.025 if i.lid != "hooded" else 0.0)
    line[-1] += (0.03 * sign, 0.035)
    color = palette.shadow(scaled(skin, 0.8))
    if i.lid == "monolid":
        pen.stroke(smooth_path(head.surface(upper[:3] - (0, 0.02), 0.02)), color, 0.03, 0.25, blur=0.02)
        return
    points = head.surface(line[1:] if i.lid == "hooded" else line, 0.02)
    pen.stroke(smooth_path(points), color, 0.032 if i.lid == "hooded" else 0.022, 0.75)
    if i.lid == "double":
        pen.stroke(smooth_path(head.surface(line - (0, 0.045), 0.02)), color, 0.016, 0.45)


def draw_brow(pen: Pen, head: Head, sign: int):
    """A tapered shape of hairs: thick towards the nose, thin at the tail."""
    i, s, m = head.identity, head.shape, head.motion
    v = s.eye_v - 0.275 - 0.055 * i.brow_height - 0.02 * i.eye_size + m.brow
    inner = s.eye_u - 0.265 - 0.045 * i.brow_gap - m.brow_close
    outer = s.eye_u + 0.315 + 0.045 * i.brow_length
    rise = 0.045 + 0.045 * i.brow_arch
    tilt = 0.055 * i.brow_tilt
    t = np.array([0.0, 0.2, 0.45, 0.68, 0.86, 1.0])
    bow = np.array([0.0, -0.45, -0.9, -1.05, -0.6, 0.25]) * rise
    middle = np.column_stack([inner + t * (outer - inner), v + bow + tilt * (0.5 - t) + m.brow_inner * (1 - t) ** 1.5])
    half = (0.050 + 0.026 * i.brow_thickness) * np.array([0.72, 1.0, 1.0, 0.78, 0.46, 0.08])
    outline = np.concatenate([middle - np.column_stack([0 * t, half]), (middle + np.column_stack([0 * t, half]))[::-1]])
    outline[:, 0] *= sign
    color = palette.brow(i)
    path = smooth_path(head.surface(outline, 0.06), closed=True, tension=0.8)
    pen.fill(path, color, 0.78, blur=0.012)
    rng = random.Random(i.seed)
    strokes = skia.Path()
    for k in range(22):
        at = (k + rng.random()) / 22
        x = inner + at * (outer - inner)
        y = np.interp(at, t, middle[:, 1])
        h = np.interp(at, t, half) * 1.25
        lean = 0.02 + 0.09 * at
        a, b = head.surface([(sign * x, y + h), (sign * (x + lean), y - h * (1 - 0.6 * at))], 0.06).tolist()
        strokes.moveTo(*a)
        strokes.lineTo(*b)
    pen.stroke(strokes, scaled(color, 0.65), 0.012, 0.55)
