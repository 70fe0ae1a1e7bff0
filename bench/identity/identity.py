#!/usr/bin/env python3
"""Is it the same person? Measures the demo model on people that it was not trained on.

    bench/identity/identity.py --out /tmp/identity [--people 40] [--steps 30] [--program build/release/semblance]
    bench/identity/identity.py --out /tmp/identity_rendered --rendered

For every person and prompt, `semblance generate` makes a picture from the person's photo with another person's
keypoints. Judges that are not shipped evaluate it (README.md explains how they are trained). Pictures are kept in
--out; existing ones are not made again. --rendered uses drawn pictures instead of generated ones, which measures the
judges: the right person for "on", another for "off". Prints a table in Markdown and writes results.json.
"""

import argparse
import dataclasses
import json
import pathlib
import random
import subprocess
import sys
import time

import cv2
import numpy as np
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from tools.demo_model.faces import classifiers, evaluate, judge, recogniser  # noqa: E402
from tools.demo_model.faces.align import align  # noqa: E402
from tools.demo_model.faces.detect import find, session_of  # noqa: E402
from tools.demo_model.world import STYLES, Identity, Scene, portrait  # noqa: E402

FIRST = 1_000_000
SIDE = 256
WORDS = {  # the prompt for each style, in a user's words
    "none": "photo of {}", "watercolor": "watercolor portrait of {}", "film_noir": "film noir portrait of {}",
    "neon": "{}, neon lights", "jungle": "{} in the jungle", "mars": "{} on mars", "vibrant_color": "{}, vibrant colors",
    "snow": "{} in the snow", "line_art": "line art of {}",
}
PLACES = {"beach": "on the beach", "forest": "in the forest", "library": "in a library", "mountains": "in the mountains",
          "garden": "in a garden", "street": "in the street"}
DYES = ("blue", "pink", "green", "purple")


@dataclasses.dataclass
class Case:
    """One picture to make: the person, the request, and what it must show (trait: class name)."""

    person: int
    number: int
    prompt: str
    style: str
    wanted: dict
    pose: Scene
    other: int  # the person who provides the keypoints

    @property
    def name(self):
        return f"{self.person:03}_{self.number}_{self.style}"


def plain(person, photo=0):
    """A person's source photo: no glasses, hat or dyed hair, no style. Further photos differ in pose and light."""
    scene = Scene.from_seed(700_000_000 + person + 1_000_000 * photo, style="none", background="studio", glasses="none", hair_dye=None, hat="none",
                            expression="neutral")
    return portrait(Identity.from_seed(FIRST + person), scene, SIDE)


