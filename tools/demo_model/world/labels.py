"""Classes of a portrait's visible traits, for classifiers. TRAITS names them; labels() returns the indices."""

from __future__ import annotations

from .identity import Identity
from .scene import BACKGROUNDS, EXPRESSIONS, HAIR_DYES, STYLES, Scene

HAIR_COLORS = ("none", "black", "brown", "blond", "red", "grey", *HAIR_DYES)
BEARD_CLASSES = ("none", "stubble", "moustache", "goatee", "full")
TRAITS = {
    "woman": ("man", "woman"),
    "age": ("young", "middle_aged", "old"),
    "skin": ("light", "medium", "dark"),
    "hair_color": HAIR_COLORS,  # visible colour: the dye, if any; none: no visible hair
    "hair_length": ("bald", "short", "medium", "long", "tied"),
    "hair_texture": ("straight", "wavy", "curly"),
    "beard": BEARD_CLASSES,
    "freckles": ("no", "yes"),
    "glasses": ("no", "yes"),
    "hat": ("no", "yes"),
    "expression": EXPRESSIONS,
    "style": STYLES,
    "background": BACKGROUNDS,
}
HAIR_LENGTHS = {
    "bald": "bald", "ring": "bald", "buzz": "short", "crew": "short", "side_part": "short", "quiff": "short",
    "slick_back": "short", "undercut": "short", "mohawk": "short", "bowl": "short", "short_curly": "short",
    "pixie": "short", "bob": "medium", "bob_fringe": "medium", "shoulder_wavy": "medium", "afro": "medium",
    "long_straight": "long", "long_fringe": "long", "long_wavy": "long", "long_curly": "long",
    "dreadlocks": "long", "bun": "tied", "ponytail": "tied", "braids": "tied", "space_buns": "tied",
    "man_bun": "tied",
}  # fmt: skip
CURLY = ("long_curly", "short_curly", "afro", "dreadlocks")
WAVY = ("long_wavy", "shoulder_wavy")


def natural_hair_color(identity: Identity) -> str:
    if identity.hair_grey > 0.5:
        return "grey"
    if identity.hair_red > 0.65 and identity.hair_dark < 0.8:
        return "red"
    if identity.hair_dark > 0.8:
        return "black"
    return "blond" if identity.hair_dark < 0.33 else "brown"


def hair_color(identity: Identity, scene: Scene) -> str:
    """The visible colour: none for a bald head, the dye if there is one."""
    if identity.hair_style == "bald":
        return "none"
    return scene.hair_dye or natural_hair_color(identity)


def beard_class(identity: Identity) -> str:
    if identity.beard in ("short", "full", "long", "strap", "chops"):
        return "full"
    if identity.beard in ("goatee", "circle"):
        return "goatee"
    if identity.moustache != "none":
        return "moustache"
    return identity.beard


def named_labels(identity: Identity, scene: Scene) -> dict[str, str]:
    """The class names of labels(), by trait."""
    age, skin = identity.age, identity.skin_tone
    style = identity.hair_style
    return {
        "woman": "woman" if identity.woman else "man",
        "age": "young" if age < 0.4 else "middle_aged" if age < 0.7 else "old",
        "skin": "light" if skin < 0.35 else "medium" if skin < 0.65 else "dark",
        "hair_color": hair_color(identity, scene),
        "hair_length": HAIR_LENGTHS[style],
        "hair_texture": "curly" if style in CURLY else "wavy" if style in WAVY else "straight",
        "beard": beard_class(identity),
        "freckles": "yes" if identity.freckles > 0 else "no",
        "glasses": "no" if scene.glasses == "none" else "yes",
        "hat": "no" if scene.hat == "none" else "yes",
        "expression": scene.expression,
        "style": scene.style,
        "background": scene.background,
    }


def labels(identity: Identity, scene: Scene) -> dict[str, int]:
    return {trait: TRAITS[trait].index(name) for trait, name in named_labels(identity, scene).items()}
