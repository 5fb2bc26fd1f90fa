"""How much the error sets of small and large members overlap, over all pairs of seeds; and how much two seeds' do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import PredictionsError
from tinyedge.metrics.error_sets import (
    Joint,
    discordance,
    jaccard,
    jaccard_independent,
    jaccard_nested,
    redistribution,
)
from tinyedge.study.draws import Draws, quotient, shares
from tinyedge.study.estimate import Estimate, by_images, by_jackknife, by_seed_pairs, estimate
from tinyedge.study.members import Family, Width
from tinyedge.study.other_seed import OtherSeed, other_seed


@dataclass(frozen=True)
class Overlap:
    """The error sets of a smaller and a larger width, over all pairs of their seeds.

    Args:
        small: the smaller width's name; of two runs of one width, the reference's.
        large: the larger's.
        seeds: of each.
        errors: mean error rate of each.
        jaccard: mean over the pairs; the interval over seeds knows which pairs share one.
        deviation: standard deviation of the Jaccard over the pairs; ``None`` for one pair.
        lowest: smallest of the pairs.
        highest: largest of the pairs.
        nested: mean over the pairs of what it would be if the better model's errors were all the other's too.
        independent: of what it would be if the two erred independently.
        redistribution: mean of how far each pair is below its nested baseline.
        other_seed: the baseline of another seed of the small width; ``None`` where that has one seed only.
        discordance: mean share of images on which exactly one of the two is right.
    """

    small: str
    large: str
    seeds: tuple[tuple[int, ...], tuple[int, ...]]
    errors: tuple[float, float]
    jaccard: Estimate
    deviation: float | None
    lowest: float
    highest: float
    nested: float
    independent: float
    redistribution: Estimate
    other_seed: OtherSeed | None
    discordance: float

    @property
    def pairs(self) -> int:
        """Pairs of seeds."""
        return len(self.seeds[0]) * len(self.seeds[1])


@dataclass(frozen=True)
class SeedNoise:
    """How much the error sets of two seeds of one width differ: the floor under every comparison of two widths.

    Args:
        label: the width's name.
        seeds: of it; two or more.
        jaccard: mean over the pairs of different seeds.
        nested: mean over the pairs.
        independent: mean over the pairs.
        redistribution: mean of how far each pair is below its nested baseline.
        discordance: mean share of images on which exactly one of the two is right.
    """

    label: str
    seeds: tuple[int, ...]
    jaccard: Estimate
    nested: float
    independent: float
    redistribution: Estimate
    discordance: Estimate

    @property
    def pairs(self) -> int:
        """Pairs of different seeds."""
        return len(self.seeds) * (len(self.seeds) - 1) // 2


@dataclass(frozen=True)
class Overlaps:
    """All that a family's error sets say of each other.

    Args:
        ends: the smallest against the largest width.
        neighbours: each width against the next.
        same_width: two seeds of one width, of the widths that have two; none where none has.
    """

    ends: Overlap
    neighbours: tuple[Overlap, ...]
    same_width: tuple[SeedNoise, ...]


def error_overlap(family: Family) -> Overlaps:
    """Compare the error sets of a family's members.

    Raises:
        PredictionsError: for a family with one width.
    """
    widths = family.widths
    if len(widths) < 2:
        raise PredictionsError(
            "one width has nothing to be compared with",
            where=f"{family.setting.family} on {family.setting.target}",
            found=f"only {widths[0].member}",
            expected="2 widths or more",
            fix="train more widths: tinyedge sweep --widths",
        )
    neighbours = tuple(overlap(a, b, family.draws) for a, b in pairwise(widths))
    return Overlaps(
        ends=neighbours[0] if len(widths) == 2 else overlap(widths[0], widths[-1], family.draws),
        neighbours=neighbours,
        same_width=tuple(seed_noise(width) for width in widths if len(width.models) > 1),
    )


def overlap(small: Width, large: Width, draws: Draws) -> Overlap:
    """Compare two widths over all pairs of their seeds."""
    pairs = PairGrid(small.wrong, large.wrong)
    grid = pairs.of(jaccard)
    moved = pairs.of(redistribution)
    jaccards, redistributions = overlap_draws(small, large, draws)
    return Overlap(
        small=small.label,
        large=large.label,
        seeds=(small.seeds, large.seeds),
        errors=(float(small.wrong.mean()), float(large.wrong.mean())),
        jaccard=over_pairs(grid, small, large, jaccards),
        deviation=float(grid.std(ddof=1)) if grid.size > 1 else None,
        lowest=float(grid.min()),
        highest=float(grid.max()),
        nested=float(pairs.of(jaccard_nested).mean()),
        independent=float(pairs.of(jaccard_independent).mean()),
        redistribution=over_pairs(moved, small, large, redistributions),
        other_seed=other_seed(small, large),
        discordance=float(pairs.of(discordance).mean()),
    )


def overlap_draws(small: Width, large: Width, draws: Draws) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Jaccard and redistribution, mean over all pairs of seeds, on each resample of the images: ``(R,)`` each."""
    a, b = small.wrong, large.wrong
    shape = (len(draws), len(a), len(b))
    both = shares(draws, (a[:, None] & b[None]).reshape(-1, a.shape[1])).reshape(shape)
    errors = shares(draws, a)[:, :, None], shares(draws, b)[:, None]
    found = quotient(both, errors[0] + errors[1] - both)
    nested = quotient(np.minimum(*errors), np.maximum(*errors))
    return found.mean(axis=(1, 2)), (nested - found).mean(axis=(1, 2))


