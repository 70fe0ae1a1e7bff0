"""The face: skin with light and shade, nose, ears, freckles and lines."""

from __future__ import annotations

import random

import numpy as np
import skia

from . import palette
from .draw_beard import draw_beard
from .draw_eyes import draw_brow, draw_eye
from .draw_mouth import corners_uv, draw_mouth
from .head import Head
from .pen import Pen, mix, scaled, smooth_path


def keypoints(head: Head) -> np.ndarray:
    """The drawn eye centres, nose tip and mouth corners: float32 [5, 2] in pixels."""
    s = head.shape
    half, v = corners_uv(head)
    eyes = head.surface([(-s.eye_u, s.eye_v), (s.eye_u, s.eye_v)], 0.02)
    return np.concatenate([eyes, [nose_tip(head)], head.surface([(-half, v), (half, v)])]).astype(np.float32)


def nose_tip(head: Head) -> np.ndarray:
    return head.at(0.0, head.shape.nose_v - 0.02 * head.identity.nose_tip, head.shape.nose_lift)


def face_path(head: Head) -> skia.Path:
    return smooth_path(head.rim(), closed=True)


def draw_face(pen: Pen, head: Head, hair_shadow: skia.Path | None):
    skin = palette.skin(head.identity)
    path = face_path(head)
    pen.fill(path, skin)
    with pen.clipped(path):
        _shade_skin(pen, head, path, skin)
        if hair_shadow is not None:
            pen.canvas.save()
            pen.canvas.translate(*map(float, head.direction(-0.05 * head.scene.light_side, 0.085)))
            pen.fill(hair_shadow, palette.shadow(scaled(skin, 0.85)), 0.60, blur=0.055)
            pen.canvas.restore()
        _draw_spots(pen, head, skin)
        _draw_lines(pen, head, skin)
    pen.outline(path, 0.022)
    draw_beard(pen, head)
    draw_mouth(pen, head)
    for sign in (-1, 1):
        draw_eye(pen, head, sign)
    _draw_nose(pen, head, skin)
    for sign in (-1, 1):
        draw_brow(pen, head, sign)


def _shade_skin(pen: Pen, head: Head, path, skin):
    i, s, scene = head.identity, head.shape, head.scene
    shade, light = palette.shadow(skin), palette.light(skin)
    dark_side = -np.sign(scene.light_side)
    hard = 0.35 + 0.45 * scene.light_contrast * abs(scene.light_side)
    pen.stroke(path, shade, 0.30, 0.55, blur=0.11)
    pen.blob(head.at(dark_side * 1.02, 0.45), 0.95, 1.75, shade, hard)
    pen.blob(head.at(dark_side * 0.95, 0.75), 0.55, 0.95, scaled(shade, 0.85), 0.55 * hard)
    pen.blob(head.at(0.55 * np.sign(scene.light_side), -0.35), 0.95, 1.05, light, 0.34)
    pen.blob(head.at(0, -0.62), 0.62, 0.34, light, 0.30)
    rosy = mix(skin, (0.90, 0.22, 0.20), 0.55)
    cheeks = head.motion.cheeks
    for sign in (-1, 1):
        lit = 1.0 if sign != dark_side else 0.45
        pen.blob(
            head.at(sign * 0.60 * s.width, 0.52 - 0.04 * cheeks),
            0.36,
            0.27,
            rosy,
            0.07 + 0.20 * i.blush + 0.05 * cheeks,
        )
        pen.blob(
            head.at(sign * 0.58 * s.width, 0.36 - 0.05 * cheeks),
            0.26,
            0.14,
            light,
            (0.30 + 0.16 * i.cheekbone + 0.1 * cheeks) * lit,
        )
        if i.cheek < 0.2:
            pen.blob(head.at(sign * 0.74 * s.width, 0.80), 0.24, 0.42, shade, 0.42 * (0.3 - i.cheek), angle=sign * 22)
        pen.blob(head.at(sign * 0.88 * s.width, -0.45), 0.26, 0.50, shade, 0.22 - 0.14 * i.temple)
    chin = head.at(0, s.chin_v - 0.19, 0.04)
    pen.blob(chin, 0.24, 0.15, light, 0.30)
    pen.blob(head.at(0, s.chin_v + 0.02), 0.6, 0.16, shade, 0.5)
    if i.chin_cleft:
        pen.stroke(
            smooth_path(head.surface([(0, s.chin_v - 0.20), (0.01, s.chin_v - 0.08)], 0.04)),
            shade,
            0.035,
            0.6,
            blur=0.015,
        )


