"""Measures the face models on identities that were not used to train them.

    python -m tools.demo_model.faces.evaluate recogniser|judge      verification and rank-1
    python -m tools.demo_model.faces.evaluate detector              recall, false faces, error of keypoints
    python -m tools.demo_model.faces.evaluate classifiers           accuracy by trait
    python -m tools.demo_model.faces.evaluate photos [--program build/release/semblance]
                       detector and recogniser together, on whole pictures at the program's sizes; with --program also
                       compares the program's results with onnxruntime's
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from ..world import STYLES, TRAITS, Identity, Scene, faceless, group, portrait
from . import classifiers, detector, judge, recogniser
from .crops import MARGIN, Crops
from .detect import detect, embed, find, session_of
from .progress import polite

STYLE = list(TRAITS).index("style")
MODELS = pathlib.Path("models/demo/face-models")


def best_accuracy(same, other):
    """The best accuracy of a single threshold, with as many pairs of each kind, and that threshold."""
    values = np.concatenate([same, other])
    truth = np.concatenate([np.ones(len(same)), np.zeros(len(other))])
    order = np.argsort(-values)
    truth, weight = truth[order], np.where(truth[order] == 1, 0.5 / len(same), 0.5 / len(other))
    accuracy = np.cumsum(np.where(truth == 1, weight, -weight)) + 0.5
    at = accuracy.argmax()
    return accuracy[at], values[order][at]


def verification(embeddings, who, style, seed=3, pairs=20000):
    """{kind of pair: figures}; random pairs, as many of one person as of two."""
    rng = np.random.default_rng(seed)
    rows_of = {}
    for row, person in enumerate(who):
        rows_of.setdefault(person, []).append(row)
    kinds = {"same style": lambda a, b: style[a] == style[b], "none and none": lambda a, b: style[a] == style[b] == 0,
             "across styles": lambda a, b: style[a] != style[b]}
    result = {}
    for kind, fits in kinds.items():
        same = np.array([(a, b) for rows in rows_of.values() for i, a in enumerate(rows) for b in rows[:i] if fits(a, b)])
        other = rng.integers(0, len(who), (pairs * 12, 2))
        other = np.array([(a, b) for a, b in other if who[a] != who[b] and fits(a, b)][:pairs])
        if len(same) < 2:
            continue
        cosine = lambda p: (embeddings[p[:, 0]] * embeddings[p[:, 1]]).sum(1).numpy()
        accuracy, threshold = best_accuracy(cosine(same), cosine(other))
        result[kind] = {"accuracy": round(float(accuracy), 4), "threshold": round(float(threshold), 3), "pairs": len(same),
                        "same mean": round(float(cosine(same).mean()), 3), "other 99.9 %": round(float(np.quantile(cosine(other), 0.999)), 3)}
    return result


def rank_one(embeddings, who, style, people=200):
    """Pictures of any style compared with one plain picture of each of `people` people."""
    gallery = {}
    for row, person in enumerate(who):
        if style[row] == 0 and person not in gallery and len(gallery) < people:
            gallery[person] = row
    names = np.array(list(gallery))
    probes = np.array([row for row, person in enumerate(who) if person in gallery and row != gallery[person]])
    nearest = names[(embeddings[probes] @ embeddings[list(gallery.values())].T).argmax(1).numpy()]
    hits = nearest == who[probes]
    by_style = {STYLES[s]: round(float(hits[style[probes] == s].mean()), 3) for s in range(len(STYLES)) if (style[probes] == s).any()}
    return {"rank-1": round(float(hits.mean()), 4), "people": len(gallery), "by style": by_style}


def recognition(net):
    crops = Crops("heldout")
    rows = np.arange(crops.done)
    inner = crops.crops[:crops.done, MARGIN:-MARGIN, MARGIN:-MARGIN]
    embeddings = F.normalize(recogniser.embed(net, inner))
    who, style = crops.identity_index(rows), crops.labels[:crops.done, STYLE]
    return {**verification(embeddings, who, style), **rank_one(embeddings, who, style)}


def overlap(a, b):
    inner = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])
    return inner / (area(a) + area(b) - inner)


def detection(path, groups=120, portraits=200, empty=200):
    """On scenes with seeds not used in training, at 640; portraits also at 320."""
    session = session_of(path)
    figures = {"recall in groups": [], "recall of portraits": [], "recall of portraits at 320": [], "points / face width": []}
    extra, small = 0, []
    for i in range(groups):
        picture = group(900_000 + i, 512)
        boxes, points, _ = detect(session, picture.rgb)
        matched = set()
        for want, want_points in zip(picture.boxes, picture.keypoints):
            best = max(range(len(boxes)), key=lambda k: overlap(boxes[k], want), default=None)
            hit = best is not None and overlap(boxes[best], want) > 0.4
            width = (want[2] - want[0]) * 640 / 512
            (small if width < 24 else figures["recall in groups"]).append(hit)
            if hit:
                matched.add(best)
                figures["points / face width"].append(np.linalg.norm(points[best] - want_points, axis=1).mean() / (want[2] - want[0]))
        extra += len(boxes) - len(matched)
    for i in range(portraits):
        picture = portrait(Identity.from_seed(1_000_000 + i), Scene.from_seed(900_000_000 + i), 256)
        for side, key in ((640, "recall of portraits"), (320, "recall of portraits at 320")):
            boxes, points, _ = detect(session, picture.rgb, side)
            hit = len(boxes) > 0 and overlap(boxes[0], picture.box) > 0.4
            figures[key].append(hit)
            extra += max(0, len(boxes) - 1)
            if hit and side == 640:
                figures["points / face width"].append(np.linalg.norm(points[0] - picture.keypoints, axis=1).mean() / (picture.box[2] - picture.box[0]))
    false = sum(len(detect(session, faceless(900_000 + i, 256))[0]) > 0 for i in range(empty))
    return {**{key: round(float(np.mean(values)), 4) for key, values in figures.items()}, "faces in groups": len(figures["recall in groups"]),
            "recall below 24 pixels": round(float(np.mean(small)), 3) if small else None, "below 24 pixels": len(small),
            "faces that are none": extra, "faceless pictures with a face": false, "of": empty}


def photos(program, people=100, pictures=4):
    """Both models on whole pictures of 256 pixels with a detected face, compared with results from the true keypoints."""
    found, recognised = session_of(MODELS / "scrfd_10g_bnkps.onnx"), session_of(MODELS / "glintr100.onnx")
    embeddings, truths, who, style, lost = [], [], [], [], 0
    agreement = []
    for person in range(people):
        for k in range(pictures):
            scene = Scene.from_seed(800_000_000 + person * pictures + k, **({"style": "none"} if k == 0 else {}))
            picture = portrait(Identity.from_seed(1_000_000 + person), scene, 256)
            photo = cv2.resize(picture.rgb, (1280, 1280), interpolation=cv2.INTER_LINEAR)
            boxes, points, _ = find(found, photo)
            if not len(boxes):
                lost += 1
                continue
            embeddings.append(embed(recognised, photo, points[0]))
            truths.append(embed(recognised, picture.rgb, picture.keypoints))
            who.append(person)
            style.append(STYLES.index(scene.style))
            if program and k == 1 and person < 20:
                agreement.append(beside_program(program, found, recognised, picture.rgb))
    unit = lambda values: F.normalize(torch.tensor(np.array(values)))
    embeddings, truths, who, style = unit(embeddings), unit(truths), np.array(who), np.array(style)
    return {"pictures": people * pictures, "without a face": lost, **verification(embeddings, who, style), **rank_one(embeddings, who, style, people),
            "cosine of found and true points": round(float((embeddings * truths).sum(1).mean()), 4),
            **({"program against onnxruntime": {key: round(float(max(one[key] for one in agreement)), 5) for key in agreement[0]}} if agreement else {})}


def beside_program(program, found, recognised, rgb):
    """Distance between the program's face and ours in the original photo: keypoints in pixels, embeddings of about unit size."""
    with tempfile.TemporaryDirectory() as folder:
        photo = pathlib.Path(folder) / "photo.png"
        cv2.imwrite(str(photo), rgb[:, :, ::-1])
        result = subprocess.run([program, "face", photo, "--face-models", MODELS, "--photo-size", "original", "--json"], capture_output=True, check=True)
    faces = json.loads(result.stdout)["faces"]
    boxes, points, scores = find(found, rgb)
    assert len(faces) == len(boxes), (len(faces), len(boxes))
    ours = embed(recognised, rgb, np.array(faces[0]["keypoints"]))
    return {"points, pixels": np.abs(np.array(faces[0]["keypoints"]) - points[0]).max(), "score": abs(faces[0]["score"] - scores[0]),
            "embedding": np.abs(np.array(faces[0]["embedding"]) - ours).max()}


def classification():
    crops, net = Crops("heldout"), classifiers.load()
    predicted = classifiers.classify(net, crops.whole[:crops.done])
    return {trait: round(float(np.mean([names.index(name) == want for name, want in zip(predicted[trait], crops.labels[:crops.done, i])])), 4)
            for i, (trait, names) in enumerate(TRAITS.items())}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("recogniser", "judge", "detector", "classifiers", "photos"))
    parser.add_argument("--program")
    args = parser.parse_args()
    polite()
    if args.what == "detector":
        detector.export_detector(detector.load(), pathlib.Path("/tmp/demo_model/faces/detector.onnx"))
    result = {"recogniser": lambda: recognition(recogniser.load()), "judge": lambda: recognition(judge.load()),
              "detector": lambda: detection("/tmp/demo_model/faces/detector.onnx"), "classifiers": classification,
              "photos": lambda: photos(args.program)}[args.what]()
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
