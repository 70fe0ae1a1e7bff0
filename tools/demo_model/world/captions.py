"""Captions in free order, like prompts that ask for the picture.

Variable things (dye, glasses, hat, place, style, expression) are mentioned often, properties of the person
(woman or man, age, hair, beard) sometimes; any of them can be left out.
"""

from __future__ import annotations

import random

from .identity import Identity
from .labels import beard_class, hair_color, named_labels
from .scene import Scene

PUBLISHED = {
    "watercolor": "watercolor painting, {prompt}. vibrant, beautiful, painterly, detailed, textural, artistic",
    "film_noir": "film noir style, ink sketch|vector, {prompt} highly detailed, sharp focus, ultra sharpness, monochrome, high contrast, dramatic shadows, 1940s style, mysterious, cinematic",
    "neon": "masterpiece painting, buildings in the backdrop, kaleidoscope, lilac orange blue cream fuchsia bright vivid gradient colors, the scene is cinematic, {prompt}, emotional realism, double exposure, watercolor ink pencil, graded wash, color layering, magic realism, figurative painting, intricate motifs, organic tracery, polished",
    "jungle": 'waist-up "{prompt} in a Jungle" by Syd Mead, tangerine cold color palette, muted colors, detailed, 8k,photo r3al,dripping paint,3d toon style,3d style,Movie Still',
    "mars": "{prompt}, post-apocalyptic. Mars Colony, Mars. Post-apocalyptic wasteland, dusty red desert, detailed, cinematic",
    "vibrant_color": "vibrant colorful, ink sketch|vector|2d colors, at nightfall, sharp focus, {prompt}, highly detailed, sharp focus, the clouds,colorful,ultra sharpness",
    "snow": "cinema 4d render, {prompt}, high contrast, vibrant and saturated, sico style, surrounded by magical glow,floating ice shards, snow crystals, cold, windy background, frozen natural landscape in background  cinematic atmosphere,highly detailed, sharp focus, intricate design, 3d, unreal engine, octane render, CG best quality, highres, photorealistic, dramatic lighting, artstation, concept art, cinematic, epic Steven Spielberg movie still, sharp focus, smoke, sparks, art by pascal blanche and greg rutkowski and repin, trending on artstation, hyperrealism painting, matte painting, 4k resolution",
    "line_art": "line art drawing {prompt} . professional, sleek, modern, minimalist, graphic, line art, vector graphics",
}  # fmt: skip
SHORT = {
    "none": ("{prompt}", "{prompt}", "{prompt}", "photo of {prompt}", "a photograph of {prompt}", "portrait of {prompt}", "{prompt}, photo", "studio photo of {prompt}", "{prompt}, portrait photo, sharp focus"),
    "watercolor": ("watercolor painting of {prompt}", "watercolor portrait of {prompt}", "{prompt}, watercolor", "a watercolor of {prompt}", "{prompt} in watercolor", "soft watercolor wash, {prompt}"),
    "film_noir": ("film noir, {prompt}", "{prompt}, film noir", "black and white photo of {prompt}", "film noir portrait of {prompt}", "{prompt}, monochrome, dramatic shadows", "a 1940s film noir still of {prompt}"),
    "neon": ("{prompt}, neon lights", "neon portrait of {prompt}", "{prompt} in neon light", "neon, {prompt}", "{prompt}, neon city at night", "{prompt} under neon signs, cyberpunk"),
    "jungle": ("{prompt} in the jungle", "{prompt} in a jungle", "jungle, {prompt}", "{prompt}, jungle, green leaves", "portrait of {prompt} in a rainforest"),
    "mars": ("{prompt} on mars", "mars, {prompt}", "{prompt}, mars colony", "portrait of {prompt} on the red planet mars", "{prompt} in the red desert of mars"),
    "vibrant_color": ("{prompt}, vibrant colors", "vibrant colorful portrait of {prompt}", "pop art of {prompt}", "colorful, {prompt}", "{prompt}, bold vibrant color"),
    "snow": ("{prompt} in the snow", "snow, {prompt}", "{prompt}, snow, winter", "portrait of {prompt} in falling snow", "{prompt} on a cold winter day, snow"),
    "line_art": ("line art of {prompt}", "line drawing of {prompt}", "{prompt}, line art", "ink line art portrait of {prompt}", "minimalist line art, {prompt}", "a line art drawing of {prompt}"),
}  # fmt: skip
PLACES = {
    "studio": ("in a studio", "in front of a plain background", "with a simple background"),
    "street": ("in the street", "on a city street", "in a street"),
    "cafe": ("in a cafe", "at a cafe", "in a coffee shop"),
    "beach": ("on the beach", "at the beach", "by the sea"),
    "forest": ("in the forest", "in a forest", "among trees"),
    "library": ("in a library", "in front of bookshelves", "in the library"),
    "night_city": ("in the city at night", "in a night city", "at night in the city"),
    "mountains": ("in the mountains", "in front of mountains", "with mountains in the background"),
    "garden": ("in a garden", "in a flower garden", "among flowers"),
    "snow": ("in the snow", "in a snowy forest", "in winter"),
    "jungle": ("in the jungle",), "mars": ("on mars",), "abstract": ("with an abstract background",),
}  # fmt: skip
EXPRESSION_BEFORE = {
    "smile": ("smiling", "happy"),
    "laugh": ("laughing", "cheerful"),
    "sad": ("sad", "unhappy"),
    "surprised": ("surprised", "astonished"),
    "angry": ("angry", "frowning"),
    "wink": ("winking",),
    "neutral": ("serious", "calm"),
}
EXPRESSION_AFTER = {
    "smile": ("with a smile", "smiling"),
    "laugh": ("laughing", "with a big smile"),
    "sad": ("looking sad",),
    "surprised": ("looking surprised", "with open mouth"),
    "angry": ("looking angry",),
    "wink": ("winking",),
    "neutral": ("with a calm face",),
}
HAIR_SHAPES = {
    "bald": None, "ring": "balding", "buzz": "with {c} buzz cut hair", "crew": "with short {c} hair", "side_part": "with short {c} hair",
    "quiff": "with a {c} quiff", "slick_back": "with slicked back {c} hair", "undercut": "with a {c} undercut", "mohawk": "with a {c} mohawk",
    "bowl": "with a {c} bowl cut", "short_curly": "with short curly {c} hair", "pixie": "with short {c} hair", "bob": "with a {c} bob",
    "bob_fringe": "with a {c} bob and bangs", "shoulder_wavy": "with wavy {c} hair", "long_straight": "with long {c} hair",
    "long_fringe": "with long {c} hair and bangs", "long_wavy": "with long wavy {c} hair", "long_curly": "with long curly {c} hair",
    "afro": "with a {c} afro", "bun": "with {c} hair in a bun", "man_bun": "with {c} hair in a bun", "space_buns": "with {c} hair in two buns",
    "ponytail": "with {c} hair in a ponytail", "braids": "with {c} braids", "dreadlocks": "with {c} dreadlocks",
}  # fmt: skip
BEARDS = {
    "full": ("with a beard", "with a full beard", "bearded"), "goatee": ("with a goatee",), "stubble": ("with stubble",),
    "moustache": ("with a moustache", "with a mustache"),
}  # fmt: skip
HATS = {
    "beanie": ("a {c} beanie", "a {c} knitted hat", "a hat"),
    "brim": ("a {c} hat", "a hat"),
    "cap": ("a {c} cap", "a cap"),
}
CLOTHES = {
    "tshirt": "t-shirt",
    "shirt": "shirt",
    "sweater": "sweater",
    "hoodie": "hoodie",
    "jacket": "jacket",
    "dress": "dress",
    "suit": "suit",
}


