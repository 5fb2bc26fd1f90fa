from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from numpy.typing import NDArray

from tinyedge.errors import GATE_FAILED, INCONCLUSIVE, PASS, PredictionsError
from tinyedge.gate import GateResult, Parity, Status, Verdict, judge, load_policy
from tinyedge.gate.catalogue import GATES
from tinyedge.metrics import Outcome
from tinyedge.stats.classes import class_drops

NAMES = tuple(f"class {i}" for i in range(100))


def labels_of(n: int = 10_000, classes: int = 100) -> NDArray[np.int64]:
    return np.arange(n) % classes


def outcome(
    correct: NDArray[np.bool_],
    *,
    labels: NDArray[np.int64] | None = None,
    confidence: float | NDArray[np.float64] | None = None,
    tied: int = 0,
    saturated: int = 0,
    quantized: bool = True,
    classes: int = 100,
) -> Outcome:
    """An outcome that is right where told; confidence is the accuracy unless given, so that the gap is 0."""
    n = len(correct)
    labels = labels_of(n, classes) if labels is None else labels
    predicted = np.where(correct, labels, (labels + 1) % classes)
    stated = np.broadcast_to(np.asarray(correct.mean() if confidence is None else confidence, np.float64), (n,))
    rest = (1 - stated) / (classes - 1)  # of each other class
    label_probability = np.where(correct, stated, rest)
    return Outcome(
        labels=labels,
        predicted=predicted,
        confidence=stated.copy(),
        correct=correct,
        tied=np.arange(n) < tied,
        saturated=np.arange(n) < saturated,
        label_probability=label_probability,
        brier=stated**2 + (classes - 1) * rest**2 - 2 * label_probability + 1,
        quantized=quantized,
        class_names=NAMES[:classes],
    )


def reference_correct(n: int = 10_000, accuracy: float = 0.45, seed: int = 0) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random(n) < accuracy


def flipped(correct: NDArray[np.bool_], *, lost: int, gained: int, seed: int = 1) -> NDArray[np.bool_]:
    """``lost`` right answers made wrong and ``gained`` wrong ones right, at random images."""
    rng, changed = np.random.default_rng(seed), correct.copy()
    changed[rng.choice(np.flatnonzero(correct), lost, replace=False)] = False
    changed[rng.choice(np.flatnonzero(~correct), gained, replace=False)] = True
    return changed


RIGHT = reference_correct()
HEALTHY = flipped(RIGHT, lost=110, gained=115)


def gate(verdict: Verdict, name: str) -> GateResult:
    return next(g for g in verdict.gates if g.name == name)


def verdict_of(correct: np.ndarray, **changed: object) -> Verdict:
    # Confidence of both is the reference's accuracy: what varies is what the test names.
    changed.setdefault("confidence", float(RIGHT.mean()))
    return judge(reference=outcome(RIGHT, quantized=False), deployed=outcome(correct, **changed))  # type: ignore[arg-type]


def test_a_healthy_int8_model_passes() -> None:
    verdict = judge(
        reference=outcome(RIGHT, quantized=False),
        deployed=outcome(HEALTHY, tied=400, saturated=10),
        parity=Parity(1000, 0),
    )
    assert [g.name for g in verdict.gates] == ["evidence", *(g.name for g in GATES)]
    assert {g.status for g in verdict.gates} == {Status.PASS}
    assert (verdict.status, verdict.exit_code, verdict.skipped) == (Status.PASS, PASS, ())
    assert all(g.detail.endswith(".") for g in verdict.gates)


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


def collapse(drop_of: int, *, to_lose: int, base: np.ndarray = HEALTHY) -> np.ndarray:
    mine = np.flatnonzero((labels_of() == drop_of) & base & RIGHT)
    changed = base.copy()
    changed[mine[:to_lose]] = False
    return changed


def test_a_collapsed_class_fails_and_is_named() -> None:
    right = RIGHT.copy()
    right[labels_of() == 42] = np.arange(100) < 70  # class 42: 70 % before
    after = right.copy()
    after[np.flatnonzero((labels_of() == 42) & right)[:62]] = False
    verdict = judge(reference=outcome(right), deployed=outcome(after, confidence=float(right.mean())))
    found = gate(verdict, "worst_class")
    assert (found.status, found.figure, found.classes) == (Status.FAIL, 62.0, ("class 42",))
    assert "class 42" in found.detail
    assert "-62 pp" in found.detail
    assert gate(verdict, "accuracy").status is Status.PASS  # 0.62 pp: accuracy alone would have let it ship
    assert (verdict.status, verdict.exit_code) == (Status.FAIL, GATE_FAILED)


