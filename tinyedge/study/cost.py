"""What quantization costs a family, width by width, against the float models of the same weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tinyedge.metrics import compare
from tinyedge.metrics.error_sets import discordance, jaccard, redistribution
from tinyedge.metrics.scaling import slope_weights
from tinyedge.stats.paired import tango_interval
from tinyedge.study.draws import DRAWN, PLUG_IN, figure_draws, quotient, shares
from tinyedge.study.estimate import (
    TAIL,
    Estimate,
    Groups,
    Interval,
    by_images,
    by_seeds,
    contrast,
    estimate,
)
from tinyedge.study.members import Family, Trained, Width, common
from tinyedge.study.overlap import PairGrid, over_other_seeds, over_pairs, overlap_draws
from tinyedge.study.peak import Extreme, extremes

CHANGES = ("bottom5", "gini", "gini_corrected", "ece", "signed_gap", "nll")
"""Metrics of one model whose change is shown: deployed less reference."""
PAIRED = ("jaccard", "jaccard_nested", "jaccard_independent", "flips", "negative_flips", "discordance")
"""Metrics of a model and its deployed self."""
_PLACED = ("flips", "discordance")


@dataclass(frozen=True)
class WidthCost:
    """One width: each seed's deployed model against its own float reference, mean over the seeds.

    Args:
        label: the width's name.
        params: N.
        seeds: that both have.
        drop: accuracy of the reference less that of the deployed model.
        paired: by name of ``PAIRED``.
        changes: by name of ``CHANGES``.
        seed_discordance: between two float seeds of the width; ``None`` for one seed.
        added_discordance: what quantizing one of two different seeds adds to that; ``None`` for one seed.
    """

    label: str
    params: int
    seeds: tuple[int, ...]
    drop: Estimate
    paired: dict[str, Estimate]
    changes: dict[str, Estimate]
    seed_discordance: Estimate | None
    added_discordance: Estimate | None


@dataclass(frozen=True)
class QuantizationCost:
    """Float against deployed, over the models that both have.

    Args:
        widths: narrowest first.
        drop: mean over the widths of the drop in accuracy.
        trends: slope at each tenfold of N of the drop (``accuracy_drop``) and of each of ``PAIRED`` and ``CHANGES``;
            empty for one width.
        dearest: the width at which accuracy drops most.
        dearest_by: the width at which flips and discordance are largest, by their names in ``PAIRED``.
        jaccard_change: of the Jaccard of the smallest and the largest width, deployed less reference; ``None`` for one
            width.
        redistribution_change: of their distance below nested.
    """

    widths: tuple[WidthCost, ...]
    drop: Estimate
    trends: dict[str, Estimate]
    dearest: Extreme
    dearest_by: dict[str, Extreme]
    jaccard_change: Estimate | None
    redistribution_change: Estimate | None


def quantization_cost(*, reference: Family, deployed: Family) -> QuantizationCost:
    """Compare a family with itself as deployed.

    Raises:
        PredictionsError: where the two have no model in common, or are of different images or training.
    """
    reference, deployed = common(reference=reference, deployed=deployed)
    pairs = [_WidthPairs(a, b, reference) for a, b in zip(reference.widths, deployed.widths, strict=True)]
    drops = [pair.group("accuracy_drop") for pair in pairs]
    images = np.stack([pair.drop_draws for pair in pairs], axis=1)
    several = len(pairs) > 1
    overlap, moved = _ends_changes(reference, deployed) if several else (None, None)
    return QuantizationCost(
        widths=tuple(_width_cost(pair) for pair in pairs),
        drop=_mean_drop(reference, drops, images),
        trends=_trends(reference, pairs) if several else {},
        dearest=extremes(reference, drops, images)[0],
        dearest_by={name: _dearest(reference, pairs, name) for name in _PLACED},
        jaccard_change=overlap,
        redistribution_change=moved,
    )


class _WidthPairs:
    """One width's models and their deployed selves."""

    def __init__(self, reference: Width, deployed: Width, family: Family) -> None:
        self.reference, self.deployed = reference, deployed
        self._family = family

    @property
    def models(self) -> list[tuple[Trained, Trained]]:
        return list(zip(self.reference.models, self.deployed.models, strict=True))

    @cached_property
    def _compared(self) -> list[dict[str, float]]:
        return [compare(reference=a.outcome, deployed=b.outcome) for a, b in self.models]

    def group(self, name: str) -> NDArray[np.float64]:
        """``(S,)`` of a metric of pairs, or the change of a metric of one model."""
        if name in CHANGES:
            return np.array([b.figures[name] - a.figures[name] for a, b in self.models])
        return np.array([pair[name] for pair in self._compared])

    @cached_property
    def drop_draws(self) -> NDArray[np.float64]:
        """``(R,)`` mean drop on resamples of the images."""
        draws = self._family.draws
        return np.asarray((shares(draws, self.deployed.wrong) - shares(draws, self.reference.wrong)).mean(axis=1))

    def change_draws(self, name: str) -> NDArray[np.float64]:
        """``(R,)`` mean change of a metric of one model on resamples of the images."""
        draws = self._family.draws
        found = [figure_draws(name, b.outcome, draws) - figure_draws(name, a.outcome, draws) for a, b in self.models]
        return np.asarray(np.mean(found, axis=0))

    def paired_draws(self, name: str) -> NDArray[np.float64] | None:
        """``(R,)`` of those metrics of pairs that are shares of the images, and of the Jaccard; of one seed."""
        (a, b), draws = self.models[0], self._family.draws
        wrong, now = ~a.outcome.correct, ~b.outcome.correct
        masks = {
            "flips": a.outcome.predicted != b.outcome.predicted,
            "negative_flips": ~wrong & now,
            "discordance": wrong != now,
        }
        if name in masks:
            return shares(draws, masks[name][None])[:, 0]
        if name == "jaccard":
            both, either = shares(draws, np.stack([wrong & now, wrong | now])).T
            return quotient(both, either)
        return None


