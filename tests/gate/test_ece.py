from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.outcomes import gate, outcome
from tinyedge.gate import GateResult, Status, judge
from tinyedge.gate.ece import ece_interval
from tinyedge.metrics.calibration import bins_of, ece


def drawn(shift: float, *, n: int = 10_000, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidences and answers whose true ECE is ``shift``: confidence is too high by that everywhere."""
    rng = np.random.default_rng(seed)
    right = 0.1 + 0.7 * rng.random(n)
    return right + shift, rng.random(n) < right


def judged(shift: float, n: int = 10_000) -> GateResult:
    confidence, correct = drawn(shift, n=n, seed=5)
    return gate(
        judge(
            reference=outcome(correct, confidence=confidence - 0.001), deployed=outcome(correct, confidence=confidence)
        ),
        "ece",
    )


@pytest.mark.parametrize(
    ("shift", "n", "status"),
    [
        (0.0, 10_000, Status.PASS),
        (0.03, 10_000, Status.PASS),
        (0.05, 10_000, Status.INCONCLUSIVE),
        (0.08, 10_000, Status.FAIL),
        (0.0, 500, Status.INCONCLUSIVE),
    ],
)
def test_the_limit_is_kept_surely_or_broken_surely(shift: float, n: int, status: Status) -> None:
    found = judged(shift, n)
    assert (found.status, found.unit, found.limit) == (status, "pp", 5.0)
    assert found.interval is not None
    assert found.interval[0] <= found.figure < found.interval[1]
    assert found.images_needed is None or found.images_needed > n


def test_few_images_of_a_calibrated_model_ask_for_as_many_as_settle_it() -> None:
    needed = judged(0.0, 500).images_needed
    assert needed is not None
    settled = [ece_interval(*drawn(0.0, n=needed, seed=s))[1] <= 0.05 for s in range(100)]
    assert np.mean(settled) >= 0.8 - 3 * 0.04


@pytest.mark.parametrize("shift", [0.0, 0.005, 0.015, 0.03, 0.05])
@pytest.mark.parametrize("n", [500, 3000])
def test_both_bounds_hold_the_truth(shift: float, n: int) -> None:
    found = [ece_interval(*drawn(shift, n=n, seed=s)) for s in range(300)]
    error = 3 * (0.05 * 0.95 / 300) ** 0.5
    assert np.mean([high >= shift for _, high in found]) >= 0.95 - error
    assert np.mean([low <= shift for low, _ in found]) >= 0.90 - error
    # Not for being endless: the upper bound is no further from the ECE than Student's of the worst image's spread.
    for s, (_, high) in enumerate(found[:20]):
        shown = ece(bins_of(*drawn(shift, n=n, seed=s)))
        assert shown < high <= shown + 1.7 / n**0.5


def test_the_interval_is_students_where_all_bins_lean_one_way() -> None:
    confidence, correct = drawn(0.15)
    gap = confidence - correct
    half = 1.645 * gap.std(ddof=1) / 100
    assert ece_interval(confidence, correct)[1] == pytest.approx(gap.mean() + half, abs=1e-4)


def test_one_image_says_nothing() -> None:
    assert ece_interval(np.array([0.9]), np.array([True])) == (0.0, 1.0)
