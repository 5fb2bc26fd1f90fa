"""From two outcomes and a policy to a verdict. Pure: the same input gives the same verdict, to the last bit."""

from __future__ import annotations

from tinyedge.errors import PredictionsError
from tinyedge.gate.catalogue import GATES
from tinyedge.gate.evidence import judge_evidence
from tinyedge.gate.policy import DEFAULT_POLICY, Policy
from tinyedge.gate.result import Case, GateResult, Parity, Skipped, Verdict
from tinyedge.metrics.outcome import Outcome, check_pair


def judge(
    *,
    reference: Outcome,
    deployed: Outcome,
    policy: Policy = DEFAULT_POLICY,
    parity: Parity | str = "no parity sample was run",
) -> Verdict:
    """Judge the deployed model against the reference.

    Args:
        reference: the float model.
        deployed: the deployed artifact, on the same images in the same order.
        policy: the limits.
        parity: against TensorFlow Lite Micro, for a microcontroller target; or why there is none.

    Raises:
        PredictionsError: where the two are not of the same examples, or the parity counts cannot be.
    """
    check_pair(reference, deployed)
    if isinstance(parity, Parity) and not 0 <= parity.argmax_flips <= parity.compared:
        raise PredictionsError(
            "the parity counts cannot be",
            found=f"{parity.argmax_flips} argmax flips of {parity.compared} images",
            expected="0 to as many flips as images",
        )
    case = Case(reference, deployed, parity, policy.confidence, policy.min_images)
    gates: list[GateResult] = [judge_evidence(case)]
    skipped: list[Skipped] = []
    for gate in GATES:
        rule = policy.rules[gate.name]
        found = gate.judge(case, rule) if rule.enabled else "off in the policy"
        if isinstance(found, str):
            skipped.append(Skipped(gate.name, gate.title, found))
        else:
            gates.append(found)
    return Verdict(tuple(gates), tuple(skipped), policy.name, policy.digest, policy.confidence)
