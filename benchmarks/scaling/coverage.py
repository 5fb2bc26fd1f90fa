"""How often the study's 95 % intervals hold the truth, on families whose truth is known.

    python benchmarks/scaling/coverage.py > benchmarks/scaling/coverage.md

Error rates of seeds are drawn around a power law with the relative spread that trained families show (1.2 %); figures
of pairs of seeds are a sum of an effect of each seed and a rest. Intervals over images are of evaluation sets of 100
classes, 100 images each, whose classes' accuracies are known: the truth is the mean of the figure over such sets.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinyedge.metrics.accuracy import bottoms, ginis
from tinyedge.metrics.scaling import curvature_weights, exponent_weights, local_weights
from tinyedge.models.family import members
from tinyedge.study.estimate import (
    Interval,
    by_images,
    by_jackknife,
    by_seed_pairs,
    contrast,
    resampled_seeds,
    seed_bootstrap,
)

TRIALS = 2000
SPREAD = 0.012
ALPHA = 0.156
FULL = (5,) * 9
SHORT = (5, 5, 1, 1, 1)


def main() -> None:
    print("# Coverage of the study's 95 % intervals\n")
    print(f"{TRIALS:,} simulated families a row; by `python benchmarks/scaling/coverage.py`.\n")
    print("| interval | seeds | held the truth | mean width |\n|---|---|---|---|")
    for seeds in (FULL, (3,) * 9, (2,) * 9, SHORT):
        law_rows(seeds)
    for shape in ((5, 5), (3, 3), (5, 1)):
        pair_row(*shape)
    for count in (5, 3):
        same_width_row(count)
    image_rows()


def law_rows(seeds: tuple[int, ...]) -> None:
    params = np.array([member.plan.params for member in members("scalecnn")[: len(seeds)]], float)
    truth = 0.58 * (params / params[0]) ** -ALPHA
    rng = np.random.default_rng(1)
    local = local_weights(params)
    sums = {"alpha": exponent_weights(params), "last local exponent": local[-1], "curvature": curvature_weights(params)}
    found: dict[str, list[tuple[Interval | None, float]]] = {}
    for _ in range(TRIALS):
        groups = [e * (1 + SPREAD * rng.normal(size=s)) for e, s in zip(truth, seeds, strict=True)]
        logs = np.log([group.mean() for group in groups])
        relative = [group / group.mean() for group in groups]
        draws = np.log(resampled_seeds(groups, resamples=400))
        for name, weights in sums.items():
            value, real = float(weights @ logs), float(weights @ np.log(truth))
            used = [group for group, weight in zip(groups, weights, strict=True) if weight]
            found.setdefault(f"{name}, Student's t", []).append((contrast(weights, relative, value), real))
            found.setdefault(f"{name}, bootstrap", []).append((seed_bootstrap(draws @ weights, used), real))
    for name, rows in found.items():
        print_row(name, " ".join(str(s) for s in seeds), rows)


def pair_row(a: int, b: int) -> None:
    """A figure of all pairs of seeds: effects of deviation 0.004 of each seed, and 0.002 of each pair."""
    rng = np.random.default_rng(2)
    rows = []
    for _ in range(TRIALS):
        grid = 0.35 + 0.004 * rng.normal(size=(a, 1)) + 0.004 * rng.normal(size=b) + 0.002 * rng.normal(size=(a, b))
        rows.append((by_seed_pairs(grid, "small", "large"), 0.35))
    print_row("mean over seed pairs", f"{a} x {b}", rows)


def same_width_row(seeds: int) -> None:
    """A figure of all pairs of seeds of one width."""
    rng = np.random.default_rng(3)
    rows = []
    for _ in range(TRIALS):
        effect = 0.004 * rng.normal(size=seeds)
        rest = 0.002 * rng.normal(size=(seeds, seeds))
        grid = 0.7 + effect[:, None] + effect[None] + (rest + rest.T) / np.sqrt(2)
        value = mean_of_pairs(grid)
        without = [mean_of_pairs(np.delete(np.delete(grid, i, 0), i, 1)) for i in range(seeds)]
        rows.append((by_jackknife(value, {"c4": np.array(without)}), 0.7))
    print_row("two seeds of one width, jackknife", str(seeds), rows)


def image_rows() -> None:
    """Figures of class accuracies: resamples of a class's images are binomial in its share of right ones."""
    rng, images = np.random.default_rng(4), 100
    accuracy = np.clip(rng.normal(0.6, 0.15, 100), 0.05, 0.95)
    many = rng.binomial(images, accuracy, size=(20_000, 100)) / images
    figures = {"Gini": ginis, "bottom-5": bottoms}
    truths = {name: float(figure(many).mean()) for name, figure in figures.items()}
    found: dict[str, list[tuple[Interval | None, float]]] = {}
    for seen in many[:TRIALS]:
        draws = rng.binomial(images, seen, size=(400, 100)) / images
        for name, figure in figures.items():
            value = float(figure(seen[None])[0])
            resampled = figure(draws)
            found.setdefault(f"{name} over images, centred", []).append(
                (by_images(value, resampled, plug_in=True), truths[name])
            )
            found.setdefault(f"{name} over images, basic bootstrap", []).append(
                (by_images(value, resampled), truths[name])
            )
    for name, rows in found.items():
        print_row(name, "-", rows)


def mean_of_pairs(grid: NDArray[np.float64]) -> float:
    return float(grid[~np.eye(len(grid), dtype=bool)].mean())


def print_row(name: str, seeds: str, rows: list[tuple[Interval | None, float]]) -> None:
    known = [(interval, truth) for interval, truth in rows if interval is not None]
    if not known:
        print(f"| {name} | {seeds} | none is given | |")
        return
    held = np.mean([interval.holds(truth) for interval, truth in known])
    width = np.mean([interval.high - interval.low for interval, _ in known])
    print(f"| {name} | {seeds} | {held:.1%} | {width:.4f} |")


if __name__ == "__main__":
    main()
