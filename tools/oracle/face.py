#!/usr/bin/env python3
"""Makes the face room's goldens: insightface's published steps with OpenCV and onnxruntime.

  face.py planted tests/goldens/face/planted    a handmade detector and recogniser, photos for them,
                                                and the faces found in the photos (expected.json)
  face.py real tests/goldens/face SCRFD.onnx FR_FEATURE.onnx
                                                the results of two real models (see
                                                tools/fetch_test_models.sh) for the astronaut photo

The handmade ("planted") detector finds a magenta nose: a disc of 8 to 30 pixels at the detector's scale. It
has SCRFD's nine outputs in order. The disc's area gives the size of the box and the distances of the
keypoints. Like a close-up, a larger disc is found only at a smaller detector size.
"""

import argparse
import json
import math
import pathlib
import sys

import cv2
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from onnx_models import Builder, iresnet  # noqa: E402

ARCFACE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655],
                    [70.7299, 92.2041]], np.float32)


def session_of(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def nms(boxes, threshold=0.4):
    x1, y1, x2, y2, scores = boxes.T
    areas = (x2 - x1 + 1) * (y2 - y1 + 1)
    order, keep = scores.argsort(kind="stable")[::-1], []
    while order.size > 0:
        i, rest = order[0], order[1:]
        keep.append(i)
        w = np.maximum(0.0, np.minimum(x2[i], x2[rest]) - np.maximum(x1[i], x1[rest]) + 1)
        h = np.maximum(0.0, np.minimum(y2[i], y2[rest]) - np.maximum(y1[i], y1[rest]) + 1)
        overlap = w * h / (areas[i] + areas[rest] - w * h)
        order = rest[overlap <= threshold]
    return keep


def detect(session, bgr, size, threshold=0.5):
    """SCRFD: boxes [k,5] with scores, keypoints [k,5,2], largest box first."""
    h, w = bgr.shape[:2]
    if h / w > 1.0:
        new_h, new_w = size, int(size / (h / w))
    else:
        new_w, new_h = size, int(size * (h / w))
    scale = new_h / h
    picture = np.zeros((size, size, 3), np.uint8)
    picture[:new_h, :new_w] = cv2.resize(bgr, (new_w, new_h))
    blob = ((picture[:, :, ::-1].astype(np.float32) - 127.5) / 128.0).transpose(2, 0, 1)[None]
    outs = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(blob)})
    outs = [o[0] if o.ndim == 3 else o for o in outs]
    boxes, points = [], []
    for i, stride in enumerate((8, 16, 32)):
        cells = size // stride
        ys, xs = np.mgrid[:cells, :cells]
        centers = np.stack([xs, ys], -1).astype(np.float32).reshape(-1, 2) * stride
        centers = np.repeat(centers, 2, axis=0)
        scores, distances, offsets = outs[i].reshape(-1), outs[3 + i] * stride, outs[6 + i] * stride
        found = np.where(scores >= threshold)[0]
        c, d = centers[found], distances[found]
        box = np.concatenate([c - d[:, :2], c + d[:, 2:]], 1) / scale
        boxes.append(np.concatenate([box, scores[found, None]], 1).astype(np.float32))
        points.append((c[:, None] + offsets[found].reshape(-1, 5, 2)) / scale)
    boxes, points = np.concatenate(boxes), np.concatenate(points)
    keep = nms(boxes)
    boxes, points = boxes[keep], points[keep]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order = np.argsort(area, kind="stable")[::-1]
    return boxes[order], points[order]


def align(bgr, points):
    """Umeyama's similarity to ArcFace's points, as in skimage.transform.SimilarityTransform."""
    src, dst = points.astype(np.float64), ARCFACE.astype(np.float64)
    a, b = src - src.mean(0), dst - dst.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a / len(src))
    d = np.ones(2)
    if np.linalg.det(b.T @ a) < 0:
        d[1] = -1
    rotation = u @ np.diag(d) @ vt
    scale = (s @ d) / a.var(0).sum()
    matrix = np.concatenate([scale * rotation, (dst.mean(0) - scale * rotation @ src.mean(0))[:, None]], 1)
    return cv2.warpAffine(bgr, matrix, (112, 112), borderValue=0.0)


