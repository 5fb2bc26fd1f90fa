"""Confidence less accuracy, seed by seed: in the mean over seeds, gaps of both signs cancel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ours import same_size

from tinyedge.study.estimate import Estimate, by_seeds, estimate
from tinyedge.study.members import Family


@dataclass(frozen=True)
class Gap:
    """At one width.

    Args:
        values: of each seed, shares (-1..1).
        size: the mean over the seeds of its absolute value.
    """

    values: tuple[float, ...]
    size: Estimate

    @property
    def cancels(self) -> bool:
        """Whether seeds have it on both sides of 0."""
        return min(self.values) < 0 < max(self.values)

    def __str__(self) -> str:
        low, high = (f"{100 * end:+.2f}" for end in (min(self.values), max(self.values)))
        if len(self.values) == 1:
            return f"{low} pp (one seed)"
        text = f"{low} to {high} pp from seed to seed, {100 * self.size.value:.2f} pp in size on average"
        best = self.size.best
        return text if best is None else f"{text} ({100 * best.low:.2f} to {100 * best.high:.2f}, over seeds)"


def gap_at(family: Family, size: int) -> Gap | None:
    """The gaps at a published size; ``None`` where that width was not trained."""
    for width, values in zip(family.widths, family.groups("signed_gap"), strict=True):
        if same_size(width.params, size):
            sizes = np.abs(values)
            return Gap(tuple(values.tolist()), estimate(float(sizes.mean()), by_seeds(sizes)))
    return None
