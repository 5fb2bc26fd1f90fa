"""Gates: confidence means what it says, and deployment did not change what it means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyedge.gate.result import Case, GateResult, Status
from tinyedge.gate.rule import Rule, setting
from tinyedge.metrics.outcome import Outcome
from tinyedge.stats.power import POWER, images_to_settle, mean_power
from tinyedge.stats.proportion import mean_interval

GAP_CHANGE = "gap_change"
EITHER_SIGN = ("signed_gap", GAP_CHANGE)
"""The gates here: their limit holds for a figure of either sign."""


@dataclass(frozen=True)
class SignedGapRule(Rule):
    """Settings of the gate on the deployed model's own gap."""

    max_gap_pp: float = setting(
        3.0, says="largest mean confidence less accuracy of the deployed model, either sign", low=0, high=100
    )


@dataclass(frozen=True)
class GapChangeRule(Rule):
    """Settings of the gate on what deployment did to the gap."""

    max_change_pp: float = setting(
        1.5, says="largest change of mean confidence less accuracy by deployment, either sign", low=0, high=100
    )


def judge_signed_gap(case: Case, rule: SignedGapRule) -> GateResult:
    """Mean confidence is within a limit of accuracy. Says so where the reference's already is not: retrain it then."""
    deployed, reference = _gaps(case.deployed), _gaps(case.reference)
    before, after = 100 * float(reference.mean()), 100 * float(deployed.mean())
    sentence = (
        f"Confidence is {case.deployed.confidence.mean():.2%} on average, accuracy {case.deployed.correct.mean():.2%} "
        f"(the reference's gap: {before:+.2f} pp)."
    )
    if abs(before) > rule.max_gap_pp and abs(before) > abs(after - before):
        sentence += f" The reference itself is beyond {rule.max_gap_pp:g} pp: training made the gap, not deployment."
    return _judge("signed_gap", "Confidence gap", deployed, rule.max_gap_pp, sentence, case.tail)


def judge_gap_change(case: Case, rule: GapChangeRule) -> GateResult:
    """Deployment leaves the gap between confidence and accuracy as it was: paired, so small changes are seen."""
    deployed, reference = _gaps(case.deployed), _gaps(case.reference)
    before, after = 100 * reference.mean(), 100 * deployed.mean()
    sentence = f"Mean confidence less accuracy was {before:+.2f} pp and is {after:+.2f} pp now."
    return _judge(GAP_CHANGE, "Confidence gap change", deployed - reference, rule.max_change_pp, sentence, case.tail)


def _gaps(outcome: Outcome) -> NDArray[np.float64]:
    """``(N,)`` confidence less correctness of each image: their mean is the signed gap."""
    return np.asarray(outcome.confidence - outcome.correct)


def _judge(
    name: str, title: str, values: NDArray[np.float64], limit_pp: float, sentence: str, tail: float
) -> GateResult:
    n, mean = len(values), float(values.mean())
    # One image has no spread; -1 and 1 are then all that is known (a change may be twice that).
    low, high = mean_interval(values, tail=tail) if n > 1 else (-2.0, 2.0)
    limit = limit_pp / 100
    # Two one-sided tests: within the limit on both sides, each bound at its full confidence.
    if -limit <= low and high <= limit:
        status = Status.PASS
    else:
        status = Status.FAIL if low > limit or high < -limit else Status.INCONCLUSIVE
    needed = None
    if status is Status.INCONCLUSIVE and n > 1:
        needed = images_needed(n, mean=mean, deviation=float(values.std(ddof=1)), limit=limit, tail=tail)
    return GateResult(name, title, status, 100 * mean, "pp", (100 * low, 100 * high), limit_pp, sentence, needed)


def images_needed(now: int, *, mean: float, deviation: float, limit: float, tail: float) -> int | None:
    """How many images settle whether the mean is within the limit on both sides, if it is the one measured."""

    def settles(images: int) -> bool:
        return mean_power(images, mean=mean, deviation=deviation, limit=limit, tail=tail) >= POWER

    # Exact enough at any number of images, so that no approximation has to be outdone.
    return images_to_settle(settles, now=now, formula=1) if deviation > 0 else None
