"""Whether quantization leaves orders as they are: of a model's classes by accuracy, and of the family's members.

Kendall's tau-b and Spearman's rho: 1 where the order is the same, 0 where the two have nothing to do with each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, spearmanr

from tinyedge.metrics.catalogue import class_table
from tinyedge.study.estimate import Estimate, by_seeds, estimate
from tinyedge.study.members import Family, Width, common
from tinyedge.study.overlap import over_other_seeds

RANKED = ("accuracy", "bottom5", "gini", "ece", "nll")
"""Metrics that members of a family are ordered by."""


@dataclass(frozen=True)
class ClassRanks:
    """The order of the classes by accuracy, in one width.

    Args:
        label: its name.
        seeds: that both targets have.
        kendall: each model with its deployed self, mean over the seeds.
        spearman: the same.
        between_seeds: Kendall's tau of two float seeds of the width: what another training does to the order; ``None``
            for one seed.
    """

    label: str
    seeds: tuple[int, ...]
    kendall: Estimate
    spearman: Estimate
    between_seeds: Estimate | None


@dataclass(frozen=True)
class MemberRanks:
    """The order of the family's members by a metric.

    Args:
        metric: which; by its means over the seeds.
        reference: names of the widths, the smallest figure first.
        deployed: the same as deployed.
        kendall: of the two orders of the widths; ``None`` for one width.
        models: of all models, one by one; ``None`` for one model.
    """

    metric: str
    reference: tuple[str, ...]
    deployed: tuple[str, ...]
    kendall: float | None
    models: float | None


@dataclass(frozen=True)
class RankStability:
    """Orders in float against orders as deployed."""

    classes: tuple[ClassRanks, ...]
    members: tuple[MemberRanks, ...]


def rank_stability(*, reference: Family, deployed: Family) -> RankStability:
    """Compare the orders of a family and of itself as deployed.

    Raises:
        PredictionsError: where the two have no model in common, or are of different images or training.
    """
    reference, deployed = common(reference=reference, deployed=deployed)
    metrics = [metric for metric in RANKED if metric in reference.models[0].figures]
    return RankStability(
        classes=tuple(_classes(a, b) for a, b in zip(reference.widths, deployed.widths, strict=True)),
        members=tuple(_members(reference, deployed, metric) for metric in metrics),
    )


def _classes(reference: Width, deployed: Width) -> ClassRanks:
    before, after = _accuracies(reference), _accuracies(deployed)
    kendall = np.array([_tau(a, b) for a, b in zip(before, after, strict=True)])
    spearman = np.array([_rho(a, b) for a, b in zip(before, after, strict=True)])
    grid = np.array([[_tau(a, b) for b in before] for a in before])
    return ClassRanks(
        label=reference.label,
        seeds=reference.seeds,
        kendall=estimate(float(kendall.mean()), by_seeds(kendall)),
        spearman=estimate(float(spearman.mean()), by_seeds(spearman)),
        between_seeds=over_other_seeds(grid, reference.label) if len(before) > 1 else None,
    )


def _members(reference: Family, deployed: Family, metric: str) -> MemberRanks:
    before, after = reference.groups(metric), deployed.groups(metric)
    means = [np.array([group.mean() for group in groups]) for groups in (before, after)]
    labels = np.array(reference.width_labels)
    orders = [tuple(labels[np.argsort(values, kind="stable")].tolist()) for values in means]
    models = [np.concatenate(groups) for groups in (before, after)]
    return MemberRanks(
        metric=metric,
        reference=orders[0],
        deployed=orders[1],
        kendall=_tau(*means) if len(labels) > 1 else None,
        models=_tau(*models) if len(models[0]) > 1 else None,
    )


def _accuracies(width: Width) -> list[NDArray[np.float64]]:
    return [class_table(m.outcome).accuracy for m in width.models]


def _tau(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(kendalltau(a, b).statistic) if _ordered(a, b) else float(np.array_equal(a, b))


def _rho(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(spearmanr(a, b).statistic) if _ordered(a, b) else float(np.array_equal(a, b))


def _ordered(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Whether both have an order at all: a coefficient of equal values is 0 / 0, here 1 where they are the same."""
    return bool(np.ptp(a) > 0 and np.ptp(b) > 0)
