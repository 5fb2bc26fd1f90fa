"""Which multipliers do the same as a layer's own: the fixed-point step from its accumulators to its stored outputs.

An integer layer multiplies each int32 accumulator by ``input scale * weight scale / output scale``, held as a 31-bit
integer and a shift, rounds, and cuts off. Scales are float32, so that a change of all three that ought to cancel seldom
gives the same 31 bits; but a few units more or less matter only where they move an accumulator across a half. What is
looked for here is how far a multiplier may go before any accumulator, of all that there are, gives another output.

Two ways are in use, and a multiplier has to hold under each: rounding twice, as gemmlowp (LiteRT's reference kernels,
TFLite Micro, BakeNN) and CMSIS-NN do, who write the same differently; once (LiteRT's built-in kernels). With int64
accumulators (int16 activations) runtimes keep the upper 16 bits of the multiplier only, and those have to be the same.

Reference: Jacob et al. 2018, arXiv 1712.05877, section 2.2; ``QuantizeMultiplier`` and
``MultiplyByQuantizedMultiplier`` of TensorFlow Lite, ``arm_nn_requantize`` of CMSIS-NN.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
BITS = 31
_REACH = 1 << 9
"""How far from the own multiplier is looked: two steps of a float32 are at most this many of its units."""
_NEAR = np.arange(-3, 4)
"""Accumulators around the real place of a step; double rounding moves it by 1 at most."""


def quantized_multiplier(real: NDArray[np.float64]) -> tuple[Ints, Ints]:
    """``(K,)`` real multipliers above 0 as ``multiplier * 2^(shift - 31)``, multiplier in ``[2^30, 2^31)``.

    >>> [int(part[0]) for part in quantized_multiplier(np.array([0.75]))] == [3 << 29, 0]
    True
    """
    fraction, shift = np.frexp(real)
    multiplier = np.rint(fraction * (1 << BITS)).astype(np.int64)
    carried = multiplier == 1 << BITS
    return np.where(carried, multiplier >> 1, multiplier), (shift + carried).astype(np.int64)


def interchangeable(multiplier: Ints, shift: Ints, outputs: range) -> tuple[Ints, Ints]:
    """``(K,)`` the smallest and the largest multiplier that gives every int32 accumulator the same output.

    Args:
        multiplier: ``(K,)``, as ``quantized_multiplier`` has it.
        shift: ``(K,)``, kept as it is.
        outputs: what the layer can put out before its zero point is added, e.g. ``range(-128, 128)``.
    """
    bounds = [_bounds(rounding, multiplier, shift, np.array(outputs[:-1])) for rounding in _ROUNDINGS]
    return np.max([low for low, _ in bounds], axis=0), np.min([high for _, high in bounds], axis=0)


def interchangeable_wide(multiplier: Ints) -> tuple[Ints, Ints]:
    """The same for int64 accumulators: those whose upper 16 bits are equal once rounded."""
    reduced = np.where(multiplier < 0x7FFF0000, (multiplier + (1 << 15)) >> 16, 0x7FFF)
    low = (reduced << 16) - (1 << 15)
    return low, np.where(reduced == 0x7FFF, (1 << BITS) - 1, low + (1 << 16) - 1)


def _bounds(
    rounding: Callable[[Ints, Ints, Ints], Ints], multiplier: Ints, shift: Ints, values: Ints
) -> tuple[Ints, Ints]:
    """An output never falls as the multiplier's size grows, so that halving finds where the first one changes."""
    real = multiplier * 2.0 ** (shift - BITS)
    near = np.rint((values + 0.5)[None, :] / real[:, None]).astype(np.int64)[..., None] + _NEAR

    def steps(candidate: Ints) -> Ints:
        """Which of the accumulators near each step are above it: ``(K, values, 7)``."""
        return np.asarray(rounding(near, candidate[:, None, None], shift[:, None, None]) > values[None, :, None])

    own = steps(multiplier)
    assert not own[..., 0].any(), "a step below where its multiplier puts it"
    assert own[..., -1].all(), "a step above where its multiplier puts it"
    found = []
    for sign in (-1, 1):
        same, other = np.zeros_like(multiplier), np.full_like(multiplier, _REACH)
        while (other - same > 1).any():
            middle = (same + other) // 2
            kept = (steps(multiplier + sign * middle) == own).all(axis=(1, 2))
            same, other = np.where(kept, middle, same), np.where(kept, other, middle)
        found.append(multiplier + sign * same)
    return found[0], found[1]


def _twice(x: Ints, multiplier: Ints, shift: Ints) -> Ints:
    """The upper half of the product, halves up; then by a power of two, halves away from zero."""
    high = ((x << np.maximum(shift, 0)) * multiplier + (1 << 30)) >> BITS
    right = np.maximum(-shift, 0)
    mask = (1 << right) - 1
    return np.asarray((high >> right) + ((high & mask) > (mask >> 1) + (high < 0)))


def _once(x: Ints, multiplier: Ints, shift: Ints) -> Ints:
    total = BITS - shift
    return np.asarray((x * multiplier + (1 << (total - 1))) >> total)


_ROUNDINGS = (_twice, _once)
