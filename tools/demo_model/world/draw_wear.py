"""Glasses and hats."""

from __future__ import annotations

import numpy as np
import skia

from . import palette
from .head import Head
from .pen import Pen, mix, scaled, smooth_path

FRAMES = (("black", 0.055), ("brown", 0.055), ("navy", 0.050), ("red", 0.055), ("grey", 0.035))


def _lens(head: Head, sign: int, kind: str) -> np.ndarray:
    s = head.shape
    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    x, y = np.cos(angle), np.sin(angle)
    power = 1.0 if kind == "round" else 0.52
    x, y = np.sign(x) * np.abs(x) ** power, np.sign(y) * np.abs(y) ** power
    wide, high = {"round": (0.335, 0.325), "square": (0.365, 0.255), "thick": (0.375, 0.285)}[kind]
    u = sign * (s.eye_u + 0.015) + wide * x
    v = s.eye_v + 0.035 + high * y
    z = 0.95 - 0.30 * np.maximum(0, np.abs(u) - 0.4) ** 1.5
    return head.points(np.column_stack([u, v, z]))


def draw_glasses(pen: Pen, head: Head):
    s, kind = head.shape, head.scene.glasses
    if kind == "none":
        return
    name, width = FRAMES[head.scene.glasses_color]
    color = palette.CLOTH[name]
    width = 0.098 if kind == "thick" else width
    outer = s.eye_u + 0.36
    for sign in (-1, 1):
        if sign * np.sin(head.yaw) < 0.42:
            end = 0.99 * s.width
            temple = head.points(
                [
                    (sign * outer, s.eye_v - 0.08, 0.86),
                    (sign * end, s.eye_v - 0.06, 0.45),
                    (sign * end * 1.01, s.eye_v - 0.04, 0.0),
                ]
            )
            pen.stroke(smooth_path(temple), scaled(color, 0.8), width * 0.8)
    for sign in (-1, 1):
        ring = smooth_path(_lens(head, sign, kind), closed=True)
        pen.canvas.save()
        pen.canvas.translate(*map(float, head.direction(-0.03 * head.scene.light_side, 0.05)))
        pen.stroke(ring, palette.shadow(scaled(palette.skin(head.identity), 0.7)), width, 0.35, blur=0.02)
        pen.canvas.restore()
        if not pen.flat:
            pen.fill(ring, (0.85, 0.93, 1.0), 0.10)
            with pen.clipped(ring):
                center = head.points([(sign * s.eye_u, s.eye_v, 0.92)])[0]
                glare = [
                    center + head.direction(x, y)
                    for x, y in ((-0.30, 0.10), (-0.05, -0.36), (0.05, -0.36), (-0.20, 0.10))
                ]
                pen.fill(smooth_path(glare, closed=True, tension=0.1), (1, 1, 1), 0.16)
        pen.stroke(ring, color, width)
        pen.stroke(ring, mix(color, (1, 1, 1), 0.5), width * 0.22, 0.6)
    inner = s.eye_u - 0.32
    bridge = head.points([(-inner, s.eye_v - 0.01, 0.95), (0, s.eye_v - 0.06, 1.02), (inner, s.eye_v - 0.01, 0.95)])
    pen.stroke(smooth_path(bridge), color, width)


HAT_LINE = -0.62  # v of a hat's lower edge on the forehead


def _shade(pen: Pen, head: Head, path, color):
    side = np.sign(head.scene.light_side)
    w = head.shape.width
    a, b = head.silhouette([(side * w, -1.5), (-side * w, -0.6)])
    pen.gradient(path, a, b, [mix(color, (1, 1, 1), 0.22), color, scaled(color, 0.5)])
    pen.outline(path, 0.028)


def _crown(head: Head, rise: float, bulge: float, square: float = 0.0) -> np.ndarray:
    s = head.shape
    w, top = s.width + bulge, s.crown_v - rise
    arc = head.silhouette(
        [
            (-w, HAT_LINE + 0.06),
            (-(0.93 + 0.05 * square) * w, 0.5 * (top + HAT_LINE) - 0.12),
            (-(0.55 + 0.25 * square) * w, top + 0.10),
            (0, top),
            ((0.55 + 0.25 * square) * w, top + 0.10),
            ((0.93 + 0.05 * square) * w, 0.5 * (top + HAT_LINE) - 0.12),
            (w, HAT_LINE + 0.06),
        ]
    )
    front = head.points(
        [(0.72 * w, HAT_LINE + 0.02, 0.66), (0.0, HAT_LINE + 0.0, 0.98), (-0.72 * w, HAT_LINE + 0.02, 0.66)]
    )
    return np.concatenate([arc, front])


