from __future__ import annotations

import pytest

from tests.support.outcomes import HEALTHY, RIGHT, gate, outcome, verdict_of
from tinyedge.gate import Status, judge


@pytest.mark.parametrize(
    ("gap", "status"),
    [
        (0.0, Status.PASS),
        (0.02, Status.PASS),
        (-0.02, Status.PASS),
        (0.028, Status.INCONCLUSIVE),
        (-0.026, Status.INCONCLUSIVE),
        (0.05, Status.FAIL),
        (-0.05, Status.FAIL),
    ],
)
def test_signed_gap(gap: float, status: Status) -> None:
    before = float(RIGHT.mean()) + gap
    verdict = judge(
        reference=outcome(RIGHT, confidence=before),
        deployed=outcome(HEALTHY, confidence=float(HEALTHY.mean()) + gap),
    )
    found = gate(verdict, "signed_gap")
    assert found.status is status
    assert found.figure == pytest.approx(100 * gap)
    assert gate(verdict, "gap_change").status is Status.PASS
    assert ("reference itself is beyond 3 pp" in found.detail) == (abs(gap) > 0.031)


def test_a_gap_that_deployment_turned_round_is_not_put_down_to_training() -> None:
    verdict = judge(
        reference=outcome(RIGHT, confidence=float(RIGHT.mean()) + 0.04),
        deployed=outcome(HEALTHY, confidence=float(HEALTHY.mean()) - 0.06),
    )
    found = gate(verdict, "signed_gap")
    assert found.status is Status.FAIL
    assert "training made the gap" not in found.detail


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (0.0, Status.PASS),
        (0.010, Status.PASS),
        (0.014, Status.INCONCLUSIVE),
        (0.020, Status.FAIL),
        (-0.020, Status.FAIL),
    ],
)
def test_gap_change_sees_what_the_gap_alone_cannot(change: float, status: Status) -> None:
    verdict = verdict_of(HEALTHY, confidence=float(HEALTHY.mean()) + change)
    assert gate(verdict, "gap_change").status is status
    assert gate(verdict, "signed_gap").status is Status.PASS
