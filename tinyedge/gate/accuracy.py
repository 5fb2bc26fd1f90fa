"""Gate: the deployed model is not less accurate than the reference by more than a margin."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

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
    before, after = case.reference.correct, case.deployed.correct
    said = f"{before.mean():.2%} before, {after.mean():.2%} now"
    return judge_drop(NAME, TITLE, before, after, rule.max_drop_pp, said, case.tail)


def judge_drop(
    name: str,
    title: str,
    before: NDArray[np.bool_],
    after: NDArray[np.bool_],
    limit_pp: float,
    said: str,
    tail: float,
    *,
    chosen_of: int | None = None,
) -> GateResult:
    """A drop in accuracy on the same images, by Tango's interval.

    Args:
        name: of the result.
        title: likewise.
        before: ``(N,)`` whether the one model is right.
        after: ``(N,)`` whether the other is.
        limit_pp: the largest true drop that is acceptable.
        said: the sentence's beginning.
        tail: the probability with which each bound may miss.
        chosen_of: how many images the N were chosen from, of which those needed are counted; N if ``None``.
    """
    n, lost, gained = len(before), int((before & ~after).sum()), int((~before & after).sum())
    low, high = tango_interval(lost, gained, n, tail=tail)
    status, needed = settle((low, high), limit_pp / 100), None
    if status is Status.INCONCLUSIVE:
        needed = images_needed(lost, gained, n, margin=limit_pp / 100, tail=tail)
    if needed is not None and chosen_of is not None:
        needed = ceil(needed * chosen_of / n)
    detail = f"{said}: {lost:,} images lost, {gained:,} gained of {n:,}; the drop is at most {100 * high:.2f} pp."
    interval, drop = (100 * low, 100 * high), 100 * (lost - gained) / n
    return GateResult(name, title, status, drop, "pp", interval, limit_pp, detail, needed)


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