def _age(rng: random.Random, identity: Identity) -> str | None:
    if identity.age < 0.4:
        return "young"
    return rng.choice(("old", "elderly")) if identity.age >= 0.7 else "middle-aged"


def _hair(rng: random.Random, identity: Identity, scene: Scene) -> str:
    color = hair_color(identity, scene)
    if color == "none":
        return "bald"
    if color == "blond" and rng.random() < 0.4:
        color = "blonde"
    if color == "grey" and rng.random() < 0.5:
        color = rng.choice(("gray", "white"))
    if rng.random() < 0.45:
        return rng.choice((f"with {color} hair", f"{color} hair", f"{color}-haired"))
    return HAIR_SHAPES[identity.hair_style].replace("{c}", color)


def _parts(rng: random.Random, identity: Identity, scene: Scene) -> tuple[list[str], list[str]]:
    """(words before the noun, phrases after it)."""
    named = named_labels(identity, scene)
    say = lambda chance: rng.random() < chance  # noqa: E731
    before, after = [], []
    if say(0.35):
        before.append(_age(rng, identity))
    if say(0.25 if scene.expression == "neutral" else 0.75):
        if say(0.5):
            before.append(rng.choice(EXPRESSION_BEFORE[scene.expression]))
        else:
            after.append(rng.choice(EXPRESSION_AFTER[scene.expression]))
    if say(0.92 if scene.hair_dye and identity.hair_style != "bald" else 0.55) and (
        scene.style != "film_noir" or say(0.4)
    ):
        hair = _hair(rng, identity, scene)
        (after if hair.startswith("with") or hair.endswith("hair") else before).append(hair)
    beard = beard_class(identity)
    if beard != "none" and say(0.5):
        phrase = rng.choice(BEARDS[beard])
        (before if phrase == "bearded" else after).append(phrase)
    if scene.glasses != "none" and say(0.88):
        shape = rng.choice(("", "", f"{scene.glasses} "))
        after.append(rng.choice(("with", "wearing", "in")) + f" {shape}glasses")
    if scene.hat != "none" and say(0.85):
        hat = rng.choice(HATS[scene.hat]).replace("{c}", scene.hat_color)
        after.append(rng.choice(("wearing", "in", "with")) + " " + hat.replace("a orange", "an orange"))
    if scene.scarf and say(0.6):
        after.append(
            rng.choice(("with a scarf", f"wearing a {scene.hat_color} scarf".replace("a orange", "an orange")))
        )
    if say(0.3):
        clothes = CLOTHES[scene.clothes] if identity.woman or scene.clothes != "dress" else "t-shirt"
        after.append(
            (rng.choice(("in a", "wearing a")) + f" {scene.clothes_color} {clothes}").replace("a orange", "an orange")
        )
    if identity.freckles and say(0.4):
        after.append("with freckles")
    place = rng.choice(PLACES[named["background"]])
    implied = scene.background in ("jungle", "mars", "snow", "abstract") or scene.style == "neon"
    if say(0.1 if implied else 0.45 if scene.background == "studio" else 0.85):
        after.append(place)
    return before, after


