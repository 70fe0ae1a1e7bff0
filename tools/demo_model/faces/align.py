"""Aligns a face by its five keypoints to the recogniser's 112 x 112 pixels."""

import cv2
import numpy as np

SIDE = 112
TEMPLATE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])


def alignment(keypoints, margin=0):
    """Umeyama's similarity [2,3] from the picture to the crop, computed with complex numbers: z -> s z + t.
    `margin` pixels are added on each side of the crop."""
    src = np.asarray(keypoints, np.float64) @ [1, 1j]
    dst = (TEMPLATE + margin) @ [1, 1j]
    a, b = src - src.mean(), dst - dst.mean()
    s = (np.conj(a) @ b) / (np.abs(a) ** 2).sum()
    t = dst.mean() - s * src.mean()
    return np.array([[s.real, -s.imag, t.real], [s.imag, s.real, t.imag]])


def align(rgb, keypoints, margin=0):
    side = SIDE + 2 * margin
    return cv2.warpAffine(rgb, alignment(keypoints, margin), (side, side), flags=cv2.INTER_LINEAR, borderValue=0)