def embed(session, crop):
    blob = ((crop[:, :, ::-1].astype(np.float32) - 127.5) / 127.5).transpose(2, 0, 1)[None]
    return session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(blob)})[0].reshape(-1)


def faces_of(detector, recogniser, bgr, size):
    """Retries at smaller sizes until a face is found."""
    sizes = range(size, 191, -64)
    for at in sizes:
        boxes, points = detect(detector, bgr, at)
        if len(boxes) or at == sizes[-1]:
            break
    return {"detector_size": at, "faces": [
        {"score": float(b[4]), "box": [float(v) for v in b[:4]], "keypoints": p.astype(float).tolist(),
         "embedding": [float(v) for v in embed(recogniser, align(bgr, p))]} for b, p in zip(boxes, points)]}


# --- the planted models ---------------------------------------------------------------------------


def planted_detector():
    b = Builder(0)
    f = lambda *values: np.array(values, np.float32)

    def conv(x, name, weight, bias, pad=0, output=None):
        b.weight(f"{name}.weight", weight)
        b.weight(f"{name}.bias", bias)
        return b.node("Conv", [x, f"{name}.weight", f"{name}.bias"], output, kernel_shape=list(weight.shape[2:]),
                      pads=[pad] * 4, strides=[1, 1], dilations=[1, 1], group=1)

    # Magenta is far in red and blue and far from green: 0.8 for the pure colour, 0 for all others.
    pixel = b.node("Relu", [conv("input.1", "magenta", f(0.5, -1, 0.5).reshape(1, 3, 1, 1), f(-1.2))])
    cells = b.node("AveragePool", [pixel], kernel_shape=[8, 8], strides=[8, 8])
    # Channel 0: the magenta area in 3 x 3 cells. Channel 1: evidence, highest at the disc's centre and
    # zero for a disc that reaches beyond the cells.
    weight = np.zeros((2, 1, 5, 5), np.float32)
    weight[1] = -2
    weight[:, :, 1:4, 1:4] = 1
    weight[1, 0, 2, 2] = 1.5
    area = conv(cells, "area", weight, f(0, 0), pad=2)

    def head(x, name, weight, bias, width, sigmoid=False):
        y = conv(x, name, np.array(weight, np.float32).reshape(2 * width, -1, 1, 1), np.array(bias, np.float32))
        if sigmoid:
            y = b.node("Sigmoid", [y])
        y = b.node("Transpose", [y], perm=[0, 2, 3, 1])
        return b.node("Reshape", [y, b.weight(f"{name}.shape", np.array([-1, width], np.int64))], name)

    # Sizes at 8 pixels per cell grow with the disc: 1 at an area of 1.41 (a disc of 12 pixels).
    grow, least = 0.28, 0.605
    half_w, half_h = 60 / 8, 70 / 8
    points = np.array([[-22, -24], [22, -24], [0, 0], [-18, 24], [18, 24]], np.float32).reshape(-1) / 8
    middle = 0.5  # the cell's middle, relative to its origin
    boxes = np.array([half_w, half_h, half_w, half_h], np.float32)
    shift = np.array([-middle, -middle, middle, middle], np.float32)
    columns = lambda first: np.stack([first, np.zeros_like(first)], 1)
    x = area
    for stride in (8, 16, 32):
        evidence = [[0, 6], [0, 0]] if stride == 8 else [[0, 0], [0, 0]]
        head(x, f"score_{stride}", evidence, [-4 if stride == 8 else -20, -20], 1, sigmoid=True)
        head(x, f"bbox_{stride}", np.tile(columns(boxes * grow), (2, 1)), np.tile(boxes * least + shift, 2), 4)
        head(x, f"kps_{stride}", np.tile(columns(points * grow), (2, 1)), np.tile(points * least + middle, 2), 10)
        x = b.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    b.nodes.pop()
    order = [f"{kind}_{stride}" for kind in ("score", "bbox", "kps") for stride in (8, 16, 32)]
    outputs = [helper.make_tensor_value_info(
        name, TensorProto.FLOAT, ["?", {"score": 1, "bbox": 4, "kps": 10}[name.split("_")[0]]]) for name in order]
    return b.model("planted", [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, "?", "?"])], outputs, 11)


