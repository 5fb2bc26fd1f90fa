"""Integer layers in numpy: the accumulator, which all kernels agree on, and the ways to bring it back to 8 bits.

Written from the descriptions in docs/kernels.md; each rule is checked against a runtime's bytes by rounding.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Quantized:
    """A tensor: stored integers, and what they stand for, scale * (stored - zero_point); a scale a channel or one."""

    stored: NDArray[Any]
    scale: NDArray[np.float32]
    zero_point: int

    @property
    def centred(self) -> Reals:
        """Stored less zero point; float64 holds these and their sums exactly, and multiplies them fast."""
        return self.stored.astype(np.float64) - self.zero_point


def convolution(x: Quantized, kernel: NDArray[np.int8], bias: Ints, *, stride: int, same: bool) -> Ints:
    """Accumulators ``(N, H, W, O)`` of a convolution with ``kernel`` ``(O, h, w, C)``."""
    _, h, w, _ = kernel.shape
    total: Any = bias.astype(np.float64)
    for i, j, patch in _patches(x.centred, h, w, stride, same):
        total = total + patch @ kernel[:, i, j, :].astype(np.float64).T
    return np.asarray(total, np.int64)


def depthwise(x: Quantized, kernel: NDArray[np.int8], bias: Ints, *, stride: int, same: bool) -> Ints:
    """Accumulators ``(N, H, W, C)`` of a depthwise convolution with ``kernel`` ``(1, h, w, C)``."""
    _, h, w, _ = kernel.shape
    total: Any = bias.astype(np.float64)
    for i, j, patch in _patches(x.centred, h, w, stride, same):
        total = total + patch * kernel[0, i, j, :].astype(np.float64)
    return np.asarray(total, np.int64)


def dense(x: Quantized, kernel: NDArray[np.int8], bias: Ints) -> Ints:
    """Accumulators ``(N, O)`` of a fully connected layer with ``kernel`` ``(O, C)``."""
    flat = x.centred.reshape(len(x.stored), -1)
    return np.asarray(flat @ kernel.astype(np.float64).T + bias, np.int64)


def multiplier(real: Reals) -> tuple[Ints, Ints]:
    """``real`` as ``m * 2**(e - 31)``, m an integer of 31 bits."""
    m, e = np.frexp(real)
    whole = np.floor(m * 2**31 + 0.5).astype(np.int64)
    carried = whole == 2**31
    return np.where(carried, whole // 2, whole), e.astype(np.int64) + carried


def twice_away(total: Ints, real: Reals) -> Ints:
    """Rounded twice, ties away from zero: to the upper 32 bits of the product, then by the rest of the shift."""
    m, e = multiplier(real)
    product = total * 2 ** np.maximum(e, 0) * m
    high = _away(product, np.int64(31))
    return np.where(e < 0, _away(high, np.maximum(-e, 1)), high)


def twice_up(total: Ints, real: Reals) -> Ints:
    """Rounded twice, ties up."""
    m, e = multiplier(real)
    high = _up(total * 2 ** np.maximum(e, 0) * m, np.int64(31))
    return np.where(e < 0, _up(high, np.maximum(-e, 1)), high)


def once_up(total: Ints, real: Reals) -> Ints:
    """Rounded once, ties up."""
    m, e = multiplier(real)
    return _up(total * m, 31 - e)


def once_even(total: Ints, real: Reals) -> Ints:
    """In float32: the total times the scale, rounded once, ties to even."""
    return np.rint(total.astype(np.float32) * real.astype(np.float32)).astype(np.int64)


def once_away(total: Ints, real: Reals) -> Ints:
    """In float32: the total times the scale, rounded once, ties away from zero."""
    found = total.astype(np.float32) * real.astype(np.float32)
    return (np.sign(found) * np.floor(np.abs(found) + np.float32(0.5))).astype(np.int64)


RULES = {
    "twice, ties away from zero": twice_away,
    "twice, ties up": twice_up,
    "once, ties up": once_up,
    "once, float32, ties to even": once_even,
    "once, float32, ties away from zero": once_away,
}
"""How an accumulator times a real scale becomes an integer."""


def average(x: Quantized, size: int) -> Ints:
    """A pool over the whole map of ``size`` values: the mean of what is stored, ties away from zero."""
    total = x.stored.astype(np.int64).sum(axis=(1, 2), keepdims=True)
    return np.sign(total) * ((np.abs(total) + size // 2) // size) - x.zero_point


def sum_fixed_point(a: Quantized, b: Quantized, scale: float) -> Ints:
    """An addition as the reference kernels do it: both inputs to 20 more bits and a common scale, three roundings."""
    common = 2 * max(float(a.scale[0]), float(b.scale[0]))
    parts = (twice_away(np.asarray(x.centred * 2**20, np.int64), np.float64(x.scale[0]) / common) for x in (a, b))
    return twice_away(np.asarray(sum(parts)), np.asarray(common / (2**20 * scale)))


def sum_single(a: Quantized, b: Quantized, scale: float) -> Ints:
    """An addition with two multipliers of 21 bits at most and one rounding, ties up."""
    ratios = [np.float32(x.scale[0]) / np.float32(scale) for x in (a, b)]
    shift = 20 - (math.frexp(float(max(ratios)))[1] - 1)
    whole = [int(np.rint(float(ratio) * 2.0**shift)) for ratio in ratios]
    total = sum(np.asarray(x.centred, np.int64) * m for x, m in zip((a, b), whole, strict=True))
    return _up(np.asarray(total), np.int64(shift))


SUMS = {
    "each input and the sum, twice each, ties away from zero": sum_fixed_point,
    "once, ties up": sum_single,
}
"""How two tensors of different scales are added."""


def _patches(x: Reals, h: int, w: int, stride: int, same: bool) -> Any:
    """The input under each weight of a window, with its place in the window."""
    sizes = x.shape[1:3]
    out = [math.ceil(n / stride) if same else (n - k) // stride + 1 for n, k in zip(sizes, (h, w), strict=True)]
    lacking = [max((o - 1) * stride + k - n, 0) for o, k, n in zip(out, (h, w), sizes, strict=True)]
    x = np.pad(x, ((0, 0), *((n // 2, n - n // 2) for n in lacking), (0, 0)))
    for i in range(h):
        for j in range(w):
            yield i, j, x[:, i : i + (out[0] - 1) * stride + 1 : stride, j : j + (out[1] - 1) * stride + 1 : stride]


def _up(values: Ints, bits: Any) -> Ints:
    return (values + (np.int64(1) << (bits - 1))) >> bits


def _away(values: Ints, bits: Any) -> Ints:
    return np.sign(values) * _up(np.abs(values), bits)