def draw_hat(pen: Pen, head: Head):
    scene = head.scene
    if scene.hat == "none":
        return
    color = palette.CLOTH[scene.hat_color]
    {"beanie": _beanie, "brim": _brim, "cap": _cap}[scene.hat](pen, head, color)


def _band(head: Head, low: float, high: float, bulge: float):
    w = head.shape.width + bulge
    edge = lambda v: np.concatenate([  # noqa: E731
        head.silhouette([(-w, v + 0.06)]), head.points([(-0.72 * w, v + 0.02, 0.66), (0, v, 0.98), (0.72 * w, v + 0.02, 0.66)]), head.silhouette([(w, v + 0.06)]),
    ])  # fmt: skip
    return edge(low), edge(high)


def _beanie(pen: Pen, head: Head, color):
    crown = smooth_path(_crown(head, 0.30, 0.13), closed=True)
    if head.scene.seed % 2:
        ball = head.silhouette([(0.0, head.shape.crown_v - 0.42)])[0]
        pen.disc(ball, 0.24, mix(color, (1, 1, 1), 0.65))
        pen.blob(ball + head.direction(0.05, 0.09), 0.22, 0.16, scaled(color, 0.6), 0.6)
    _shade(pen, head, crown, color)
    low, high = _band(head, HAT_LINE + 0.07, HAT_LINE - 0.26, 0.16)
    with pen.clipped(crown):
        ribs = skia.Path()
        for t in np.linspace(-0.9, 0.9, 11):
            a = head.silhouette([(0.35 * t, head.shape.crown_v - 0.28)])[0]
            b = head.silhouette([(t * (head.shape.width + 0.1), HAT_LINE)])[0]
            ribs.moveTo(*map(float, a))
            ribs.quadTo(*map(float, (a + b) / 2 + head.direction(0.22 * t, -0.1)), *map(float, b))
        pen.stroke(ribs, scaled(color, 0.5), 0.03, 0.45)
    band = smooth_path(np.concatenate([low, high[::-1]]), closed=True, tension=0.8)
    _shade(pen, head, band, scaled(color, 1.12))
    pen.stroke(smooth_path(high), scaled(color, 0.4), 0.03, 0.6)


def _brim(pen: Pen, head: Head, color):
    w = head.shape.width
    wide = 1.78 * w
    back = head.silhouette(
        [
            (-wide, HAT_LINE),
            (-0.9 * wide, HAT_LINE - 0.14),
            (0, HAT_LINE - 0.30),
            (0.9 * wide, HAT_LINE - 0.14),
            (wide, HAT_LINE),
        ]
    )
    front = head.points([(0.9 * w, HAT_LINE + 0.14, 0.5), (0, HAT_LINE + 0.06, 1.15), (-0.9 * w, HAT_LINE + 0.14, 0.5)])
    _shade(pen, head, smooth_path(np.concatenate([back, front]), closed=True), scaled(color, 0.85))
    crown = smooth_path(_crown(head, 0.42, 0.08, square=1.0), closed=True, tension=0.9)
    _shade(pen, head, crown, color)
    low, high = _band(head, HAT_LINE - 0.02, HAT_LINE - 0.22, 0.085)
    band = smooth_path(np.concatenate([low, high[::-1]]), closed=True, tension=0.8)
    pen.fill(band, scaled(color, 0.35))
    dent = head.silhouette([(-0.15, head.shape.crown_v - 0.32), (0.0, head.shape.crown_v - 0.05)])
    pen.stroke(smooth_path(dent), scaled(color, 0.4), 0.08, 0.5, blur=0.04)


def _cap(pen: Pen, head: Head, color):
    crown = smooth_path(_crown(head, 0.24, 0.08), closed=True)
    _shade(pen, head, crown, color)
    with pen.clipped(crown):
        for t in (-0.45, 0.45):
            seam = head.points(
                [(0.05 * t, head.shape.crown_v - 0.2, 0.2), (t * 1.1, -1.1, 0.6), (t * 1.2, HAT_LINE, 0.85)]
            )
            pen.stroke(smooth_path(seam), scaled(color, 0.5), 0.02, 0.6)
    top = head.points([(-0.86, HAT_LINE + 0.05, 0.62), (0, HAT_LINE - 0.12, 1.02), (0.86, HAT_LINE + 0.05, 0.62)])
    tip = head.points([(0.80, HAT_LINE + 0.16, 1.05), (0.0, HAT_LINE + 0.17, 1.62), (-0.80, HAT_LINE + 0.16, 1.05)])
    visor = smooth_path(np.concatenate([top, tip]), closed=True, tension=0.9)
    _shade(pen, head, visor, scaled(color, 0.72))
