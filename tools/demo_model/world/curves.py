"""Sampled curves through points."""

from __future__ import annotations

import functools

import numpy as np
import skia

from .head import Head

STEPS = 14


@functools.lru_cache(maxsize=64)
def _spline(count: int, steps: int) -> np.ndarray:
    """[steps, count]: samples of the Catmull-Rom curve through `count` points."""
    matrix = np.zeros((steps, count))
    for row, place in enumerate(np.linspace(0, count - 1, steps)):
        k = min(int(place), count - 2)
        t = place - k
        weights = (
            -0.5 * t + t * t - 0.5 * t**3,
            1 - 2.5 * t * t + 1.5 * t**3,
            0.5 * t + 2 * t * t - 1.5 * t**3,
            -0.5 * t * t + 0.5 * t**3,
        )
        for offset, weight in zip((-1, 0, 1, 2), weights):
            at = k + offset
            if at < 0:
                matrix[row, 0] += 2 * weight
                matrix[row, 1] -= weight
            elif at >= count:
                matrix[row, count - 1] += 2 * weight
                matrix[row, count - 2] -= weight
            else:
                matrix[row, at] += weight
    return matrix


def curve(points, steps: int = STEPS) -> np.ndarray:
    points = np.asarray(points, dtype=np.float64)
    return _spline(len(points), steps) @ points


def lines_path(lines) -> skia.Path:
    """Many open curves, each [n, 2], as one path."""
    path = skia.Path()
    for line in np.asarray(lines):
        flat = line.tolist()
        path.moveTo(*flat[0])
        for k in range(1, len(flat) - 1):
            x, y = flat[k]
            path.quadTo(x, y, (x + flat[k + 1][0]) / 2, (y + flat[k + 1][1]) / 2)
        path.lineTo(*flat[-1])
    return path


def smooth_teeth(line: np.ndarray, head: Head, size: float) -> np.ndarray:
    """The curve with small uneven spikes, like ends of hair."""
    fine = curve(line, 4 * STEPS)
    phase = np.arange(len(fine))
    return (
        fine + (0.5 * np.sin(phase * 1.9) + 0.5 * np.sin(phase * 0.77 + 1))[:, None] * size * head.direction(0, 1) * 0.6
    )
