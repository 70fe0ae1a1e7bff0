"""Beards and moustaches: soft masses with hairs drawn over them."""

from __future__ import annotations

import random

import numpy as np
import skia

from . import palette
from .draw_mouth import corners_uv
from .head import Head
from .pen import Pen, mix, scaled, smooth_path

GROWTH = {
    "stubble": 0.0,
    "short": 0.04,
    "full": 0.14,
    "long": 0.55,
    "strap": 0.03,
    "chops": 0.05,
    "goatee": 0.10,
    "circle": 0.06,
}


def beard_color(identity):
    color = palette.natural_hair(identity)
    return scaled(mix(color, (0.20, 0.10, 0.06), 0.22 * (1 - identity.hair_grey)), 0.92)


def draw_beard(pen: Pen, head: Head):
    i = head.identity
    if i.beard == "none" and i.moustache == "none":
        return
    color = beard_color(i)
    rng = random.Random(i.seed + 1)
    if i.beard in ("stubble", "short", "full", "long", "strap", "chops"):
        _draw_jaw_beard(pen, head, color, rng)
    elif i.beard in ("goatee", "circle"):
        _draw_chin_beard(pen, head, color, rng)
    if i.moustache != "none":
        _draw_moustache(pen, head, color, rng)


def _jaw_rim(head: Head, grow: float):
    """The right half of the jaw from the sideburn to below the chin, grown outwards: [n, 3]."""
    rim = head.shape.outline(head.identity)[4:]
    center = np.array([0.0, 0.5])
    away = rim[:, :2] - center
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    down = np.maximum(0, away[:, 1]) ** 1.5
    moved = rim.copy()
    moved[:, :2] += away * (0.02 + 0.45 * min(grow, 0.2)) * (0.3 + 0.7 * down[:, None])
    moved[:, 1] += grow * down
    return moved


def _draw_jaw_beard(pen, head, color, rng):
    i, s = head.identity, head.shape
    half, corner_v = corners_uv(head)
    grow = GROWTH[i.beard] * (1 + 0.3 * i.hair_length)
    opened = head.motion.mouth_open
    rim = _jaw_rim(head, grow + 0.5 * opened)
    if i.beard == "strap":
        inner = [
            (0.84 * s.width, 0.35),
            (0.74 * s.width, 0.85),
            (0.45 * s.width, s.chin_v - 0.20),
            (0.0, s.chin_v - 0.12),
        ]
    elif i.beard == "chops":
        inner = [
            (0.80 * s.width, 0.32),
            (0.52 * s.width, 0.72),
            (half + 0.10, s.mouth_v),
            (half + 0.08, s.mouth_v + 0.22),
        ]
        rim = rim[:-2]
    else:
        cheek_line = 0.78 - 0.10 * i.cheek
        inner = [
            (0.86 * s.width, 0.36),
            (0.70 * s.width, cheek_line - 0.06),
            (half + 0.14, s.mouth_v - 0.08),
            (half + 0.01, s.mouth_v - 0.20),
            (0.0, s.nose_v + 0.21),
        ]
        if i.moustache == "none":
            inner = inner[:3] + [(half + 0.02, s.mouth_v + 0.06), (0.20, s.mouth_v + 0.24), (0.0, s.mouth_v + 0.22)]
    inner = np.array(inner)
    inner_xyz = np.column_stack([inner, head.depth(inner[:, 0], inner[:, 1]) + 0.02])
    soft = 0.10 if i.beard == "stubble" else 0.035
    alpha = 0.42 if i.beard == "stubble" else 0.94
    halves = []
    for sign in (-1, 1):
        halves.append((head.points(rim * (sign, 1, 1)), head.points(inner_xyz * (sign, 1, 1))))
    if i.beard == "chops":
        for outer, edge in halves:
            pen.fill(smooth_path(np.concatenate([outer, edge[::-1]]), closed=True), color, alpha, blur=soft)
    else:
        outer = np.concatenate([halves[0][0], halves[1][0][-2::-1]])
        edge = np.concatenate([halves[1][1], halves[0][1][-2::-1]])
        path = smooth_path(np.concatenate([outer, edge]), closed=True, tension=0.9)
        pen.fill(path, color, alpha, blur=soft)
        if i.beard not in ("stubble", "strap"):
            pen.blob(head.at(0, s.chin_v - 0.06, 0.06), 0.5, 0.25, mix(color, (1, 0.95, 0.85), 0.25), 0.35)
    if i.beard == "stubble":
        return
    for outer, edge in halves:
        _hairs(pen, head, outer, edge, color, rng, 46 if i.beard in ("full", "long") else 30, 0.05 + 0.35 * grow)


