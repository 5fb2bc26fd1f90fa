"""Float32 scales of a layer, divided by a temperature together, that leave every stored output as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.exporters.requantization import BITS, Ints, interchangeable, interchangeable_wide, quantized_multiplier

TOLERANCE = 0.002
"""How far T may be moved, relative: a fit on 2,000 images leaves eight times that open (docs/converters.md)."""
_SHIFTS = (-31, 30)
"""Beyond these runtimes take a multiplier for 0, or refuse it."""
_CELLS = 1 << 19
_FEW = 256
_HOPELESS = 16.0
"""Channels that fail on average: some e^-16 of the candidates would hold in all of them."""


@dataclass(frozen=True)
class Layer:
    """The last layer, by what its fixed-point step follows from.

    Args:
        input_scale: of its input.
        weight_scales: ``(C,)``, or one for all channels.
        output_scale: of its output.
        outputs: what it can put out, before its zero point.
        wide: whether its accumulators are int64.
        dense: whether it is fully connected: with one scale, runtimes then round the product of the first two scales
            to float32.
    """

    input_scale: np.float32
    weight_scales: NDArray[np.float32] = field(repr=False)
    output_scale: np.float32
    outputs: range
    wide: bool
    dense: bool

    @property
    def products(self) -> tuple[type[np.floating[Any]], ...]:
        """The precisions in which runtimes multiply the input's scale by a weight's."""
        return (np.float64, np.float32) if self.dense and len(self.weight_scales) == 1 else (np.float64,)


@dataclass(frozen=True)
class Divided:
    """The scales to store."""

    weight_scales: NDArray[np.float32] = field(repr=False)
    output_scale: np.float32


def divided(layer: Layer, temperature: float) -> Divided | None:
    """The output scale nearest to ``layer``'s over ``temperature``, with the weights' scales that go with it.

    Returns:
        ``None`` where there is none within ``TOLERANCE``.
    """
    allowed = []
    for product in layer.products:
        real = _real(layer.input_scale, layer.weight_scales, layer.output_scale, product)
        multiplier, shift = quantized_multiplier(real)
        if shift.min() < _SHIFTS[0] or shift.max() > _SHIFTS[1]:
            return None
        bounds = _bounds(layer, multiplier, shift)
        allowed.append((shift, np.maximum(bounds[0], 1 << (BITS - 1)), np.minimum(bounds[1], (1 << BITS) - 1)))
    for scales in _candidates(layer.output_scale, temperature, max(1, _CELLS // len(layer.weight_scales))):
        weights = _weights(layer, scales)
        fits = np.ones(weights.shape, np.bool_)
        for product, (shift, low, high) in zip(layer.products, allowed, strict=True):
            real = _real(layer.input_scale, weights, scales[:, None, None], product)
            # A multiplier that leaves [2^30, 2^31) has another shift: it lies outside the bounds, which do not.
            multiplier = np.rint(real * 2.0 ** (BITS - shift[:, None]))
            fits &= (multiplier >= low[:, None]) & (multiplier <= high[:, None])
        holds: NDArray[np.bool_] = np.any(fits, axis=2)
        if holds.all(axis=1).any():
            at = int(holds.all(axis=1).argmax())
            chosen = fits[at].argmax(axis=1)  # the nearest that fits: they are in that order
            return Divided(weights[at][np.arange(len(chosen)), chosen], scales[at])
        if (~holds).sum(axis=1).mean() > _HOPELESS:
            return None
    return None


def _bounds(layer: Layer, multiplier: Ints, shift: Ints) -> tuple[Ints, Ints]:
    if layer.wide:
        return interchangeable_wide(multiplier)
    if len(layer.outputs) > _FEW:  # int16 with int32 accumulators: too many steps for another multiplier to be the same
        return multiplier, multiplier
    return interchangeable(multiplier, shift, layer.outputs)


def _real(
    source: np.float32, weights: NDArray[np.float32], output: Any, product: type[np.floating[Any]]
) -> NDArray[np.float64]:
    """The real multiplier as runtimes compute it: a product in the precision given, over the output's, in float64."""
    return np.asarray((product(source) * weights.astype(product)).astype(np.float64) / np.asarray(output, np.float64))


def _candidates(scale: np.float32, temperature: float, chunk: int) -> Iterator[NDArray[np.float32]]:
    """Float32 numbers around ``scale / temperature``, nearest first, in chunks."""
    wanted = float(scale) / temperature
    middle = int(np.float32(wanted).view(np.int32))
    reach = int(TOLERANCE * wanted / float(np.spacing(np.float32(wanted))))
    steps = np.arange(2 * reach + 1)
    steps = np.where(steps % 2, (steps + 1) // 2, -(steps // 2))
    for start in range(0, len(steps), chunk):
        yield (middle + steps[start : start + chunk]).astype(np.int32).view(np.float32)


def _weights(layer: Layer, scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(candidates, C, 5)``: float32 numbers around each weight scale times new over old output scale."""
    ratio = scales.astype(np.float64) / float(layer.output_scale)
    nearest = (layer.weight_scales.astype(np.float64) * ratio[:, None]).astype(np.float32)
    return (nearest.view(np.int32)[..., None] + np.array([0, 1, -1, 2, -2], np.int32)).view(np.float32)
