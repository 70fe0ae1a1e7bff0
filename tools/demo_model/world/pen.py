"""Small helpers for Skia: smooth paths through points, fills, soft spots, shadows.

Colours are (r, g, b) in [0, 1]; coordinates are pixels of the picture.
"""

from __future__ import annotations

import numpy as np
import skia

Color = tuple[float, float, float]
BLEND = {
    "over": skia.BlendMode.kSrcOver,
    "atop": skia.BlendMode.kSrcATop,
    "multiply": skia.BlendMode.kMultiply,
    "screen": skia.BlendMode.kScreen,
    "soft": skia.BlendMode.kSoftLight,
    "plus": skia.BlendMode.kPlus,
}

INK = (0.08, 0.08, 0.11)
PAPER = (0.985, 0.98, 0.965)


def paper_tone(color: Color) -> Color:
    """A pale tint of the colour, like a thin wash under ink; dark colours stay darker."""
    grey = 0.3 * color[0] + 0.59 * color[1] + 0.11 * color[2]
    lively = scaled(color, min(1.25, 0.95 / max(0.05, *color)))
    return mix(PAPER, lively, 0.30 + 0.45 * (1 - grey) ** 2)


def mix(a: Color, b: Color, t: float) -> Color:
    return (a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t)


def scaled(a: Color, k: float) -> Color:
    return (min(1.0, a[0] * k), min(1.0, a[1] * k), min(1.0, a[2] * k))


def color4(color: Color, alpha: float = 1.0) -> skia.Color4f:
    return skia.Color4f(color[0], color[1], color[2], max(0.0, min(1.0, alpha)))


def smooth_path(points, closed: bool = False, tension: float = 1.0, path: skia.Path | None = None) -> skia.Path:
    """A curve through the points [n, 2] (Catmull-Rom). Appends to `path` if given."""
    points = np.asarray(points, dtype=np.float64)
    if closed:
        around = np.concatenate([points[-1:], points, points[:2]])
    else:
        around = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    tangents = (around[2:] - around[:-2]) * (tension / 6.0)
    ends = points if not closed else np.concatenate([points, points[:1]])
    first = (ends[:-1] + tangents[: len(ends) - 1]).tolist()
    second = (ends[1:] - tangents[1 : len(ends)]).tolist()
    last = ends[1:].tolist()
    path = skia.Path() if path is None else path
    path.moveTo(float(ends[0, 0]), float(ends[0, 1]))
    for a, b, c in zip(first, second, last):
        path.cubicTo(a[0], a[1], b[0], b[1], c[0], c[1])
    if closed:
        path.close()
    return path


def ribbon(first, second) -> skia.Path:
    """The area between two parallel curves [n, 2]."""
    there, back = smooth_path(first), smooth_path(np.asarray(second)[::-1])
    there.addPath(back, skia.Path.AddPathMode.kExtend_AddPathMode)
    there.close()
    return there


def polyline(points, closed: bool = True) -> skia.Path:
    path = skia.Path()
    points = np.asarray(points).tolist()
    path.moveTo(*points[0])
    for point in points[1:]:
        path.lineTo(*point)
    if closed:
        path.close()
    return path


