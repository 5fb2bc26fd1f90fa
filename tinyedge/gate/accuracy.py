"""Gate: the deployed model is not less accurate than the reference by more than a margin."""

from __future__ import annotations

from dataclasses import dataclass

from tinyedge.gate.result import Case, GateResult, Status, settle
from tinyedge.gate.rule import Rule, setting
from tinyedge.stats.paired import tango_interval
from tinyedge.stats.power import images_for_drop, images_to_settle, unlucky_count

NAME, TITLE = "accuracy", "Accuracy"


@dataclass(frozen=True)
class AccuracyRule(Rule):
    """Settings of the accuracy gate."""

    max_drop_pp: float = setting(1.0, says="largest true drop in top-1 accuracy that is acceptable", low=0, high=100)


def judge_accuracy(case: Case, rule: AccuracyRule) -> GateResult:
    """Paired non-inferiority by Tango's score interval.

    PASS where the upper bound of the drop is within the margin, FAIL where the lower bound is beyond it. A drop that is
    only measured beyond the margin is INCONCLUSIVE: a true drop just inside it is measured so nearly half the time.
    """
    n = len(case.reference)
    lost = int((case.reference.correct & ~case.deployed.correct).sum())
    gained = int((~case.reference.correct & case.deployed.correct).sum())
    low, high = tango_interval(lost, gained, n, tail=case.tail)
    drop, margin = (lost - gained) / n, rule.max_drop_pp / 100
    status = settle((low, high), margin)
    before, after = case.reference.correct.mean(), case.deployed.correct.mean()
    needed = images_needed(lost, gained, n, margin=margin, tail=case.tail) if status is Status.INCONCLUSIVE else None
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


def images_needed(lost: int, gained: int, total: int, *, margin: float, tail: float) -> int | None:
    """How many images settle on which side of the margin the drop is, if the true rates are those measured."""
    drop = (lost - gained) / total

    def settles(images: int) -> bool:
        usual_lost, usual_gained = round(lost / total * images), round(gained / total * images)
        bad_lost = unlucky_count(lost / total, images, more=drop < margin)
        bad_gained = unlucky_count(gained / total, images, more=drop > margin)
        samples = ((bad_lost, min(usual_gained, images - bad_lost)), (min(usual_lost, images - bad_gained), bad_gained))
        return all(settle(tango_interval(*s, images, tail=tail), margin) is not Status.INCONCLUSIVE for s in samples)

    formula = images_for_drop(discordance=(lost + gained) / total, margin=margin, drop=drop, tail=tail)
    return images_to_settle(settles, now=total, formula=formula)