def over_pairs(grid: NDArray[np.float64], small: Width, large: Width, drawn: NDArray[np.float64]) -> Estimate:
    """The mean of a figure over all pairs of seeds of two widths.

    Args:
        grid: ``(A, B)`` of each pair.
        small: the rows' width.
        large: the columns'.
        drawn: ``(R,)`` its mean on each resample of the images.
    """
    value = float(grid.mean())
    return estimate(value, by_seed_pairs(grid, small.label, large.label), by_images(value, drawn))


def seed_noise(width: Width) -> SeedNoise:
    """Compare the seeds of one width with each other.

    Raises:
        PredictionsError: for one seed.
    """
    if len(width.models) < 2:
        raise PredictionsError(
            "one seed has no other to be compared with", where=width.member, found=width.seeds, expected="2 or more"
        )
    pairs = PairGrid(width.wrong, width.wrong)

    def mean(figure: Callable[[Joint], float]) -> Estimate:
        return over_other_seeds(pairs.of(figure), width.label)

    return SeedNoise(
        label=width.label,
        seeds=width.seeds,
        jaccard=mean(jaccard),
        nested=mean(jaccard_nested).value,
        independent=mean(jaccard_independent).value,
        redistribution=mean(redistribution),
        discordance=mean(discordance),
    )


class PairGrid:
    """The four counts of every pair of two stacks of error sets.

    Args:
        a: ``(A, N)`` whether each model gets each image wrong.
        b: ``(B, N)`` likewise.
    """

    def __init__(self, a: NDArray[np.bool_], b: NDArray[np.bool_]) -> None:
        self._a, self._b = a, b

    @cached_property
    def joints(self) -> list[list[Joint]]:
        """A rows of B."""
        both = (self._a.astype(np.float32) @ self._b.astype(np.float32).T).astype(np.int64)  # exact below 2^24
        wrong_a, wrong_b, n = self._a.sum(axis=1), self._b.sum(axis=1), self._a.shape[1]
        return [
            [
                Joint(
                    both_right=int(n - wrong_a[i] - wrong_b[j] + both[i, j]),
                    lost=int(wrong_b[j] - both[i, j]),
                    gained=int(wrong_a[i] - both[i, j]),
                    both_wrong=int(both[i, j]),
                )
                for j in range(len(self._b))
            ]
            for i in range(len(self._a))
        ]

    def of(self, figure: Callable[[Joint], float]) -> NDArray[np.float64]:
        """``(A, B)`` a figure of every pair."""
        return np.array([[figure(of) for of in row] for row in self.joints])


def over_other_seeds(grid: NDArray[np.float64], label: str) -> Estimate:
    """The mean of a figure over all pairs of different seeds, from the ``(S, S)`` grid of all; S at least 2."""
    s = len(grid)
    off = ~np.eye(s, dtype=bool)
    value = float(grid[off].mean())
    if s < 3:
        return estimate(value)
    without = np.array([_without(grid, off, i) for i in range(s)])
    return estimate(value, by_jackknife(value, {label: without}))


def _without(grid: NDArray[np.float64], off: NDArray[np.bool_], seed: int) -> float:
    kept = np.delete(np.arange(len(grid)), seed)
    return float(grid[np.ix_(kept, kept)][off[np.ix_(kept, kept)]].mean())
