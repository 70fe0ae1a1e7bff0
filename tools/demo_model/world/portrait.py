"""Draws a portrait: background, person, style."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import skia

from .backgrounds import draw_background
from .draw_body import draw_body
from .draw_face import draw_ear, draw_face, face_path, keypoints
from .draw_hair import Hair
from .draw_wear import draw_glasses, draw_hat
from .head import Head
from .identity import Identity
from .line_backgrounds import draw_line_background
from .pen import Pen
from .scene import Scene
from .styles import finish


@dataclass
class Portrait:
    """rgb uint8 [side, side, 3]; keypoints float32 [5, 2] and box float32 [4] in pixels: left eye,
    right eye, nose, left mouth corner, right mouth corner as seen in the picture; x0 y0 x1 y1, chin to
    forehead. A group has keypoints [n, 5, 2] and boxes [n, 4], and box is None."""

    rgb: np.ndarray
    keypoints: np.ndarray
    box: np.ndarray | None = None
    boxes: np.ndarray | None = None


def face_box(head: Head) -> np.ndarray:
    half = head.shape.outline(head.identity)
    half = half[half[:, 1] > head.shape.hairline_v - 0.05]
    forehead = np.array([(0.0, head.shape.hairline_v, 0.75)])
    points = np.concatenate([head.points(np.concatenate([half, half * (-1, 1, 1), forehead])), keypoints(head)])
    return np.concatenate([points.min(axis=0), points.max(axis=0)]).astype(np.float32)


def draw_person(canvas: skia.Canvas, head: Head):
    pen = Pen(canvas, head.unit, flat=head.scene.style == "line_art")
    hair = Hair(head)
    hair.draw_back(pen)
    draw_body(pen, head, face_path(head))
    far, near = -head.near_side(), head.near_side()
    draw_ear(pen, head, far)
    draw_face(pen, head, hair.shadow())
    draw_ear(pen, head, near)
    hair.draw_front(pen)
    draw_glasses(pen, head)
    draw_hat(pen, head)


def layer(side: int):
    """A transparent picture, premultiplied uint8 [side, side, 4], and the surface that draws into it."""
    pixels = np.zeros((side, side, 4), np.uint8)
    info = skia.ImageInfo.Make(side, side, skia.kRGBA_8888_ColorType, skia.kPremul_AlphaType)
    return pixels, skia.Surface.MakeRasterDirect(info, pixels, 4 * side)


def portrait(identity: Identity, scene: Scene, side: int) -> Portrait:
    head = Head(identity, scene, side)
    back = paint_background(scene, side)
    person, person_surface = layer(side)
    draw_person(person_surface.getCanvas(), head)
    rgb = compose(back, [person], scene)
    return Portrait(rgb, keypoints(head), face_box(head))


def paint_background(scene: Scene, side: int) -> np.ndarray:
    """Only the scene's place: uint8 [side, side, 4]."""
    pixels, surface = layer(side)
    draw = draw_line_background if scene.style == "line_art" else draw_background
    draw(surface.getCanvas(), scene.background, scene.seed, side)
    return pixels


def compose(back: np.ndarray, people: list[np.ndarray], scene: Scene) -> np.ndarray:
    """Draws people over the background, the last in front, and finishes the picture in the scene's style."""
    together = np.zeros(back.shape, np.float32)
    for pixels in people:
        person = pixels.astype(np.float32) / 255
        together = together * (1 - person[..., 3:]) + person
    picture = finish(back.astype(np.float32) / 255, together, scene)
    return (picture * 255 + 0.5).astype(np.uint8)
