"""Colours of skin, hair, eyes, lips and cloth."""

from __future__ import annotations

from .identity import Identity
from .pen import Color, mix, scaled
from .scene import Scene

SKIN_RAMP = (
    (0.99, 0.88, 0.80), (0.97, 0.80, 0.69), (0.92, 0.71, 0.56), (0.80, 0.57, 0.41), (0.62, 0.41, 0.27),
    (0.45, 0.28, 0.18), (0.30, 0.18, 0.12),
)  # fmt: skip
HAIR_RAMP = ((0.97, 0.88, 0.62), (0.87, 0.70, 0.40), (0.55, 0.36, 0.19), (0.33, 0.20, 0.12), (0.10, 0.08, 0.09))
DYES = {
    "blue": (0.16, 0.36, 0.92),
    "pink": (0.97, 0.38, 0.66),
    "green": (0.18, 0.68, 0.36),
    "purple": (0.52, 0.24, 0.80),
}
CLOTH = {
    "white": (0.94, 0.94, 0.92), "black": (0.12, 0.12, 0.14), "grey": (0.52, 0.54, 0.57), "red": (0.80, 0.16, 0.17),
    "orange": (0.94, 0.50, 0.14), "yellow": (0.96, 0.80, 0.24), "green": (0.22, 0.52, 0.27), "teal": (0.10, 0.52, 0.54),
    "blue": (0.20, 0.44, 0.80), "navy": (0.13, 0.19, 0.38), "purple": (0.46, 0.26, 0.60), "pink": (0.95, 0.58, 0.68),
    "brown": (0.46, 0.31, 0.20),
}  # fmt: skip
IRIS = {
    "dark_brown": (0.20, 0.11, 0.07), "brown": (0.42, 0.24, 0.11), "amber": (0.70, 0.42, 0.12), "hazel": (0.50, 0.42, 0.18),
    "green": (0.30, 0.52, 0.27), "blue": (0.25, 0.52, 0.80), "grey": (0.52, 0.60, 0.66),
}  # fmt: skip


def ramp(colors, t: float) -> Color:
    place = max(0.0, min(1.0, t)) * (len(colors) - 1)
    index = min(int(place), len(colors) - 2)
    return mix(colors[index], colors[index + 1], place - index)


def skin(identity: Identity) -> Color:
    base = ramp(SKIN_RAMP, identity.skin_tone)
    warm = identity.skin_warmth * 0.035
    return (min(1, base[0] + 0.3 * abs(warm)), base[1] + warm * 0.6, base[2] - warm)


def natural_hair(identity: Identity) -> Color:
    color = ramp(HAIR_RAMP, identity.hair_dark)
    red = max(0.0, identity.hair_red - 0.35) / 0.65
    auburn = mix((0.88, 0.42, 0.14), (0.50, 0.16, 0.08), identity.hair_dark)
    color = mix(color, auburn, 0.95 * red if identity.hair_dark < 0.8 else 0.2 * red)
    return mix(color, (0.80, 0.80, 0.82), identity.hair_grey)


def hair(identity: Identity, scene: Scene) -> Color:
    return DYES[scene.hair_dye] if scene.hair_dye else natural_hair(identity)


def brow(identity: Identity) -> Color:
    dark = mix(natural_hair(identity), (0.16, 0.10, 0.08), 0.45)
    return scaled(mix(dark, skin(identity), 0.10), 1 - 0.2 * identity.brow_shade)


def lips(identity: Identity) -> Color:
    base = skin(identity)
    natural = mix(scaled(base, 0.86), (0.72, 0.28, 0.30), 0.42 + 0.15 * identity.lip_color)
    painted = mix((0.74, 0.10, 0.16), (0.82, 0.28, 0.42), (identity.lip_color + 1) / 2)
    return mix(natural, painted, 0.75 * max(0.0, identity.makeup - 0.3) / 0.7)


def iris(identity: Identity) -> Color:
    return scaled(IRIS[identity.eye_color], 1 + 0.2 * identity.eye_shade)


def shadow(skin_color: Color) -> Color:
    """The skin's colour in shade: darker and redder."""
    return (skin_color[0] * 0.66, skin_color[1] * 0.50, skin_color[2] * 0.50)


def light(skin_color: Color) -> Color:
    return mix(skin_color, (1.0, 0.96, 0.88), 0.55)