class Pen:
    """Draws on one canvas. `unit` is the number of pixels per head unit; widths are in head units.

    A flat pen draws line art: pale fills, inked outlines, no light and shade.
    """

    def __init__(self, canvas: skia.Canvas, unit: float, flat: bool = False):
        self.canvas = canvas
        self.unit = unit
        self.flat = flat

    def paint(self, color: Color, alpha: float = 1.0, blend: str = "over", blur: float = 0.0) -> skia.Paint:
        paint = skia.Paint(color4(color, alpha))
        paint.setAntiAlias(True)
        if blend != "over":
            paint.setBlendMode(BLEND[blend])
        if blur * self.unit > 0.3:
            paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur * self.unit))
        return paint

    def fill(self, path, color: Color, alpha: float = 1.0, blend: str = "over", blur: float = 0.0):
        if self.flat:
            if blur > 0.02 and alpha < 0.9:
                return
            color, blur = paper_tone(color), 0.0
        self.canvas.drawPath(path, self.paint(color, alpha, blend, blur))

    def gradient(self, path, start, end, colors, stops=None, alphas=None, blend: str = "over"):
        """Fills with a linear gradient from `start` to `end`."""
        if self.flat:
            if alphas is None:
                self.fill(path, colors[0])
            return
        alphas = alphas or [1.0] * len(colors)
        shader = skia.GradientShader.MakeLinear(
            [skia.Point(*map(float, start)), skia.Point(*map(float, end))],
            [color4(c, a).toColor() for c, a in zip(colors, alphas)], stops or [],
        )  # fmt: skip
        paint = skia.Paint(Shader=shader, AntiAlias=True, BlendMode=BLEND[blend])
        self.canvas.drawPath(path, paint)

    def stroke(self, path, color: Color, width: float, alpha: float = 1.0, blend: str = "over", blur: float = 0.0):
        if self.flat:
            if blur > 0.03:
                return
            color, blur, width = INK, 0.0, min(width, 0.035)
        paint = self.paint(color, alpha, blend, blur)
        paint.setStyle(skia.Paint.kStroke_Style)
        paint.setStrokeCap(skia.Paint.kRound_Cap)
        paint.setStrokeJoin(skia.Paint.kRound_Join)
        paint.setStrokeWidth(max(0.35, width * self.unit))
        self.canvas.drawPath(path, paint)

    def blob(
        self,
        at,
        rx: float,
        ry: float,
        color: Color,
        alpha: float,
        blend: str = "over",
        angle: float = 0.0,
        core: float = 0.0,
    ):
        """A soft spot: opaque within `core` of the radius, fading out to the rim. Radii in head units."""
        if self.flat:
            return
        canvas = self.canvas
        canvas.save()
        canvas.translate(float(at[0]), float(at[1]))
        if angle:
            canvas.rotate(angle)
        canvas.scale(max(1e-3, rx * self.unit), max(1e-3, ry * self.unit))
        a = max(0.0, min(1.0, alpha))
        mid = (core + 1) / 2
        shader = skia.GradientShader.MakeRadial(
            skia.Point(0, 0), 1.0,
            [color4(color, a).toColor(), color4(color, a).toColor(), color4(color, a * 0.42).toColor(), color4(color, 0).toColor()],
            [0.0, core, mid, 1.0],
        )  # fmt: skip
        paint = skia.Paint(Shader=shader, AntiAlias=True, BlendMode=BLEND[blend])
        canvas.drawCircle(0, 0, 1, paint)
        canvas.restore()

    def disc(self, at, radius: float, color: Color, alpha: float = 1.0):
        self.canvas.drawCircle(float(at[0]), float(at[1]), radius * self.unit, self.paint(color, alpha))

    def ring(self, at, radius: float, color: Color, width: float, alpha: float = 1.0):
        paint = self.paint(color, alpha)
        paint.setStyle(skia.Paint.kStroke_Style)
        paint.setStrokeWidth(width * self.unit)
        self.canvas.drawCircle(float(at[0]), float(at[1]), radius * self.unit, paint)

    def hole(self, at, rx: float, ry: float, color: Color, angle: float):
        """A hard small ellipse, such as a nostril."""
        self.canvas.save()
        self.canvas.translate(float(at[0]), float(at[1]))
        self.canvas.rotate(float(angle))
        box = skia.Rect.MakeLTRB(-rx * self.unit, -ry * self.unit, rx * self.unit, ry * self.unit)
        self.canvas.drawOval(box, self.paint(color, 0.85, blur=0.006))
        self.canvas.restore()

    def outline(self, path, width: float):
        """An inked contour; only in line art."""
        if self.flat:
            self.stroke(path, INK, width)

    def clipped(self, path):
        return _Clip(self.canvas, path)


class _Clip:
    def __init__(self, canvas, path):
        self.canvas, self.path = canvas, path

    def __enter__(self):
        self.canvas.save()
        self.canvas.clipPath(self.path, doAntiAlias=True)

    def __exit__(self, *_):
        self.canvas.restore()
