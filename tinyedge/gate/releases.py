"""From two releases' deployed models and a policy to a verdict on the step from one to the other, and no more."""

from __future__ import annotations

from tinyedge.gate import baseline
from tinyedge.gate.policy import DEFAULT_POLICY, Policy
from tinyedge.gate.result import EVIDENCE, GateResult, Shipped, Skipped, Status, Verdict


def judge_releases(*, before: Shipped, now: Shipped, policy: Policy = DEFAULT_POLICY) -> Verdict:
    """Judge ``now`` against ``before`` by the policy's section ``[baseline]``.

    Args:
        before: the last release, on the same images in the same order.
        now: this one.
        policy: its confidence, ``min_images`` and ``[baseline]`` are used, no other section.

    Raises:
        PredictionsError: where growth is limited and a file's size is not known.
    """
    rule = policy.rules[baseline.NAME]
    assert isinstance(rule, baseline.BaselineRule)
    found: tuple[GateResult, ...] = ()
    skipped: tuple[Skipped, ...] = (Skipped(baseline.NAME, baseline.TITLE, "off in the policy"),)
    if rule.enabled:
        found = baseline.judge_step(before=before, now=now, rule=rule, tail=1 - policy.confidence)
        skipped = ()
    gates = (_evidence(len(now.labels), policy.min_images), *found)
    return Verdict(gates, skipped, policy.name, policy.digest, policy.confidence)


def _evidence(images: int, minimum: int) -> GateResult:
    enough = images >= minimum
    detail = f"{images:,} images." if enough else f"{images:,} images are too few to conclude anything from."
    status = Status.PASS if enough else Status.INCONCLUSIVE
    needed = None if enough else minimum
    return GateResult(EVIDENCE, "Evidence", status, float(images), "images", None, float(minimum), detail, needed)
