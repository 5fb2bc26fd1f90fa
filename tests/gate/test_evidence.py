from __future__ import annotations

import numpy as np
import pytest

from tests.support.outcomes import HEALTHY, RIGHT, flipped, gate, labels_of, outcome, reference_correct
from tinyedge.errors import INCONCLUSIVE
from tinyedge.gate import Status, judge, load_policy
from tinyedge.gate.catalogue import GATES


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
    [(1, Status.PASS, True), (100, Status.PASS, True), (101, Status.INCONCLUSIVE, False)],
)
def test_images_that_the_quantizer_has_seen_are_no_evidence(overlap: int, status: Status, warned: bool) -> None:
    verdict = judge(reference=outcome(RIGHT), deployed=outcome(HEALTHY), overlap=overlap)
    found = gate(verdict, "evidence.overlap")
    assert (found.status, found.warning is not None) == (status, warned)
    assert (found.figure, found.limit) == (overlap / 100, 1.0)
    assert verdict.status is status
    assert f"{overlap:,} of 10,000 images" in found.detail
    assert gate(verdict, "evidence").status is Status.PASS


def test_without_a_shared_image_there_is_no_such_result() -> None:
    verdict = judge(reference=outcome(RIGHT), deployed=outcome(HEALTHY))
    assert "evidence.overlap" not in [g.name for g in verdict.gates]


def test_images_that_can_only_flatter_excuse_no_failure() -> None:
    lossy = flipped(RIGHT, lost=600, gained=100)
    verdict = judge(reference=outcome(RIGHT), deployed=outcome(lossy), overlap=5000)
    assert gate(verdict, "accuracy").status is Status.FAIL
    assert gate(verdict, "evidence.overlap").status is Status.INCONCLUSIVE
    assert verdict.status is Status.FAIL


def test_overlap_judges_no_model() -> None:
    off = "".join(f"[{g.name}]\nenabled = false\n" for g in GATES if g.name != "parity")
    verdict = judge(reference=outcome(RIGHT), deployed=outcome(HEALTHY), policy=load_policy(off), overlap=1)
    assert [g.name for g in verdict.gates] == ["evidence", "evidence.overlap"]
    assert verdict.status is Status.INCONCLUSIVE


@pytest.mark.parametrize(
    ("section", "facts"),
    [("max_size_bytes = 1000", {"size_bytes": 1001.0}), ("max_arena_bytes = 1000", {"arena_bytes": 1001.0})],
)
def test_a_file_that_is_too_large_is_so_without_any_evidence(section: str, facts: dict[str, float]) -> None:
    policy, few = load_policy(f"[floors]\n{section}\n"), np.arange(20) < 15
    pair = {"reference": outcome(few, classes=2), "deployed": outcome(~few, classes=2)}
    verdict = judge(**pair, policy=policy, facts=facts)  # type: ignore[arg-type]
    assert gate(verdict, "evidence").status is Status.INCONCLUSIVE
    assert verdict.status is Status.FAIL
    fits = judge(**pair, policy=policy, facts=dict.fromkeys(facts, 1000.0))  # type: ignore[arg-type]
    assert fits.status is Status.INCONCLUSIVE  # accuracy's FAIL, on 20 images, does not count


def test_unknown_overlap_is_said_and_changes_nothing() -> None:
    known, unknown = (judge(reference=outcome(RIGHT), deployed=outcome(HEALTHY), overlap=o) for o in (0, None))
    assert known.status is unknown.status is Status.PASS
    assert "representative images are among these is not known" in gate(unknown, "evidence").detail
    assert "representative" not in gate(known, "evidence").detail
    assert known.gates[1:] == unknown.gates[1:]
