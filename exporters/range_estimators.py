"""Ranges of hidden activations that leave out what is rare, from histograms of all their values.

A range by min and max is as wide as its one most extreme value; each of these gives some values up (they are cut off)
for a finer step for the others:

- ``percentile``: the middle ``SHARE`` of the values.
- ``mse``: the range whose int8 values differ least from the real ones, in squared error.

The input and the scores are not theirs (``ranges``): the convention states the one, and a cut at the top of the other
makes the most certain images tie. Zero stays inside, and exactly itself: a ReLU's output starts there.

Memory: one histogram of ``BINS`` bins a tensor, whatever the number of images; the values pass by once more for it.

Reference: Migacz 2017, "8-bit inference with TensorRT", and Wu et al. 2020, arXiv 2004.09602, section 5, for both.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tinyedge.exporters.ranges import Ranges
from tinyedge.formats.tflite import Graph

SHARE = 0.9999
BINS = 2048
_STEPS = 255
_CANDIDATES = 256


@dataclass(frozen=True)
class Histogram:
    """All values of one tensor that are not 0, in bins of equal width, and how many are.

    Args:
        edges: float64 ``(BINS + 1,)``, rising.
        counts: int64 ``(BINS,)``.
        zeros: values that are exactly 0, as a ReLU puts out: no range rounds them.
    """

    edges: NDArray[np.float64] = field(repr=False)
    counts: NDArray[np.int64] = field(repr=False)
    zeros: int = 0

    @property
    def centres(self) -> NDArray[np.float64]:
        """``(BINS,)`` what the values of a bin are taken for."""
        return (self.edges[:-1] + self.edges[1:]) / 2


def percentile_range(values: Histogram, share: float = SHARE) -> tuple[float, float]:
    """The range that holds ``share`` of all the values, with as many below it as above; zero is in it.

    Where no value is below 0 (a ReLU's output) the range starts there, and all that are left out are above.

    >>> ones = Histogram(np.linspace(0.0, 100.0, 101), np.ones(100, np.int64))
    >>> percentile_range(ones, 0.9)
    (0.0, 90.0)
    """
    total = int(values.counts.sum()) + values.zeros
    one_sided = values.edges[0] >= 0 or values.edges[-1] <= 0
    out = (1 - share) * total / (1 if one_sided else 2)
    # The zeros are in the middle of a tensor with both signs, and at the end that is not cut of any other.
    below, above = np.cumsum(values.counts), np.cumsum(values.counts[::-1])
    low = values.edges[int(np.searchsorted(below, out + 1e-9, side="right"))] if values.edges[0] < 0 else 0.0
    high = values.edges[-1 - int(np.searchsorted(above, out + 1e-9, side="right"))] if values.edges[-1] > 0 else 0.0
    if low >= 0 >= high:  # nearly all values are 0: without the others the tensor would be dead
        low, high = values.edges[0], values.edges[-1]
    return min(float(low), 0.0), max(float(high), 0.0)


def least_error_range(values: Histogram) -> tuple[float, float]:
    """The range, zero in it, at which the squared error of 256 steps is the least over all the values.

    A value inside is off by up to half a step, ``step^2 / 12`` on average; one outside by its distance to the end.
    """
    lows = _candidates(values.edges[0], -1)
    highs = _candidates(values.edges[-1], 1)
    outside_low = np.array([_cut(values, low, -1) for low in lows])
    outside_high = np.array([_cut(values, high, 1) for high in highs])
    total = float(values.counts.sum())
    step = (highs[None, :] - lows[:, None]) / _STEPS
    inside = total - outside_low[:, :1] - outside_high[None, :, 0]
    error = inside * step**2 / 12 + outside_low[:, 1:] + outside_high[None, :, 1]
    i, j = np.unravel_index(int(np.argmin(np.where(step > 0, error, np.inf))), error.shape)
    return float(lows[i]), float(highs[j])


ESTIMATORS = {"percentile": percentile_range, "mse": least_error_range}


def hidden_ranges(
    content: bytes, graph: Graph, seen: Ranges, inputs: NDArray[np.float32], kept: set[str], estimator: str
) -> dict[str, tuple[float, float]]:
    """The range of each hidden activation by an estimator.

    Args:
        content: the float TFLite.
        graph: its graph.
        seen: the smallest and the largest value of each tensor over ``inputs``.
        inputs: ``(N, H, W, C)``, the representative images as the model takes them.
        kept: names of tensors that are left alone.
        estimator: a key of ``ESTIMATORS``.
    """
    made = {index for operator in graph.operators for index in operator.outputs}
    wanted = {
        graph.tensors[index].name: index
        for index in made
        if graph.tensors[index].name in seen and graph.tensors[index].name not in kept
    }
    bounds = {name: (float(seen[name]["min"].min()), float(seen[name]["max"].max())) for name in wanted}
    histograms = histograms_of(content, {wanted[name]: bounds[name] for name in wanted}, inputs)
    return {name: ESTIMATORS[estimator](histograms[index]) for name, index in wanted.items()}


def histograms_of(
    content: bytes, bounds: dict[int, tuple[float, float]], inputs: NDArray[np.float32]
) -> dict[int, Histogram]:
    """Histograms of tensors, by their index, between their smallest and largest value over ``inputs``."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    edges = {index: _edges(*bound) for index, bound in bounds.items()}
    counts = {index: np.zeros(BINS, np.int64) for index in bounds}
    zeros = dict.fromkeys(bounds, 0)
    for i in range(len(inputs)):
        interpreter.set_tensor(source, inputs[i : i + 1])
        interpreter.invoke()
        for index in bounds:
            values = interpreter.get_tensor(index).ravel()
            held = values[values != 0]
            zeros[index] += len(values) - len(held)
            counts[index] += np.histogram(held, BINS, (edges[index][0], edges[index][-1]))[0]
    return {index: Histogram(edges[index], counts[index], zeros[index]) for index in bounds}


def _edges(low: float, high: float) -> NDArray[np.float64]:
    """From the smallest to the largest value; from 0 where all have one sign."""
    low, high = min(low, 0.0), max(high, 0.0)
    return np.linspace(low, high if high > low else low + 1.0, BINS + 1)


def _candidates(end: float, sign: int) -> NDArray[np.float64]:
    """Ends of a range on one side of zero, up to the most extreme value; only 0 where there is none."""
    return np.linspace(0.0, end, _CANDIDATES + 1) if end * sign > 0 else np.zeros(1)


def _cut(values: Histogram, end: float, sign: int) -> tuple[float, float]:
    """How many values lie beyond ``end``, and the sum of their squared distances to it."""
    beyond = np.maximum(sign * (values.centres - end), 0)
    return float(values.counts[beyond > 0].sum()), float((values.counts * beyond**2).sum())
