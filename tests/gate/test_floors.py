from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from tests.support.outcomes import HEALTHY, RIGHT, flipped, gate, labels_of, outcome
from tinyedge.errors import PolicyError
from tinyedge.gate import GateResult, Policy, Status, Verdict, judge, load_policy
from tinyedge.gate.floors import FloorsRule, Group, bottom5_interval
from tinyedge.metrics.accuracy import ClassAccuracies

SUPERCLASSES = np.arange(100) // 5
SUPER_NAMES = tuple(f"family {i}" for i in range(20))


def verdict_of(policy: str | Policy, *, correct: np.ndarray = HEALTHY, **facts: float) -> Verdict:
    known = {"superclasses": SUPERCLASSES, "superclass_names": SUPER_NAMES}
    policy = load_policy(policy) if isinstance(policy, str) else policy
    return judge(
        reference=replace(outcome(RIGHT), **known),
        deployed=replace(outcome(correct), **known),
        policy=policy,
        facts=facts,
    )


def floors(verdict: Verdict) -> list[GateResult]:
    return [g for g in verdict.gates if g.name.startswith("floors.")]


@pytest.mark.parametrize(("floor", "status"), [(44, "PASS"), (45, "INCONCLUSIVE"), (47, "FAIL")])
def test_accuracy_is_at_least_the_floor_by_the_exact_bound(floor: float, status: str) -> None:
    (found,) = floors(verdict_of(f"[floors]\nmin_accuracy_percent = {floor}\n"))
    right = int(HEALTHY.sum())
    expected = binomtest(right, 10_000).proportion_ci(0.9, method="exact")
    assert found.interval == pytest.approx((100 * expected.low, 100 * expected.high))
    assert (found.status, found.name, found.at_least) == (Status(status), "floors.accuracy", True)
    assert found.figure == pytest.approx(right / 100)
    assert (found.images_needed is not None) == (status == "INCONCLUSIVE")


@pytest.mark.parametrize(("floor", "status"), [(25, "PASS"), (42, "INCONCLUSIVE"), (60, "FAIL")])
def test_the_five_worst_classes_have_a_floor(floor: float, status: str) -> None:
    (found,) = floors(verdict_of(f"[floors]\nmin_bottom5_percent = {floor}\n"))
    assert (found.name, found.status, found.at_least) == ("floors.bottom5", Status(status), True)
    # Every class is truly right on 45 %: the five that look worst look worse than they are, and the bounds know.
    assert found.figure < 40
    assert found.interval is not None
    assert found.interval[1] > 43


def test_the_bounds_of_the_five_worst_hold_the_truth() -> None:
    rng, held = np.random.default_rng(0), []
    for _ in range(100):
        truth = rng.beta(4, 5, 30)
        table = ClassAccuracies(np.arange(30), np.full(30, 100), rng.binomial(100, truth) / 100)
        low, high = bottom5_interval(table)
        held.append((low <= np.sort(truth)[:5].mean(), np.sort(truth)[:5].mean() <= high))
    assert (np.mean(held, axis=0) >= 0.90 - 3 * 0.03).all()


def test_thin_classes_have_no_five_worst_to_speak_of() -> None:
    right = RIGHT[:4000]
    verdict = judge(
        reference=outcome(right),
        deployed=outcome(flipped(right, lost=9, gained=9)),
        policy=load_policy("[floors]\nmin_bottom5_percent = 1\n"),
    )
    assert [(g.status, g.images_needed) for g in floors(verdict)] == [(Status.INCONCLUSIVE, 5000)]
    labels = np.concatenate([labels_of(9900, 99), [99]])  # one image of class 99
    both = {"labels": labels}
    lonely = judge(
        reference=outcome(RIGHT[:9901], **both),  # type: ignore[arg-type]
        deployed=outcome(flipped(RIGHT[:9901], lost=9, gained=9), **both),  # type: ignore[arg-type]
        policy=load_policy("[floors]\nmin_bottom5_percent = 1\n"),
    )
    assert [g.status for g in floors(lonely)] == [Status.INCONCLUSIVE]


