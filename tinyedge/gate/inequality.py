"""Gate: deployment does not make the classes more unequal."""

from __future__ import annotations

from dataclasses import dataclass

from tinyedge.gate.classes import MIN_IMAGES, MIN_IMAGES_SAYS, thin_classes
from tinyedge.gate.result import Case, GateResult, Status, settle
from tinyedge.gate.rule import Rule, setting
from tinyedge.metrics.accuracy import ginis
from tinyedge.stats.power import images_for_bound
from tinyedge.stats.resampling import accuracies, reflected

NAME, TITLE = "inequality", "Inequality"


@dataclass(frozen=True)
class InequalityRule(Rule):
    """Settings of the inequality gate."""

    max_gini_rise: float = setting(
        0.02, says="largest true rise of the class accuracies' Gini coefficient (a fraction)", low=0, high=1
    )
    min_images_per_class: int = setting(MIN_IMAGES, says=MIN_IMAGES_SAYS, low=2, high=1_000_000)


def judge_inequality(case: Case, rule: InequalityRule) -> GateResult | str:
    """Paired bootstrap within each class, reflected: the Gini coefficient does not rise by more than a limit.

    The noise of a class's accuracy adds to both coefficients, nearly equally: it cancels in the change, and reflecting
    takes off what is left. With thin classes it does not, so that nothing is concluded from them.
    """
    if len(case.cells) < 2:
        return "the images are of one class: there is nothing to be unequal"
    before, after = (float(ginis(a)[0]) for a in accuracies(case.cells[None]))
    first, now = (ginis(a) for a in case.resampled)
    change, resampled = after - before, now - first
    interval = reflected(change, resampled, tail=case.tail)
    detail = f"The Gini coefficient of the class accuracies was {before:.3f} and is {after:.3f} now"
    thin = thin_classes(case, rule.min_images_per_class)
    needed = None
    if thin is None:
        status = settle(interval, rule.max_gini_rise)
        detail += f": it rose by at most {interval[1]:.3f}" if interval[1] > 0 else ": it did not rise"
    else:
        status, needed = Status.INCONCLUSIVE, thin[1]
        detail = f"{thin[0]}; {detail[0].lower()}{detail[1:]}"
    if status is Status.INCONCLUSIVE and thin is None:
        needed = images_for_bound(
            len(case.reference),
            estimate=2 * change - float(resampled.mean()),
            deviation=float(resampled.std()),
            limit=rule.max_gini_rise,
            tail=case.tail,
        )
    return GateResult(NAME, TITLE, status, change, "score", interval, rule.max_gini_rise, detail + ".", needed)
