"""Styles: turn background and people into a watercolor, a film noir and so on.

Pictures are float32 [h, w, 3] in [0, 1]. People come as premultiplied RGBA float32 [h, w, 4].
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
import skia

from .backgrounds import BOLD
from .painter import Painter
from .scene import Scene

GREY = np.array([0.30, 0.59, 0.11], np.float32)


@functools.lru_cache(maxsize=32)
def _texture(kind: str, side: int) -> np.ndarray:
    """Noise [2 side, 2 side] with mean 0 and deviation 1; a picture uses a window of it."""
    rng = np.random.default_rng(len(kind))
    size = 2 * side
    sigmas = {
        "grain": (0.6,),
        "paper": (0.8, 2.2),
        "wash": (side / 18, side / 8),
        "wobble": (side / 30,),
        "dapple": (side / 28,),
    }[kind]
    total = np.zeros((size, size), np.float32)
    for sigma in sigmas:
        layer = cv2.GaussianBlur(rng.standard_normal((size, size)).astype(np.float32), (0, 0), max(0.5, sigma))
        total += layer / layer.std()
    return total / total.std()


def _window(kind: str, side: int, rng: np.random.Generator) -> np.ndarray:
    x, y = rng.integers(0, side, 2)
    return _texture(kind, side)[y : y + side, x : x + side]


@functools.lru_cache(maxsize=8)
def _grid(side: int):
    """x and y of each pixel, 0 to 1: float32 [side, side]."""
    axis = (np.arange(side, dtype=np.float32) + 0.5) / side
    return np.meshgrid(axis, axis)


def _blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), sigma) if sigma > 0.3 else picture


def _over(back: np.ndarray, person: np.ndarray) -> np.ndarray:
    return back * (1 - person[..., 3:]) + person[..., :3]


def _vignette(picture: np.ndarray, strength: float) -> np.ndarray:
    x, y = _grid(len(picture))
    far = (x - 0.5) ** 2 + (y - 0.5) ** 2
    return picture * (1 - strength * far * 2)[..., None]


def _rim(alpha: np.ndarray, way: int, width: float) -> np.ndarray:
    """The strip along the person's left (-1) or right (1) edge: [h, w] in [0, 1]."""
    side = len(alpha)
    shift = way * width * side
    moved = cv2.warpAffine(
        alpha, np.float32([[1, 0, -shift], [0, 1, 0.3 * width * side]]), (side, side), borderMode=cv2.BORDER_REPLICATE
    )
    return np.clip(alpha - _blur(moved, 0.45 * width * side), 0, 1)


def _saturate(picture: np.ndarray, amount: float) -> np.ndarray:
    grey = (picture @ GREY)[..., None]
    return grey + (picture - grey) * amount


def finish(back: np.ndarray, person: np.ndarray, scene: Scene) -> np.ndarray:
    """A scene's finished picture from its two layers."""
    rng = np.random.default_rng(scene.seed)
    back = back[..., :3]
    if scene.style in ("none", "film_noir", "neon", "jungle", "mars", "snow") and scene.background != "studio":
        back = _blur(back, len(back) * (0.006 + 0.010 * rng.random()))
    return np.clip(_FINISHERS[scene.style](back, person, scene, rng), 0, 1)


def _photo(back, person, scene, rng):
    tint = np.array([1 + 0.05 * scene.light_warmth, 1.0, 1 - 0.06 * scene.light_warmth], np.float32)
    person = person * np.append(tint, 1)
    if scene.background == "night_city":
        person = person * np.float32([0.88, 0.84, 0.92, 1]) + _rim(person[..., 3], 1, 0.03)[..., None] * np.float32(
            [0.35, 0.22, 0.10, 0]
        )
    elif scene.background in ("cafe", "library"):
        person = person * np.float32([1.0, 0.93, 0.84, 1])
    elif scene.background in ("beach", "mountains", "garden"):
        person = person + _rim(person[..., 3], int(np.sign(scene.light_side)), 0.025)[..., None] * np.float32(
            [0.22, 0.20, 0.14, 0]
        )
    return _vignette(_over(back, person), 0.22)