def _draw_nose(pen: Pen, head: Head, skin):
    """Side planes, bridge and tip with soft shade and light; wings and nostrils as lines."""
    i, s, scene = head.identity, head.shape, head.scene
    shade, light = palette.shadow(skin), palette.light(skin)
    deep = scaled(shade, 0.62)
    bridge = 0.088 + 0.034 * i.nose_bridge
    lift, half, v = s.nose_lift, s.nose_half, s.nose_v
    low = v + 0.055 - 0.03 * i.nose_tip
    dark_side = -np.sign(scene.light_side)
    for sign in (-1, 1):
        base = np.array(
            [(sign * bridge * 1.5, s.eye_v - 0.12), (sign * bridge * 1.7, 0.5 * v), (sign * half * 1.02, v)]
        )
        ridge = [
            (sign * bridge * 0.55, s.eye_v - 0.05),
            (sign * bridge * 0.6, 0.55 * v),
            (sign * half * 0.45, v - 0.02),
        ]
        edge = np.concatenate([head.surface(base, 0.0), head.surface(ridge, np.array([0.10, 0.16, lift]))[::-1]])
        turned = 0.25 * max(0.0, -sign * np.sin(head.yaw) * np.sign(1))
        pen.fill(
            smooth_path(edge, closed=True, tension=0.7),
            shade,
            (0.52 if sign == dark_side else 0.14) + turned,
            blur=0.045,
        )
    pen.blob(head.at(0, low + 0.085, 0.07), half * 1.25, 0.105, deep, 0.55)
    pen.blob(
        head.at(0.02 * scene.light_side, 0.5 * (s.eye_v + v) - 0.03, 0.20),
        0.055 + 0.02 * i.nose_bridge,
        0.36,
        light,
        0.42,
    )
    ball = half * (0.60 + 0.10 * i.nose_round)
    tip = nose_tip(head)
    pen.blob(tip + head.direction(0.25 * half * dark_side, 0.04), ball * 1.35, ball * 1.15, shade, 0.32)
    pen.blob(tip + head.direction(0.16 * half * scene.light_side, -0.035), ball * 0.8, ball * 0.62, light, 0.62)
    pen.blob(tip + head.direction(0.16 * half * scene.light_side, -0.045), ball * 0.32, ball * 0.26, (1, 1, 1), 0.45)
    line = skia.Path()
    for sign in (-1, 1):
        wing = [
            (sign * half * 0.92, v - 0.085),
            (sign * half * 1.06, v - 0.005),
            (sign * half * 0.95, low + 0.015),
            (sign * half * 0.66, low + 0.012),
        ]
        line = smooth_path(head.surface(wing, np.array([0.05, 0.07, 0.09, 0.11])), path=line)
        hole = head.surface([(sign * half * 0.44, low + 0.022 - 0.018 * i.nose_tip)], 0.15)[0]
        pen.hole(
            hole,
            0.30 * half,
            0.026 + 0.014 * max(-0.6, i.nose_tip),
            mix(deep, (0.12, 0.03, 0.02), 0.5),
            sign * 16 + np.degrees(head.roll),
        )
    pen.stroke(line, deep, 0.020, 0.62, blur=0.0)
    under = [(-half * 0.34, low + 0.03), (0, low + 0.060 - 0.012 * i.nose_tip), (half * 0.34, low + 0.03)]
    pen.stroke(smooth_path(head.surface(under, np.array([0.14, 0.17, 0.14]))), deep, 0.016, 0.45)
    if abs(head.yaw) > 0.14:
        far = 1 if head.yaw > 0 else -1
        outline = [
            (far * bridge * 0.9, s.eye_v + 0.02),
            (far * bridge * 0.75, 0.55 * v),
            (far * half * 0.48, v - 0.07),
            (far * half * 0.50, low - 0.01),
        ]
        pen.stroke(
            smooth_path(head.surface(outline, np.array([0.06, 0.15, lift, lift - 0.03]))),
            deep,
            0.016,
            min(0.75, 1.6 * abs(head.yaw) - 0.1),
        )


def _draw_spots(pen: Pen, head: Head, skin):
    i = head.identity
    rng = random.Random(i.seed + 2)
    if i.freckles:
        color = mix(scaled(skin, 0.62), (0.62, 0.28, 0.10), 0.45)
        for _ in range(int(34 + 60 * i.freckles)):
            u, v = rng.gauss(0, 0.42), 0.34 + rng.gauss(0, 0.17)
            pen.disc(head.at(u, v, 0.02), rng.uniform(0.011, 0.024), color, 0.35 + 0.45 * i.freckles)
    for u, v in i.moles:
        pen.disc(head.at(u, v), 0.034, mix(scaled(skin, 0.3), (0.2, 0.08, 0.05), 0.5), 0.92)


