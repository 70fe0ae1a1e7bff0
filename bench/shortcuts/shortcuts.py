#!/usr/bin/env python3
"""What shortcuts cost and change: time, difference and likeness against the full run, on the demo model.

    bench/shortcuts/shortcuts.py [--faces 12] [--steps 30] [--program build/release/semblance]

For each of the demo's faces `semblance generate` makes a picture with the defaults and one with each row's flags, with
the same seed. Prints a table in Markdown: the median time of a run against the full one, the mean difference of the
pictures in dB (PSNR), and the mean cosine of the recogniser's embeddings between the picture and the source photo.
Needs numpy and Pillow. Times count only if nothing else runs.
"""

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "models" / "demo"
ROWS = [
    [],
    ["--guidance-end", "0.8"],
    ["--guidance-end", "0.5"],
    ["--reuse", "2"],
    ["--reuse", "3"],
    ["--reuse", "5"],
    ["--guidance-end", "0.5", "--reuse", "2"],
    ["--freeu"],
    ["--perturbed-guidance", "3"],
]


def embedding(program, photo, folder):
    """The face's numbers, normalised; None if there is no face."""
    saved = folder / "face.json"
    saved.unlink(missing_ok=True)
    command = [program, "face", photo, "--face-models", DEMO / "face-models", "--save", saved]
    if subprocess.run(command, capture_output=True).returncode != 0:
        return None
    numbers = np.array(json.loads(saved.read_text())["embedding"])
    return numbers / np.linalg.norm(numbers)


def psnr(a, b):
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--faces", type=int, default=12)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/semblance")
    options = parser.parse_args()
    photos = sorted((DEMO / "faces").glob("*.png"))[: options.faces]
    figures = {tuple(row): {"time": [], "psnr": [], "likeness": []} for row in ROWS}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for seed, photo in enumerate(photos):
            source = embedding(options.program, photo, folder)
            full = None
            for row in ROWS:
                out = folder / "out.png"
                out.unlink(missing_ok=True)
                command = [options.program, "generate", "--face", photo, "--prompt", "a smiling person in the snow",
                           "--seed", str(seed), "--steps", str(options.steps), "-o", out, *row]  # fmt: skip
                begin = time.monotonic()
                subprocess.run(command, check=True, capture_output=True)
                taken = time.monotonic() - begin
                picture = np.asarray(Image.open(out).convert("RGB"))
                full = (picture, taken) if full is None else full
                made = figures[tuple(row)]
                made["time"].append(taken / full[1])
                made["psnr"].append(psnr(picture, full[0]))
                found = embedding(options.program, out, folder)
                if found is not None and source is not None:
                    made["likeness"].append(float(found @ source))
    print("| flags | time | difference | likeness |\n|---|---|---|---|")
    for row, made in figures.items():
        likeness = statistics.mean(made["likeness"]) if made["likeness"] else math.nan
        flags = f"`{' '.join(row)}`" if row else "none"
        difference = "" if not row else f"{statistics.mean(made['psnr']):.1f} dB"
        print(f"| {flags} | {statistics.median(made['time']):.2f} | {difference} | {likeness:.3f} |")


if __name__ == "__main__":
    main()
