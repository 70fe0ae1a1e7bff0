"""Finds faces with a SCRFD file in onnxruntime, with the same steps as the program."""

import cv2
import numpy as np
import onnxruntime

from .align import align
from .networks import KINDS, STRIDES

LEAST_SCORE, MOST_OVERLAP = 0.5, 0.4


def session_of(path, threads=1):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def suppressed(boxes, scores):
    """Non-maximum suppression with whole pixels; returns indices, the best first."""
    x0, y0, x1, y1 = boxes.T
    areas = (x1 - x0 + 1) * (y1 - y0 + 1)
    order, kept = np.argsort(-scores, kind="stable"), []
    while len(order):
        first, rest = order[0], order[1:]
        kept.append(first)
        w = np.maximum(0, np.minimum(x1[first], x1[rest]) - np.maximum(x0[first], x0[rest]) + 1)
        h = np.maximum(0, np.minimum(y1[first], y1[rest]) - np.maximum(y0[first], y0[rest]) + 1)
        order = rest[w * h / (areas[first] + areas[rest] - w * h) <= MOST_OVERLAP]
    return kept


def decode(outputs, side, scale):
    """(boxes [n,4], keypoints [n,5,2], scores [n]) from the nine outputs; the largest box first."""
    boxes, points, scores = [], [], []
    for level, stride in enumerate(STRIDES):
        score, distance, offset = (outputs[kind * 3 + level].reshape(-1, width) for kind, (_, width) in enumerate(KINDS))
        cells = side // stride
        y, x = np.mgrid[:cells, :cells] * stride
        at = np.repeat(np.stack([x, y], -1).reshape(-1, 2), 2, axis=0).astype(np.float32)
        found = np.nonzero(score[:, 0] >= LEAST_SCORE)[0]
        at = at[found]
        boxes.append(np.concatenate([at - distance[found, :2] * stride, at + distance[found, 2:] * stride], 1) / scale)
        points.append((at[:, None] + offset[found].reshape(-1, 5, 2) * stride) / scale)
        scores.append(score[found, 0])
    boxes, points, scores = np.concatenate(boxes), np.concatenate(points), np.concatenate(scores)
    kept = suppressed(boxes, scores)
    boxes, points, scores = boxes[kept], points[kept], scores[kept]
    order = np.argsort(-(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), kind="stable")
    return boxes[order], points[order], scores[order]


def detect(session, rgb, side=640):
    """Faces found at one size of the square."""
    h, w = rgb.shape[:2]
    if h > w:
        new_h, new_w = side, max(1, int(side * w / h))
    else:
        new_h, new_w = max(1, int(side * h / w)), side
    frame = np.zeros((side, side, 3), np.uint8)
    frame[:new_h, :new_w] = cv2.resize(rgb, (new_w, new_h), interpolation=cv2.INTER_LINEAR)
    x = ((frame.astype(np.float32) - 127.5) / 128.0).transpose(2, 0, 1)[None]
    return decode(session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(x)}), side, new_h / h)


def find(session, rgb, side=640):
    """Like the program: tries smaller squares until a face is found."""
    for at in range(side, 191, -64):
        found = detect(session, rgb, at)
        if len(found[0]):
            break
    return found


def embed(session, rgb, keypoints):
    x = ((align(rgb, keypoints).astype(np.float32) - 127.5) / 127.5).transpose(2, 0, 1)[None]
    return session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(x)})[0].reshape(-1)
