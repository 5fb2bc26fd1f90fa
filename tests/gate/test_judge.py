from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from tests.support.outcomes import HEALTHY, RIGHT, gate, outcome, verdict_of
from tinyedge.errors import PASS, PredictionsError
from tinyedge.gate import Parity, Status, judge, load_policy
from tinyedge.gate.catalogue import GATES


def test_a_healthy_int8_model_passes() -> None:
    verdict = judge(
        reference=outcome(RIGHT, quantized=False),
        deployed=outcome(HEALTHY, tied=400, saturated=10),
        parity=Parity(1000, 0),
    )
    last = {
        "floors": "the policy sets no floor",
        "budget": "no board was named, and the policy sets no budget",
        "baseline": "no baseline was given",
    }
    assert [g.name for g in verdict.gates] == ["evidence", *(g.name for g in GATES if g.name not in last)]
    assert {g.status for g in verdict.gates} == {Status.PASS}
    assert {s.name: s.reason for s in verdict.skipped} == last
    assert (verdict.status, verdict.exit_code) == (Status.PASS, PASS)
    assert all(g.detail.endswith(".") for g in verdict.gates)


def test_gates_that_are_off_or_do_not_apply_are_said() -> None:
    policy = load_policy("[churn]\nenabled = false\n")
    verdict = judge(reference=outcome(RIGHT), deployed=outcome(HEALTHY, quantized=False), policy=policy)
    assert {s.name: s.reason for s in verdict.skipped} == {
        "churn": "off in the policy",
        "saturation": "the deployed output is float: it cannot saturate",
        "parity": "no parity sample was run",
        "floors": "the policy sets no floor",
        "budget": "no board was named, and the policy sets no budget",
        "baseline": "no baseline was given",
    }
    assert verdict.policy_digest == policy.digest


def test_probabilities_cannot_saturate() -> None:
    certain = replace(outcome(HEALTHY, saturated=5000), output_kind="probabilities")
    verdict = judge(reference=outcome(RIGHT), deployed=certain)
    reason = {s.name: s.reason for s in verdict.skipped}["saturation"]
    assert reason == "the deployed output is probabilities: their largest value cuts nothing off"


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
    with pytest.raises(PredictionsError, match="overlap"):
        judge(reference=outcome(RIGHT), deployed=outcome(HEALTHY), overlap=10_001)