def draw_face(bgr, x, y, s):
    """A face around its nose; s = 1 has a box of 96 x 112 in a photo of 512 (120 x 140 at 640)."""
    at = lambda dx, dy: (round(x + dx * s), round(y + dy * s))
    cv2.ellipse(bgr, at(0, 0), (round(44 * s), round(52 * s)), 0, 0, 360, (150, 180, 225), -1, cv2.LINE_AA)
    for dx in (-17.6, 17.6):
        cv2.circle(bgr, at(dx, -19.2), round(6 * s), (255, 255, 255), -1, cv2.LINE_AA)
        cv2.circle(bgr, at(dx, -19.2), round(3 * s), (60, 40, 20), -1, cv2.LINE_AA)
    cv2.line(bgr, at(-14.4, 19.2), at(14.4, 19.2), (60, 60, 160), max(1, round(4 * s)), cv2.LINE_AA)
    # The disc's area determines the detector's scale: s = 0.605 + 0.28 * area in cells.
    diameter = math.sqrt((s - 0.605) / 0.28 / 0.79 * 64 * 4 / math.pi) / 1.25
    cv2.circle(bgr, (round(x * 16), round(y * 16)), round(diameter * 8), (255, 0, 255), -1, cv2.LINE_AA, 4)


def background(w, h):
    ys, xs = np.mgrid[:h, :w]
    waves = 40 * np.sin(xs / 37) * np.cos(ys / 23)
    return np.clip(np.stack([150 + waves, 110 + waves + ys * 40 / h, 80 + waves], -1), 0, 255).astype(np.uint8)


def planted(folder):
    onnx.save(planted_detector(), folder / "scrfd_planted.onnx")
    onnx.save(iresnet((4, 4, 4, 1), (1, 1, 1, 1), 4, seed=7), folder / "arcface_planted.onnx")
    one, several, none, close = background(512, 512), background(512, 384), background(320, 240), background(480, 512)
    draw_face(one, 250, 230, 1.2)
    draw_face(several, 110, 200, 0.9)
    draw_face(several, 270, 150, 1.5)
    draw_face(several, 420, 250, 1.1)
    draw_face(close, 240, 250, 1.0)
    cv2.circle(close, (240, 250), 24, (255, 0, 255), -1, cv2.LINE_AA)
    detector, recogniser = (session_of(folder / f"{name}_planted.onnx") for name in ("scrfd", "arcface"))
    expected = {}
    for name, bgr in (("photo", one), ("several", several), ("none", none), ("close", close)):
        cv2.imwrite(str(folder / f"{name}.png"), bgr, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        expected[name] = faces_of(detector, recogniser, bgr, 640)
        found = expected[name]
        print(name, found["detector_size"], [(round(f["score"], 3), [round(v) for v in f["box"]],
                                              [[round(v) for v in p] for p in f["keypoints"]]) for f in found["faces"]])
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")


def real(folder, scrfd, fr_feature):
    photo = cv2.imread(str(folder.parent / "image" / "astronaut.jpg"))
    detector = session_of(scrfd)
    boxes, points = detect(detector, photo, 640)
    print(boxes, points)
    result = {"faces": [{"score": float(b[4]), "box": [float(v) for v in b[:4]], "keypoints": p.astype(float).tolist()}
                        for b, p in zip(boxes, points)]}
    (folder / "astronaut_scrfd.json").write_text(json.dumps(result) + "\n")
    np.save(folder / "astronaut_fr_feature.npy", embed(session_of(fr_feature), align(photo, points[0])).astype(np.float32))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("planted", "real"))
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("models", type=pathlib.Path, nargs="*")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.what == "planted":
        planted(args.folder)
    elif len(args.models) == 2:
        real(args.folder, *args.models)
    else:
        parser.error("real needs two models")


if __name__ == "__main__":
    main()
