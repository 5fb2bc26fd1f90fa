import numpy as np
import pytest

from tests.support.made_repair import FAIL, OPEN, PASS, verdict
from tests.support.made_report import made_report
from tinyedge.gate import DEFAULT_POLICY
from tinyedge.gate.result import GateResult, Verdict
from tinyedge.repair.ladder import at_share, beyond_repair, cannot_pass, decide, harms, standing
from tinyedge.stats.paired import tango_interval


def test_the_error_of_the_bounds_is_shared_and_p_below_is_not():
    strict = at_share(DEFAULT_POLICY, 4)
    assert strict.confidence == pytest.approx(1 - 0.05 / 4)
    assert strict.rules == DEFAULT_POLICY.rules, "a smaller p_below would let more through"
    assert at_share(DEFAULT_POLICY, 1).digest == DEFAULT_POLICY.digest


def test_trying_many_passes_a_bad_one_no_more_often_than_the_policy_allows():
    """Four files that truly lose the limit's 1 pp, on the same 10,000 images: how often does any pass?"""
    generator, limit, files, runs = np.random.default_rng(7), 0.01, 4, 400
    passed = {"shared": 0, "nominal": 0}
    for _ in range(runs):
        lost = generator.binomial(10_000, 0.025, files)
        gained = generator.binomial(10_000, 0.015, files)
        for name, tail in (("shared", 0.05 / files), ("nominal", 0.05)):
            highs = [tango_interval(int(a), int(b), 10_000, tail=tail)[1] for a, b in zip(lost, gained, strict=True)]
            passed[name] += min(highs) <= limit
    # At most 5 %, with what chance adds in 400 runs; and without sharing there is something to correct.
    assert passed["shared"] / runs <= 0.05 + 2.6 * (0.05 * 0.95 / runs) ** 0.5
    assert passed["nominal"] / runs > 0.10


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        ({"accuracy": 9.0, "ties": 1.0}, {"accuracy": 0.0, "ties": 1.0}, True),
        ({"accuracy": 9.0, "ties": 1.0}, {"accuracy": 8.0, "ties": 1.0}, True),
        ({"accuracy": 9.0, "ties": 1.0}, {"accuracy": 9.5, "ties": 1.0}, False),
        ({"accuracy": 9.0, "ties": 9.0}, {"accuracy": 1.5, "ties": 9.1}, False),
        ({"accuracy": 9.0, "signed_gap": 3.2}, {"accuracy": 1.5, "signed_gap": 3.25}, False),
        ({"accuracy": 9.0, "ties": 1.0}, {"accuracy": 9.0, "ties": 0.5}, False),
        ({"accuracy": 1.05, "ties": 1.0}, {"accuracy": 0.5, "ties": 1.0}, True),
        ({"accuracy": 9.0, "ties": 1.0}, {"accuracy": 0.0, "ties": 5.2}, True),
        ({"accuracy": 9.0, "signed_gap": 9.0, "ties": 1.0}, {"accuracy": 0.0, "signed_gap": 0.0, "ties": 9.0}, False),
        ({"accuracy": 0.0, "ties": 1.0}, {"accuracy": 0.0, "ties": 1.0}, False),
    ],
    ids=[
        "one less fails",
        "fails by less",
        "fails by more",
        "one by less, one by more",
        "one by less, an open one by more",
        "less of what passes",
        "one less is open",
        "another opens",
        "one that passed fails",
        "the same",
    ],
)
def test_a_step_is_kept_where_fewer_gates_fail_and_none_that_passed(before, after, kept):
    found, why = decide(verdict(**before), verdict(**after))
    assert found is kept
    assert "before" in why


def test_what_fails_that_passed_is_named():
    kept, why = decide(verdict(accuracy=9.0, signed_gap=9.0, ties=1.0), verdict(accuracy=0, signed_gap=0, ties=9.0))
    assert not kept
    assert why == "Ties fails now and did not before; 2 fail before, 1 fail now"


def test_a_gate_that_becomes_worse_is_named_whatever_the_others_do():
    before = verdict(accuracy=9.0, signed_gap=-4.0, ties=1.0)
    after = verdict(accuracy=0.0, signed_gap=5.0, ties=5.2)
    found = harms(before, after)
    assert [(harm.gate, harm.was, harm.now) for harm in found] == [("signed_gap", FAIL, FAIL), ("ties", PASS, OPEN)]
    assert found[0].text == "-4.00 pp FAIL -> +5.00 pp FAIL (limit 3.00 pp)"
    assert harms(before, before) == ()
    assert harms(after, before)[0].gate == "accuracy"


def test_a_gate_that_was_not_judged_and_does_not_pass_now_is_a_harm():
    before = verdict(accuracy=9.0, signed_gap=9.0)
    for ties, status in ((9.0, FAIL), (5.2, OPEN)):
        (harm,) = harms(before, verdict(accuracy=0.0, signed_gap=0.0, ties=ties))
        assert (harm.gate, harm.was, harm.now) == ("ties", None, status)
        assert harm.text.startswith("not judged before -> ")
    assert not harms(before, verdict(accuracy=0.0, ties=1.0))
    kept, why = decide(before, verdict(accuracy=0.0, signed_gap=0.0, ties=9.0))
    assert not kept, "two fail less, and one that nobody had asked about fails"
    assert why.startswith("Ties fails now")


def test_what_is_nearer_to_its_limit_is_said():
    _, why = decide(verdict(accuracy=9.0), verdict(accuracy=1.5))
    assert why == "1 fail before, 1 fail now; nearer to the limit: Accuracy"


def test_a_floor_is_worse_below_it():
    def floor(figure, status):
        gate = GateResult("floors.accuracy", "Floor", status, figure, "%", (0, 1), 60.0, "", at_least=True)
        return Verdict((gate,))

    assert harms(floor(58, FAIL), floor(55, FAIL))
    assert not harms(floor(55, FAIL), floor(58, FAIL))


def test_what_no_step_changes_is_told_apart():
    assert [gate.name for gate in beyond_repair(verdict(floors__size=70_000, accuracy=0.1))] == ["floors.size"]
    assert beyond_repair(verdict(floors__size=70_000, accuracy=9)) == []
    assert beyond_repair(verdict(accuracy=0.1)) == []
    assert [gate.name for gate in cannot_pass(verdict(floors__size=70_000, accuracy=9))] == ["floors.size"]
    assert cannot_pass(verdict(floors__size=50_000, accuracy=9)) == []


def test_without_evidence_nothing_can_be_repaired():
    few = made_report(labels=[0, 1, 2, 3] * 5, reference=[0, 1, 2, 3] * 5, deployed=[0, 1, 2, 0] * 5).verdict
    assert [gate.name for gate in beyond_repair(few)] == ["evidence"]
    assert standing(few)[1] > 0


def test_the_judge_takes_the_stricter_policy():
    labels = np.arange(2000) % 4
    deployed = np.where(np.arange(2000) < 12, (labels + 1) % 4, labels)
    own = made_report(labels=labels, reference=labels, deployed=deployed).verdict
    strict = made_report(labels=labels, reference=labels, deployed=deployed, policy=at_share(DEFAULT_POLICY, 7)).verdict
    assert {g.name: g.status for g in own.gates}["accuracy"] is PASS
    assert {g.name: g.status for g in strict.gates}["accuracy"] is OPEN
