"""How far two seeds of one width already are from nested: the part of a redistribution that is not about size.

A larger model is another training run too, and two runs of one width never err on the same images. The baselines here
are models that differ from the small one by their seed and by erring less: another seed of the small width, with its
errors cut down to as many as the large model makes. Which errors to keep is a choice, and the answer hangs on it:

- *cut*: those whose labels the seed finds the least likely. That takes the label's probability for the difficulty.
- *thinned*: any of them, at random (the exact expectation). That takes all errors to be equally hard.

A figure of one of them is relative to its notion of difficulty: it is not by itself an effect of size. Where the two
have different signs, these baselines do not decide whether size moves errors beyond what seeds do. (Both are our own.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from tinyedge.study.draws import quotient
from tinyedge.study.estimate import Estimate, by_jackknife, estimate
from tinyedge.study.members import Width


@dataclass(frozen=True)
class OtherSeed:
    """The baselines of another seed for a small and a large width.

    Args:
        jaccard: mean over the ordered pairs of the small width's seeds and over the large one's, where the other seed
            keeps the errors whose labels it finds the least likely.
        beyond: that less the Jaccard of the two widths.
        thinned: the same mean where it keeps any of its errors, at random.
        beyond_thinned: that less the Jaccard of the two widths.
    """

    jaccard: float
    beyond: Estimate
    thinned: float
    beyond_thinned: Estimate

    @property
    def decided(self) -> bool:
        """Whether both baselines say the same: both intervals above 0, or both below."""
        best = self.beyond.best, self.beyond_thinned.best
        return all(i is not None and i.low > 0 for i in best) or all(i is not None and i.high < 0 for i in best)


def other_seed(small: Width, large: Width) -> OtherSeed | None:
    """The baselines; ``None`` where the small width has one seed, or errs less than the large one."""
    counts = large.wrong.sum(axis=1)
    if len(small.models) < 2 or counts.max() > small.wrong.sum(axis=1).min():
        return None
    cut = _jaccards(small.wrong, np.stack([_hardest(small, j, counts) for j in range(len(small.models))]))
    thinned = _thinned(small.wrong, counts)
    seen = _jaccards(small.wrong, large.wrong[None])[:, 0]
    return OtherSeed(
        jaccard=_baseline(cut),
        beyond=_beyond(cut, seen, small.label, large.label),
        thinned=_baseline(thinned),
        beyond_thinned=_beyond(thinned, seen, small.label, large.label),
    )


def _beyond(baseline: NDArray[np.float64], seen: NDArray[np.float64], small: str, large: str) -> Estimate:
    """A baseline ``(S, S, B)`` less what is seen, ``(S, B)``."""

    def beyond(seeds: NDArray[np.int64], others: NDArray[np.int64]) -> float:
        return _baseline(baseline[np.ix_(seeds, seeds, others)]) - float(seen[np.ix_(seeds, others)].mean())

    every, all_large = (np.arange(count) for count in seen.shape)
    value = beyond(every, all_large)
    without = {}
    if len(every) > 2:  # leaving one of two out leaves no pair
        without[small] = np.array([beyond(np.delete(every, i), all_large) for i in every])
    if len(all_large) > 1:
        without[large] = np.array([beyond(every, np.delete(all_large, i)) for i in all_large])
    # One seed of the large width: what is seen of it would vary over seeds as it does over the small width's.
    borrowed = float(seen[:, 0].var(ddof=1)) if len(all_large) == 1 else None
    return estimate(value, by_jackknife(value, without, fixed=len(every) < 3, borrowed=borrowed))


def _hardest(small: Width, seed: int, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """``(B, N)`` of one seed's errors as many as each of ``counts``: those whose labels it finds the least likely."""
    outcome = small.models[seed].outcome
    likely = np.where(outcome.correct, np.inf, outcome.label_probability)
    order = np.argsort(likely, kind="stable")
    cut = np.zeros((len(counts), len(order)), np.bool_)
    for row, count in zip(cut, counts, strict=True):
        row[order[:count]] = True
    return cut


def _thinned(wrong: NDArray[np.bool_], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """``(S, S, B)`` expected Jaccard of each seed with each other, of whose errors ``counts`` are kept at random."""
    sizes = wrong.sum(axis=1)
    both = wrong.astype(np.float32) @ wrong.astype(np.float32).T
    found = np.ones((len(wrong), len(wrong), len(counts)))
    for i, j in zip(*np.nonzero(~np.eye(len(wrong), dtype=bool)), strict=True):
        for k, count in enumerate(counts):
            kept = np.arange(count + 1)  # of the errors that both make
            chance = hypergeom.pmf(kept, sizes[j], int(both[i, j]), count)
            found[i, j, k] = chance @ quotient(kept.astype(float), (sizes[i] + count - kept).astype(float))
    return found


def _jaccards(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> NDArray[np.float64]:
    """``(A, C, B)`` Jaccard of each of ``(A, N)`` with each of ``(C, B, N)``."""
    flat = b.reshape(-1, b.shape[-1])
    both = (a.astype(np.float32) @ flat.astype(np.float32).T).astype(np.float64)  # exact below 2^24
    either = a.sum(axis=1)[:, None] + flat.sum(axis=1)[None] - both
    return quotient(both, either).reshape(len(a), *b.shape[:2])


def _baseline(cut: NDArray[np.float64]) -> float:
    """Mean over the pairs of different seeds of ``(S, S, B)``."""
    return float(cut[~np.eye(len(cut), dtype=bool)].mean())
