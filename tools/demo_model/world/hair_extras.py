"""Extra parts of some hair styles: mohawks, quiffs, buns, tails, braids, dreadlocks."""

from __future__ import annotations

import math

import numpy as np
import skia

from . import palette
from .curves import STEPS, curve, lines_path, smooth_teeth
from .pen import Pen, mix, polyline, ribbon, scaled, smooth_path


class HairExtras:
    """The part of Hair that draws these, with Hair's measures, colours and strands."""

    def _mohawk(self, pen: Pen):
        head, s = self.head, self.shape
        height = 0.55 + 0.15 * self.identity.hair_volume
        base = head.points([(-0.26, self._hairline() + 0.02, 0.70), (0.26, self._hairline() + 0.02, 0.70)])
        top = head.silhouette(
            [
                (-0.34, s.crown_v - 0.8 * height),
                (-0.16, s.crown_v - height),
                (0.02, s.crown_v - 0.93 * height),
                (0.18, s.crown_v - 1.03 * height),
                (0.36, s.crown_v - 0.8 * height),
            ]
        )
        self._tuft(pen, base[0], base[1], top)

    def _top_mass(self, pen: Pen):
        """Standing or falling hair on top: a quiff, a crew cut's flat top, an undercut's long side."""
        head, s, kind = self.head, self.shape, self.style.extra
        line, up = self._hairline(), 1 + 0.4 * self.identity.hair_volume
        side = -1 if self.identity.hair_part == "right" else 1
        w = s.width
        if kind == "quiff":
            base = head.points([(-0.62 * w, line + 0.10, 0.60), (0.62 * w, line + 0.10, 0.60)])
            tops = [
                (-0.80 * w, s.crown_v + 0.22),
                (-0.58 * w, s.crown_v - 0.20 * up),
                (side * 0.06, s.crown_v - 0.42 * up),
                (0.55 * w, s.crown_v - 0.26 * up),
                (0.80 * w, s.crown_v + 0.22),
            ]
        elif kind == "crew":
            base = head.points([(-0.66 * w, line + 0.06, 0.58), (0.66 * w, line + 0.06, 0.58)])
            tops = [
                (-0.86 * w, s.crown_v + 0.36),
                (-0.66 * w, s.crown_v - 0.06 * up),
                (0.0, s.crown_v - 0.17 * up),
                (0.66 * w, s.crown_v - 0.06 * up),
                (0.86 * w, s.crown_v + 0.36),
            ]
        else:
            low = head.points(
                [
                    (-side * 0.58 * w, line + 0.04, 0.60),
                    (side * 0.10, line + 0.18, 0.78),
                    (side * 0.62 * w, line + 0.42, 0.62),
                    (side * 0.98 * w, -0.02, 0.36),
                ]
            )
            high = head.silhouette(
                [
                    (-side * 0.74 * w, s.crown_v + 0.22),
                    (-side * 0.2, s.crown_v - 0.22 * up),
                    (side * 0.66 * w, s.crown_v - 0.06),
                    (side * (w + 0.12), -0.10),
                ]
            )
            first, second = curve(low), curve(high)
            path = ribbon(first, second)
            self._mass(pen, path)
            with pen.clipped(path):
                self._strands(pen, first, second, 26, (0.25, 0.6))
            return
        self._tuft(pen, base[0], base[1], head.silhouette(tops))

    def _tuft(self, pen: Pen, left, right, top):
        """Hair that rises from the line left-right to the contour `top`."""
        high = curve(top)
        t = np.linspace(0, 1, STEPS)[:, None]
        low = left * (1 - t) + right * t + self.head.direction(0, 1) * (-0.10 * np.sin(math.pi * t))
        jag = high.copy()
        path = polyline(np.concatenate([low, smooth_teeth(jag, self.head, 0.05)[::-1]]))
        self._mass(pen, path)
        rows = np.linspace(0, 1, 7)[:, None, None]
        sheet = low[None] * (1 - rows) + high[None] * rows
        with pen.clipped(path):
            middle = STEPS // 2
            self._strands(pen, sheet[:, 0], sheet[:, middle], 14, (0.35, 0.8))
            self._strands(pen, sheet[:, middle], sheet[:, -1], 14, (0.35, 0.8))

    def _ball(self, pen: Pen, center, radius: float):
        color = scaled(self.color, 0.9)
        x, y = map(float, center)
        path = skia.Path()
        path.addCircle(x, y, radius * self.head.unit)
        pen.fill(path, color)
        pen.outline(path, 0.024)
        with pen.clipped(path):
            pen.blob(center + self.head.direction(0, 0.6 * radius), radius * 1.2, radius * 0.8, self.dark, 0.7)
            pen.blob(
                center + self.head.direction(0.3 * radius * self.head.scene.light_side, -0.4 * radius),
                radius * 0.8,
                radius * 0.5,
                self.bright,
                0.6,
            )
            swirl = skia.Path()
            for k in range(6):
                r = radius * self.head.unit * (0.25 + 0.14 * k)
                swirl.addArc(skia.Rect.MakeLTRB(x - r, y - 0.8 * r, x + r, y + 0.9 * r), 40 * k, 220)
            pen.stroke(swirl, self.dark, 0.022, 0.5)

    def _knots(self, pen: Pen):
        head, s, extra = self.head, self.shape, self.style.extra
        grow = 1 + 0.22 * self.identity.hair_volume
        if extra in ("bun", "small_bun"):
            radius = (0.44 if extra == "bun" else 0.30) * grow
            self._ball(pen, head.points([(0, s.crown_v - 0.55 * radius, -0.35)])[0], radius)
        elif extra == "space_buns":
            for sign in (-1, 1):
                self._ball(pen, head.points([(0.72 * sign, s.crown_v + 0.02, -0.1)])[0], 0.36 * grow)
        elif extra == "ponytail":
            self._ball(pen, head.points([(0, s.crown_v + 0.02, -0.6)])[0], 0.26 * grow)

    def _tail(self, pen: Pen, base):
        head = self.head
        side = {"left": -1, "middle": 1, "right": 1}[self.identity.hair_part]
        end = 1.9 + 0.4 * self.identity.hair_length
        inner = head.points(
            [
                (0.1 * side, -1.30, -0.7),
                (side * 0.95, -0.55, -0.9),
                (side * 1.02, 0.5, -0.8),
                (side * 0.95, end - 0.5, -0.5),
                (side * 1.08, end, -0.4),
            ]
        )
        outer = head.points(
            [
                (0.1 * side, -1.58, -0.7),
                (side * 1.28, -0.95, -0.9),
                (side * 1.56, 0.3, -0.8),
                (side * 1.45, end - 0.5, -0.5),
                (side * 1.10, end, -0.4),
            ]
        )
        first, second = self._waved(curve(inner), 0.2), self._waved(curve(outer), 0.2)
        path = ribbon(first, second)
        self._mass(pen, path)
        with pen.clipped(path):
            self._strands(pen, first, second, 18, (0.2, 0.5))

    def _braids(self, pen: Pen):
        head = self.head
        for sign in (-1, 1):
            end = 2.3 + 0.3 * self.identity.hair_length
            middle = curve(
                head.points(
                    [
                        (sign * 0.99, 0.10, 0.02),
                        (sign * 1.06, 0.6, 0.02),
                        (sign * 1.05, 1.3, 0.05),
                        (sign * 0.98, end, 0.1),
                    ]
                ),
                12,
            )
            for k in range(11):
                radius = 0.19 - 0.005 * k
                for turn in (-1, 1):
                    at = middle[k] + head.direction(turn * 0.075, 0.02)
                    pen.canvas.save()
                    pen.canvas.translate(*map(float, at))
                    pen.canvas.rotate(math.degrees(head.roll) + turn * 38)
                    unit = head.unit
                    box = skia.Rect.MakeLTRB(-radius * 0.62 * unit, -radius * unit, radius * 0.62 * unit, radius * unit)
                    lump = skia.Path()
                    lump.addOval(box)
                    pen.fill(lump, mix(self.color, self.dark, 0.15 if turn == 1 else 0.30))
                    pen.stroke(lump, self.dark, 0.02, 0.6)
                    pen.canvas.restore()
                    pen.blob(at + head.direction(-0.02, -0.04), 0.06, 0.08, self.bright, 0.45)
            band = middle[-1] + head.direction(0, -0.03)
            pen.disc(band, 0.09, palette.CLOTH[head.scene.clothes_color])
            pen.fill(
                smooth_path(
                    [
                        band + head.direction(-0.09, 0.02),
                        band + head.direction(0, 0.30),
                        band + head.direction(0.09, 0.02),
                    ],
                    closed=True,
                ),
                self.color,
            )

    def _locks(self, pen: Pen, places, behind: bool):
        head, s = self.head, self.shape
        for k, place in enumerate(places):
            wide = s.width + self.volume
            end = self.length * (1 - 0.10 * ((k * 7) % 5) / 5)
            x = place * (wide + 0.08)
            drop = -0.75 * math.sqrt(max(0, 1 - 0.75 * place * place)) - 0.1
            z = -0.25 if behind else 0.15
            line = curve(
                head.points(
                    [
                        (0.85 * x, drop, z),
                        (1.04 * x, 0.1, z),
                        (1.08 * x + 0.04 * math.sin(3 * k), 0.6 * end, z),
                        (1.10 * x, end, z),
                    ]
                ),
                10,
            )
            color = scaled(self.color, 0.72 if behind else 1.0)
            path = lines_path([line])
            pen.stroke(path, scaled(self.dark, 0.8), 0.175, 1.0)
            if pen.flat:
                continue
            pen.stroke(path, color, 0.140)
            marks = skia.Path()
            for a, b in zip(line[:-1:1], line[1::1]):
                way = (b - a) / (np.linalg.norm(b - a) + 1e-6)
                across = np.array([-way[1], way[0]]) * 0.06 * head.unit
                marks.moveTo(*map(float, a - across))
                marks.lineTo(*map(float, a + across + way * 0.04 * head.unit))
            pen.stroke(marks, self.dark, 0.022, 0.6)
            pen.stroke(path, self.bright, 0.03, 0.22)
