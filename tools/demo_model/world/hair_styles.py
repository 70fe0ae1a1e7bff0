"""The parts of each hair style. A new style is a new row here (and its name in identity.py)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HairStyle:
    volume: float  # distance of the hair's surface from the skull
    length: float = 0.0  # v where the hair at the side of the face ends; 0: at the ear
    flow: str = "down"  # down: strands fall from the parting; or combed back
    fringe: str = "none"  # none, full, swept, messy
    wave: float = 0.0  # amplitude of waves
    curls: float = 0.0  # radius of curls
    flare: float = 0.05  # wider towards the ends
    face: float = 0.90  # position of the inner edge on the cheek, relative to the face's width
    sides: str = "hair"  # hair, shaved, none
    extra: str = ""


HAIR = {
    "bald": HairStyle(0.0, sides="none"),
    "ring": HairStyle(0.05, sides="hair", extra="ring"),
    "buzz": HairStyle(0.035, extra="buzz"),
    "crew": HairStyle(0.10, flow="back", extra="crew"),
    "side_part": HairStyle(0.16, fringe="swept"),
    "quiff": HairStyle(0.12, flow="back", extra="quiff"),
    "slick_back": HairStyle(0.10, flow="back"),
    "undercut": HairStyle(0.05, sides="shaved", extra="flop"),
    "mohawk": HairStyle(0.03, sides="shaved", extra="mohawk"),
    "bowl": HairStyle(0.17, length=0.12, fringe="full", face=0.97),
    "short_curly": HairStyle(0.22, curls=0.12, fringe="messy"),
    "pixie": HairStyle(0.15, length=0.25, fringe="swept", face=0.97, flare=0.0),
    "bob": HairStyle(0.17, length=1.12, flare=0.16, face=0.86),
    "bob_fringe": HairStyle(0.17, length=1.05, flare=0.14, fringe="full", face=0.86),
    "shoulder_wavy": HairStyle(0.19, length=1.75, wave=0.07, flare=0.22, face=0.90),
    "long_straight": HairStyle(0.14, length=2.75, flare=0.14, face=0.88),
    "long_fringe": HairStyle(0.14, length=2.65, flare=0.14, fringe="full", face=0.88),
    "long_wavy": HairStyle(0.20, length=2.65, wave=0.10, flare=0.34, face=0.92),
    "long_curly": HairStyle(0.27, length=2.1, curls=0.15, flare=0.50, face=0.95),
    "afro": HairStyle(0.20, curls=0.10, extra="afro"),
    "bun": HairStyle(0.09, flow="back", extra="bun"),
    "man_bun": HairStyle(0.08, flow="back", extra="small_bun"),
    "space_buns": HairStyle(0.10, extra="space_buns"),
    "ponytail": HairStyle(0.09, flow="back", extra="ponytail"),
    "braids": HairStyle(0.10, extra="braids"),
    "dreadlocks": HairStyle(0.15, length=1.9, flare=0.28, face=0.92, extra="locks"),
}  # fmt: skip
