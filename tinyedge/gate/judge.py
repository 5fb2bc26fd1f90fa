"""From two outcomes and a policy to a verdict. Pure: the same input gives the same verdict, to the last bit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tinyedge.errors import PredictionsError
from tinyedge.gate.catalogue import GATES
from tinyedge.gate.evidence import judge_evidence
from tinyedge.gate.policy import DEFAULT_POLICY, Policy
from tinyedge.gate.result import Case, GateResult, Parity, Shipped, Skipped, Verdict
from tinyedge.metrics.outcome import Outcome, check_pair


def judge(
    *,
    reference: Outcome,
    deployed: Outcome,
    policy: Policy = DEFAULT_POLICY,
    parity: Parity | str = "no parity sample was run",
    facts: Mapping[str, float] | None = None,
    baseline: Shipped | str = "no baseline was given",
    overlap: int | None = 0,
) -> Verdict:
    """Judge the deployed model against the reference.

    Args:
        reference: the float model.
        deployed: the deployed artifact, on the same images in the same order.
        policy: the limits.
        parity: against TensorFlow Lite Micro, for a microcontroller target; or why there is none.
        facts: what is known of the deployed file, as ``size_bytes`` and ``arena_bytes``, and of the device that it is
            for (``tinyedge.board_use``), each where it is known.
        baseline: the last release's deployed model on the same images in the same order; or why there is none.
        overlap: how many of the images are, to the last pixel, also in the deployed model's representative dataset;
            ``None`` where that is not known, which the evidence gate says.

    Raises:
        PredictionsError: where the outcomes are not of the same examples, or a count cannot be.
        PolicyError: where the policy names a class that the data do not have.
    """
    _check(reference, deployed, parity, baseline, overlap)
    case = Case(reference, deployed, parity, policy.confidence, policy.min_images, dict(facts or {}), baseline, overlap)
    gates: list[GateResult] = [*judge_evidence(case)]
    skipped: list[Skipped] = []
    for gate in GATES:
        rule = policy.rules[gate.name]
        found = gate.judge(case, rule) if rule.enabled else "off in the policy"
        if isinstance(found, str):
            skipped.append(Skipped(gate.name, gate.title, found))
        else:
            gates.extend(found if isinstance(found, tuple) else (found,))
    return Verdict(tuple(gates), tuple(skipped), policy.name, policy.digest, policy.confidence)


def _check(
    reference: Outcome, deployed: Outcome, parity: Parity | str, baseline: Shipped | str, overlap: int | None
) -> None:
    check_pair(reference, deployed)
    if isinstance(baseline, Shipped) and not np.array_equal(baseline.labels, reference.labels):
        raise PredictionsError(
            "the last release is not of the same examples in the same order",
            found=f"{len(baseline.labels)} labels, {len(reference)} in this run",
            expected="equal labels",
            fix="pair them by example id first (tinyedge.report.releases)",
        )
    if overlap is not None and not 0 <= overlap <= len(reference):
        raise PredictionsError(
            "the overlap with the representative dataset cannot be",
            found=f"{overlap} of {len(reference)} images",
            expected="0 to as many as there are",
        )
    if isinstance(parity, Parity) and not 0 <= parity.argmax_flips <= parity.compared:
        raise PredictionsError(
            "the parity counts cannot be",
            found=f"{parity.argmax_flips} argmax flips of {parity.compared} images",
            expected="0 to as many flips as images",
        )
