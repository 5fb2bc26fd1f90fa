from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.metrics import jaccard_score

from tinyedge.metrics import error_sets
from tinyedge.metrics.error_sets import Joint, joint

Bools = NDArray[np.bool_]
right = arrays(np.bool_, 25)

# By hand: reference wrong on {0, 1, 2}, deployed wrong on {2, 3} of ten images.
REFERENCE = ~np.isin(np.arange(10), [0, 1, 2])
DEPLOYED = ~np.isin(np.arange(10), [2, 3])


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        (error_sets.jaccard, 1 / 4),
        (error_sets.jaccard_nested, 2 / 3),
        (error_sets.jaccard_independent, 0.06 / 0.44),
        (error_sets.redistribution, 2 / 3 - 1 / 4),
        (error_sets.discordance, 3 / 10),
        (error_sets.negative_flips, 1 / 10),
        (error_sets.positive_flips, 2 / 10),
    ],
)
def test_by_hand(figure: Callable[..., float], expected: float) -> None:
    assert figure(joint(reference=REFERENCE, deployed=DEPLOYED)) == pytest.approx(expected)


def test_the_four_counts_by_hand() -> None:
    assert joint(reference=REFERENCE, deployed=DEPLOYED) == Joint(both_right=6, lost=1, gained=2, both_wrong=1)


@settings(deadline=None)  # the machine may be busy
@given(right, right)
def test_jaccard_agrees_with_scikit_learn_and_with_the_discordance_form(a: Bools, b: Bools) -> None:
    both = joint(reference=a, deployed=b)
    found = error_sets.jaccard(both)
    if a.all() and b.all():
        assert found == 1.0  # the convention for two empty sets
        return
    assert found == pytest.approx(jaccard_score(~a, ~b))
    e1, e2, d = np.mean(~a), np.mean(~b), error_sets.discordance(both)
    assert found == pytest.approx((e1 + e2 - d) / (e1 + e2 + d))


@settings(deadline=None)  # the machine may be busy
@given(right, right)
def test_bounds_symmetry_and_relations(a: Bools, b: Bools) -> None:
    both, swapped = joint(reference=a, deployed=b), joint(reference=b, deployed=a)
    for figure in (
        error_sets.jaccard,
        error_sets.jaccard_nested,
        error_sets.jaccard_independent,
        error_sets.redistribution,
        error_sets.discordance,
    ):
        assert 0 <= figure(both) <= 1
        assert figure(both) == pytest.approx(figure(swapped))
    assert error_sets.jaccard(both) <= error_sets.jaccard_nested(both) + 1e-12
    assert error_sets.negative_flips(both) == error_sets.positive_flips(swapped)
    assert error_sets.discordance(both) == pytest.approx(
        error_sets.negative_flips(both) + error_sets.positive_flips(both)
    )
    assert np.mean(a) - np.mean(b) == pytest.approx(error_sets.accuracy_drop(both))
    assert error_sets.accuracy_drop(both) == pytest.approx(
        error_sets.negative_flips(both) - error_sets.positive_flips(both)
    )


@settings(deadline=None)  # the machine may be busy
@given(right, right, st.permutations(range(25)))
def test_order_does_not_matter(a: Bools, b: Bools, order: list[int]) -> None:
    assert joint(reference=a[order], deployed=b[order]) == joint(reference=a, deployed=b)


def test_baselines_are_what_such_models_show() -> None:
    rng = np.random.default_rng(0)
    draw = rng.random((2, 200_000))
    nested = joint(reference=draw[0] > 0.5, deployed=draw[0] > 0.3)
    apart = joint(reference=draw[0] > 0.5, deployed=draw[1] > 0.3)
    assert error_sets.jaccard(nested) == error_sets.jaccard_nested(nested)
    assert error_sets.jaccard(apart) == pytest.approx(error_sets.jaccard_independent(apart), abs=0.005)


@settings(deadline=None)  # the machine may be busy
@given(arrays(np.int64, 25, elements=st.integers(0, 4)), right, right)
def test_class_changes_agree_with_a_loop(labels: NDArray[np.int64], a: Bools, b: Bools) -> None:
    counts, lost, gained = (np.bincount(labels[mask], minlength=5) for mask in (a | True, a & ~b, ~a & b))
    classes, change = error_sets.class_changes(counts.tolist(), lost.tolist(), gained.tolist())
    assert classes.tolist() == sorted(set(labels.tolist()))
    for k, found in zip(classes, change, strict=True):
        mine = [i for i in range(25) if labels[i] == k]
        assert found == pytest.approx(np.mean([b[i] for i in mine]) - np.mean([a[i] for i in mine]))