def test_several_given_up_classes_are_named_worst_first() -> None:
    found = gate(verdict_of(collapse(5, to_lose=30, base=collapse(6, to_lose=22))), "worst_class")
    assert found.classes[:2] == ("class 5", "class 6")
    assert "'class 6'" in found.detail


def test_a_large_drop_that_may_be_chance_warns() -> None:
    # At d = 15 % some class of a hundred drops by 10 pp by chance.
    found = gate(verdict_of(flipped(RIGHT, lost=750, gained=750, seed=3)), "worst_class")
    assert found.figure >= 10
    assert found.status is Status.PASS
    assert found.warning is not None
    assert "may be chance" in found.warning
    assert found.note is not None
    assert found.note.startswith("p = 0.")
    assert found.note in found.warning


def test_a_small_class_that_drops_by_chance_hides_no_large_one_that_collapsed() -> None:
    # Class 0: 50 images, -14 pp by 12 lost and 5 gained, perhaps by chance. Class 1: 1,000 images, -13 pp, none gained.
    labels = np.repeat([0, 1], [50, 1000])
    before = np.arange(1050) % 50 < 40
    after = before.copy()
    after[np.flatnonzero(before & (labels == 0))[:12]] = False
    after[np.flatnonzero(~before & (labels == 0))[:5]] = True
    after[np.flatnonzero(before & (labels == 1))[:130]] = False
    drops = class_drops(labels, reference=before, deployed=after, num_classes=2)
    assert (drops.worst, drops.drop.tolist()) == (0, [0.14, 0.13])
    assert drops.p_any > 0.05
    verdict = judge(
        reference=outcome(before, labels=labels, classes=2), deployed=outcome(after, labels=labels, classes=2)
    )
    found = gate(verdict, "worst_class")
    assert (found.status, found.classes) == (Status.FAIL, ("class 1",))
    assert found.figure == pytest.approx(13)
    assert found.interval is not None
    assert found.interval[0] > 10
    assert found.note == "p = 1.5e-39"  # Holm: twice 2 ** -130
    assert found.note in found.detail
    # Both beyond chance: both named, the larger drop first.
    after[np.flatnonzero(before & (labels == 0))[:40]] = False
    both = judge(reference=outcome(before, labels=labels, classes=2), deployed=outcome(after, labels=labels, classes=2))
    assert gate(both, "worst_class").classes == ("class 0", "class 1")


def test_classes_that_drop_surely_but_less_than_the_limit_pass() -> None:
    labels = np.repeat([0, 1], 5000)
    before = np.arange(10_000) % 10 < 8
    after = before.copy()
    after[np.flatnonzero(before & (labels == 1))[:400]] = False  # 8 pp
    both = {"labels": labels, "classes": 2}
    found = gate(
        judge(reference=outcome(before, **both), deployed=outcome(after, **both)),  # type: ignore[arg-type]
        "worst_class",
    )
    assert (found.status, found.warning, found.classes) == (Status.PASS, None, ())


def test_thin_classes_cannot_pass_but_can_fail() -> None:
    n = 4000  # 40 a class
    right = reference_correct(n)
    reference = outcome(right)
    found = gate(judge(reference=reference, deployed=outcome(flipped(right, lost=20, gained=20))), "worst_class")
    assert (found.status, found.images_needed) == (Status.INCONCLUSIVE, 5000)
    assert "fewer than 50 images" in found.detail
    gone = right & (labels_of(n) != 3)
    assert gate(judge(reference=reference, deployed=outcome(gone)), "worst_class").status is Status.FAIL


