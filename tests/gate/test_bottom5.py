from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.outcomes import HEALTHY, flipped, gate, labels_of, outcome, verdict_of
from tinyedge.gate import GateResult, Status, judge, load_policy


def with_worst(drop: int, *, each: int = 100, swap: int = 0) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """100 classes right on 30 %, but 0 to 4 on 20 %, which lose ``drop`` %; ``swap`` % come and go in all classes."""
    labels, place = labels_of(100 * each), np.arange(100 * each) // 100 * 100 // each
    right = np.where(np.arange(100) < 5, 20, 30)
    before = place < right[labels]
    after = place < (right - drop * (np.arange(100) < 5))[labels]
    after |= (place >= 50) & (place < 50 + swap)
    return before | ((place >= 60) & (place < 60 + swap)), after


def judged(before: NDArray[np.bool_], after: NDArray[np.bool_], policy: str = "") -> GateResult:
    verdict = judge(reference=outcome(before), deployed=outcome(after), policy=load_policy(policy))
    return gate(verdict, "bottom5")


@pytest.mark.parametrize(("drop", "status"), [(0, Status.PASS), (2, Status.PASS), (3, Status.FAIL), (10, Status.FAIL)])
def test_the_worst_classes_may_drop_by_less_than_the_limit(drop: int, status: Status) -> None:
    found = judged(*with_worst(drop))
    assert (found.status, found.unit, found.limit) == (status, "pp", 3.0)
    assert found.figure == pytest.approx(drop)
    assert set(found.classes) == ({f"class {i}" for i in range(5)} if drop >= 3 else set())
    assert found.interval is not None
    assert found.interval[0] <= found.figure <= found.interval[1]


def test_a_drop_of_the_limit_that_may_be_chance_warns() -> None:
    found = judged(*with_worst(3, swap=25))
    assert found.status is Status.PASS
    assert found.warning is not None
    assert "may be chance" in found.warning
    assert found.note is not None
    assert found.note in found.warning


def test_each_model_has_its_own_five() -> None:
    # Classes 0 to 4 rise from 20 to 30 % while 5 to 9 fall from 30 to 10 %: the five of the reference improve.
    labels, place = labels_of(), np.arange(10_000) // 100
    right = np.where(np.arange(100) < 5, 20, 30)
    now = np.where(np.arange(100) < 5, 30, np.where(np.arange(100) < 10, 10, 30))
    found = judged(place < right[labels], place < now[labels])
    assert (found.status, found.figure) == (Status.FAIL, pytest.approx(10))
    assert set(found.classes) == {f"class {i}" for i in range(5, 10)}


def test_thin_classes_cannot_pass_but_can_fail() -> None:
    thin = judged(*with_worst(0, each=40))
    assert (thin.status, thin.images_needed) == (Status.INCONCLUSIVE, 5000)
    assert judged(*with_worst(20, each=40)).status is Status.FAIL


def test_five_classes_or_fewer_have_no_five_worst() -> None:
    right = np.arange(1000) % 10 < 6
    verdict = judge(reference=outcome(right, classes=5), deployed=outcome(flipped(right, lost=9, gained=9), classes=5))
    assert "there are no 5 worst" in next(s.reason for s in verdict.skipped if s.name == "bottom5")


def test_limits_come_from_the_policy() -> None:
    assert judged(*with_worst(3), "[bottom5]\nmax_drop_pp = 3.5\n").status is Status.PASS
    assert judged(*with_worst(3), "[bottom5]\np_below = 1e-4\n").warning is not None
    assert gate(verdict_of(HEALTHY), "bottom5").status is Status.PASS
