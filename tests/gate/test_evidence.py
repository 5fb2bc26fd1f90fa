from __future__ import annotations

import numpy as np
import pytest

from tests.support.outcomes import HEALTHY, RIGHT, flipped, gate, labels_of, outcome, reference_correct
from tinyedge.errors import INCONCLUSIVE
from tinyedge.gate import Status, judge


def test_too_few_images_conclude_nothing() -> None:
    right = np.arange(20) < 15
    verdict = judge(reference=outcome(right, classes=2), deployed=outcome(flipped(right, lost=1, gained=1), classes=2))
    found = gate(verdict, "evidence")
    assert (found.status, found.images_needed) == (Status.INCONCLUSIVE, 100)
    assert verdict.status is Status.INCONCLUSIVE
    lost_all = judge(reference=outcome(right, classes=2), deployed=outcome(~right, classes=2))
    assert gate(lost_all, "accuracy").status is gate(lost_all, "churn").status is Status.FAIL
    assert lost_all.status is Status.INCONCLUSIVE


def test_one_image_is_no_crash() -> None:
    one = outcome(np.array([True]), confidence=0.7)
    assert judge(reference=one, deployed=outcome(np.array([True]), confidence=0.8)).status is Status.INCONCLUSIVE


def test_constant_predictions_fail() -> None:
    deployed = outcome(labels_of() == 17, confidence=float(RIGHT.mean()))
    object.__setattr__(deployed, "predicted", np.full(10_000, 17))
    verdict = judge(reference=outcome(RIGHT), deployed=deployed)
    found = gate(verdict, "evidence")
    assert found.status is Status.FAIL
    assert "'class 17'" in found.detail
    assert verdict.status is Status.FAIL


def test_a_reference_that_guesses_proves_nothing() -> None:
    guess = reference_correct(accuracy=0.01)
    verdict = judge(reference=outcome(guess), deployed=outcome(flipped(guess, lost=5, gained=5), saturated=9000))
    found = gate(verdict, "evidence")
    assert found.status is Status.INCONCLUSIVE
    assert "not clearly above" in found.detail
    assert gate(verdict, "saturation").status is Status.FAIL
    assert (verdict.status, verdict.exit_code) == (Status.INCONCLUSIVE, INCONCLUSIVE)


def test_a_model_compared_with_itself_does_not_pass() -> None:
    verdict = judge(reference=outcome(RIGHT), deployed=outcome(RIGHT))
    assert gate(verdict, "evidence").status is Status.INCONCLUSIVE
    assert "compared with itself" in gate(verdict, "evidence").detail
    assert verdict.exit_code == INCONCLUSIVE


def test_images_of_one_class_prove_nothing() -> None:
    labels = np.zeros(10_000, np.int64)
    verdict = judge(
        reference=outcome(RIGHT, labels=labels, confidence=0.4),
        deployed=outcome(HEALTHY, labels=labels, confidence=0.4),
    )
    assert "of one class" in gate(verdict, "evidence").detail
    assert verdict.status is not Status.PASS


@pytest.mark.parametrize(
    ("overlap", "status", "warned"),
    [(0, Status.PASS, False), (1, Status.PASS, True), (100, Status.PASS, True), (101, Status.INCONCLUSIVE, False)],
)
def test_images_that_the_quantizer_has_seen_are_no_evidence(overlap: int, status: Status, warned: bool) -> None:
    verdict = judge(reference=outcome(RIGHT), deployed=outcome(HEALTHY), overlap=overlap)
    found = gate(verdict, "evidence")
    assert (found.status, found.warning is not None) == (status, warned)
    assert verdict.status is status
    assert f"{overlap:,} of 10,000 images" in (found.warning or found.detail) or not overlap
