"""Gates between releases: the model that is to ship is no step back from the one that shipped last.

The last release's deployed model on the very same images comes from its stored report. Everything here is paired: only
the images on which exactly one of the two releases is right carry information.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinyedge.errors import PredictionsError
from tinyedge.gate.accuracy import judge_drop
from tinyedge.gate.result import Case, GateResult, Shipped, Status
from tinyedge.gate.rule import Rule, optional, setting
from tinyedge.gate.shares import judge_share

NAME, TITLE = "baseline", "Last release"


@dataclass(frozen=True)
class BaselineRule(Rule):
    """Settings of the gates between releases."""

    max_accuracy_drop_pp: float = setting(
        1.0, says="largest true drop in top-1 accuracy since the last release", low=0, high=100
    )
    max_negative_flips_percent: float = setting(
        5.0, says="largest share of images that the last release got right and this one gets wrong", low=0, high=100
    )
    max_flips_percent: float | None = optional(
        says="largest share of images that are named otherwise than in the last release", low=0, high=100
    )
    max_size_growth_percent: float | None = optional(
        says="largest growth of the model file since the last release", low=0, high=1e6
    )


def judge_baseline(case: Case, rule: BaselineRule) -> tuple[GateResult, ...] | str:
    """The deployed model against the last release's: accuracy, negative flips; all flips and file size where limited.

    Each is a result by itself: ``baseline.accuracy``, ``baseline.negative_flips``, ``baseline.flips``,
    ``baseline.size``.
    """
    if isinstance(case.baseline, str):
        return case.baseline
    now = Shipped(case.deployed.labels, case.deployed.predicted, case.facts.get("size_bytes"))
    return judge_step(before=case.baseline, now=now, rule=rule, tail=case.tail)


def judge_step(*, before: Shipped, now: Shipped, rule: BaselineRule, tail: float) -> tuple[GateResult, ...]:
    """One release after another, on the same images in the same order.

    Accuracy by Tango's paired interval, as between float and deployed; flips by exact bounds; the growth of
    the file is known and needs none.

    Args:
        before: the last release.
        now: this one.
        rule: the limits.
        tail: the probability with which each bound may miss.

    Raises:
        PredictionsError: where growth is limited and a file's size is not known.
    """
    n, lost = len(now.labels), int((before.correct & ~now.correct).sum())
    said = f"The last release was right on {before.correct.mean():.2%}, this one is on {now.correct.mean():.2%}"
    drop = judge_drop(
        f"{NAME}.accuracy", "Drop since release", before.correct, now.correct, rule.max_accuracy_drop_pp, said, tail
    )
    sentence = f"{lost:,} of {n:,} images were right in the last release and are wrong now."
    flips = judge_share(
        f"{NAME}.negative_flips", "Negative flips", lost, n, rule.max_negative_flips_percent, sentence, tail
    )
    results = [drop, flips]
    if rule.max_flips_percent is not None:
        changed = int((before.predicted != now.predicted).sum())
        said = f"{changed:,} of {n:,} images are named otherwise than in the last release, right or wrong."
        results.append(judge_share(f"{NAME}.flips", "Flips", changed, n, rule.max_flips_percent, said, tail))
    if rule.max_size_growth_percent is not None:
        results.append(_growth(before.size_bytes, now.size_bytes, rule.max_size_growth_percent))
    return tuple(results)


def _growth(before: float | None, now: float | None, limit_percent: float) -> GateResult:
    if not before or not now:
        raise PredictionsError(
            "the growth of the model file cannot be judged",
            where="[baseline] max_size_growth_percent",
            found=f"{before} bytes in the last release, {now} now",
            expected="both sizes",
        )
    return GateResult(
        f"{NAME}.size",
        "Growth of the file",
        Status.PASS if 100 * (now - before) <= limit_percent * before else Status.FAIL,
        100 * (now - before) / before,
        "%",
        None,
        limit_percent,
        f"The model file had {before:,.0f} bytes in the last release and has {now:,.0f} now.",
    )
