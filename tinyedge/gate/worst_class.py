"""Gate: no class is given up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinyedge.gate.result import Case, GateResult, Status
from tinyedge.gate.rule import Rule, setting
from tinyedge.stats.classes import ClassDrops, class_drops
from tinyedge.stats.paired import tango_interval

NAME, TITLE = "worst_class", "Worst class"
_LISTED = 5


@dataclass(frozen=True)
class WorstClassRule(Rule):
    """Settings of the worst-class gate."""

    max_drop_pp: float = setting(10.0, says="a class that drops this far fails, if it is not chance", low=0, high=100)
    p_below: float = setting(
        0.05, says="what counts as not chance: max-T p-value over all classes (a fraction)", low=1e-6, high=0.5
    )
    min_images_per_class: int = setting(
        50, says="with fewer images in any class the gate cannot pass", low=2, high=1_000_000
    )


def judge_worst_class(case: Case, rule: WorstClassRule) -> GateResult:
    """FAIL where a class drops by the limit or more and the max-T test says that it is not chance.

    A drop beyond the limit that may be chance warns. Below ``min_images_per_class`` in some class the gate cannot pass:
    that class could have collapsed unseen. It can still fail, since the test is exact at any size.
    """
    reference, deployed = case.reference, case.deployed
    found = class_drops(
        reference.labels, reference=reference.correct, deployed=deployed.correct, num_classes=reference.num_classes
    )
    names = reference.class_names
    counts = reference.class_counts
    thin = np.flatnonzero(counts < rule.min_images_per_class)
    worst, limit = found.worst, rule.max_drop_pp / 100
    drop, name = float(found.drop[worst]), names[int(found.classes[worst])]
    # A drop of exactly the limit counts, whatever its quotient rounds to.
    beyond = drop >= limit - 1e-12
    what = f"{name!r} changes most, by {-100 * drop:+.0f} pp (p = {found.p_any:.2g} for some class dropping so far)"
    status, warning, needed = Status.PASS, None, None
    classes: tuple[str, ...] = (name,) if beyond else ()
    if beyond and found.p_any < rule.p_below:
        status = Status.FAIL
        classes = _named(found, names, rule)
    elif len(thin):
        status = Status.INCONCLUSIVE
        needed = int(np.maximum(counts, rule.min_images_per_class).sum())
        what = (
            f"{len(thin)} of {len(counts)} classes have fewer than {rule.min_images_per_class} images "
            f"({names[int(thin[0])]!r} has {int(counts[thin[0]])}); {what}"
        )
    elif beyond:
        warning = f"class {name!r} drops by {100 * drop:.0f} pp, which may be chance (p = {found.p_any:.2g})"
    return GateResult(
        NAME,
        TITLE,
        status,
        100 * drop,
        "pp",
        _simultaneous(found, case.tail),
        rule.max_drop_pp,
        _sentence(what, status, classes),
        needed,
        warning,
        classes,
    )


def _named(found: ClassDrops, names: tuple[str, ...], rule: WorstClassRule) -> tuple[str, ...]:
    """The worst class, then those whose own Holm-adjusted p-value is significant, the worst first."""
    order = np.argsort(-found.drop, kind="stable")
    named = [int(i) for i in order if found.p_class[i] < rule.p_below or i == found.worst]
    return tuple(names[int(found.classes[i])] for i in named)


def _simultaneous(found: ClassDrops, tail: float) -> tuple[float, float]:
    """Bounds in pp of the worst class's drop that allow for its having been picked among all (Bonferroni)."""
    i = found.worst
    low, high = tango_interval(
        int(found.lost[i]), int(found.gained[i]), int(found.counts[i]), tail=tail / len(found.classes)
    )
    return 100 * low, 100 * high


def _sentence(what: str, status: Status, classes: tuple[str, ...]) -> str:
    if status is not Status.FAIL or len(classes) < 2:
        return what + "."
    listed = ", ".join(repr(c) for c in classes[:_LISTED])
    rest = f" and {len(classes) - _LISTED} more" if len(classes) > _LISTED else ""
    return f"{what}; worse beyond chance: {listed}{rest}."
