"""A small brush for scenery, in coordinates in which the picture is 1 wide and 1 high."""

from __future__ import annotations

import math
import random

import skia

from .pen import Color, color4, mix, scaled


class Painter:
    def __init__(self, canvas: skia.Canvas, rng: random.Random, side: int):
        self.canvas, self.rng, self.side = canvas, rng, side

    def _paint(self, color: Color, alpha=1.0, blur=0.0, plus=False) -> skia.Paint:
        paint = skia.Paint(color4(color, alpha))
        paint.setAntiAlias(True)
        if blur:
            paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur))
        if plus:
            paint.setBlendMode(skia.BlendMode.kPlus)
        return paint

    def sky(self, *colors, stops=None):
        shader = skia.GradientShader.MakeLinear(
            [skia.Point(0, 0), skia.Point(0, 1)], [color4(c).toColor() for c in colors], stops or []
        )
        self.canvas.drawRect(skia.Rect.MakeWH(1, 1), skia.Paint(Shader=shader))

    def glow(self, x, y, radius, color, alpha=1.0, plus=False):
        shader = skia.GradientShader.MakeRadial(
            skia.Point(x, y), radius,
            [color4(color, alpha).toColor(), color4(color, 0.4 * alpha).toColor(), color4(color, 0).toColor()], [0, 0.45, 1],
        )  # fmt: skip
        paint = skia.Paint(Shader=shader, AntiAlias=True)
        if plus:
            paint.setBlendMode(skia.BlendMode.kPlus)
        self.canvas.drawCircle(x, y, radius, paint)

    def rect(self, x, y, w, h, color, alpha=1.0):
        self.canvas.drawRect(skia.Rect.MakeXYWH(x, y, w, h), self._paint(color, alpha))

    def disc(self, x, y, radius, color, alpha=1.0, blur=0.0, plus=False):
        self.canvas.drawCircle(x, y, radius, self._paint(color, alpha, blur, plus))

    def oval(self, x, y, rx, ry, color, alpha=1.0):
        self.canvas.drawOval(skia.Rect.MakeLTRB(x - rx, y - ry, x + rx, y + ry), self._paint(color, alpha))

    def shape(self, points, color, alpha=1.0, blur=0.0):
        path = skia.Path()
        path.moveTo(*points[0])
        for point in points[1:]:
            path.lineTo(*point)
        path.close()
        self.canvas.drawPath(path, self._paint(color, alpha, blur))

    def line(self, points, color, width, alpha=1.0, blur=0.0, plus=False):
        path = skia.Path()
        path.moveTo(*points[0])
        for point in points[1:]:
            path.lineTo(*point)
        paint = self._paint(color, alpha, blur, plus)
        paint.setStyle(skia.Paint.kStroke_Style)
        paint.setStrokeWidth(width)
        paint.setStrokeCap(skia.Paint.kRound_Cap)
        paint.setStrokeJoin(skia.Paint.kRound_Join)
        self.canvas.drawPath(path, paint)

    def ridge(self, base, height, color, steps=14):
        """A rugged skyline from edge to edge; returns its points."""
        r = self.rng
        points, y = [(-0.05, 1.1)], base - height * r.random()
        for k in range(steps + 1):
            y += height * r.uniform(-0.45, 0.45)
            y = min(base, max(base - height, y))
            points.append((-0.05 + 1.1 * k / steps, y))
        points.append((1.05, 1.1))
        self.shape(points, color)
        return points

    def leaf(self, x, y, length, angle, color, width=0.22, vein=True):
        canvas = self.canvas
        canvas.save()
        canvas.translate(x, y)
        canvas.rotate(math.degrees(angle))
        path = skia.Path()
        path.moveTo(0, 0)
        path.quadTo(0.45 * length, -width * length * 1.5, length, 0)
        path.quadTo(0.45 * length, width * length * 1.5, 0, 0)
        shader = skia.GradientShader.MakeLinear(
            [skia.Point(0, -width * length), skia.Point(0, width * length)],
            [color4(mix(color, (0.85, 1.0, 0.5), 0.25)).toColor(), color4(scaled(color, 0.6)).toColor()],
        )
        canvas.drawPath(path, skia.Paint(Shader=shader, AntiAlias=True))
        if vein:
            paint = self._paint(mix(color, (0.9, 1, 0.6), 0.35), 0.7)
            paint.setStyle(skia.Paint.kStroke_Style)
            paint.setStrokeWidth(0.025 * length)
            canvas.drawLine(0, 0, 0.92 * length, 0, paint)
        canvas.restore()

    def fir(self, x, base, height, color, snow=None):
        for k in range(4):
            top = base - height + 0.19 * height * k
            low = top + 0.40 * height
            wide = height * (0.13 + 0.075 * k)
            self.shape(
                [(x, top), (x - wide, low), (x, low - 0.04 * height), (x + wide, low)], scaled(color, 1 - 0.07 * k)
            )
            if snow:
                self.shape(
                    [
                        (x, top),
                        (x - 0.62 * wide, low - 0.13 * height),
                        (x - 0.1 * wide, low - 0.20 * height),
                        (x + 0.5 * wide, low - 0.15 * height),
                    ],
                    snow,
                    0.9,
                )
