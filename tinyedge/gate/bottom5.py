"""Gate: the classes that a model is worst at do not become worse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinyedge.gate.classes import MIN_IMAGES, MIN_IMAGES_SAYS, thin_classes
from tinyedge.gate.result import Case, GateResult, Status
from tinyedge.gate.rule import Rule, setting
from tinyedge.metrics.accuracy import BOTTOM, bottoms, class_accuracies
from tinyedge.stats.resampling import accuracies, p_value, reflected, swapped_drops

NAME, TITLE = "bottom5", "Bottom five"


@dataclass(frozen=True)
class Bottom5Rule(Rule):
    """Settings of the bottom-five gate."""

    max_drop_pp: float = setting(
        3.0,
        says="the mean accuracy of the five worst classes fails where it drops this far, if it is not chance",
        low=0,
        high=100,
    )
    p_below: float = setting(0.05, says="what counts as not chance: p-value (a fraction)", low=1e-6, high=0.5)
    min_images_per_class: int = setting(MIN_IMAGES, says=MIN_IMAGES_SAYS, low=2, high=1_000_000)


def judge_bottom5(case: Case, rule: Bottom5Rule) -> GateResult | str:
    """FAIL where the mean of the five smallest class accuracies drops by the limit or more, and not by chance.

    Each model has its own five, so that a class newly among the worst counts. What is chance is tested by swapping the
    two models on each image at random, where the drop is that large; if it may be, it warns. With thin classes the
    gate cannot pass, but it can fail: the test is exact at any size. The interval is a reflected paired bootstrap's.
    """
    if len(case.cells) <= BOTTOM:
        return f"{len(case.cells)} classes have images: there are no {BOTTOM} worst"
    before, after = (float(bottoms(a)[0]) for a in accuracies(case.cells[None]))
    first, now = (bottoms(a) for a in case.resampled)
    low, high = reflected(before - after, first - now, tail=case.tail)
    drop, note = 100 * (before - after), None
    what = f"the five worst classes were {before:.1%} right (the reference's own five) and are {after:.1%} now"
    status, warning, needed = Status.PASS, None, None
    # A drop of exactly the limit counts, whatever its quotient rounds to.
    beyond = drop >= rule.max_drop_pp - 1e-9
    if beyond:
        p = p_value(before - after, swapped_drops(case.cells, bottoms))
        note = f"p = {p:.2g}"
        status = Status.FAIL if p < rule.p_below else Status.PASS
        what += f" ({note})"
    thin = thin_classes(case, rule.min_images_per_class)
    if status is Status.PASS and thin is not None:
        status, needed, what = Status.INCONCLUSIVE, thin[1], f"{thin[0]}; {what}"
    elif status is Status.PASS and beyond:
        warning = f"the five worst classes drop by {drop:.1f} pp, which may be chance ({note})"
    return GateResult(
        NAME,
        TITLE,
        status,
        drop,
        "pp",
        (100 * low, 100 * high),
        rule.max_drop_pp,
        what[0].upper() + what[1:] + ".",
        needed,
        warning,
        _worst(case) if beyond else (),
        note,
    )


def _worst(case: Case) -> tuple[str, ...]:
    """Names of the deployed model's five worst classes, the worst first."""
    deployed = case.deployed
    right = np.bincount(deployed.labels[deployed.correct], minlength=deployed.num_classes)
    table = class_accuracies(deployed.class_counts.tolist(), right.tolist())
    order = np.argsort(table.accuracy, kind="stable")[:BOTTOM]
    return tuple(deployed.class_names[int(table.classes[i])] for i in order)