def _watercolor(back, person, scene, rng):
    side = len(back)
    x, y = _grid(side)
    back = _blur(back, side / 64)
    wash = _window("wash", side, rng)
    back = 1 - (1 - back) * np.clip(0.66 + 0.20 * wash, 0.12, 1)[..., None]
    picture = _over(back, person)
    wobble_x, wobble_y = _window("wobble", side, rng), _window("wobble", side, rng)
    strength = 0.0032 * side
    at_x = x * side - 0.5 + strength * wobble_x
    at_y = y * side - 0.5 + strength * wobble_y
    picture = cv2.remap(picture, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    flat = cv2.bilateralFilter(picture, 0, 0.13, max(1.2, side / 110))
    steps = np.round(flat * 9) / 9
    flat = 0.55 * flat + 0.45 * _blur(steps, 0.6 * side / 128)
    edge = flat @ GREY
    pooled = np.clip(np.abs(edge - _blur(edge, side / 90)) * 2.6, 0, 0.5)
    flat = flat * (1 - pooled[..., None] * np.float32([0.9, 0.8, 0.6]))
    pigment = 0.86 + 0.075 * wash + 0.012 * _window("paper", side, rng)
    flat = _saturate(flat, 1.35)
    flat = 1 - (1 - flat) * (0.92 * pigment)[..., None]
    border = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y)) + 0.004 * wobble_x + 0.012 * wash
    inked = np.clip((border - 0.020) / 0.012, 0, 1)[..., None]
    rim = np.clip(1 - np.abs(border - 0.034) / 0.008, 0, 1)[..., None]
    flat = flat * (1 - 0.22 * rim)
    paper = np.float32([0.985, 0.975, 0.95]) * (1 + 0.012 * _window("paper", side, rng))[..., None]
    return paper * (1 - inked) + flat * paper * inked


def _film_noir(back, person, scene, rng):
    side = len(back)
    x, y = _grid(side)
    way = np.sign(scene.light_side)
    slope, count = 0.22 * way, rng.uniform(4.5, 7)
    bars = np.clip(0.5 + 2.2 * np.sin(2 * np.pi * count * (y + slope * x)), 0, 1)
    patch = np.clip(1.5 - 2.4 * np.abs(x - (0.5 + 0.30 * way)), 0.0, 1)
    back_grey = (back @ GREY) * 0.46 + 0.30 * bars * patch
    person_grey = person[..., :3] @ GREY
    person_grey = 0.05 * person[..., 3] + 0.95 * np.maximum(person_grey, 0) ** 0.80
    toward = np.clip(0.5 + way * (x - scene.center[0]) / max(0.2, 1.2 * scene.scale), 0, 1)
    lit = 0.55 + 0.62 * toward
    lit = lit * (1 - 0.20 * (1 - bars) * np.clip(1.2 * patch, 0, 1))
    rim = _rim(person[..., 3], int(-way), 0.016)
    grey = back_grey * (1 - person[..., 3]) + person_grey * lit + 0.45 * rim
    grey = np.clip(grey, 0, 1)
    grey = np.clip((grey - 0.05) * 1.16, 0, 1)
    grey = grey * grey * (3 - 2 * grey) * 0.85 + grey * 0.15
    far = (x - 0.5) ** 2 + (y - 0.48) ** 2
    grey = grey * np.clip(1.10 - 1.25 * far, 0, 1.1) + 0.016 * _window("grain", side, rng)
    return np.clip(grey, 0, 1)[..., None] * np.float32([1.0, 0.985, 0.955])


def _signs(side: int, rng: np.random.Generator) -> np.ndarray:
    """Glowing tubes on black: float32 [side, side, 3]."""
    pixels = np.zeros((side, side, 4), np.uint8)
    canvas = skia.Surface.MakeRasterDirect(
        skia.ImageInfo.Make(side, side, skia.kRGBA_8888_ColorType, skia.kPremul_AlphaType), pixels, 4 * side
    ).getCanvas()
    canvas.scale(side, side)
    p = Painter(canvas, None, side)
    tubes = ((1.0, 0.15, 0.70), (0.10, 0.85, 1.0), (0.70, 0.30, 1.0), (1.0, 0.55, 0.10), (0.25, 1.0, 0.65))
    for k in range(int(rng.integers(4, 8))):
        color = tubes[int(rng.integers(5))]
        x = float(rng.choice((rng.uniform(0.02, 0.24), rng.uniform(0.74, 0.94))))
        y, w, h = float(rng.uniform(0.04, 0.7)), float(rng.uniform(0.07, 0.16)), float(rng.uniform(0.06, 0.22))
        kind = int(rng.integers(4))
        if kind == 0:
            p.line([(x, y), (x + w, y), (x + w, y + h), (x, y + h), (x, y)], color, 0.013)
            for row in range(2):
                p.line(
                    [(x + 0.2 * w, y + h * (0.35 + 0.3 * row)), (x + 0.8 * w, y + h * (0.35 + 0.3 * row))],
                    tubes[int(rng.integers(5))],
                    0.012,
                )
        elif kind == 1:
            p.line(
                [(x + 0.5 * w * (1 + np.cos(a)), y + 0.5 * w * (1 + np.sin(a))) for a in np.linspace(0, 6.3, 24)],
                color,
                0.013,
            )
        elif kind == 2:
            p.line([(x, y), (x + w, y + 0.4 * h), (x, y + 0.8 * h)], color, 0.014)
            p.line([(x + 0.3 * w, y), (x + 1.3 * w, y + 0.4 * h), (x + 0.3 * w, y + 0.8 * h)], color, 0.014)
        else:
            for row in range(4):
                p.line([(x, y + 0.05 * row), (x + w * float(rng.uniform(0.4, 1)), y + 0.05 * row)], color, 0.012)
    sharp = pixels[..., :3].astype(np.float32) / 255
    return sharp * 0.9 + _blur(sharp, side / 60) * 1.6 + _blur(sharp, side / 18) * 1.9


