"""How far two seeds of one width already are from nested: the part of a redistribution that is not about size.

A larger model is another training run too, and two runs of one width never err on the same images. The baseline here is
a larger model that differs from the small one by its seed and by erring less, and by nothing else: another seed of the
small width, with its errors cut down to as many as the large model makes, to those whose labels it finds the least
likely. What the large model's overlap is below that is beyond the noise of the seeds. (A baseline of our own.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyedge.study.draws import quotient
from tinyedge.study.estimate import Estimate, by_jackknife, estimate
from tinyedge.study.members import Width


@dataclass(frozen=True)
class OtherSeed:
    """The baseline of another seed for a small and a large width.

    Args:
        jaccard: mean over the ordered pairs of the small width's seeds and over the large one's.
        beyond: that less the Jaccard of the two widths: redistribution beyond the noise of the seeds.
    """

    jaccard: float
    beyond: Estimate


def other_seed(small: Width, large: Width) -> OtherSeed | None:
    """The baseline; ``None`` where the small width has one seed, or errs less than the large one."""
    counts = large.wrong.sum(axis=1)
    if len(small.models) < 2 or counts.max() > small.wrong.sum(axis=1).min():
        return None
    cut = _jaccards(small.wrong, np.stack([_hardest(small, j, counts) for j in range(len(small.models))]))
    seen = _jaccards(small.wrong, large.wrong[None])[:, 0]

    def beyond(seeds: NDArray[np.int64], others: NDArray[np.int64]) -> float:
        return _baseline(cut[np.ix_(seeds, seeds, others)]) - float(seen[np.ix_(seeds, others)].mean())

    every, all_large = np.arange(len(small.models)), np.arange(len(counts))
    value = beyond(every, all_large)
    without = {}
    if len(every) > 2:  # leaving one of two out leaves no pair
        without[small.label] = np.array([beyond(np.delete(every, i), all_large) for i in every])
    if len(all_large) > 1:
        without[large.label] = np.array([beyond(every, np.delete(all_large, i)) for i in all_large])
    interval = by_jackknife(value, without, fixed=len(without) < 2)
    return OtherSeed(_baseline(cut), estimate(value, interval))


def _hardest(small: Width, seed: int, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """``(B, N)`` of one seed's errors as many as each of ``counts``: those whose labels it finds the least likely."""
    outcome = small.models[seed].outcome
    likely = np.where(outcome.correct, np.inf, outcome.label_probability)
    order = np.argsort(likely, kind="stable")
    cut = np.zeros((len(counts), len(order)), np.bool_)
    for row, count in zip(cut, counts, strict=True):
        row[order[:count]] = True
    return cut


def _jaccards(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> NDArray[np.float64]:
    """``(A, C, B)`` Jaccard of each of ``(A, N)`` with each of ``(C, B, N)``."""
    flat = b.reshape(-1, b.shape[-1])
    both = (a.astype(np.float32) @ flat.astype(np.float32).T).astype(np.float64)  # exact below 2^24
    either = a.sum(axis=1)[:, None] + flat.sum(axis=1)[None] - both
    return quotient(both, either).reshape(len(a), *b.shape[:2])


def _baseline(cut: NDArray[np.float64]) -> float:
    """Mean over the pairs of different seeds of ``(S, S, B)``."""
    return float(cut[~np.eye(len(cut), dtype=bool)].mean())
