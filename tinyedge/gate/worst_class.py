"""Gate: no class is given up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinyedge.gate.classes import MIN_IMAGES, MIN_IMAGES_SAYS, thin_classes
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
        0.05,
        says="what counts as not chance: p-value corrected for the number of classes, half of it for each of "
        "two tests where classes differ in size (a fraction)",
        low=1e-6,
        high=0.5,
    )
    min_images_per_class: int = setting(MIN_IMAGES, says=MIN_IMAGES_SAYS, low=2, high=1_000_000)


def judge_worst_class(case: Case, rule: WorstClassRule) -> GateResult:
    """FAIL where a class drops by the limit or more and a test over all classes says that it is not chance.

    With equally many images in each class max-T decides, and Holm names further classes; else both decide, each at half
    of ``p_below`` (``ClassDrops.p``). So an unchanged model fails with a probability of ``p_below`` at most.

    A drop beyond the limit that may be chance warns. Below ``min_images_per_class`` in some class the gate cannot pass:
    that class could have collapsed unseen. It can still fail, since the tests are exact at any size.
    """
    reference, deployed = case.reference, case.deployed
    found = class_drops(
        reference.labels, reference=reference.correct, deployed=deployed.correct, num_classes=reference.num_classes
    )
    names, thin = reference.class_names, thin_classes(case, rule.min_images_per_class)
    p = found.p
    # A drop of exactly the limit counts, whatever its quotient rounds to.
    beyond = found.drop >= rule.max_drop_pp / 100 - 1e-12
    order = np.argsort(-found.drop, kind="stable")
    given_up = [int(i) for i in order if beyond[i] and p[i] < rule.p_below]
    shown = given_up[0] if given_up else found.worst
    drop, name, note = float(found.drop[shown]), names[int(found.classes[shown])], f"p = {p[shown]:.2g}"
    what = f"{name!r} {'changes most' if shown == found.worst else 'changes'}, by {-100 * drop:+.0f} pp ({note})"
    classes: tuple[str, ...] = (name,) if beyond[shown] else ()
    status, warning, needed = Status.PASS, None, None
    if given_up:
        status = Status.FAIL
        classes = tuple(names[int(found.classes[i])] for i in given_up)
        what = _listing(what, classes)
    elif thin is not None:
        status, needed, what = Status.INCONCLUSIVE, thin[1], f"{thin[0]}; {what}"
    elif classes:
        warning = f"class {name!r} drops by {100 * drop:.0f} pp, which may be chance ({note})"
    interval = _simultaneous(found, shown, case.tail)
    return GateResult(
        NAME,
        TITLE,
        status,
        100 * drop,
        "pp",
        interval,
        rule.max_drop_pp,
        what + ".",
        needed,
        warning,
        classes,
        note,
    )


def _simultaneous(found: ClassDrops, i: int, tail: float) -> tuple[float, float]:
    """Bounds in pp of a class's drop that allow for its having been picked among all (Bonferroni)."""
    low, high = tango_interval(
        int(found.lost[i]), int(found.gained[i]), int(found.counts[i]), tail=tail / len(found.classes)
    )
    return 100 * low, 100 * high


def _listing(what: str, classes: tuple[str, ...]) -> str:
    if len(classes) < 2:
        return what
    listed = ", ".join(repr(c) for c in classes[:_LISTED])
    rest = f" and {len(classes) - _LISTED} more" if len(classes) > _LISTED else ""
    return f"{what}; worse beyond the limit and chance: {listed}{rest}"
