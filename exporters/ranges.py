"""Ranges of activations for the int8 quantizer: which real interval the 256 steps of each tensor stand for.

Everything follows the representative images, with two exceptions that are known beforehand:

- The input: its range is that of the convention, not that of the sample, so that a stored value is pixel - 128.
- The scores (logits only): their top is the largest seen, their bottom is raised as far as no representative image's
  confidence moves by more than ``CONFIDENCE_TOLERANCE``. Most of the range of min-max belongs to logits so low that
  they neither win nor weigh in the softmax; without them the step is a third smaller, and fewer images tie for top-1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.artifact import InputConvention
from tinyedge.formats.tflite import Graph

CONFIDENCE_TOLERANCE = 0.001
_LEVELS = np.linspace(0.5, 0.0, 51)
"""Quantiles of all scores that are tried as the bottom, highest first."""

Ranges = dict[str, dict[str, NDArray[np.float32]]]


def convention_range(convention: InputConvention) -> tuple[float, float]:
    """The smallest and the largest real input that a pixel of 0 to 255 can become."""
    mean, std = np.asarray(convention.mean), np.asarray(convention.std)
    return float(((0.0 - mean) / std).min()), float(((255.0 - mean) / std).max())


def lowest_score_that_matters(scores: NDArray[np.float32], tolerance: float = CONFIDENCE_TOLERANCE) -> float:
    """The highest bottom at which no image's confidence moves by more than ``tolerance``.

    Args:
        scores: logits ``(N, K)`` of the representative images.
        tolerance: of the top-1 softmax probability.

    Returns:
        A quantile of the scores, at most their median; their minimum where none can be cut off.
    """
    real = scores.astype(np.float64)
    before = _confidence(real)
    winners = real.max(axis=1).min()
    for bottom in np.quantile(real, _LEVELS):
        moved = np.abs(_confidence(np.maximum(real, bottom)) - before).max()
        if bottom < winners and moved <= tolerance:
            return float(bottom)
    return float(real.min())


def set_range(ranges: Ranges, names: set[str], low: float, high: float) -> None:
    """Give the tensors called ``names`` the range ``low`` to ``high``, in the shape that the quantizer keeps."""
    for name in names & ranges.keys():
        shape = ranges[name]["min"].shape
        ranges[name] = {"min": np.full(shape, low, np.float32), "max": np.full(shape, high, np.float32)}


def names_of_scores(graph: Graph) -> set[str]:
    """The output tensor and those that a RESHAPE merely renames into it: all of them share one range."""
    made_by = {index: operator for operator in graph.operators for index in operator.outputs}
    index = graph.outputs[0]
    names = {graph.tensors[index].name}
    while index in made_by and made_by[index].name == "RESHAPE":
        index = made_by[index].inputs[0]
        names.add(graph.tensors[index].name)
    return names


def _confidence(scores: NDArray[np.float64]) -> NDArray[Any]:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(1.0 / shifted.sum(axis=1))