def _neon(back, person, scene, rng):
    side = len(back)
    x, y = _grid(side)
    haze = np.stack([0.30 * (1 - x) + 0.10 * y, 0.05 + 0.10 * x, 0.26 + 0.16 * x], axis=2)
    back = back * np.float32([0.75, 0.6, 1.0]) + 0.55 * haze + _signs(side, rng) * 0.85
    way = 1 if scene.light_side > 0 else -1
    warm, cold = np.float32([1.0, 0.22, 0.72]), np.float32([0.12, 0.78, 1.0])
    span = max(0.2, 1.1 * scene.scale)
    across = np.clip(0.5 + way * (x - scene.center[0]) / span, 0, 1)[..., None]
    grey = (person[..., :3] @ GREY)[..., None]
    body = person[..., :3] * np.float32([0.74, 0.66, 0.84])
    tint = cold * np.clip(1.9 * across - 0.9, 0, 1) + warm * np.clip(1.0 - 1.9 * across, 0, 1)
    lit = body + (0.30 * person[..., :3] + 0.42 * grey) * tint
    alpha = person[..., 3]
    glow = _rim(alpha, way, 0.022)[..., None] * cold + _rim(alpha, -way, 0.022)[..., None] * warm
    picture = back * (1 - person[..., 3:]) + lit + 0.85 * glow
    return _vignette(picture + 0.22 * _blur(np.clip(picture - 0.6, 0, 1), side / 30), 0.30)


def _leaves_in_front(side: int, seed: int) -> np.ndarray:
    """Dark leaves in the picture's corners, as premultiplied RGBA."""
    rng = np.random.default_rng(seed + 5)
    pixels = np.zeros((side, side, 4), np.uint8)
    canvas = skia.Surface.MakeRasterDirect(
        skia.ImageInfo.Make(side, side, skia.kRGBA_8888_ColorType, skia.kPremul_AlphaType), pixels, 4 * side
    ).getCanvas()
    canvas.scale(side, side)
    p = Painter(canvas, None, side)
    for _ in range(9):
        left = rng.random() < 0.5
        y = float(rng.choice((rng.uniform(-0.05, 0.12), rng.uniform(0.80, 1.05))))
        angle = float(rng.uniform(-0.6, 0.6)) + (0 if left else np.pi)
        tone = (0.03 + 0.06 * rng.random(), 0.16 + 0.16 * rng.random(), 0.07)
        p.leaf(-0.04 if left else 1.04, y, float(rng.uniform(0.16, 0.32)), angle, tone, 0.2)
    return pixels.astype(np.float32) / 255


def _jungle(back, person, scene, rng):
    side = len(back)
    spots = np.clip(1.4 * _window("dapple", side, rng) - 0.55, 0, 1)
    light = 0.86 + 0.30 * spots
    body = person[..., :3] * np.float32([0.93, 1.0, 0.82]) * light[..., None] + (0.05 * spots * person[..., 3])[
        ..., None
    ] * np.float32([0.9, 1.0, 0.3])
    rim = _rim(person[..., 3], int(np.sign(scene.light_side)), 0.02)[..., None] * np.float32([0.40, 0.55, 0.16])
    picture = back * (1 - person[..., 3:]) + body + rim
    front = _leaves_in_front(side, scene.seed)
    front = _blur(front, side / 150)
    return _vignette(_over(picture, front), 0.40)