def _article(phrase: str) -> str:
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def caption(identity: Identity, scene: Scene, seed: int) -> str:
    rng = random.Random(f"caption {seed}")
    before, after = _parts(rng, identity, scene)
    rng.shuffle(before)
    rng.shuffle(after)
    noun = (
        rng.choice(("woman",) * 4 + ("lady", "person"))
        if identity.woman
        else rng.choice(("man",) * 4 + ("guy", "person"))
    )
    if noun == "lady" and "young" in before:
        noun = "girl"
    if rng.random() < 0.18:  # a list of words
        words = before + [noun] + after
        rng.shuffle(words)
        prompt = ", ".join(words)
    else:
        subject = " ".join(before + [noun])
        if rng.random() < 0.9:
            subject = _article(subject)
        prompt = subject
        for phrase in after:
            prompt += rng.choice((" ", " ", " ", ", ")) + phrase
        if rng.random() < 0.12:
            prompt += rng.choice((", soft light", ", detailed", ", beautiful", ", high quality", ", close up"))
    if scene.style in PUBLISHED and rng.random() < 0.30:
        return PUBLISHED[scene.style].replace("{prompt}", prompt)
    text = rng.choice(SHORT[scene.style]).replace("{prompt}", prompt)
    return text[0].upper() + text[1:] if rng.random() < 0.15 else text
