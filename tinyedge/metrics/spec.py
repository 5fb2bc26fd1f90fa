"""What a report, a gate and the command line need to know of a metric without knowing the metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tinyedge.metrics.outcome import Outcome

Better = Literal["higher", "lower", "none"]
"""``none``: neither direction is better by itself (a baseline, or a figure that is best at 0)."""
Unit = Literal["share", "nats", "score"]
"""``share``: of the whole, shown in per cent (a difference of two in pp); ``nats``; ``score``: a plain number."""


def always(_outcome: Outcome) -> bool:
    """For a metric that every outcome has."""
    return True


class PairCompute(Protocol):
    """A figure of two outcomes; keyword-only, so that nobody swaps them."""

    def __call__(self, *, reference: Outcome, deployed: Outcome) -> float:
        """The figure."""


@dataclass(frozen=True)
class AloneMetric:
    """A figure of one model.

    Args:
        name: its key in reports; never changes.
        title: what a reader sees.
        unit: see ``Unit``.
        better: which direction is better.
        bounds: the smallest and largest possible value, ``None`` where there is none.
        reference: paper and equation, or where it is defined.
        compute: from an outcome.
        applies: whether an outcome has it at all (superclasses, enough classes); left out of a report where not.
    """

    name: str
    title: str
    unit: Unit
    better: Better
    bounds: tuple[float | None, float | None]
    reference: str
    compute: Callable[[Outcome], float] = field(repr=False)
    applies: Callable[[Outcome], bool] = field(default=always, repr=False)
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
        compute: from the reference's and the deployed model's outcome.
        symmetric: whether swapping the two changes nothing.
    """

    name: str
    title: str
    unit: Unit
    better: Better
    bounds: tuple[float | None, float | None]
    reference: str
    compute: PairCompute = field(repr=False)
    symmetric: bool = False
    scope: Literal["pair"] = "pair"


MetricSpec = AloneMetric | PairMetric
