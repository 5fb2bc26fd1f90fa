"""The arithmetic of the comparison: counts of integers, nothing estimated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.report.kernels import KernelMatrix, KernelPair, KernelPath


def path_of(name: str, outputs: NDArray[Any], labels: NDArray[np.int64], facts: Mapping[str, Any]) -> KernelPath:
    """What one path makes of the images.

    Args:
        name: the path's.
        outputs: integers ``(N, K)``.
        labels: ``(N,)``, the true classes.
        facts: of the run.
    """
    shared = (outputs == outputs.max(axis=1, keepdims=True)).sum(axis=1) > 1
    right = outputs.argmax(axis=1) == labels  # argmax names the lowest of equals, as everywhere here
    return KernelPath(name, dict(facts), float(right.mean()), int(shared.sum()))


def pair_of(first: str, second: str, outputs: Mapping[str, NDArray[Any]]) -> KernelPair:
    """Two paths' outputs, integers ``(N, K)`` of the same images in the same order, counted."""
    a, b = outputs[first], outputs[second]
    difference = a.astype(np.int64) - b.astype(np.int64)
    steps, counts = np.unique(difference, return_counts=True)
    return KernelPair(
        first=first,
        second=second,
        images=len(a),
        images_equal=int((difference == 0).all(axis=1).sum()),
        argmax_flips=int((a.argmax(axis=1) != b.argmax(axis=1)).sum()),
        lsb_histogram={int(step): int(count) for step, count in zip(steps, counts, strict=True)},
    )


def matrix_of(
    outputs: Mapping[str, NDArray[Any]],
    labels: NDArray[np.int64],
    *,
    facts: Mapping[str, Mapping[str, Any]],
    pairs: Iterable[tuple[str, str]] | None = None,
    left_out: Mapping[str, str] | None = None,
) -> KernelMatrix:
    """All paths and their pairs, without where they part.

    Args:
        outputs: integers ``(N, K)`` by path.
        labels: ``(N,)``.
        facts: of the runs, by path.
        pairs: which to compare; each two if ``None``.
        left_out: reasons by path.
    """
    images, classes = next(iter(outputs.values())).shape
    wanted = combinations(outputs, 2) if pairs is None else pairs
    return KernelMatrix(
        images=images,
        classes=classes,
        paths=tuple(path_of(name, found, labels, facts[name]) for name, found in outputs.items()),
        pairs=tuple(pair_of(first, second, outputs) for first, second in wanted),
        left_out=dict(left_out or {}),
    )