def test_size_and_arena_are_known_or_not() -> None:
    policy = "[floors]\nmax_size_bytes = 60000\nmax_arena_bytes = 20000\n"
    size, arena = floors(verdict_of(policy, size_bytes=60_000, arena_bytes=20_001))
    assert (size.name, size.status, size.figure, size.interval) == ("floors.size", Status.PASS, 60_000, None)
    assert (arena.name, arena.status) == ("floors.arena", Status.FAIL)
    _, unknown = floors(verdict_of(policy, size_bytes=1))
    assert unknown.status is Status.INCONCLUSIVE
    assert "not known" in unknown.detail


def test_calibration_has_a_floor_of_its_own() -> None:
    (found,) = floors(verdict_of("[floors]\nmax_ece_pp = 0.5\n"))
    assert (found.name, found.limit, found.status) == ("floors.ece", 0.5, Status.INCONCLUSIVE)


def grouped(**limits: object) -> Policy:
    rule = FloorsRule(group=(Group("signs", **limits),))  # type: ignore[arg-type]
    default = load_policy("")
    return replace(default, rules={**default.rules, "floors": rule})


def test_a_group_is_judged_over_its_own_images() -> None:
    both = np.isin(labels_of(), [7, *range(10, 15)])
    after = HEALTHY & ~(both & (np.arange(10_000) % 300 < 100))
    accuracy, drop = floors(
        verdict_of(
            grouped(classes=("class 7",), superclasses=("family 2",), min_accuracy_percent=40.0, max_drop_pp=5.0),
            correct=after,
        )
    )
    assert (accuracy.name, drop.name) == ("floors.group.signs.accuracy", "floors.group.signs.drop")
    assert accuracy.figure == pytest.approx(100 * after[both].mean())
    assert drop.figure == pytest.approx(100 * (RIGHT[both].mean() - after[both].mean()))
    assert (accuracy.status, drop.status) == (Status.FAIL, Status.FAIL)
    assert "600 images" in accuracy.detail
    kept = floors(verdict_of(grouped(superclasses=("family 2",), max_drop_pp=8.0)))
    assert [g.status for g in kept] == [Status.PASS]


def test_a_group_of_few_images_says_how_many_are_needed_in_all() -> None:
    (found,) = floors(verdict_of(grouped(classes=("class 7",), min_accuracy_percent=RIGHT[7::100].mean() * 100 - 4)))
    assert found.status is Status.INCONCLUSIVE
    assert found.images_needed is not None
    assert found.images_needed > 20_000  # a hundred classes share them


def test_a_group_without_images_does_not_pass() -> None:
    labels = labels_of(9900, 99)
    verdict = judge(
        reference=outcome(RIGHT[:9900], labels=labels),
        deployed=outcome(flipped(RIGHT[:9900], lost=9, gained=9), labels=labels),
        policy=grouped(classes=("class 99",), min_accuracy_percent=1.0, max_drop_pp=50.0),
    )
    assert [g.status for g in floors(verdict)] == [Status.INCONCLUSIVE] * 2


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"classes": ("clas 7",)}, ["no class of this name", "did you mean class 7?", "'signs'"]),
        ({"superclasses": ("famly 3",)}, ["no superclass of this name", "did you mean family 3?"]),
    ],
)
def test_a_name_that_the_data_do_not_have_is_refused(limits: dict[str, object], words: list[str]) -> None:
    with pytest.raises(PolicyError) as error:
        verdict_of(grouped(**limits, max_drop_pp=1.0))
    assert all(word in str(error.value) for word in words)
    if "superclasses" in limits:
        with pytest.raises(PolicyError, match="no superclass"):
            judge(reference=outcome(RIGHT), deployed=outcome(HEALTHY), policy=grouped(**limits, max_drop_pp=1.0))


def test_a_group_that_could_not_fail_and_two_of_one_name_are_refused() -> None:
    with pytest.raises(PolicyError, match="empty"):
        Group("a", max_drop_pp=1.0)
    with pytest.raises(PolicyError, match="no limit"):
        Group("a", classes=("x",))
    one = Group("a", classes=("x",), max_drop_pp=1.0)
    with pytest.raises(PolicyError, match="one name"):
        FloorsRule(group=(one, one))


def test_a_failed_floor_fails_the_verdict_whatever_the_reference_does() -> None:
    assert verdict_of("[floors]\nmin_accuracy_percent = 90\n").status is Status.FAIL
    assert gate(verdict_of(""), "accuracy").status is Status.PASS
