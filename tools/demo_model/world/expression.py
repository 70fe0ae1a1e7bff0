"""Movements of the face for each expression. Lengths in head units, positive down and outwards."""

from __future__ import annotations

from dataclasses import dataclass

from .scene import Scene


@dataclass(frozen=True)
class Motion:
    brow: float = 0.0  # the whole brow
    brow_inner: float = 0.0  # its inner end
    brow_close: float = 0.0  # towards each other
    lid: float = 1.0  # opening of the upper lid
    lower_lid: float = 1.0
    corner_out: float = 0.0
    corner: float = 0.0
    sag: float = 0.0  # distance of the middle of the mouth's line below its rest position
    mouth_open: float = 0.0
    teeth: float = 0.0
    cheeks: float = 0.0
    wink: int = 0  # the closed eye


MOTIONS = {
    "neutral": Motion(brow_inner=-0.012, corner=-0.014, sag=0.004),
    "smile": Motion(brow=-0.02, lid=0.93, lower_lid=0.75, corner_out=0.085, corner=-0.085, sag=0.035, cheeks=1.0),
    "laugh": Motion(brow=-0.03, lid=0.82, lower_lid=0.55, corner_out=0.10, corner=-0.09, sag=0.0, mouth_open=0.20, teeth=1.0, cheeks=1.2),
    "sad": Motion(brow=0.01, brow_inner=-0.10, brow_close=0.03, lid=0.82, corner_out=-0.02, corner=0.075, sag=-0.035),
    "surprised": Motion(brow=-0.13, lid=1.38, lower_lid=1.12, corner_out=-0.12, corner=0.02, mouth_open=0.26),
    "angry": Motion(brow=0.05, brow_inner=0.11, brow_close=0.05, lid=0.80, lower_lid=0.85, corner_out=-0.03, corner=0.045, sag=-0.025),
    "wink": Motion(brow=-0.02, lid=0.95, lower_lid=0.8, corner_out=0.08, corner=-0.08, sag=0.03, cheeks=0.8, wink=1),
}  # fmt: skip


def motion(scene: Scene) -> Motion:
    full, k = MOTIONS[scene.expression], scene.expression_strength
    wink = full.wink and (1 if scene.seed % 2 else -1)
    return Motion(
        full.brow * k, full.brow_inner * k, full.brow_close * k, 1 + (full.lid - 1) * k, 1 + (full.lower_lid - 1) * k,
        full.corner_out * k, full.corner * k, full.sag * k, full.mouth_open * k, full.teeth, full.cheeks * k, wink,
    )  # fmt: skip
