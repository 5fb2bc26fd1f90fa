"""Which images flip when a model is quantized, whatever its seed: compression-identified exemplars.

After Hooker et al. 2019 ("What do compressed deep neural networks forget?", arXiv 1911.05248), who compare the most
frequent prediction of two populations of models; ``modal`` is that. Here every model has its own quantized self, so
that a flip is one model's, and the question is whether the same images flip in every seed more often than chance has
it: chance with each model's flip rate, and with the flip rate of images of like confidence.

"By confidence" is by two: how confident the model itself is of an image, and how confident the family's other models
are on average. A flip is not independent of the others' confidence where the own is given (what one model barely
decides is another question than what all of them find hard), so that the product over models of rates by their own
confidence alone is not what chance gives. ``Exemplars.joint`` and ``check`` tell whether what is used here is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtrc
from scipy.stats import mannwhitneyu

from tinyedge.study.members import Family, Width, common

_BINS, _FEWEST = 10, 100
"""Bins of each of the two confidences, at most, and the images that a cell of both holds at least."""
_QUARTER = 0.25


@dataclass(frozen=True)
class Repeated:
    """Images to which something happens in every one of several models.

    Args:
        ids: of these images, sorted.
        expected: how many there would be if the models were independent, each with its own rate.
        expected_by_confidence: the same with the rate of images of like confidence (in the reference).
        p_value: of as many as there are or more, with that rate (a Poisson tail).
    """

    ids: tuple[str, ...]
    expected: float
    expected_by_confidence: float
    p_value: float


@dataclass(frozen=True)
class WidthFlips:
    """One width.

    Args:
        label: its name.
        seeds: that both targets have.
        flips: mean share of images whose predicted class differs.
        lost: mean share of images that were right and are wrong now.
        flipped: images that flip in every seed; ``None`` for one seed, where every flip would be one.
        lost_always: images that are lost in every seed; ``None`` likewise.
        modal: ids of the images whose most frequent prediction over the seeds differs (the lowest class where several
            are as frequent); ``None`` below three seeds.
        auc: the probability that a flipped image was less confident than one that did not flip, mean over the seeds;
            ``None`` where nothing flips.
        in_lowest_quarter: the share of flips among the quarter of the images that was the least confident.
        counts: images by the number of seeds in which they flip, from none to all.
        counts_expected: the same if the seeds were independent, each with its own rate.
        counts_expected_by_confidence: with the rate of images of like confidence.
    """

    label: str
    seeds: tuple[int, ...]
    flips: float
    lost: float
    flipped: Repeated | None
    lost_always: Repeated | None
    modal: tuple[str, ...] | None
    auc: float | None
    in_lowest_quarter: float | None
    counts: tuple[int, ...]
    counts_expected: tuple[float, ...]
    counts_expected_by_confidence: tuple[float, ...]


@dataclass(frozen=True)
class Exemplars:
    """Over the models that both targets have.

    Args:
        widths: narrowest first.
        models: how many there are in all.
        every_model: images that flip in each of them; ``None`` for one model.
        every_width: images that flip in at least one seed of each width; ``None`` for one width.
        counts: images by the number of models in which they flip, from none to all.
        counts_expected: the same if models were independent, each with its own rate.
        counts_expected_by_confidence: with the rate of images of like confidence.
        joint: pairs of models that flip the same image, observed over expected by confidence: 1 where flips are
            independent given the confidences; ``None`` for one model, or where nothing flips.
        check: images that flip in exactly 1 and exactly 2 models, observed over expected by confidence: about 1 where
            the expectations of the rarer counts may be trusted; ``None`` likewise.
    """

    widths: tuple[WidthFlips, ...]
    models: int
    every_model: Repeated | None
    every_width: Repeated | None
    counts: tuple[int, ...]
    counts_expected: tuple[float, ...]
    counts_expected_by_confidence: tuple[float, ...]
    joint: float | None
    check: tuple[float, float] | None


def exemplars(*, reference: Family, deployed: Family) -> Exemplars:
    """Find the images that flip between a family and itself as deployed.

    Raises:
        PredictionsError: where the two have no model in common, or are of different images or training.
    """
    reference, deployed = common(reference=reference, deployed=deployed)
    pairs, cells = list(zip(reference.widths, deployed.widths, strict=True)), _cells(reference)
    flips = [_Happens(_predicted(a) != _predicted(b), cells[a.member]) for a, b in pairs]
    lost = [_Happens(~a.wrong & b.wrong, cells[a.member]) for a, b in pairs]
    seen = np.concatenate([h.seen for h in flips])
    rates, likely = (np.concatenate([getattr(h, name) for h in flips]) for name in ("rates", "by_confidence"))
    ids = reference.ids
    several = [1 - np.stack([np.prod(1 - p, axis=0) for p in part]) for part in _parts(flips)]
    counts, expected = _seen_counts(seen), _counts(likely)
    return Exemplars(
        widths=tuple(_width(*pair, f, n, ids) for pair, f, n in zip(pairs, flips, lost, strict=True)),
        models=len(seen),
        every_model=_repeated(ids, seen, rates, likely) if len(seen) > 1 else None,
        every_width=_repeated(ids, np.stack([h.seen.any(axis=0) for h in flips]), *several) if len(flips) > 1 else None,
        counts=counts,
        counts_expected=_counts(rates),
        counts_expected_by_confidence=expected,
        joint=_joint(seen, likely),
        check=(counts[1] / expected[1], counts[2] / expected[2]) if len(seen) > 1 and min(expected[1:3]) > 0 else None,
    )


class _Happens:
    """Something that happens to images in the models of a width, and how probable it is.

    Args:
        seen: ``(S, N)`` to which images it happens.
        cells: ``(S, N)`` which images are of like confidence, for each model.
    """

    def __init__(self, seen: NDArray[np.bool_], cells: NDArray[np.int64]) -> None:
        self.seen = seen
        self.rates = np.broadcast_to(seen.mean(axis=1, keepdims=True), seen.shape)
        self.by_confidence = np.stack([_local_rate(own, row) for own, row in zip(cells, seen, strict=True)])


def _parts(flips: Sequence[_Happens]) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    return [h.rates for h in flips], [h.by_confidence for h in flips]


def _width(a: Width, b: Width, flips: _Happens, lost: _Happens, ids: NDArray[np.str_]) -> WidthFlips:
    several = len(a.models) > 1
    before, after = _predicted(a), _predicted(b)
    aucs, lowest = [], []
    for model, seen in zip(a.models, flips.seen, strict=True):
        confidence = model.outcome.confidence
        if 0 < seen.sum() < len(seen):
            statistic = mannwhitneyu(confidence[seen], confidence[~seen]).statistic
            aucs.append(1 - float(statistic) / (seen.sum() * (~seen).sum()))
            lowest.append(float((confidence[seen] <= np.quantile(confidence, _QUARTER)).mean()))
    return WidthFlips(
        label=a.label,
        seeds=a.seeds,
        flips=float(flips.seen.mean()),
        lost=float(lost.seen.mean()),
        flipped=_repeated(ids, flips.seen, flips.rates, flips.by_confidence) if several else None,
        lost_always=_repeated(ids, lost.seen, lost.rates, lost.by_confidence) if several else None,
        modal=_ids(ids, np.asarray(_mode(before) != _mode(after))) if len(before) > 2 else None,
        auc=float(np.mean(aucs)) if aucs else None,
        in_lowest_quarter=float(np.mean(lowest)) if lowest else None,
        counts=_seen_counts(flips.seen),
        counts_expected=_counts(flips.rates),
        counts_expected_by_confidence=_counts(flips.by_confidence),
    )


def _repeated(
    ids: NDArray[np.str_], seen: NDArray[np.bool_], rates: NDArray[np.float64], likely: NDArray[np.float64]
) -> Repeated:
    """Images on which every row of ``(M, N)`` is set, against independent rows of these probabilities."""
    always = seen.all(axis=0)
    by_confidence = float(np.prod(likely, axis=0).sum())
    count = int(always.sum())
    # The number is a sum of many rare, independent events: Poisson, very nearly.
    tail = float(pdtrc(count - 1, by_confidence)) if count else 1.0
    return Repeated(_ids(ids, always), float(np.prod(rates, axis=0).sum()), by_confidence, tail)


def _cells(reference: Family) -> dict[str, NDArray[np.int64]]:
    """By member, ``(S, N)``: the cell of each image for each model, by the model's confidence and the others'."""
    confidence = np.stack([m.outcome.confidence for m in reference.models])
    others = (confidence.sum(axis=0) - confidence) / max(len(confidence) - 1, 1)
    bins = max(1, min(_BINS, math.isqrt(reference.images // _FEWEST)))
    cells = np.stack([_nested(*both, bins) for both in zip(confidence, others, strict=True)])
    of = np.array([m.member for m in reference.models])
    return {width.member: cells[of == width.member] for width in reference.widths}


def _nested(own: NDArray[np.float64], others: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """``(N,)`` cells: bins of equal mass of ``own``, and within each of them bins of equal mass of ``others``."""
    outer = _binned(own, bins)
    inner = np.zeros_like(outer)
    for index in np.unique(outer):  # those that ties have not left empty
        inner[outer == index] = _binned(others[outer == index], bins)
    return outer * bins + inner


def _binned(values: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    return np.searchsorted(np.quantile(values, np.arange(1, bins) / bins), values, side="right")


def _local_rate(cells: NDArray[np.int64], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """``(N,)`` share of the images of the same cell to which it happens."""
    return np.asarray((np.bincount(cells, weights=seen) / np.maximum(np.bincount(cells), 1))[cells])


def _joint(seen: NDArray[np.bool_], likely: NDArray[np.float64]) -> float | None:
    """Pairs of rows of ``(M, N)`` that are set for the same image, over what independent rows would give."""
    expected = float((likely.sum(axis=0) ** 2 - (likely**2).sum(axis=0)).sum())
    count = seen.sum(axis=0)
    return float((count * (count - 1)).sum()) / expected if expected > 0 else None


def _seen_counts(seen: NDArray[np.bool_]) -> tuple[int, ...]:
    """Images by the number of rows of ``(M, N)`` that are set for them."""
    return tuple(np.bincount(seen.sum(axis=0), minlength=len(seen) + 1).tolist())


def _counts(probabilities: NDArray[np.float64]) -> tuple[float, ...]:
    """Expected images by the number of ``(M, N)`` independent events that happen to them."""
    chances = np.zeros((len(probabilities) + 1, probabilities.shape[1]))
    chances[0] = 1
    for p in probabilities:
        chances[1:] = chances[1:] * (1 - p) + chances[:-1] * p
        chances[0] *= 1 - p
    return tuple(chances.sum(axis=1).tolist())


def _predicted(width: Width) -> NDArray[np.int64]:
    return np.stack([m.outcome.predicted for m in width.models])


def _mode(predicted: NDArray[np.int64]) -> NDArray[np.int64]:
    """``(N,)`` most frequent class of ``(S, N)``, the lowest where several are."""
    votes = (predicted[:, None] == predicted[None]).sum(axis=0)
    return np.asarray(np.where(votes == votes.max(axis=0), predicted, predicted.max() + 1).min(axis=0))


def _ids(ids: NDArray[np.str_], mask: NDArray[np.bool_] | np.bool_) -> tuple[str, ...]:
    return tuple(sorted(ids[mask].tolist()))
