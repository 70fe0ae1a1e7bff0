#!/usr/bin/env python3
"""Makes the pictures of the page in web/: a card for each style, made by the demo model, and its sample faces.

    tools/page_pictures.py [--program build/release/semblance]

Needs Pillow, which writes the WebP files small. Run it again when the styles of src/text/styles.cpp change.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
FACES = ROOT / "models/demo/faces"
SAMPLES = (1, 4, 8, 9, 10, 12)
# The face and the words of each card: those with which the demo model shows the style best.
CARDS = {
    "Watercolor": (12, "portrait of a woman with long blond hair", 7),
    "Film Noir": (4, "portrait of a woman with curly black hair", 1),
    "Neon": (1, "portrait of a woman with short black hair", 8),
    "Jungle": (4, "portrait of a smiling woman with curly black hair", 1),
    "Mars": (4, "portrait of a woman with curly black hair", 3),
    "Vibrant Color": (8, "portrait of a woman with blond hair", 7),
    "Snow": (4, "portrait of a smiling woman with curly black hair", 1),
    "Line art": (4, "portrait of a smiling woman with curly black hair", 1),
}


def write(picture, name, side, quality=78):
    small = picture.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
    small.save(ROOT / "web" / f"{name}.webp", quality=quality, method=6)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "build/release/semblance")
    options = parser.parse_args()
    for number in SAMPLES:
        with Image.open(FACES / f"{number:02}.png") as face:
            write(face, f"face_{number}", 384, 85)
            write(face, f"face_{number}_small", 96)
    with tempfile.TemporaryDirectory() as folder:
        for style, (face, prompt, seed) in CARDS.items():
            made = Path(folder) / "made.png"
            subprocess.run([str(options.program), "generate", "--quiet", "--face", str(FACES / f"{face:02}.png"), "--style", style,
                            "--prompt", prompt, "--seed", str(seed), "--steps", "40", "-o", str(made)], check=True)
            with Image.open(made) as picture:
                write(picture, "style_" + style.lower().replace(" ", "_"), 128)


if __name__ == "__main__":
    main()
