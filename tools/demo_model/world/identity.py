"""A person's identity: everything that is the same in all their pictures.

Shape traits are numbers in [-1, 1] with average 0; amounts are in [0, 1]. Traits are drawn nearly
independently and nearly uniformly, so that two people differ in many of them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

WOMEN_HAIR = (
    ("long_straight", 10), ("long_fringe", 8), ("long_wavy", 10), ("long_curly", 9), ("shoulder_wavy", 8),
    ("bob", 9), ("bob_fringe", 8), ("pixie", 8), ("bun", 9), ("ponytail", 8), ("braids", 7), ("afro", 7),
    ("space_buns", 4), ("undercut", 3), ("short_curly", 3), ("dreadlocks", 3), ("buzz", 2),
)  # fmt: skip
MEN_HAIR = (
    ("bald", 8), ("ring", 6), ("buzz", 8), ("crew", 8), ("side_part", 10), ("quiff", 9), ("slick_back", 7),
    ("undercut", 7), ("mohawk", 4), ("bowl", 7), ("short_curly", 9), ("afro", 6), ("man_bun", 5),
    ("long_straight", 4), ("shoulder_wavy", 6), ("dreadlocks", 4),
)  # fmt: skip
HAIR_STYLES = tuple(dict.fromkeys(name for name, _ in WOMEN_HAIR + MEN_HAIR))
BEARDS = ("none", "stubble", "goatee", "circle", "short", "full", "long", "strap", "chops")
MOUSTACHES = ("none", "pencil", "thick", "handlebar")
EYE_COLORS = ("dark_brown", "brown", "amber", "hazel", "green", "blue", "grey")
LIDS = ("crease", "hooded", "monolid", "double")
PARTS = ("left", "middle", "right")


@dataclass(frozen=True)
class Identity:
    """One person. Numbers in [-1, 1] unless the comment says [0, 1]."""

    seed: int
    woman: bool
    age: float  # [0, 1]: 20 to 80 years
    # Skin
    skin_tone: float  # [0, 1]: pale to very dark
    skin_warmth: float  # rosy to olive
    blush: float  # [0, 1]
    freckles: float  # [0, 1]; 0 for most people
    moles: tuple[tuple[float, float], ...]  # positions on the face in head units
    # Shape of the head
    face_width: float
    face_length: float
    forehead: float
    temple: float
    cheekbone: float
    cheek: float  # hollow to full
    jaw_width: float
    jaw_square: float
    chin_length: float
    chin_width: float
    chin_cleft: bool
    ear_size: float
    ear_out: float
    neck_width: float
    shoulders: float
    # Eyes and brows
    eye_size: float
    eye_round: float  # narrow to round
    eye_spacing: float
    eye_height: float
    eye_tilt: float  # down-turned to up-turned
    eye_depth: float
    eye_color: str
    eye_shade: float
    lid: str
    lashes: float  # [0, 1]
    eye_bags: float  # [0, 1]
    brow_thickness: float
    brow_arch: float
    brow_tilt: float
    brow_height: float
    brow_length: float
    brow_gap: float
    brow_shade: float
    # Nose and mouth
    nose_length: float
    nose_width: float
    nose_bridge: float
    nose_tip: float  # hanging to turned up
    nose_round: float
    mouth_height: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    lip_bow: float
    lip_corners: float
    lip_color: float
    makeup: float  # [0, 1]
    # Hair
    hair_style: str
    hair_dark: float  # [0, 1]: blond to black
    hair_red: float  # [0, 1]
    hair_grey: float  # [0, 1]
    hair_volume: float
    hair_length: float
    hairline: float
    widows_peak: float  # [0, 1]
    hair_part: str
    hair_curl: float
    beard: str
    moustache: str
    # Lines
    lines_forehead: float  # [0, 1]
    lines_eyes: float  # [0, 1]
    lines_mouth: float  # [0, 1]
    dimples: bool

    @staticmethod
    def from_seed(seed: int) -> Identity:
        return _draw_identity(seed)


def _pick(rng: random.Random, weighted) -> str:
    return rng.choices([name for name, _ in weighted], [weight for _, weight in weighted])[0]


def _hair_color(rng: random.Random, skin_tone: float, age: float) -> tuple[float, float, float]:
    """(dark, red, grey). Fair and red hair are rarer with dark skin, but occur."""
    kind = rng.random()
    light_bias = 0.75 * skin_tone
    if kind < 0.24 * (1 - light_bias):
        dark, red = rng.uniform(0.0, 0.25), rng.uniform(0.0, 0.3)  # blond
    elif kind < 0.40 - 0.2 * light_bias:
        dark, red = rng.uniform(0.2, 0.6), rng.uniform(0.8, 1.0)  # red and auburn
    elif kind < 0.72 - 0.3 * light_bias:
        dark, red = rng.uniform(0.4, 0.75), rng.uniform(0.1, 0.5)  # brown
    else:
        dark, red = rng.uniform(0.86, 1.0), rng.uniform(0.0, 0.3)  # black
    old = max(0.0, age - 0.45) / 0.55
    grey = rng.uniform(0.55, 1.0) if rng.random() < 1.1 * old else 0.0
    return dark, red, grey


def _beard(rng: random.Random, woman: bool) -> tuple[str, str]:
    if woman or rng.random() < 0.34:
        return "none", "none"
    beard = rng.choices(BEARDS, [7, 4, 4, 4, 5, 5, 4, 3, 3])[0]
    if beard in ("circle", "full", "long"):
        return beard, "thick"
    moustache = "none" if rng.random() < 0.45 and beard != "none" else rng.choice(MOUSTACHES[1:])
    return beard, moustache


def _draw_identity(seed: int) -> Identity:
    rng = random.Random(f"identity {seed}")
    shape = lambda: rng.uniform(-1.0, 1.0)  # noqa: E731
    woman = rng.random() < 0.5
    age = rng.random()
    skin_tone = rng.random()
    dark, red, grey = _hair_color(rng, skin_tone, age)
    beard, moustache = _beard(rng, woman)
    hair_style = _pick(rng, WOMEN_HAIR if woman else MEN_HAIR)
    mole_count = rng.choices((0, 1, 2, 3), (60, 25, 10, 5))[0]
    moles = tuple((rng.choice((-1, 1)) * rng.uniform(0.25, 0.7), rng.uniform(0.3, 1.15)) for _ in range(mole_count))
    older = max(0.0, (age - 0.4) / 0.6)
    line = lambda: min(1.0, older * rng.uniform(0.5, 1.3))  # noqa: E731
    return Identity(
        seed=seed, woman=woman, age=age, skin_tone=skin_tone, skin_warmth=shape(), blush=rng.random(),
        freckles=rng.uniform(0.4, 1.0) if rng.random() < 0.22 and skin_tone < 0.6 else 0.0, moles=moles,
        face_width=shape(), face_length=shape(), forehead=shape(), temple=shape(), cheekbone=shape(),
        cheek=shape(), jaw_width=shape(), jaw_square=shape() - (0.35 if woman else -0.35),
        chin_length=shape(), chin_width=shape(), chin_cleft=not woman and rng.random() < 0.25,
        ear_size=shape(), ear_out=shape(), neck_width=shape(), shoulders=shape(),
        eye_size=shape() + (0.2 if woman else -0.2), eye_round=shape(), eye_spacing=shape(), eye_height=shape(),
        eye_tilt=shape(), eye_depth=shape(),
        eye_color=rng.choices(EYE_COLORS, (3 + 9 * skin_tone, 3, 1.5, 2, 2.5 - skin_tone, 4 - 3 * skin_tone, 1.5 - skin_tone))[0],
        eye_shade=shape(), lid=rng.choice(LIDS), lashes=rng.uniform(0.5, 1.0) if woman else rng.uniform(0.0, 0.35),
        eye_bags=rng.random() * (0.3 + 0.7 * age), brow_thickness=shape() + (-0.25 if woman else 0.35),
        brow_arch=shape(), brow_tilt=shape(), brow_height=shape(), brow_length=shape(), brow_gap=shape(),
        brow_shade=shape(), nose_length=shape(), nose_width=shape(), nose_bridge=shape(), nose_tip=shape(),
        nose_round=shape(), mouth_height=shape(), mouth_width=shape(), upper_lip=shape() + (0.2 if woman else -0.2),
        lower_lip=shape() + (0.2 if woman else -0.2), lip_bow=shape(), lip_corners=shape(), lip_color=shape(),
        makeup=rng.random() ** 0.7 if woman else 0.0, hair_style=hair_style, hair_dark=dark, hair_red=red,
        hair_grey=grey, hair_volume=shape(), hair_length=shape(), hairline=shape(),
        widows_peak=rng.uniform(0.3, 1.0) if rng.random() < 0.3 else 0.0, hair_part=rng.choice(PARTS),
        hair_curl=shape(), beard=beard, moustache=moustache, lines_forehead=line(), lines_eyes=line(),
        lines_mouth=line(), dimples=rng.random() < 0.2,
    )  # fmt: skip
