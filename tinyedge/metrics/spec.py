"""What a report, a gate and the command line need to know of a metric without knowing the metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tinyedge.metrics.outcome import Outcome
from tinyedge.metrics.tally import PairTally, Tally

Better = Literal["higher", "lower", "none"]
"""``none``: neither direction is better by itself (a baseline, or a figure that is best at 0)."""
Unit = Literal["share", "nats", "score"]
"""``share``: of the whole, shown in per cent (a difference of two in pp); ``nats``; ``score``: a plain number."""


def always(_tally: Tally) -> bool:
    """For a metric that every model has."""
    return True


@dataclass(frozen=True)
class AloneMetric:
    """A figure of one model that counts and sums give.

    Args:
        name: its key in reports; never changes.
        title: what a reader sees.
        unit: see ``Unit``.
        better: which direction is better.
        bounds: the smallest and largest possible value, ``None`` where there is none.
        reference: paper and equation, or where it is defined.
        compute: from a tally.
        applies: whether a model has it at all (superclasses, enough classes); left out of a report where not.
    """

    name: str
    title: str
    unit: Unit
    better: Better
    bounds: tuple[float | None, float | None]
    reference: str
    compute: Callable[[Tally], float] = field(repr=False)
    applies: Callable[[Tally], bool] = field(default=always, repr=False)
    scope: Literal["alone"] = "alone"


@dataclass(frozen=True)
class ColumnMetric:
    """A figure of one model that takes every example at once, and so memory for all; the fields as in ``AloneMetric``.

    Args:
        name: its key in reports; never changes.
        title: what a reader sees.
        unit: see ``Unit``.
        better: which direction is better.
        bounds: the smallest and largest possible value, ``None`` where there is none.
        reference: paper and equation, or where it is defined.
        compute: from an outcome.
    """

    name: str
    title: str
    unit: Unit
    better: Better
    bounds: tuple[float | None, float | None]
    reference: str
    compute: Callable[[Outcome], float] = field(repr=False)
    scope: Literal["alone"] = "alone"


@dataclass(frozen=True)
class PairMetric:
    """A figure of two models on the same examples; the fields are those of ``AloneMetric``.

    Args:
        name: its key in reports; never changes.
        title: what a reader sees.
        unit: see ``Unit``.
        better: which direction is better.
        bounds: the smallest and largest possible value, ``None`` where there is none.
        reference: paper and equation, or where it is defined.
        compute: from the tally of both.
        symmetric: whether swapping the two changes nothing.
    """

    name: str
    title: str
    unit: Unit
    better: Better
    bounds: tuple[float | None, float | None]
    reference: str
    compute: Callable[[PairTally], float] = field(repr=False)
    symmetric: bool = False
    scope: Literal["pair"] = "pair"


MetricSpec = AloneMetric | ColumnMetric | PairMetric
