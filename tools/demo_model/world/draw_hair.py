"""Hair. Each side of the head is a sheet between two curves from the parting: the inner one
follows the hairline and the cheek, the outer one the skull. The strands are between them."""

from __future__ import annotations

import math

import numpy as np
import skia

from . import palette
from .curves import STEPS, curve, lines_path, smooth_teeth
from .hair_extras import HairExtras
from .hair_styles import HAIR
from .head import Head
from .pen import Pen, mix, polyline, ribbon, scaled, smooth_path


class Hair(HairExtras):
    def __init__(self, head: Head):
        self.head, self.identity, self.shape = head, head.identity, head.shape
        self.style = HAIR[head.identity.hair_style]
        self.rng = np.random.default_rng(head.identity.seed)
        self.color = palette.hair(head.identity, head.scene)
        grey = 0.3 * self.color[0] + 0.59 * self.color[1] + 0.11 * self.color[2]
        self.dark = scaled(self.color, 0.52)
        self.bright = mix(
            self.color, (1.0, 0.93, 0.80) if grey > 0.2 else (0.52, 0.54, 0.66), 0.42 if grey > 0.2 else 0.50
        )
        self.covered = head.scene.hat != "none"
        self.volume = self.style.volume * (1 + 0.42 * self.identity.hair_volume)
        if self.covered:
            self.volume = min(self.volume, 0.08)
        self.part_u = {"left": -0.36, "middle": 0.0, "right": 0.36}[self.identity.hair_part]
        if self.style.flow == "back" or self.style.extra in ("braids", "space_buns"):
            self.part_u = 0.0
        self.length = self.style.length
        if self.length > 0.5:
            self.length += (0.12 if self.length < 1.4 else 0.30) * self.identity.hair_length
        self.sheets = []
        if self.style.sides != "none":
            self.sheets = [self._sheet(sign) for sign in (-1, 1)]
        self.fringe = self._fringe()

    def shadow(self) -> skia.Path | None:
        """The hair that casts a shadow on the face."""
        if not self.sheets or self.style.extra in ("ring", "buzz"):
            return None
        path = skia.Path()
        for inner, outer in self.sheets:
            path.addPath(ribbon(inner, outer))
        if self.fringe is not None:
            path.addPath(polyline(np.concatenate([self.fringe[0], self.fringe[1][::-1]])))
        return path

    # Geometry

    def _hairline(self) -> float:
        line = self.shape.hairline_v
        return line - 0.10 * max(0, self.identity.age - 0.5) * (not self.identity.woman)

    def _sheet(self, sign: int):
        """(inner, outer) curves [STEPS, 2] of one side in pixels, from the parting to the ends."""
        head, s, style = self.head, self.shape, self.style
        w, line, vol = s.width, self._hairline(), self.volume
        top = -s.crown_v + vol
        peak = 0.10 * self.identity.widows_peak
        part = self.part_u
        reach = abs(sign * 0.8 - part)
        start = (part, line + peak, 0.72)
        if style.extra == "ring":
            inner = [
                (sign * 0.93 * w, -0.42, 0.20),
                (sign * 0.95 * w, -0.30, 0.30),
                (sign * 0.95 * w, -0.12, 0.34),
                (sign * 0.97 * w, 0.14, 0.26),
            ]
            outer = [
                (sign * 0.97 * w, -0.52),
                (sign * (w + 0.6 * vol), -0.35),
                (sign * (w + vol), -0.1),
                (sign * (w + 0.01), 0.20),
            ]
            return curve(head.points(inner)), curve(head.silhouette(outer))
        long = self.length > 0.5
        temple = -0.50 - 0.10 * self.identity.hairline * (0 if self.identity.woman else 1)
        inner = [
            start,
            (part + sign * 0.45 * reach, line + 0.03 + (0.04 if long else -0.02), 0.68),
            (sign * 0.80 * w, temple, 0.46),
        ]
        if self.length > 0.0:
            end = self.length
            inner += [(sign * 0.935 * w, min(-0.10, end - 0.2), 0.34)]
            if end > 0.5:
                inner += [
                    (sign * style.face * w, 0.40, 0.32),
                    (sign * (style.face - 0.03) * w, min(0.95, end * 0.8), 0.30),
                ]
            inner += [(sign * (style.face + 0.02 + 0.2 * style.flare * (end > 1.4)) * w, end, 0.20)]
            flare = style.flare
            outer = [
                (part, -top),
                (sign * 0.62 * (w + vol), -top + 0.20),
                (sign * 0.96 * (w + vol), -0.62),
                (sign * (w + vol + 0.2 * flare), 0.05),
            ]
            if end > 0.5:
                outer += [(sign * (w + vol + 0.75 * flare), 0.65 * end), (sign * (w + 0.7 * vol + flare), 0.88 * end)]
            outer += [(sign * (w * (0.98 if long else 1.0) + 0.3 * vol + 0.55 * flare), end + (0.06 if long else 0.02))]
        else:
            inner += [(sign * 0.915 * w, -0.24, 0.36), (sign * 0.955 * w, 0.10 if self.identity.woman else 0.20, 0.28)]
            outer = [
                (part, -top),
                (sign * 0.62 * (w + vol), -top + 0.20),
                (sign * 0.96 * (w + vol), -0.62),
                (sign * (w + 0.75 * vol), -0.25),
                (sign * (w + 0.02), 0.14),
            ]
        inner, outer = curve(head.points(inner)), curve(head.silhouette(outer))
        return self._waved(inner, 0.5), self._waved(outer, 0.0)

    def _waved(self, line: np.ndarray, phase: float, more: float = 1.0) -> np.ndarray:
        if not self.style.wave:
            return line
        t = np.linspace(0, 1, len(line))
        amount = self.style.wave * (1 + 0.35 * self.identity.hair_curl) * np.minimum(1, 2.2 * t) * more * self.head.unit
        cycles = 2.2 + 0.7 * self.identity.hair_curl + 0.5 * self.length
        return line + (amount * np.sin(2 * math.pi * (cycles * t + phase)))[:, None] * (
            self.head.direction(1, 0) / self.head.unit
        )

    def _fringe(self):
        """(lower edge, upper edge) [STEPS, 2] or None."""
        head, s, kind = self.head, self.shape, self.style.fringe
        if kind == "none" or self.covered:
            return None
        w, line = s.width, self._hairline()
        if kind == "full":
            low = s.eye_v - 0.335 + 0.04 * self.identity.hairline
            lower = [
                (-0.93 * w, low + 0.20, 0.34),
                (-0.62 * w, low + 0.03, 0.70),
                (0, low - 0.01, 0.92),
                (0.62 * w, low + 0.03, 0.70),
                (0.93 * w, low + 0.20, 0.34),
            ]
            upper = [
                (-0.90 * w, -0.72, 0.25),
                (-0.55 * w, -1.18, 0.30),
                (0, -1.34, 0.30),
                (0.55 * w, -1.18, 0.30),
                (0.90 * w, -0.72, 0.25),
            ]
        else:
            side = -1 if self.part_u > 0 or (self.part_u == 0 and self.identity.seed % 2) else 1
            start = 0.42
            lower = [
                (-side * start, line + 0.01, 0.70),
                (-side * 0.05, line + 0.20, 0.80),
                (side * 0.48 * w, line + 0.30, 0.66),
                (side * 0.82 * w, -0.36, 0.46),
                (side * 0.96 * w, -0.10, 0.32),
            ]
            upper = [
                (-side * start, line - 0.30, 0.62),
                (-side * 0.02, line - 0.34, 0.58),
                (side * 0.5 * w, line - 0.22, 0.5),
                (side * 0.90 * w, -0.62, 0.3),
                (side * 0.99 * w, -0.14, 0.2),
            ]
        return curve(head.points(lower)), curve(head.points(upper))

    # Drawing

    def draw_back(self, pen: Pen):
        """Everything behind the face and the shoulders."""
        head, s, style = self.head, self.shape, self.style
        if style.sides == "none":
            return
        w, vol = s.width, self.volume
        base = scaled(self.color, 0.62 if not style.curls or self.length else 0.92)
        if style.extra == "afro" and not self.covered:
            self._afro(pen, base)
        if not self.covered:
            self._knots(pen)
        if style.extra == "ponytail":
            self._tail(pen, base)
        end = self.length if self.length > 0.5 else 0.75
        flare = style.flare if self.length > 0.5 else 0.0
        inset = 0.0 if self.length > 0.5 else 0.08
        right = [
            (0.62 * (w + vol), s.crown_v - vol + 0.22),
            (0.97 * (w + vol), -0.55),
            (w + vol - inset, 0.1),
            (w + vol + 0.7 * flare - 1.6 * inset, 0.66 * end),
            (w * (0.86 if inset else 0.96) + flare, end),
            (0.45 * w, end + 0.06),
        ]
        if style.extra == "ring":
            right = [(0.5, -0.2), (0.95 * w, -0.2), (w, 0.2), (0.9 * w, 0.7), (0.4, 0.8)]
        if style.sides == "shaved" or style.extra == "buzz":
            base = mix(palette.shadow(palette.skin(self.identity)), base, 0.7)
        right = np.array(right)
        ring = np.concatenate([right, right[::-1] * (-1, 1)])
        top = s.crown_v - vol if style.extra != "ring" else 0.0
        outline = head.silhouette(np.concatenate([[(0, top)], ring]), -0.2)
        path = smooth_path(outline, closed=True)
        if style.extra == "locks":
            self._locks(pen, np.linspace(-1, 1, 15), behind=True)
        if style.curls and self.length:
            self._scallop(pen, outline[1:], base)
        pen.fill(path, base)
        pen.outline(path, 0.02)
        if self.length > 0.5 and not pen.flat:
            with pen.clipped(path):
                pen.blob(head.points([(0, 1.2, -0.2)])[0], 1.0, 1.1, scaled(base, 0.45), 0.75, core=0.3)

    def draw_front(self, pen: Pen):
        style = self.style
        if style.sides == "none":
            return
        if style.sides == "shaved" or style.extra in ("buzz", "ring"):
            self._shaved(pen)
        elif style.extra == "afro" and not self.covered:
            self._cap_curls(pen)
        else:
            for inner, outer in self.sheets:
                self._draw_sheet(pen, inner, outer)
        if style.extra == "locks":
            self._locks(pen, np.concatenate([np.linspace(-1.0, -0.62, 5), np.linspace(0.62, 1.0, 5)]), behind=False)
        if style.extra == "braids":
            self._braids(pen)
        if self.covered:
            return
        if style.extra == "mohawk":
            self._mohawk(pen)
        elif style.extra in ("quiff", "flop", "crew"):
            self._top_mass(pen)
        if self.fringe is not None:
            self._draw_fringe(pen)
        elif (
            style.flow == "down"
            and style.extra not in ("buzz", "ring", "afro", "mohawk")
            and style.sides == "hair"
            and not style.curls
        ):
            root = self.sheets[0]
            pen.stroke(smooth_path([root[0][0], (root[0][0] + root[1][0]) / 2, root[1][0]]), self.dark, 0.022, 0.7)

    def _mass(self, pen: Pen, path):
        """A filled mass, lighter on the light's side."""
        side = self.head.scene.light_side
        if pen.flat:
            pen.fill(path, self.color)
            pen.outline(path, 0.024)
            return
        wide = self.shape.width + self.volume
        start, end = self.head.silhouette([(-wide, -1.6), (wide, 0.4)])
        a, b = (start, end) if side < 0 else (end, start)
        pen.gradient(path, a, b, [mix(self.color, self.bright, 0.35), self.color, scaled(self.color, 0.68)])

    def _strands(
        self, pen: Pen, first: np.ndarray, second: np.ndarray, count: int, sheen=(0.16, 0.42), wave: float = 0.0
    ):
        """Strands between two parallel curves, with a band of sheen across them."""
        t = np.sort(self.rng.uniform(0.02, 0.98, count))[:, None, None]
        lines = first[None] * (1 - t) + second[None] * t
        if wave:
            along = np.linspace(0, 1, lines.shape[1])[None]
            phase = self.rng.uniform(0, 1, (count, 1))
            swing = (
                wave
                * self.head.unit
                * np.minimum(1, 3 * along)
                * np.sin(2 * math.pi * (along * (2 + 1.2 * self.length) + 0.25 * phase + t[:, :, 0]))
            )
            lines = lines + swing[..., None] * (self.head.direction(1, 0) / self.head.unit)
        pen.stroke(lines_path(lines[::2]), self.dark, 0.022, 0.50)
        pen.stroke(lines_path(lines[1::2]), self.bright, 0.015, 0.40)
        if pen.flat:
            return
        a, b = int(sheen[0] * lines.shape[1]), max(int(sheen[0] * lines.shape[1]) + 3, int(sheen[1] * lines.shape[1]))
        pen.stroke(lines_path(lines[:, a:b]), self.bright, 0.060, 0.36, blur=0.028)
        pen.stroke(lines_path(lines[1::3, a + 1 : b]), mix(self.bright, (1, 1, 1), 0.35), 0.016, 0.38)

    def _draw_sheet(self, pen: Pen, inner, outer):
        path = ribbon(inner, outer)
        if self.style.curls and not self.covered:
            self._scallop(pen, outer, self.color, 1.0)
            if self.length:
                self._scallop(pen, inner[STEPS // 2 :], self.color, 0.7)
        self._mass(pen, path)
        with pen.clipped(path) if not self.style.curls else _Nothing():
            if self.style.curls:
                self._curls(pen, inner, outer, (30 if not self.length else 54) if not pen.flat else 26)
            elif self.style.flow == "back":
                columns = np.linspace(0, 1, STEPS)[:, None, None]
                across = inner[None] * (1 - columns) + outer[None] * columns
                self._strands(
                    pen, across[:, 0], across[:, -1] * 0.15 + across[:, STEPS * 2 // 3] * 0.85, 9, (0.25, 0.6)
                )
                self._strands(pen, across[:, STEPS // 4], across[:, STEPS - 2], 12, (0.25, 0.6))
            else:
                self._strands(pen, inner, outer, 26 if self.length > 0.5 else 20, wave=self.style.wave)
                if not pen.flat:
                    pen.stroke(lines_path([inner]), self.dark, 0.10, 0.5, blur=0.04)

    def _draw_fringe(self, pen: Pen):
        lower, upper = self.fringe
        if self.style.fringe == "messy":
            lumps = skia.Path()
            for x, y in (lower * 0.6 + upper * 0.4).tolist():
                lumps.addCircle(x, y, 0.13 * self.head.unit)
            pen.fill(lumps, self.color)
            self._curls(pen, lower, upper, 16)
            return
        if self.style.fringe == "full":
            teeth = smooth_teeth(lower, self.head, 0.05)
            path = polyline(np.concatenate([teeth, upper[::-1]]))
        else:
            path = ribbon(lower, upper)
        low, high = upper.min(axis=0), lower.max(axis=0)
        if pen.flat:
            pen.fill(path, self.color)
            pen.stroke(polyline(lower, closed=False), self.dark, 0.024)
        else:
            pen.gradient(path, low, high, [mix(self.color, self.bright, 0.25), self.color, scaled(self.color, 0.78)])
        with pen.clipped(path):
            if self.style.fringe == "full":
                t = np.linspace(0, 1, 6)[:, None, None]
                rows = upper[None] * (1 - t) + lower[None] * t
                self._strands(pen, rows[:, 0], rows[:, STEPS // 2], 13, (0.3, 0.75))
                self._strands(pen, rows[:, STEPS // 2], rows[:, -1], 13, (0.3, 0.75))
            else:
                self._strands(pen, lower, upper, 18, (0.2, 0.55))

    def _curls(self, pen: Pen, first, second, count: int):
        """Small open rings scattered between two curves."""
        radius = self.style.curls * (1 + 0.2 * self.identity.hair_curl)
        dark, light, glint = skia.Path(), skia.Path(), skia.Path()
        for _ in range(count):
            t, k = self.rng.random(), int(STEPS * self.rng.random() ** 1.6)
            x, y = first[k] * (1 - t) + second[k] * t
            r = radius * self.head.unit * self.rng.uniform(0.45, 0.95)
            box = skia.Rect.MakeLTRB(x - r, y - r, x + r, y + r)
            turn = self.rng.uniform(0, 360)
            dark.addArc(box, turn, 230)
            box = skia.Rect.MakeLTRB(x - 0.7 * r, y - 0.75 * r, x + 0.7 * r, y + 0.65 * r)
            light.addArc(box, turn, 200)
            glint.addArc(box, 215, 70)
        pen.stroke(dark, self.dark, 0.050 if not pen.flat else 0.024, 0.40)
        if not pen.flat:
            pen.stroke(light, self.color, 0.060, 0.70)
        pen.stroke(light, self.bright, 0.022, 0.50)
        if not pen.flat:
            pen.stroke(glint, self.bright, 0.034, 0.40, blur=0.012)

    def _scallop(self, pen: Pen, line, color, size: float = 1.0):
        """Round lumps along a contour."""
        radius = self.style.curls * size * (1 + 0.2 * self.identity.hair_curl)
        lumps = skia.Path()
        for x, y in curve(line, 18).tolist():
            lumps.addCircle(x, y, radius * self.head.unit * self.rng.uniform(0.75, 1.15))
        pen.fill(lumps, color)
        pen.outline(lumps, 0.018)

    def _afro(self, pen: Pen, base):
        head = self.head
        size = 1.42 + 0.16 * self.identity.hair_volume
        center = head.points([(0, -0.42, -0.25)])[0]
        angles = np.linspace(0, 2 * math.pi, 30, endpoint=False)
        lumps = skia.Path()
        for angle in angles:
            x, y = center + head.direction(math.cos(angle) * (size - 0.14), math.sin(angle) * (size - 0.2))
            lumps.addCircle(float(x), float(y), 0.17 * head.unit * self.rng.uniform(0.8, 1.15))
        x, y = map(float, center)
        body = skia.Path()
        body.addCircle(x, y, (size - 0.08) * head.unit)
        pen.fill(lumps, self.color)
        pen.outline(lumps, 0.02)
        pen.fill(body, self.color)
        pen.blob(center + head.direction(0.5 * head.scene.light_side, -0.75), 1.0, 0.75, self.bright, 0.45)
        pen.blob(center + head.direction(0, 0.8), 1.3, 0.8, self.dark, 0.6)
        for low in (0.0, math.pi / 2, math.pi, 1.5 * math.pi):
            arc = np.linspace(low, low + math.pi / 2, STEPS)
            rim = center + (np.column_stack([np.cos(arc), np.sin(arc)]) * (size - 0.1)) @ _basis(head)
            self._curls(pen, rim, center + (rim - center) * 0.55, 34)

    def _cap_curls(self, pen: Pen):
        for inner, outer in self.sheets:
            path = ribbon(inner, outer)
            pen.fill(path, self.color)
            self._scallop(pen, inner, self.color, 0.75)
            self._curls(pen, inner, outer, 26)

    def _shaved(self, pen: Pen):
        skin = palette.skin(self.identity)
        ring = self.style.extra == "ring"
        alpha = 0.80 if ring else 0.66 if self.style.extra == "buzz" else 0.50
        for inner, outer in self.sheets:
            path = ribbon(inner, outer)
            pen.fill(path, mix(self.color, skin, 0.15), alpha, blur=0.018 if not pen.flat else 0)
            dots = skia.Path()
            for _ in range(90):
                t, k = self.rng.random(), self.rng.integers(0, STEPS)
                x, y = (inner[k] * (1 - t) + outer[k] * t + self.rng.normal(0, 0.05, 2) * self.head.unit).tolist()
                dots.moveTo(x, y)
                dots.lineTo(x + 0.02 * self.head.unit, y + 0.05 * self.head.unit)
            with pen.clipped(path):
                pen.stroke(dots, self.dark, 0.016, 0.5)
                pen.blob(
                    self.head.silhouette([(0.5 * self.head.scene.light_side, self.shape.crown_v + 0.2)])[0],
                    0.7,
                    0.4,
                    self.bright,
                    0.35,
                )


def _basis(head: Head) -> np.ndarray:
    return np.array([head.direction(1, 0), head.direction(0, 1)])


class _Nothing:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None
