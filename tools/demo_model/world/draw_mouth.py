"""The mouth."""

from __future__ import annotations

import numpy as np

from . import palette
from .head import Head
from .pen import Pen, mix, scaled, smooth_path


def corners_uv(head: Head):
    """The position (u, v) of the mouth's right corner; the left one mirrors it."""
    i, s, m = head.identity, head.shape, head.motion
    return s.mouth_half + m.corner_out, s.mouth_v + m.corner - 0.022 * i.lip_corners


def _curve(head: Head, half_points, lift=0.05):
    """A curve mirrored about the middle: half_points from the middle to the right corner."""
    right = np.array(half_points)
    both = np.concatenate([right[:0:-1] * (-1, 1), right])
    fall = lift * np.sqrt(np.maximum(0, 1 - (both[:, 0] / (right[-1, 0] + 1e-6)) ** 2))
    return head.surface(both, fall)


def draw_mouth(pen: Pen, head: Head):
    i, s, m = head.identity, head.shape, head.motion
    half, corner_v = corners_uv(head)
    skin, lip = palette.skin(i), palette.lips(i)
    v = s.mouth_v + m.sag
    opened = m.mouth_open
    up = (0.062 + 0.032 * i.upper_lip) * (1 - 1.2 * opened)
    low = (0.100 + 0.040 * i.lower_lip) * (1 - 0.9 * opened)
    bow = 0.018 + 0.018 * i.lip_bow
    top_v, bottom_v = v - 0.30 * opened, v + 0.78 * opened
    between = lambda a, t: a + (corner_v - a) * t  # noqa: E731
    upper_edge = [
        (0, top_v - up + bow),
        (0.20 * half, between(top_v, 0.02) - up - 0.3 * bow),
        (0.55 * half, between(top_v, 0.30) - 0.62 * up),
        (half, corner_v),
    ]
    line_up = [
        (0, top_v + 0.012),
        (0.30 * half, between(top_v, 0.06) - 0.004),
        (0.65 * half, between(top_v, 0.42)),
        (half, corner_v),
    ]
    line_down = [
        (0, bottom_v + 0.008),
        (0.35 * half, between(bottom_v, 0.05)),
        (0.70 * half, between(bottom_v, 0.40)),
        (half, corner_v),
    ]
    if not opened:
        line_down = line_up
    lower_edge = [
        (0, bottom_v + low),
        (0.34 * half, between(bottom_v, 0.03) + 0.92 * low),
        (0.68 * half, between(bottom_v, 0.36) + 0.50 * low),
        (half, corner_v),
    ]
    edge_up, inner_up = _curve(head, upper_edge, 0.07), _curve(head, line_up, 0.06)
    inner_low, edge_low = _curve(head, line_down, 0.06), _curve(head, lower_edge, 0.07)
    shade = palette.shadow(skin)
    pen.blob(head.at(0, bottom_v + low + 0.07, 0.05), 0.26, 0.085, shade, 0.55)
    pen.blob(head.at(0, top_v - up - 0.05, 0.06), 0.05, 0.08, shade, 0.25)
    if opened:
        _draw_inside(pen, head, inner_up, inner_low, m.teeth)
    upper = smooth_path(np.concatenate([edge_up, inner_up[-2:0:-1]]), closed=True, tension=0.8)
    lower = smooth_path(np.concatenate([inner_low, edge_low[-2:0:-1]]), closed=True, tension=0.8)
    pen.fill(lower, lip)
    pen.fill(upper, scaled(lip, 0.80))
    pen.outline(upper, 0.012)
    pen.outline(lower, 0.012)
    with pen.clipped(lower):
        pen.blob(head.at(0, bottom_v + low, 0.06), half * 0.9, low * 0.7, scaled(lip, 0.6), 0.4)
        pen.blob(
            head.at(0.05 * head.scene.light_side, bottom_v + 0.45 * low, 0.06),
            0.4 * half,
            0.36 * low,
            (1, 0.95, 0.93),
            0.38 + 0.3 * i.makeup,
        )
    if not opened:
        pen.stroke(smooth_path(inner_up), mix(scaled(lip, 0.25), (0.15, 0.03, 0.03), 0.3), 0.024, 0.85)
    else:
        pen.stroke(smooth_path(inner_up), scaled(lip, 0.35), 0.014, 0.7)
    for end, sign in ((inner_up[0], -1), (inner_up[-1], 1)):
        pen.blob(end + head.direction(0.02 * sign, 0), 0.055, 0.05, scaled(shade, 0.7), 0.55)


def _draw_inside(pen: Pen, head: Head, inner_up, inner_low, teeth: float):
    inside = smooth_path(np.concatenate([inner_up, inner_low[-2:0:-1]]), closed=True, tension=0.8)
    pen.fill(inside, (0.30, 0.07, 0.08))
    with pen.clipped(inside):
        middle_low = inner_low[len(inner_low) // 2]
        pen.blob(middle_low + head.direction(0, 0.01), 0.18, 0.09, (0.80, 0.36, 0.36), 0.9, core=0.4)
        if teeth:
            edge = inner_up * 0.34 + inner_low * 0.66
            row = smooth_path(
                np.concatenate([inner_up + head.direction(0, -0.03), edge[-2:0:-1]]), closed=True, tension=0.8
            )
            pen.fill(row, (0.97, 0.96, 0.93))
            for t in (-0.62, -0.38, -0.13, 0.13, 0.38, 0.62):
                k = (t + 1) / 2 * (len(inner_up) - 1)
                a = inner_up[int(k)] + (inner_up[min(int(k) + 1, len(inner_up) - 1)] - inner_up[int(k)]) * (k - int(k))
                b = edge[int(k)] + (edge[min(int(k) + 1, len(edge) - 1)] - edge[int(k)]) * (k - int(k))
                pen.stroke(smooth_path([a, b]), (0.7, 0.66, 0.64), 0.009, 0.6)
            pen.stroke(smooth_path(inner_up), (0.3, 0.15, 0.15), 0.07, 0.35, blur=0.02)
