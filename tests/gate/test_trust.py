"""A reduced version of benchmarks/trust: the verdict on models whose truth is known."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import binom

FOLDER = Path(__file__).parents[2] / "benchmarks" / "trust"
REPLICATES = 30
DISCORDANCE = 0.08
"""The larger one: everything is harder to tell."""


@pytest.fixture(scope="module")
def simulate():
    sys.path.insert(0, str(FOLDER))  # the benchmark is a script beside its module, as a user runs it
    try:
        import simulate
    finally:
        sys.path.remove(str(FOLDER))
    return simulate


@pytest.fixture(scope="module")
def results(simulate: ModuleType):
    bounded = {bound.scenario for bound in simulate.BOUNDS}
    return {
        scenario.name: simulate.run(scenario, DISCORDANCE, replicates=REPLICATES, seed=100 + i)
        for i, scenario in enumerate(simulate.SCENARIOS)
        if scenario.name in bounded
    }


def test_no_bound_is_missed_by_more_than_chance(simulate: ModuleType, results) -> None:
    for bound in simulate.BOUNDS:
        found = round(simulate.share(results[bound.scenario], bound) * REPLICATES)
        if bound.at_most:
            assert found <= binom.ppf(0.999, REPLICATES, bound.share), bound
        else:
            assert found >= binom.ppf(0.001, REPLICATES, bound.share), bound


def test_every_bound_of_every_gate_holds_the_truth(simulate: ModuleType, results) -> None:
    total = REPLICATES * len(results)
    low, high = simulate.COVERAGE
    gates = next(iter(results.values())).covered
    assert set(gates) >= {"accuracy", "worst_class", "inequality", "bottom5", "churn", "signed_gap", "ece", "ties"}
    for name in gates:
        held = np.sum([found.covered[name] for found in results.values()], axis=0)
        assert (held >= binom.ppf(0.001, total, low)).all(), name
        if name not in simulate.CONSERVATIVE:
            assert (held <= binom.ppf(0.999, total, high)).all(), name


def test_a_seed_gives_one_result(simulate: ModuleType) -> None:
    first, second = (simulate.run(simulate.SCENARIOS[0], DISCORDANCE, replicates=2, seed=5) for _ in range(2))
    assert (first.overall, first.gates, first.covered) == (second.overall, second.gates, second.covered)
    assert np.array_equal(first.gap, second.gap)


def test_the_drawn_models_are_what_they_are_said_to_be(simulate: ModuleType) -> None:
    rng = np.random.default_rng(0)
    for scenario in simulate.SCENARIOS:
        for d in simulate.DISCORDANCE:
            pairs = [simulate.draw_pair(rng, scenario, d) for _ in range(20)]
            n = 20 * len(simulate.LABELS)
            lost = sum(int((p.reference.correct & ~p.deployed.correct).sum()) for p in pairs)
            gained = sum(int((~p.reference.correct & p.deployed.correct).sum()) for p in pairs)
            drop = np.mean([p.drop.mean() for p in pairs])
            flipped = np.mean([p.discordance for p in pairs])
            assert (lost - gained) / n == pytest.approx(drop, abs=4 * (0.1 / n) ** 0.5)
            assert (lost + gained) / n == pytest.approx(flipped, abs=4 * (0.1 / n) ** 0.5)
            stated = np.mean([p.deployed.confidence.mean() - p.deployed.correct.mean() for p in pairs])
            assert stated == pytest.approx(np.mean([p.gap for p in pairs]), abs=4 * 0.5 / n**0.5)


def test_the_committed_table_meets_the_bounds(simulate: ModuleType) -> None:
    table = (FOLDER / "results.md").read_text()
    assert "--replicates 1000" in table
    rows = [line for line in table.splitlines() if line.endswith(("| met |", "| MISSED |"))]
    bounded = [line for line in rows if " at most " in line or " at least " in line]
    assert len(bounded) == len(simulate.BOUNDS) * len(simulate.DISCORDANCE)
    assert "MISSED" not in table