def _hairs(pen, head, outer, edge, color, rng, count, length):
    """Short hairs between two curves, combed from the edge towards the rim."""
    light, dark = skia.Path(), skia.Path()
    for k in range(count):
        t, depth = rng.random(), rng.random()
        a = _along(edge, t)
        b = _along(outer, t)
        root = a + (b - a) * depth
        way = (b - a) / (np.linalg.norm(b - a) + 1e-6)
        way = 0.6 * way + 0.4 * head.direction(0, 1) / head.unit
        tip = root + way * length * head.unit * rng.uniform(0.7, 1.4)
        path = light if k % 2 else dark
        path.moveTo(*map(float, root))
        path.quadTo(*map(float, (root + tip) / 2 + head.direction(rng.uniform(-0.02, 0.02), 0)), *map(float, tip))
    pen.stroke(dark, scaled(color, 0.55), 0.016, 0.5)
    pen.stroke(light, mix(color, (1, 0.93, 0.80), 0.35), 0.012, 0.45)


def _along(curve, t):
    place = t * (len(curve) - 1)
    k = min(int(place), len(curve) - 2)
    return curve[k] + (curve[k + 1] - curve[k]) * (place - k)


def _draw_chin_beard(pen, head, color, rng):
    i, s = head.identity, head.shape
    half, corner_v = corners_uv(head)
    end = s.chin_v + GROWTH[i.beard] + 0.04 + 0.4 * head.motion.mouth_open
    if i.beard == "circle":
        outer = [
            (0, s.nose_v + 0.20),
            (half + 0.05, s.mouth_v - 0.16),
            (half + 0.13, s.mouth_v + 0.05),
            (half * 0.92, s.mouth_v + 0.34),
            (0.22, end - 0.05),
            (0, end),
        ]
    else:
        outer = [
            (0, s.mouth_v + 0.19),
            (0.16, s.mouth_v + 0.24),
            (0.27, s.chin_v - 0.14),
            (0.22, end - 0.10),
            (0, end + 0.06),
        ]
    right = np.array(outer)
    z = head.depth(right[:, 0], np.minimum(right[:, 1], s.chin_v)) + 0.02
    right = np.column_stack([right, z])
    points = head.points(np.concatenate([right, right[-2:0:-1] * (-1, 1, 1)]))
    pen.fill(smooth_path(points, closed=True), color, 0.93, blur=0.03)
    middle = head.at(0, s.mouth_v + 0.2, 0.03)
    _hairs(pen, head, points, np.repeat(middle[None], 2, axis=0), color, rng, 34, 0.07)


def _draw_moustache(pen, head, color, rng):
    i, s = head.identity, head.shape
    half, corner_v = corners_uv(head)
    top, low = s.nose_v + 0.185, s.mouth_v - 0.055 - 0.025 * i.upper_lip - 0.28 * head.motion.mouth_open
    middle = (top + low) / 2 + 0.01
    if i.moustache == "pencil":
        curve, width = (
            [(0.035, middle), (0.5 * half, middle + 0.015), (half * 0.95, corner_v - 0.06)],
            (0.022, 0.028, 0.010),
        )
    elif i.moustache == "handlebar":
        curve = [
            (0.02, middle),
            (0.55 * half, middle + 0.035),
            (half + 0.08, corner_v - 0.02),
            (half + 0.24, corner_v - 0.13),
            (half + 0.27, corner_v - 0.24),
        ]
        width = (0.055, 0.075, 0.050, 0.026, 0.008)
    else:
        curve, width = (
            [
                (0.0, middle - 0.005),
                (0.5 * half, middle + 0.025),
                (half * 0.95, corner_v - 0.03),
                (half + 0.07, corner_v + 0.07),
            ],
            (0.065, 0.085, 0.060, 0.015),
        )
    curve, width = np.array(curve), np.array(width)
    for sign in (-1, 1):
        ends = np.concatenate(
            [curve - np.column_stack([0 * width, width]), (curve + np.column_stack([0 * width, width]))[::-1]]
        )
        points = head.surface(ends * (sign, 1), 0.09)
        pen.fill(smooth_path(points, closed=True, tension=0.85), color, 0.96, blur=0.014)
        if i.moustache == "pencil":
            continue
        hairs = skia.Path()
        for _ in range(16):
            t = rng.random()
            x, y = (
                np.interp(t, np.linspace(0, 1, len(curve)), curve[:, 0]),
                np.interp(t, np.linspace(0, 1, len(curve)), curve[:, 1]),
            )
            a, b = head.surface([(sign * x * 0.9, y - 0.05), (sign * (x + 0.07), y + 0.05)], 0.09).tolist()
            hairs.moveTo(*a)
            hairs.lineTo(*b)
        pen.stroke(hairs, mix(color, (1, 0.92, 0.8), 0.3), 0.012, 0.45)
        pen.stroke(hairs, scaled(color, 0.5), 0.008, 0.35)
