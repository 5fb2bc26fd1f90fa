"""Bounds of the expected calibration error: the reflected bootstrap's, and the gate's, on models whose truth is known.

    python benchmarks/trust/ece.py --replicates 400 > benchmarks/trust/ece.md

prints how often each one-sided 95 % bound holds the true ECE. The models are those of ``truth.py``, unchanged, with
confidence too high by more and more.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from truth import LABELS, Scenario, draw_pair

from tinyedge.gate.ece import ece_interval
from tinyedge.metrics.calibration import BINS, bin_index, bins_of, ece
from tinyedge.stats.resampling import draw_classes, reflected

OVERCONFIDENT = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08)
"""Confidence less the probability of being right, where that is 1/2."""


def resampled_ece(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> NDArray[np.float64]:
    """``(R,)`` the ECE of bootstrap resamples, drawn as counts of right and wrong images of each bin."""
    cell = 2 * bin_index(confidence) + correct
    counts = np.bincount(cell, minlength=2 * BINS)
    gaps = np.bincount(cell, weights=confidence - correct, minlength=2 * BINS)
    drawn = draw_classes(counts[None].astype(np.int64))[:, 0] * (gaps / np.maximum(counts, 1))
    return np.asarray(np.abs(drawn[:, ::2] + drawn[:, 1::2]).sum(axis=1) / len(confidence))


def row(excess: float, replicates: int, images: int) -> str:
    """One true ECE: coverage of both kinds of bounds, and their mean upper ends."""
    rng, scenario = np.random.default_rng(0), Scenario("unchanged", lambda a: 0 * a)
    every, gap = len(LABELS) // images, np.zeros(BINS)
    found: dict[str, list[tuple[float, float]]] = {"reflected": [], "gate": []}
    for _ in range(replicates):
        pair = draw_pair(rng, scenario, 0.03)
        stated = pair.right + 4 * excess * pair.right * (1 - pair.right)
        gap += np.bincount(bin_index(stated), weights=stated - pair.right, minlength=BINS)
        c, h = stated[::every], pair.deployed.correct[::every]
        found["reflected"].append(reflected(ece(bins_of(c, h)), resampled_ece(c, h)))
        found["gate"].append(ece_interval(c, h))
    true = float(np.abs(gap).sum()) / (replicates * len(LABELS))
    cells = [f"{images:,}", f"{100 * true:.2f}"]
    for bounds in found.values():
        low, high = np.array(bounds).T
        cells += [f"{100 * (low <= true).mean():.0f}", f"{100 * (high >= true).mean():.0f}", f"{100 * high.mean():.1f}"]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=400)
    replicates = parser.parse_args().replicates
    print("# How often bounds of the ECE hold it")
    print()
    print(f"`python benchmarks/trust/ece.py --replicates {replicates}`: {replicates} models a row, coverage of each")
    print("one-sided 95 % bound in per cent, and the upper bound on average in pp.")
    print()
    print("| images | true ECE, pp | reflected: lower | upper | upper is | gate: lower | upper | upper is |")
    print("|---|---|---|---|---|---|---|---|")
    for images in (10_000, 1000):
        for excess in OVERCONFIDENT:
            print(row(excess, replicates, images), flush=True)


if __name__ == "__main__":
    main()
