"""The variable parts of a person's picture: pose, expression, light, style, place, glasses and hats."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace

STYLES = ("none", "watercolor", "film_noir", "neon", "jungle", "mars", "vibrant_color", "snow", "line_art")
BACKGROUNDS = (
    "studio", "street", "cafe", "beach", "forest", "library", "night_city", "mountains", "garden",
    "snow", "jungle", "mars", "abstract",
)  # fmt: skip
PLACES = BACKGROUNDS[1:10]
# The backgrounds of each style, with weights.
STYLE_BACKGROUNDS = {
    "none": {"studio": 5, **dict.fromkeys(PLACES, 1)},
    "watercolor": {"studio": 4, **dict.fromkeys(PLACES, 1)},
    "film_noir": {"studio": 3, "street": 1, "night_city": 1, "library": 1},
    "neon": {"night_city": 1},
    "jungle": {"jungle": 1},
    "mars": {"mars": 1},
    "vibrant_color": {"abstract": 1},
    "snow": {"snow": 1},
    "line_art": {"studio": 4, "street": 1, "mountains": 1, "forest": 1},
}
EXPRESSIONS = ("neutral", "smile", "laugh", "sad", "surprised", "angry", "wink")
GLASSES = ("none", "round", "square", "thick")
HAIR_DYES = ("blue", "pink", "green", "purple")
HATS = ("none", "beanie", "brim", "cap")
CLOTHES = ("tshirt", "shirt", "sweater", "hoodie", "jacket", "dress", "suit")
CLOTHES_COLORS = (
    "white",
    "black",
    "grey",
    "red",
    "orange",
    "yellow",
    "green",
    "teal",
    "blue",
    "navy",
    "purple",
    "pink",
    "brown",
)


@dataclass(frozen=True)
class Scene:
    """One picture. Angles in degrees; lengths as fractions of the picture's side."""

    seed: int
    yaw: float  # positive: turned to the picture's right
    pitch: float  # positive: looking down
    roll: float  # positive: clockwise
    scale: float  # the width of an average face
    center: tuple[float, float]  # the middle of the face
    expression: str
    expression_strength: float  # 0.6 to 1
    gaze: float  # -1 to 1
    light_side: float  # -1 from the left, 1 from the right
    light_height: float  # 0 level, 1 from above
    light_warmth: float  # -1 cold, 1 warm
    light_contrast: float  # 0 flat, 1 hard
    style: str
    background: str
    glasses: str
    glasses_color: int
    hair_dye: str | None
    hat: str
    hat_color: str
    clothes: str
    clothes_color: str
    scarf: bool
    earrings: bool

    @staticmethod
    def from_seed(seed: int, **overrides) -> Scene:
        """The scene of this seed; `overrides` replace fields. If only one of style and background is given, the
        other is chosen to match."""
        return _draw_scene(seed, overrides)


def _agreeing_style(rng: random.Random, background: str) -> str:
    styles = [style for style in STYLES if background in STYLE_BACKGROUNDS[style]]
    return rng.choice(styles)


def _weighted(rng: random.Random, weights: dict[str, float]) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


def _draw_scene(seed: int, overrides: dict) -> Scene:
    unknown = set(overrides) - {field.name for field in fields(Scene)}
    if unknown:
        raise ValueError(f"Scene has no fields {sorted(unknown)}")
    rng = random.Random(f"scene {seed}")
    style = rng.choices(STYLES, (26, 10, 9, 9, 9, 9, 10, 9, 9))[0]
    background_rng = random.Random(rng.random())
    if "style" in overrides:
        style = overrides["style"]
    elif "background" in overrides:
        style = _agreeing_style(background_rng, overrides["background"])
    background = overrides.get("background") or _weighted(background_rng, STYLE_BACKGROUNDS[style])
    if background not in STYLE_BACKGROUNDS.get(style, ()):
        raise ValueError(f"style {style!r} does not allow background {background!r}; allowed: {STYLE_BACKGROUNDS.get(style)}")
    pose = lambda sigma, limit: max(-limit, min(limit, rng.gauss(0, sigma)))  # noqa: E731
    scale = 0.27 + 0.33 * rng.random() ** 1.3
    slack = 0.10 * (1 - scale)
    expression = rng.choices(EXPRESSIONS, (26, 24, 14, 9, 9, 9, 4))[0]
    scene = Scene(
        seed=seed, yaw=pose(14, 35), pitch=pose(5, 15), roll=pose(6, 20), scale=scale,
        center=(0.5 + rng.uniform(-1, 1) * slack, 0.47 + rng.uniform(-0.4, 0.6) * slack),
        expression=expression, expression_strength=rng.uniform(0.65, 1.0), gaze=rng.gauss(0, 0.35),
        light_side=rng.choice((-1, 1)) * rng.uniform(0.2, 1.0), light_height=rng.random(),
        light_warmth=rng.uniform(-1, 1), light_contrast=rng.random(), style=style, background=background,
        glasses=rng.choices(GLASSES, (70, 11, 10, 9))[0], glasses_color=rng.randrange(5),
        hair_dye=rng.choice(HAIR_DYES) if rng.random() < 0.2 else None,
        hat=rng.choices(HATS, (30, 60, 10, 0))[0] if background == "snow" and rng.random() < 0.7
        else rng.choices(HATS, (90, 3, 4, 3))[0],
        hat_color=rng.choice(CLOTHES_COLORS), clothes=rng.choice(CLOTHES), clothes_color=rng.choice(CLOTHES_COLORS),
        scarf=rng.random() < (0.6 if background == "snow" else 0.05), earrings=rng.random() < 0.5,
    )  # fmt: skip
    return replace(scene, **overrides)
