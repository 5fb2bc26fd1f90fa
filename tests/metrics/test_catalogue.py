from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyedge.errors import PredictionsError
from tinyedge.metrics import ALONE, METRICS, PAIR, Outcome, catalogue, compare, evaluate, outcome_of

DOCUMENTED = Path(__file__).parents[2] / "docs" / "metrics.md"


def outcome(seed: int, n: int = 200, k: int = 8, labels_seed: int = 0, skill: float = 3.0) -> Outcome:
    labels = np.random.default_rng(labels_seed).integers(0, k, n)
    outputs = np.random.default_rng(seed).normal(size=(n, k))
    outputs[np.arange(n), labels] += skill * np.linspace(0, 1, k)[labels]
    odds = np.exp(outputs)
    return outcome_of(
        outputs=np.clip(np.rint(outputs * 20), -128, 127).astype(np.int8),
        labels=labels,
        probabilities=odds / odds.sum(axis=1, keepdims=True),
        class_names=tuple(f"class {i}" for i in range(k)),
        superclasses=tuple(i // 2 for i in range(k)),
    )


def shuffled(of: Outcome, order: list[int]) -> Outcome:
    arrays = ("labels", "predicted", "confidence", "correct", "tied", "saturated", "label_probability", "brier")
    return replace(of, **{name: getattr(of, name)[order] for name in arrays})


def test_evaluate_and_compare_give_every_metric() -> None:
    assert list(evaluate(outcome(1))) == [m.name for m in ALONE]
    assert list(compare(reference=outcome(1), deployed=outcome(2))) == [m.name for m in PAIR]
    assert list(METRICS) == [m.name for m in (*ALONE, *PAIR)]
    assert len(METRICS) == len(ALONE) + len(PAIR)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(12, 80), st.integers(2, 9), st.floats(0, 8))
def test_every_metric_keeps_its_declared_bounds_and_symmetry(a: int, b: int, n: int, k: int, skill: float) -> None:
    first, second = outcome(a, n, k, skill=skill), outcome(b, n, k, skill=skill)
    figures = evaluate(first) | compare(reference=first, deployed=second)
    for name, value in figures.items():
        low, high = METRICS[name].bounds
        assert low is None or value >= low - 1e-12, name
        assert high is None or value <= high + 1e-12, name
    back = compare(reference=second, deployed=first)
    for metric in PAIR:
        if metric.symmetric:
            assert figures[metric.name] == pytest.approx(back[metric.name]), metric.name


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(60)))
def test_no_metric_depends_on_the_order_of_the_images(order: list[int]) -> None:
    first, second = outcome(1, 60), outcome(2, 60)
    moved = evaluate(shuffled(first, order))
    assert moved == pytest.approx(evaluate(first), abs=1e-12)
    again = compare(reference=shuffled(first, order), deployed=shuffled(second, order))
    assert again == pytest.approx(compare(reference=first, deployed=second), abs=1e-12)


def test_a_better_model_is_better_wherever_a_direction_is_declared() -> None:
    poor, good = evaluate(outcome(1, 4000, skill=1.5)), evaluate(outcome(1, 4000, skill=4.0))
    assert good["accuracy"] > poor["accuracy"]
    for name in ("nll", "brier", "bottom5", "worst_class", "superclass_accuracy"):
        sign = 1 if METRICS[name].better == "higher" else -1
        assert sign * (good[name] - poor[name]) >= 0, name


def test_pair_figures_name_their_direction() -> None:
    reference, deployed = outcome(1, 2000), outcome(1, 2000, skill=2.0)
    found = compare(reference=reference, deployed=deployed)
    assert found["accuracy_drop"] > 0
    assert found["accuracy_drop"] == pytest.approx(found["negative_flips"] - found["positive_flips"])
    assert found["signed_gap_change"] == pytest.approx(
        evaluate(deployed)["signed_gap"] - evaluate(reference)["signed_gap"]
    )
    drops = [
        reference.correct[reference.labels == c].mean() - deployed.correct[reference.labels == c].mean()
        for c in range(8)
    ]
    assert found["worst_class_drop"] == pytest.approx(max(drops))


def test_a_metric_that_does_not_apply_is_left_out() -> None:
    few = evaluate(outcome(1, 50, k=3))
    assert "bottom5" not in few
    assert "bottom5_shrunk" not in few
    assert "gini_corrected" in few
    assert "superclass_accuracy" not in evaluate(replace(outcome(1), superclasses=None))
    assert "brier" not in evaluate(replace(outcome(1), brier=None))
    assert "gini_corrected" not in evaluate(outcome(1, 3, k=8))


def test_superclass_accuracy_is_never_below_top_one() -> None:
    found = evaluate(outcome(3))
    assert found["superclass_accuracy"] >= found["accuracy"]


def test_nan_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(ALONE[0], compute=lambda o: math.nan)
    monkeypatch.setattr(catalogue, "ALONE", (broken,))
    with pytest.raises(PredictionsError, match="not a number"):
        evaluate(outcome(1))


def test_unpaired_outcomes_are_refused() -> None:
    with pytest.raises(PredictionsError, match="same examples"):
        compare(reference=outcome(1), deployed=outcome(2, labels_seed=5))


@pytest.mark.parametrize("name", sorted(METRICS))
def test_every_metric_is_documented(name: str) -> None:
    assert f"`{name}`" in DOCUMENTED.read_text(), f"docs/metrics.md does not mention `{name}`"