def _mars(back, person, scene, rng):
    side = len(back)
    x, y = _grid(side)
    body = person[..., :3] * np.float32([1.02, 0.90, 0.80]) + person[..., 3:] * np.float32([0.05, 0.015, 0.0])
    rim = _rim(person[..., 3], int(np.sign(scene.light_side)), 0.022)[..., None] * np.float32([0.55, 0.32, 0.14])
    picture = back * (1 - person[..., 3:]) + body + rim
    dust = np.clip(0.10 + 0.34 * (y - 0.62) + 0.05 * _window("wash", side, rng), 0, 0.5)[..., None]
    picture = picture * (1 - dust) + dust * np.float32([0.95, 0.60, 0.38])
    return _vignette(picture, 0.25)


def _vibrant(back, person, scene, rng):
    side = len(back)
    alpha = person[..., 3]
    body = _saturate(person[..., :3], 1.55) * 1.04
    grey = (person[..., :3] @ GREY)[..., None]
    bold = [np.float32(BOLD[k]) for k in rng.choice(len(BOLD), 2, replace=False)]
    shade = np.clip(1 - 2.2 * grey, 0, 1) * person[..., 3:]
    body = body + shade * (0.30 * bold[0]) * 0.8
    rims = _rim(alpha, 1, 0.03)[..., None] * bold[0] + _rim(alpha, -1, 0.03)[..., None] * bold[1]
    body = body * (1 - 0.45 * np.clip(rims.max(axis=2, keepdims=True), 0, 1)) + 0.62 * rims
    steps = np.round(body * 7) / 7
    body = 0.5 * body + 0.5 * steps * (person[..., 3:] > 0.5)
    contour = np.clip(_blur(alpha, side / 110) * 2.4, 0, 1)
    halo = np.clip(_blur(alpha, side / 28) * 2.5, 0, 1)[..., None]
    back = back * (1 - halo) + halo * np.float32([1.0, 0.98, 0.92])
    ring = np.clip(contour - alpha, 0, 1)[..., None]
    back = back * (1 - ring) + ring * np.float32([0.08, 0.04, 0.16])
    return back * (1 - person[..., 3:]) + np.clip(body, 0, 1) * person[..., 3:] + 0 * halo


def _flakes(side: int, rng: np.random.Generator, count: int, low: float, high: float) -> np.ndarray:
    """Coverage of round flakes: float32 [side, side, 1]."""
    pixels = np.zeros((side, side), np.uint8)
    info = skia.ImageInfo.Make(side, side, skia.kAlpha_8_ColorType, skia.kPremul_AlphaType)
    canvas = skia.Surface.MakeRasterDirect(info, pixels, side).getCanvas()
    paint = skia.Paint(Color=skia.ColorWHITE, AntiAlias=True)
    for x, y, r in (rng.random((count, 3)) * (side, side, (high - low) * side) + (0, 0, low * side)).tolist():
        canvas.drawCircle(x, y, r, paint)
    return pixels.astype(np.float32)[..., None] / 255


def _snow(back, person, scene, rng):
    side = len(back)
    far = 0.75 * _flakes(side, rng, 70, 0.002, 0.006)
    back = back * (1 - far) + far
    body = person[..., :3] * np.float32([0.92, 0.98, 1.06])
    rims = (_rim(person[..., 3], 1, 0.022) + _rim(person[..., 3], -1, 0.022))[..., None] * np.float32(
        [0.30, 0.36, 0.44]
    )
    picture = back * (1 - person[..., 3:]) + body + rims
    near = _flakes(side, rng, 34, 0.004, 0.009)
    big = _blur(_flakes(side, rng, 9, 0.012, 0.024), side / 90)
    big = big[..., None] if big.ndim == 2 else big
    picture = picture * (1 - 0.92 * near) + 0.92 * near
    return picture * (1 - 0.55 * big) + 0.55 * big


def _line_art(back, person, scene, rng):
    paper = 1 + 0.008 * _window("paper", len(back), rng)
    return _over(back, person) * paper[..., None]


_FINISHERS = {
    "none": _photo, "watercolor": _watercolor, "film_noir": _film_noir, "neon": _neon, "jungle": _jungle,
    "mars": _mars, "vibrant_color": _vibrant, "snow": _snow, "line_art": _line_art,
}  # fmt: skip
