from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.outcomes import HEALTHY, RIGHT, gate, labels_of, outcome, verdict_of
from tinyedge.gate import Status, judge, load_policy
from tinyedge.metrics.accuracy import gini, ginis


def weakened(weak: int, drop: int, *, strengthen: int = 0) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Before and after: 100 classes of 100, class k right on 20 + k // 2 % before; ``weak`` of them lose ``drop``."""
    labels, place = labels_of(), np.arange(10_000) // 100
    right = 20 + np.arange(100) // 2
    after = right.copy()
    after[:weak] -= drop
    after[100 - weak :] += strengthen
    return place < right[labels], place < after[labels]


def test_an_unchanged_model_is_no_more_unequal() -> None:
    found = gate(verdict_of(HEALTHY), "inequality")
    assert (found.status, found.unit, found.limit) == (Status.PASS, "score", 0.02)
    assert found.interval is not None
    assert found.interval[0] < 0 < found.interval[1] < 0.02


@pytest.mark.parametrize(
    ("weak", "drop", "strengthen", "status"),
    [(10, 3, 0, Status.PASS), (10, 8, 0, Status.INCONCLUSIVE), (20, 10, 10, Status.FAIL), (20, -10, 0, Status.PASS)],
)
def test_weak_classes_that_become_weaker_raise_it(weak: int, drop: int, strengthen: int, status: Status) -> None:
    before, after = weakened(weak, drop, strengthen=strengthen)
    found = gate(judge(reference=outcome(before), deployed=outcome(after)), "inequality")
    by_class = [np.bincount(labels_of()[c], minlength=100) / 100 for c in (before, after)]
    assert found.figure == pytest.approx(gini(by_class[1]) - gini(by_class[0]))
    assert found.status is status
    assert found.interval is not None
    assert found.interval[0] < found.figure < found.interval[1]
    assert (found.images_needed is not None) == (status is Status.INCONCLUSIVE)
    assert found.images_needed is None or found.images_needed > 10_000


def test_thin_classes_conclude_nothing_even_where_the_figure_is_large() -> None:
    before, after = (c[:4000] for c in weakened(20, 20))
    verdict = judge(reference=outcome(before), deployed=outcome(after))
    found = gate(verdict, "inequality")
    assert (found.status, found.images_needed) == (Status.INCONCLUSIVE, 5000)
    assert "fewer than 50 images" in found.detail
    few = load_policy("[inequality]\nmin_images_per_class = 30\n")
    relaxed = judge(reference=outcome(before), deployed=outcome(after), policy=few)
    assert "fewer than" not in gate(relaxed, "inequality").detail


def test_one_class_has_nothing_to_be_unequal_with() -> None:
    labels = np.zeros(10_000, np.int64)
    verdict = judge(
        reference=outcome(RIGHT, labels=labels, confidence=0.4),
        deployed=outcome(HEALTHY, labels=labels, confidence=0.4),
    )
    assert "inequality" in {s.name for s in verdict.skipped}
    assert "bottom5" in {s.name for s in verdict.skipped}


def test_the_order_of_the_images_changes_nothing() -> None:
    before, after = weakened(10, 8)
    order = np.random.default_rng(0).permutation(10_000)
    one = judge(reference=outcome(before), deployed=outcome(after))
    labels = labels_of()[order]
    other = judge(reference=outcome(before[order], labels=labels), deployed=outcome(after[order], labels=labels))
    for name in ("inequality", "bottom5", "worst_class"):
        assert gate(one, name) == gate(other, name)


def test_rows_of_ginis_are_ginis() -> None:
    values = np.random.default_rng(0).random((5, 30))
    values[3] = 0
    assert ginis(values).tolist() == [gini(row) for row in values]
    # Independently: the mean absolute difference over twice the mean.
    pairs = np.abs(values[0][:, None] - values[0]).mean() / (2 * values[0].mean())
    assert ginis(values)[0] == pytest.approx(pairs)
