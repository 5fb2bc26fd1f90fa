from __future__ import annotations

import pytest

from tests.support.outcomes import HEALTHY, RIGHT, flipped, gate, outcome, verdict_of
from tinyedge.gate import Parity, Status, judge


@pytest.mark.parametrize(
    ("each", "status"), [(400, Status.PASS), (490, Status.INCONCLUSIVE), (510, Status.INCONCLUSIVE), (600, Status.FAIL)]
)
def test_churn(each: int, status: Status) -> None:
    found = gate(verdict_of(flipped(RIGHT, lost=each, gained=each)), "churn")
    assert (found.status, found.limit) == (status, 10.0)
    assert found.figure == pytest.approx(each / 50)
    assert (found.images_needed is not None) == (status is Status.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("count", "status"),
    [(0, Status.PASS), (75, Status.PASS), (100, Status.INCONCLUSIVE), (140, Status.FAIL), (3400, Status.FAIL)],
)
def test_saturation(count: int, status: Status) -> None:
    assert gate(verdict_of(HEALTHY, saturated=count), "saturation").status is status


@pytest.mark.parametrize(
    ("count", "status"),
    [(0, Status.PASS), (450, Status.PASS), (500, Status.INCONCLUSIVE), (550, Status.FAIL), (2300, Status.FAIL)],
)
def test_ties(count: int, status: Status) -> None:
    found = gate(verdict_of(HEALTHY, tied=count), "ties")
    assert found.status is status
    assert found.images_needed is None  # 500 is the limit itself: no number of images would settle it


@pytest.mark.parametrize(
    ("flips", "status"),
    [(0, Status.PASS), (1, Status.PASS), (2, Status.INCONCLUSIVE), (5, Status.INCONCLUSIVE), (13, Status.FAIL)],
)
def test_parity(flips: int, status: Status) -> None:
    verdict = judge(reference=outcome(RIGHT), deployed=outcome(HEALTHY), parity=Parity(1000, flips))
    assert gate(verdict, "parity").status is status
