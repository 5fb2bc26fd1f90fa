"""Changing an image's size the way that firmware does: no anti-aliasing, whole pixel values out.

Each method is a weighted mean along one axis and then along the other, so that it is two small matrices.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

METHODS = ("bilinear", "nearest", "area")


def resize(images: NDArray[np.uint8], size: tuple[int, int], method: str) -> NDArray[np.uint8]:
    """uint8 ``(N, H, W, C)`` to uint8 ``(N, *size, C)``, rounded to the nearest value.

    Args:
        images: what the camera gives.
        size: ``(height, width)`` that the model takes.
        method: ``bilinear`` (two neighbours an axis, half-pixel centres: OpenCV's INTER_LINEAR, TensorFlow's and
            PyTorch's bilinear without antialias), ``nearest`` (the pixel under the centre), or ``area`` (the mean of
            what the new pixel covers: OpenCV's INTER_AREA when shrinking).
    """
    down, across = (_weights(method, old, new) for old, new in zip(images.shape[1:3], size, strict=True))
    real = np.einsum("hH,nHWc->nhWc", down, images, optimize=True)
    sized = np.einsum("wW,nhWc->nhwc", across, real, optimize=True)
    return np.asarray(np.rint(sized).clip(0, 255), np.uint8)


@cache
def _weights(method: str, old: int, new: int) -> NDArray[np.float32]:
    """``(new, old)``, rows summing to 1: what each new pixel takes of each old one."""
    centres = (np.arange(new) + 0.5) * old / new
    if method == "nearest":
        taken = np.zeros((new, old))
        taken[np.arange(new), np.minimum(centres.astype(np.int64), old - 1)] = 1
    elif method == "bilinear":
        # A tent one old pixel wide on each side; beyond the edge the edge's pixel stands in.
        position = np.clip(centres - 0.5, 0, old - 1)
        taken = np.clip(1 - np.abs(position[:, None] - np.arange(old)), 0, None)
    else:
        low, high = np.arange(new) * old / new, (np.arange(new) + 1) * old / new
        overlap = np.minimum(high[:, None], np.arange(old) + 1) - np.maximum(low[:, None], np.arange(old))
        taken = np.clip(overlap, 0, None)
    return np.asarray(taken / taken.sum(axis=1, keepdims=True), np.float32)