def _draw_lines(pen: Pen, head: Head, skin):
    i, s, m = head.identity, head.shape, head.motion
    color = palette.shadow(scaled(skin, 0.82))
    forehead = max(i.lines_forehead, 0.9 if head.scene.expression == "surprised" else 0.0)
    if forehead > 0.2:
        for k in range(3):
            v = s.eye_v - 0.50 - 0.105 * k
            points = [(-0.46, v + 0.02), (-0.18, v - 0.012), (0.18, v - 0.010), (0.46, v + 0.022)]
            pen.stroke(smooth_path(head.surface(points)), color, 0.020, 0.62 * forehead)
    if m.brow_close > 0.03:
        for sign in (-1, 1):
            pen.stroke(
                smooth_path(head.surface([(sign * 0.055, s.eye_v - 0.30), (sign * 0.065, s.eye_v - 0.17)], 0.05)),
                color,
                0.022,
                0.65,
            )
    for sign in (-1, 1):
        if i.lines_eyes > 0.2:
            for k in (-1, 0, 1):
                x, y = s.eye_u + s.eye_half + 0.07, s.eye_v + 0.05 * k
                pen.stroke(
                    smooth_path(head.surface([(sign * x, y), (sign * (x + 0.13), y + 0.065 * k)])),
                    color,
                    0.015,
                    0.6 * i.lines_eyes,
                )
        fold = max(0.9 * i.lines_mouth, 0.42 * m.cheeks)
        if fold > 0.12:
            half, corner_v = corners_uv(head)
            points = [
                (s.nose_half + 0.04, s.nose_v + 0.02),
                (0.5 * (s.nose_half + half) + 0.10, 0.5 * (s.nose_v + corner_v)),
                (half + 0.10, corner_v + 0.03),
            ]
            curve = head.surface([(sign * a, b) for a, b in points])
            pen.stroke(smooth_path(curve), color, 0.028, 0.62 * min(1, fold), blur=0.012)
            if i.lines_mouth > 0.5:
                drop = head.surface([(sign * (half + 0.03), corner_v + 0.08), (sign * (half + 0.05), corner_v + 0.26)])
                pen.stroke(smooth_path(drop), color, 0.020, 0.5 * i.lines_mouth)
        if i.dimples and m.cheeks > 0.4:
            half, corner_v = corners_uv(head)
            pen.stroke(
                smooth_path(
                    head.surface([(sign * (half + 0.15), corner_v - 0.06), (sign * (half + 0.165), corner_v + 0.05)])
                ),
                color,
                0.026,
                0.6,
            )


def draw_ear(pen: Pen, head: Head, sign: int):
    i, s = head.identity, head.shape
    skin = palette.skin(i)
    shade = palette.shadow(skin)
    size = 1 + 0.22 * i.ear_size
    out = 0.10 + 0.055 * i.ear_out
    turn = np.sin(head.yaw) * -sign  # 1 if this ear faces the viewer
    if turn < -0.30:
        return
    wide = max(0.06, out + 0.20 * max(0.0, turn) + 0.05 * turn)
    base = head.points([(sign * s.width * 0.985, 0.16, 0.02)])[0]
    shape = np.array([(0.0, -0.26), (0.55, -0.36), (1.0, -0.20), (0.92, 0.05), (0.55, 0.26), (0.12, 0.34), (-0.1, 0.1)])
    place = lambda curve: np.array([base + head.direction(sign * x * wide * size * 1.25, y * size) for x, y in curve])  # noqa: E731
    path = smooth_path(place(shape), closed=True)
    pen.fill(path, mix(skin, (0.85, 0.35, 0.30), 0.10))
    with pen.clipped(path):
        pen.blob(base, 0.22, 0.5, shade, 0.55)
        pen.stroke(smooth_path(place(shape[:5] * (0.72, 0.76))), shade, 0.040, 0.6, blur=0.015)
        pen.blob(place([(0.32, 0.04)])[0], 0.085 * (0.5 + turn), 0.13, scaled(shade, 0.7), 0.6)
    pen.outline(path, 0.020)
    if head.scene.earrings and i.woman:
        color = ((0.95, 0.78, 0.30), (0.85, 0.87, 0.92), (0.9, 0.25, 0.35))[head.scene.seed % 3]
        lobe = place([(0.35, 0.40)])[0]
        pen.disc(lobe, 0.055, color)
        pen.disc(lobe + head.direction(-0.015, -0.015), 0.02, (1, 1, 1), 0.8)
