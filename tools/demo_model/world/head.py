"""Places a head in the picture: its features are on an ellipsoid that turns, nods and tilts.

Head units: 1 is half the width of an average face. u to the picture's right, v down, z towards the
viewer. The eyes of an average face are at v = 0, the mouth at 0.95, the chin at 1.42, the hairline at
-0.82, the crown at -1.35. The projection is orthographic.
"""

from __future__ import annotations

import math

import numpy as np

from .expression import motion
from .identity import Identity
from .scene import Scene

PIVOT = np.array([0.0, 0.32, 0.0])


class Head:
    def __init__(self, identity: Identity, scene: Scene, side: int):
        self.identity, self.scene, self.side = identity, scene, side
        self.unit = scene.scale * side / 2
        self.origin = np.array(scene.center) * side
        yaw, pitch, roll = (math.radians(a) for a in (scene.yaw, scene.pitch, scene.roll))
        turn = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
        nod = np.array([[1, 0, 0], [0, math.cos(pitch), math.sin(pitch)], [0, -math.sin(pitch), math.cos(pitch)]])
        tilt = np.array([[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]])
        self.rotation = tilt @ nod @ turn
        self.yaw, self.pitch, self.roll = yaw, pitch, roll
        self.shape = FaceShape(identity)
        self.motion = motion(scene)

    def depth(self, u, v):
        """The face's depth z at (u, v)."""
        s = self.shape
        inside = 1 - (u / (1.12 * s.width)) ** 2 - ((v - 0.2) / 1.75) ** 2
        return 0.84 * np.sqrt(np.maximum(0.03, inside))

    def points(self, uvz) -> np.ndarray:
        """[n, 3] head coordinates to [n, 2] pixels."""
        turned = (np.asarray(uvz, dtype=np.float64) - PIVOT) @ self.rotation[:2].T
        return self.origin + self.unit * turned

    def surface(self, uv, lift=0.0) -> np.ndarray:
        """[n, 2] positions on the face to pixels; `lift` raises them off the surface."""
        uv = np.asarray(uv, dtype=np.float64).reshape(-1, 2)
        z = self.depth(uv[:, 0], uv[:, 1]) + lift
        return self.points(np.column_stack([uv, z]))

    def at(self, u: float, v: float, lift: float = 0.0) -> np.ndarray:
        return self.surface([(u, v)], lift)[0]

    def rim(self) -> np.ndarray:
        """The face's contour [n, 2] in pixels. On the side facing the viewer it reaches back to the ear."""
        right = self.shape.outline(self.identity)
        right[-3:, 1] += 0.35 * self.motion.mouth_open
        left = right * (-1, 1, 1)
        back = 0.62 * abs(math.sin(self.yaw)) * np.array([0, 0.8, 1, 1, 1, 1, 0.7, 0.35, 0.1, 0])
        (left if self.yaw > 0 else right)[:, 2] -= back
        return self.points(np.concatenate([right, left[-2:0:-1]]))

    def silhouette(self, offsets, z: float = -0.12) -> np.ndarray:
        """Offsets [n, 2] of (u, v) on the skull's contour, which is round from every side."""
        offsets = np.asarray(offsets, dtype=np.float64)
        wide = math.hypot(math.cos(self.yaw) * self.shape.width, math.sin(self.yaw) * 1.18) / self.shape.width
        center = self.points([(0.0, 0.0, z)])[0]
        c, s = math.cos(self.roll), math.sin(self.roll)
        x, y = offsets[:, 0] * wide, offsets[:, 1]
        return center + self.unit * np.column_stack([c * x - s * y, s * x + c * y])

    def direction(self, u: float, v: float) -> np.ndarray:
        """Only the tilt, for things in the picture's plane."""
        c, s = math.cos(self.roll), math.sin(self.roll)
        return np.array([c * u - s * v, s * u + c * v]) * self.unit

    def near_side(self) -> int:
        """The more visible side of the head: -1 left, 1 right."""
        return -1 if self.yaw > 0 else 1


class FaceShape:
    """Measures of a face in head units, from the identity's traits."""

    def __init__(self, i: Identity):
        self.width = 1.0 + 0.09 * i.face_width
        long = 0.07 * i.face_length
        self.eye_v = 0.0 + 0.05 * i.eye_height
        self.eye_u = 0.43 + 0.065 * i.eye_spacing + 0.02 * i.face_width
        self.eye_half = 0.252 + 0.040 * i.eye_size
        self.eye_open = 0.118 + 0.036 * i.eye_round + 0.012 * i.eye_size
        self.nose_v = 0.53 - 0.02 * i.woman + 0.085 * i.nose_length + long * 0.5
        self.nose_half = 0.205 - 0.016 * i.woman + 0.055 * i.nose_width
        self.nose_lift = 0.24 + 0.04 * i.nose_bridge
        self.mouth_v = 0.96 + 0.06 * i.mouth_height + long
        self.mouth_half = 0.36 + 0.075 * i.mouth_width
        self.chin_v = 1.43 + 0.12 * i.chin_length + 1.3 * long
        self.hairline_v = -0.80 - 0.10 * i.hairline - 0.08 * i.forehead
        self.crown_v = -1.36 - 0.06 * i.forehead
        self.jaw_u = self.width * (0.78 + 0.10 * i.jaw_width + 0.05 * i.jaw_square)
        self.chin_u = 0.33 + 0.11 * i.chin_width + 0.05 * i.jaw_square

    def outline(self, i: Identity) -> np.ndarray:
        """The right half of the face's rim, forehead to chin: [n, 3] head coordinates."""
        w = self.width
        sharp = i.jaw_square
        cheek = w * (0.985 + 0.035 * i.cheekbone)
        hollow = w * (0.93 + 0.055 * i.cheek)
        jaw_v = 0.92 + 0.06 * sharp + 0.25 * (self.chin_v - 1.43)
        return np.array([
            (0.0, self.crown_v + 0.10, 0.25),
            (0.55 * w, self.crown_v + 0.26, 0.28),
            (0.90 * w * (1 + 0.03 * i.temple), -0.62, 0.30),
            (0.975 * w * (1 + 0.03 * i.temple), -0.2, 0.32),
            (cheek, 0.22, 0.33),
            (hollow, 0.60, 0.34),
            (self.jaw_u, jaw_v + 0.05, 0.36),
            ((self.jaw_u + self.chin_u) / 2 + 0.04 * sharp, (jaw_v + self.chin_v) / 2 + 0.10 + 0.03 * sharp, 0.50),
            (self.chin_u, self.chin_v - 0.035, 0.63),
            (0.0, self.chin_v, 0.68),
        ])  # fmt: skip
