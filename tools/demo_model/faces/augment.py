"""Augments crops with the variations of other cameras, detectors and generators."""

import cv2
import numpy as np

from .align import SIDE


def moved(rng, crop, shift=3.0, scale=0.05, turn=5.0):
    """The crop [112,112,3] that slightly inaccurate keypoints would give, from a crop with margin."""
    margin = (crop.shape[0] - SIDE) / 2
    middle = (SIDE - 1) / 2
    matrix = cv2.getRotationMatrix2D((margin + middle, margin + middle), rng.normal(0, turn / 2), 1 + rng.normal(0, scale / 2))
    matrix[:, 2] += rng.normal(0, shift / 2, 2) - margin
    return cv2.warpAffine(crop, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)


def degraded(rng, rgb):
    """Blur, lower resolution, noise, light and colour, each in only some pictures. uint8 in and out."""
    side = rgb.shape[0]
    kind = rng.random()
    if kind < 0.2:
        rgb = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.4, 1.4))
    elif kind < 0.45:
        small = int(side * rng.uniform(0.35, 0.8))
        rgb = cv2.resize(cv2.resize(rgb, (small, small), interpolation=cv2.INTER_AREA), (side, side), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.15:
        quality = int(rng.uniform(35, 90))
        rgb = cv2.imdecode(cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    if rng.random() < 0.6:
        gain = np.float32(rng.normal(1, 0.1)) * (1 + rng.normal(0, 0.03, 3)).astype(np.float32)
        table = np.clip(np.arange(256, dtype=np.float32)[:, None] * gain + np.float32(rng.normal(0, 10)), 0, 255).astype(np.uint8)
        rgb = cv2.LUT(rgb, table[:, None, :].reshape(1, 256, 3))
    if rng.random() < 0.25:
        noise = np.empty(rgb.shape, np.int16)
        cv2.randn(noise, 0, rng.uniform(2, 9))
        rgb = np.clip(rgb + noise, 0, 255).astype(np.uint8)
    return rgb
