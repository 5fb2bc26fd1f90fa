from __future__ import annotations

import pytest

from tests.support.outcomes import RIGHT, flipped, gate, outcome, reference_correct, verdict_of
from tinyedge.errors import INCONCLUSIVE
from tinyedge.gate import Status, judge


@pytest.mark.parametrize(
    ("lost", "gained", "status"),
    [
        (150, 150, Status.PASS),
        (180, 110, Status.PASS),  # 0.70 pp measured, at most 0.98
        (185, 110, Status.INCONCLUSIVE),  # 0.75 pp measured, at most 1.03
        (200, 115, Status.INCONCLUSIVE),  # 0.85 pp
        (260, 100, Status.FAIL),  # 1.6 pp: the lower bound is beyond 1 pp
        (230, 120, Status.INCONCLUSIVE),  # 1.1 pp: surely a drop, but not surely beyond the margin
    ],
)
def test_accuracy(lost: int, gained: int, status: Status) -> None:
    found = gate(verdict_of(flipped(RIGHT, lost=lost, gained=gained)), "accuracy")
    low, high = found.interval or (0.0, 0.0)
    assert found.status is status
    assert found.figure == pytest.approx((lost - gained) / 100)
    assert low < found.figure < high
    assert (found.images_needed is not None) == (status is Status.INCONCLUSIVE)
    assert found.images_needed is None or found.images_needed > 10_000


def test_accuracy_on_few_images_is_inconclusive_and_says_how_many_it_takes() -> None:
    right = reference_correct(500)
    verdict = judge(reference=outcome(right), deployed=outcome(flipped(right, lost=20, gained=20)))
    found = gate(verdict, "accuracy")
    assert found.status is Status.INCONCLUSIVE
    assert found.images_needed == pytest.approx(4947, abs=1)  # measured for the design: d = 8 %, no drop, 1 pp
    assert verdict.exit_code == INCONCLUSIVE