def test_a_class_without_images_cannot_pass() -> None:
    labels = labels_of(9900, 99)  # class 99 is never seen
    right = reference_correct(9900)
    both = {"labels": labels, "confidence": 0.45}
    verdict = judge(
        reference=outcome(right, **both),  # type: ignore[arg-type]
        deployed=outcome(flipped(right, lost=50, gained=50), **both),  # type: ignore[arg-type]
    )
    found = gate(verdict, "worst_class")
    assert found.status is Status.INCONCLUSIVE
    assert "'class 99' has 0" in found.detail


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
        (0.006, Status.PASS),
        (0.009, Status.INCONCLUSIVE),
        (0.015, Status.FAIL),
        (-0.015, Status.FAIL),
    ],
)
def test_gap_change_sees_what_the_gap_alone_cannot(change: float, status: Status) -> None:
    verdict = verdict_of(HEALTHY, confidence=float(HEALTHY.mean()) + change)
    assert gate(verdict, "gap_change").status is status
    assert gate(verdict, "signed_gap").status is Status.PASS


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


def test_gates_that_are_off_or_do_not_apply_are_said() -> None:
    policy = load_policy("[churn]\nenabled = false\n")
    verdict = judge(reference=outcome(RIGHT), deployed=outcome(HEALTHY, quantized=False), policy=policy)
    assert {s.name: s.reason for s in verdict.skipped} == {
        "churn": "off in the policy",
        "saturation": "the deployed output is float: it cannot saturate",
        "parity": "no parity sample was run",
    }
    assert verdict.policy_digest == policy.digest


def test_a_verdict_without_any_judging_gate_is_no_pass() -> None:
    off = "".join(f"[{g.name}]\nenabled = false\n" for g in GATES if g.name != "parity")
    verdict = judge(reference=outcome(RIGHT), deployed=outcome(HEALTHY), policy=load_policy(off))
    assert [g.name for g in verdict.gates] == ["evidence"]
    assert verdict.status is Status.INCONCLUSIVE


def test_a_failure_outweighs_an_inconclusive_gate() -> None:
    verdict = verdict_of(HEALTHY, saturated=5000, tied=500)
    assert gate(verdict, "ties").status is Status.INCONCLUSIVE
    assert verdict.status is Status.FAIL


def test_limits_come_from_the_policy() -> None:
    strict = load_policy("[accuracy]\nmax_drop_pp = 0.1\n")
    found = judge(reference=outcome(RIGHT), deployed=outcome(HEALTHY), policy=strict)
    assert gate(found, "accuracy").limit == 0.1
    assert gate(found, "accuracy").status is Status.INCONCLUSIVE
    unsure = load_policy("[policy]\nconfidence = 0.6\n")
    wide = gate(verdict_of(HEALTHY), "churn").interval
    narrow = gate(judge(reference=outcome(RIGHT), deployed=outcome(HEALTHY), policy=unsure), "churn").interval
    assert wide is not None
    assert narrow is not None
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_judging_is_pure_and_results_are_frozen() -> None:
    first = verdict_of(HEALTHY, tied=10)
    assert first == verdict_of(HEALTHY, tied=10)
    with pytest.raises(FrozenInstanceError):
        first.gates[0].figure = 0.0  # type: ignore[misc]


def test_unpaired_outcomes_and_impossible_parity_are_refused() -> None:
    with pytest.raises(PredictionsError, match="same examples"):
        judge(reference=outcome(RIGHT), deployed=outcome(RIGHT[:5000]))
    with pytest.raises(PredictionsError, match="parity counts"):
        judge(reference=outcome(RIGHT), deployed=outcome(HEALTHY), parity=Parity(10, 11))


@pytest.mark.parametrize(("d", "passing"), [(0.03, 0.95), (0.08, 0.88)])
def test_an_unchanged_model_nearly_always_passes(d: float, passing: float) -> None:
    # Unchanged: the two are interchangeable on each image, and differ on a share d of them.
    rng = np.random.default_rng(8)
    passed = 0
    for _ in range(100):
        right = rng.random(10_000) < rng.beta(4, 5, 100)[labels_of()]
        changed = right ^ (rng.random(10_000) < d)
        swap = rng.random(10_000) < 0.5
        before, after = np.where(swap, changed, right), np.where(swap, right, changed)
        stated = {"confidence": float(right.mean())}
        verdict = judge(reference=outcome(before, **stated), deployed=outcome(after, **stated))  # type: ignore[arg-type]
        about_answers = ("evidence", "accuracy", "worst_class", "churn")
        passed += all(gate(verdict, name).status is Status.PASS for name in about_answers)
    assert passed / 100 >= passing