def _width_cost(pair: _WidthPairs) -> WidthCost:
    several = len(pair.models) > 1
    return WidthCost(
        label=pair.reference.label,
        params=pair.reference.params,
        seeds=pair.reference.seeds,
        drop=_drop(pair),
        paired={name: _paired(pair, name) for name in PAIRED},
        changes={name: _change(pair, name) for name in CHANGES},
        seed_discordance=_seed_discordance(pair.reference, pair.reference) if several else None,
        added_discordance=_added(pair) if several else None,
    )


def _drop(pair: _WidthPairs) -> Estimate:
    values = pair.group("accuracy_drop")
    value = float(values.mean())
    if len(values) > 1:
        return estimate(value, by_seeds(values), by_images(value, pair.drop_draws))
    before, after = pair.reference.wrong[0], pair.deployed.wrong[0]
    lost, gained = int((~before & after).sum()), int((before & ~after).sum())
    low, high = tango_interval(lost, gained, len(before), tail=TAIL)
    return estimate(value, Interval(low, high, "images", "Tango's paired score"))


def _dearest(family: Family, pairs: list[_WidthPairs], name: str) -> Extreme:
    images = None
    if all(len(pair.models) == 1 for pair in pairs):
        drawn = [part for pair in pairs if (part := pair.paired_draws(name)) is not None]
        images = np.stack(drawn, axis=1)
    return extremes(family, [pair.group(name) for pair in pairs], images)[0]


def _mean_drop(family: Family, drops: Groups, images: NDArray[np.float64]) -> Estimate:
    weights = np.full(len(drops), 1 / len(drops))
    value = float(np.mean([drop.mean() for drop in drops]))
    return estimate(value, contrast(weights, drops, value), by_images(value, images @ weights))


def _paired(pair: _WidthPairs, name: str) -> Estimate:
    values = pair.group(name)
    value = float(values.mean())
    if len(values) > 1:
        return estimate(value, by_seeds(values))
    drawn = pair.paired_draws(name)
    return estimate(value, None if drawn is None else by_images(value, drawn))


def _change(pair: _WidthPairs, name: str) -> Estimate:
    values = pair.group(name)
    value = float(values.mean())
    if len(values) > 1:
        return estimate(value, by_seeds(values))
    if name not in DRAWN:
        return estimate(value)
    return estimate(value, by_images(value, pair.change_draws(name), plug_in=name in PLUG_IN))


def _seed_discordance(a: Width, b: Width) -> Estimate:
    return over_other_seeds(PairGrid(a.wrong, b.wrong).of(discordance), a.label)


def _added(pair: _WidthPairs) -> Estimate:
    """Discordance of a float seed with another seed as deployed, less that of the two in float."""
    mixed = PairGrid(pair.reference.wrong, pair.deployed.wrong).of(discordance)
    plain = PairGrid(pair.reference.wrong, pair.reference.wrong).of(discordance)
    return over_other_seeds(mixed - plain, pair.reference.label)


def _trends(family: Family, pairs: list[_WidthPairs]) -> dict[str, Estimate]:
    weights = slope_weights(family.params)
    found = {}
    for name in ("accuracy_drop", *PAIRED, *CHANGES):
        groups = [pair.group(name) for pair in pairs]
        value = float(sum(weight * group.mean() for weight, group in zip(weights, groups, strict=True)))
        drawn = None
        if name == "accuracy_drop":
            drawn = by_images(value, np.stack([pair.drop_draws for pair in pairs], axis=1) @ weights)
        found[name] = estimate(value, contrast(weights, groups, value), drawn)
    return found


def _ends_changes(reference: Family, deployed: Family) -> tuple[Estimate, Estimate]:
    """Of the Jaccard and the redistribution of the smallest and the largest width, over all pairs of seeds."""
    (small, large), (small_now, large_now) = ((f.widths[0], f.widths[-1]) for f in (reference, deployed))
    before, after = PairGrid(small.wrong, large.wrong), PairGrid(small_now.wrong, large_now.wrong)
    drawn = overlap_draws(small, large, reference.draws), overlap_draws(small_now, large_now, reference.draws)
    found = [
        over_pairs(after.of(figure) - before.of(figure), small, large, now - then)
        for figure, then, now in zip((jaccard, redistribution), *drawn, strict=True)
    ]
    return found[0], found[1]
