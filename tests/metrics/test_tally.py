"""Counts of parts add up to the figures of the whole, to the last bit."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tinyedge.errors import PredictionsError
from tinyedge.metrics import (
    PAIR,
    ColumnMetric,
    Outcome,
    PairTally,
    Tally,
    compare,
    compare_counted,
    evaluate,
    outcome_of,
)
from tinyedge.metrics.catalogue import ALONE
from tinyedge.metrics.exact import ONE, exact_sum, exact_sums, mean

N, K = 90, 7


def outcome(seed: int, n: int = N, k: int = K) -> Outcome:
    rng = np.random.default_rng(seed)
    labels = np.random.default_rng(0).integers(0, k, n)
    outputs = rng.normal(size=(n, k))
    outputs[np.arange(n), labels] += 2
    odds = np.exp(outputs)
    return outcome_of(
        outputs=np.clip(np.rint(outputs * 30), -128, 127).astype(np.int8),
        labels=labels,
        probabilities=odds / odds.sum(axis=1, keepdims=True),
        class_names=tuple(f"class {i}" for i in range(k)),
        superclasses=tuple(i // 2 for i in range(k)),
    )


REFERENCE, DEPLOYED = outcome(1), outcome(2)


def part(of: Outcome, index: NDArray[np.int64]) -> Outcome:
    columns = ("labels", "predicted", "confidence", "correct", "tied", "saturated", "label_probability", "brier")
    return replace(of, **{name: getattr(of, name)[index] for name in columns})


@st.composite
def partitions(draw: st.DrawFn) -> list[NDArray[np.int64]]:
    """The N examples in random order, cut into random parts that are not empty."""
    order = np.array(draw(st.permutations(range(N))), np.int64)
    cuts = sorted(draw(st.sets(st.integers(1, N - 1), max_size=12)))
    return [piece for piece in np.split(order, cuts) if len(piece)]


@settings(max_examples=60)
@given(partitions())
def test_parts_in_any_order_and_grouping_add_up_to_the_whole(parts: list[NDArray[np.int64]]) -> None:
    tallies = [Tally.of(part(DEPLOYED, index)) for index in parts]
    pairs = [PairTally.of(reference=part(REFERENCE, index), deployed=part(DEPLOYED, index)) for index in parts]
    assert reduce(add, tallies) == Tally.of(DEPLOYED)
    assert reduce(lambda a, b: b + a, tallies) == Tally.of(DEPLOYED)
    assert reduce(add, pairs) == PairTally.of(reference=REFERENCE, deployed=DEPLOYED)
    assert reduce(lambda a, b: b + a, reversed(pairs)) == PairTally.of(reference=REFERENCE, deployed=DEPLOYED)
    if len(parts) > 2:
        a, b, *rest = tallies
        assert a + (b + reduce(add, rest)) == (a + b) + reduce(add, rest)


def test_a_tally_gives_the_figures_of_the_outcome() -> None:
    in_memory, counted = evaluate(DEPLOYED), evaluate(Tally.of(DEPLOYED))
    whole_only = {m.name for m in ALONE if isinstance(m, ColumnMetric)}
    assert whole_only == {"adaptive_ece"}
    assert counted == {name: value for name, value in in_memory.items() if name not in whole_only}
    pair = PairTally.of(reference=REFERENCE, deployed=DEPLOYED)
    assert compare_counted(pair) == compare(reference=REFERENCE, deployed=DEPLOYED)


def test_the_figures_agree_with_plain_numpy() -> None:
    found = evaluate(DEPLOYED)
    gap = DEPLOYED.confidence - DEPLOYED.correct
    index = np.minimum((DEPLOYED.confidence * 15).astype(int), 14)
    assert DEPLOYED.brier is not None
    assert DEPLOYED.superclasses is not None
    same = DEPLOYED.superclasses[DEPLOYED.labels] == DEPLOYED.superclasses[DEPLOYED.predicted]
    per_class = [DEPLOYED.correct[DEPLOYED.labels == k].mean() for k in range(K)]
    expected = {
        "accuracy": DEPLOYED.correct.mean(),
        "nll": -np.log(DEPLOYED.label_probability).mean(),
        "brier": DEPLOYED.brier.mean(),
        "ece": sum(abs(gap[index == b].sum()) for b in range(15)) / N,
        "mean_confidence": DEPLOYED.confidence.mean(),
        "signed_gap": gap.mean(),
        "worst_class": min(per_class),
        "bottom5": np.sort(per_class)[:5].mean(),
        "superclass_accuracy": same.mean(),
        "tie_rate": DEPLOYED.tied.mean(),
        "saturation_rate": DEPLOYED.saturated.mean(),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    pair = compare(reference=REFERENCE, deployed=DEPLOYED)
    gap_before = REFERENCE.confidence - REFERENCE.correct
    expected = {
        "accuracy_drop": REFERENCE.correct.mean() - DEPLOYED.correct.mean(),
        "discordance": (REFERENCE.correct != DEPLOYED.correct).mean(),
        "flips": (REFERENCE.predicted != DEPLOYED.predicted).mean(),
        "negative_flips": (REFERENCE.correct & ~DEPLOYED.correct).mean(),
        "jaccard": (~REFERENCE.correct & ~DEPLOYED.correct).sum() / (~REFERENCE.correct | ~DEPLOYED.correct).sum(),
        "signed_gap_change": gap.mean() - gap_before.mean(),
    }
    assert {name: pair[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert len(pair) == len(PAIR)


def test_a_model_without_brier_scores_or_superclasses_adds_up_without_them() -> None:
    bare = replace(DEPLOYED, brier=None, superclasses=None)
    halves = [Tally.of(part(replace(bare, brier=DEPLOYED.confidence), index)) for index in np.split(np.arange(N), 2)]
    assert {"brier", "superclass_accuracy"}.isdisjoint(evaluate(Tally.of(bare)))
    assert "superclass_accuracy" not in evaluate(halves[0] + halves[1])


def test_what_is_not_of_one_kind_does_not_add_up() -> None:
    with pytest.raises(PredictionsError, match=r"(?s)not of one model.*7 classes.*5 classes"):
        Tally.of(DEPLOYED) + Tally.of(outcome(1, k=5))
    with pytest.raises(PredictionsError, match="no Brier scores"):
        Tally.of(DEPLOYED) + Tally.of(replace(DEPLOYED, brier=None))
    pairs = [PairTally.of(reference=outcome(1, k=k), deployed=outcome(2, k=k)) for k in (7, 5)]
    with pytest.raises(PredictionsError, match="7 and 5 classes"):
        pairs[0] + pairs[1]
    with pytest.raises(PredictionsError, match="same examples"):
        PairTally.of(reference=REFERENCE, deployed=outcome(1, n=30))


@given(arrays(np.float64, st.integers(1, 50), elements=st.floats(0, 40)), st.randoms(use_true_random=False))
def test_exact_sums_do_not_depend_on_order_and_are_near(values: NDArray[np.float64], random: object) -> None:
    shuffled = values.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert exact_sum(shuffled) == exact_sum(values)
    assert mean(exact_sum(values), len(values)) == pytest.approx(np.mean(values), abs=1e-13)


def test_exact_sums_by_group() -> None:
    found = exact_sums(np.array([0.5, 64.0, -0.25, 2**-52]), np.array([1, 0, 1, 2]), 4)
    assert found == (64 * ONE, ONE // 4, 1, 0)


def test_a_sum_beyond_an_int64_is_exact() -> None:
    assert exact_sum(np.full(5000, 36.0)) == 5000 * 36 * ONE > 2**63
