"""Gate: the deployed model is not less accurate than the reference by more than a margin."""

from __future__ import annotations

from dataclasses import dataclass

from tinyedge.gate.result import Case, GateResult, Status, more_than, settle
from tinyedge.gate.rule import Rule, setting
from tinyedge.stats.paired import tango_interval
from tinyedge.stats.power import images_for_drop

NAME, TITLE = "accuracy", "Accuracy"


@dataclass(frozen=True)
class AccuracyRule(Rule):
    """Settings of the accuracy gate."""

    max_drop_pp: float = setting(1.0, says="largest true drop in top-1 accuracy that is acceptable", low=0, high=100)


def judge_accuracy(case: Case, rule: AccuracyRule) -> GateResult:
    """Paired non-inferiority by Tango's score interval.

    PASS where the upper bound of the drop is within the margin. FAIL where the lower bound is beyond it, or where the
    drop is both real (lower bound above 0) and measured beyond it: shipping that would bet against the best estimate.
    """
    n = len(case.reference)
    lost = int((case.reference.correct & ~case.deployed.correct).sum())
    gained = int((~case.reference.correct & case.deployed.correct).sum())
    low, high = tango_interval(lost, gained, n, tail=case.tail)
    drop, margin = (lost - gained) / n, rule.max_drop_pp / 100
    status = settle((low, high), margin)
    if status is Status.INCONCLUSIVE and drop > margin and low > 0:
        status = Status.FAIL
    before, after = case.reference.correct.mean(), case.deployed.correct.mean()
    needed = None
    if status is Status.INCONCLUSIVE:
        found = images_for_drop(discordance=(lost + gained) / n, margin=margin, drop=drop, tail=case.tail)
        needed = more_than(n, found)
    return GateResult(
        NAME,
        TITLE,
        status,
        100 * drop,
        "pp",
        (100 * low, 100 * high),
        rule.max_drop_pp,
        f"{before:.2%} before, {after:.2%} now: {lost:,} images lost, {gained:,} gained of {n:,}; "
        f"the drop is at most {100 * high:.2f} pp.",
        needed,
    )