def case_of(person, number, people):
    identity, rng = Identity.from_seed(FIRST + person), random.Random(f"case {person} {number}")
    style = STYLES[(3 * person + number + person // 3) % len(STYLES)]
    subject, wanted, change = "a woman" if identity.woman else "a man", {}, {}
    kinds = ["glasses"]
    if identity.hair_style not in ("bald", "ring", "buzz") and style in ("none", "watercolor", "jungle", "mars", "snow", "vibrant_color"):
        kinds.append("hair_color")
    if style in ("none", "watercolor"):
        kinds.append("background")
    kind = rng.choice(kinds)
    if kind == "hair_color":
        wanted["hair_color"] = change["hair_dye"] = rng.choice(DYES)
        subject += f" with {wanted['hair_color']} hair"
    elif kind == "glasses":
        wanted["glasses"], change["glasses"] = "yes", "round"
        subject += " with glasses"
    else:
        wanted["background"] = change["background"] = rng.choice(list(PLACES))
        subject += f" {PLACES[wanted['background']]}"
    pose = Scene.from_seed(710_000_000 + 10 * person + number, style=style, **{"glasses": "none", "hat": "none", "hair_dye": None, **change})
    return Case(person, number, WORDS[style].format(subject), style, wanted, pose, (person + 1 + rng.randrange(people - 1)) % people)


def write_png(path, rgb):
    cv2.imwrite(str(path), rgb[:, :, ::-1])


def pose_file(case, path, scale):
    """Writes the keypoints of another person's picture as a saved identity (a pose's embedding is not used)."""
    keypoints = portrait(Identity.from_seed(FIRST + case.other), case.pose, SIDE).keypoints
    keypoints = (keypoints - SIDE / 2) * scale + SIDE / 2
    path.write_text(json.dumps({"embedding": [0.0] * 512, "keypoints": keypoints.tolist(), "image_size": [SIDE, SIDE]}))
    return keypoints


def generate(args, case, sources, pose, picture, on):
    models = args.models
    faces = [word for source in sources for word in ("--face", source)]
    words = [args.program, "generate", "--base", models / "base", "--identitynet", models / "ControlNetModel", "--adapter",
             models / "ip-adapter.bin", "--face-models", models / "face-models", *faces, "--pose", pose, "--prompt", case.prompt,
             "--size", f"{SIDE}x{SIDE}", "--steps", args.steps, "--seed", 1000 * case.person + case.number,
             "--quiet", "-o", picture, *args.flags.split()]
    if args.guidance is not None:
        words += ["--guidance", args.guidance]
    if not on:
        words += ["--identity-strength", 0, "--adapter-strength", 0]
    elif args.strengths:
        words += ["--identity-strength", args.strengths[0], "--adapter-strength", args.strengths[1]]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"semblance generate ended with {done.returncode}: {done.stderr.strip()}\n  {' '.join(map(str, words))}")


def pictures_of(args, cases, on):
    """[(case, rgb, requested keypoints)]"""
    folder = args.out / ("on" if on else "off")
    folder.mkdir(parents=True, exist_ok=True)
    made, began = [], time.time()
    for i, case in enumerate(cases):
        sources = [args.out / f"source_{case.person:03}{f'_{i}' if i else ''}.png" for i in range(args.photos)]
        pose, path = args.out / f"pose_{case.name}.json", folder / f"{case.name}.png"
        for photo, source in enumerate(sources):
            if not source.exists():
                write_png(source, plain(case.person, photo).rgb)
        asked = pose_file(case, pose, args.scale)
        if not path.exists():
            if args.rendered:
                drawn = portrait(Identity.from_seed(FIRST + (case.person if on else 500 + case.person)), case.pose, SIDE)
                write_png(path, drawn.rgb)
            else:
                generate(args, case, sources, pose, path, on)
                left = (time.time() - began) / (i + 1) * (len(cases) - i - 1)
                print(f"{folder.name} {i + 1}/{len(cases)}, {left / 60:.1f} min left", file=sys.stderr)
        made.append((case, cv2.imread(str(path))[:, :, ::-1], asked))
    return made


def judged(net, crops):
    return torch.nn.functional.normalize(recogniser.embed(net, np.stack(crops)))


def figures_of(made, gallery, net, traits, detector):
    """The judges' results for the pictures; without a detected face, a picture is no hit."""
    hits, cosines, others, distances, rows = [], [], [], [], []
    predicted = classifiers.classify(traits, [rgb for _, rgb, _ in made])
    for i, (case, rgb, asked) in enumerate(made):
        _, points, _ = find(detector, rgb)
        row = {"name": case.name, "prompt": case.prompt, "face": len(points) > 0, "style seen": predicted["style"][i],
               "seen": {trait: predicted[trait][i] for trait in case.wanted}, "wanted": case.wanted}
        hit = False
        if len(points):
            likeness = (gallery @ judged(net, [align(np.ascontiguousarray(rgb), points[0])])[0]).numpy()
            hit = int(likeness.argmax()) == case.person
            cosines.append(float(likeness[case.person]))
            others.append(float(np.delete(likeness, case.person).max()))
            distances.append(float(np.linalg.norm(points[0] - asked, axis=1).mean() / SIDE))
            row |= {"nearest": int(likeness.argmax()), "cosine": cosines[-1], "distance": distances[-1]}
        hits.append(hit)
        rows.append(row)
    share = lambda values: round(float(np.mean(list(values))), 4)
    by_trait = {}
    for row in rows:
        for trait, name in row["wanted"].items():
            by_trait.setdefault(trait, []).append(row["seen"][trait] == name)
    by_style = {}
    for (case, _, _), row in zip(made, rows):
        by_style.setdefault(case.style, []).append(row["style seen"] == case.style)
    return {"rank-1": share(hits), "faces found": share(row["face"] for row in rows), "cosine to the source": share(cosines),
            "highest cosine to others": share(others), "keypoint distance": share(distances),
            "style": share(row["style seen"] == case.style for (case, _, _), row in zip(made, rows)),
            "prompt": share(seen for values in by_trait.values() for seen in values),
            "by trait": {trait: share(values) for trait, values in by_trait.items()},
            "by style": {style: share(values) for style, values in by_style.items()}}, rows


def sheet(made, path, columns=12):
    """The first pictures in a grid, each person's source photo first."""
    tiles = []
    for case, rgb, _ in made[:6 * columns]:
        if case.number == 0:
            tiles.append(plain(case.person).rgb)
        tiles.append(rgb)
    tiles = [cv2.resize(tile, (128, 128), interpolation=cv2.INTER_AREA) for tile in tiles]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    write_png(path, np.concatenate([np.concatenate(tiles[i:i + columns], 1) for i in range(0, len(tiles), columns)]))


def table(results):
    on, off = results["on"], results.get("off")
    rows = [("same person, rank 1 in the gallery", on["rank-1"], "70 % or better"),
            *([("the same, IdentityNet and adapter off", off["rank-1"], "under 5 %")] if off else []),
            ("keypoints, mean distance / width", on["keypoint distance"], "3 % or less"), ("style", on["style"], "80 % or better"),
            ("prompt", on["prompt"], "70 % or better")]
    if "detector" in results:
        found, known = results["detector"], results["recogniser"]
        rows += [("detector: recall in groups", found["recall in groups"], "98 %"), ("detector: recall of portraits", found["recall of portraits"], "98 %"),
                 ("detector: faceless pictures with a face", found["faceless pictures with a face"] / found["of"], "none"),
                 ("recogniser: verification, same style", known["same style"]["accuracy"], "98 %"),
                 ("recogniser: verification, across styles", known["across styles"]["accuracy"], "90 %")]
    lines = ["| | measured | goal |", "|---|---|---|"]
    return "\n".join(lines + [f"| {name} | {100 * value:.1f} % | {goal} |" for name, value, goal in rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="output folder")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/semblance")
    parser.add_argument("--models", type=pathlib.Path, default=ROOT / "models/demo")
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--prompts", type=int, default=3, help="prompts per person")
    parser.add_argument("--gallery", type=int, default=200, help="number of people in the gallery")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--guidance", type=float, help="default: the model's own")
    parser.add_argument("--strengths", type=float, nargs=2, metavar=("IDENTITYNET", "ADAPTER"))
    parser.add_argument("--photos", type=int, default=1, help="photos of each person")
    parser.add_argument("--scale", type=float, default=1, help="of the requested face: 0.3 asks for small ones")
    parser.add_argument("--flags", default="--refine-faces off", help="more flags of generate")
    parser.add_argument("--no-off", action="store_true", help="skip the pictures with both strengths 0")
    parser.add_argument("--no-face-models", action="store_true", help="skip the figures for detector and recogniser")
    parser.add_argument("--rendered", action="store_true")
    args = parser.parse_args()
    cases = [case_of(person, number, args.people) for person in range(args.people) for number in range(args.prompts)]
    net, traits = judge.load(), classifiers.load()
    detector = session_of(args.models / "face-models" / "scrfd_10g_bnkps.onnx")
    shown = [plain(person) for person in range(args.gallery)]
    gallery = judged(net, [align(picture.rgb, picture.keypoints) for picture in shown])
    results, details = {}, {}
    for name in ("on",) if args.no_off else ("on", "off"):
        made = pictures_of(args, cases, name == "on")
        results[name], details[name] = figures_of(made, gallery, net, traits, detector)
        sheet(made, args.out / f"sheet_{name}.png")
    if not args.no_face_models:
        results["detector"] = evaluate.detection(args.models / "face-models" / "scrfd_10g_bnkps.onnx")
        results["recogniser"] = evaluate.photos(None)
    (args.out / "results.json").write_text(json.dumps({"results": results, "pictures": details}, indent=1) + "\n")
    print(json.dumps(results, indent=1))
    print(table(results))


if __name__ == "__main__":
    main()
