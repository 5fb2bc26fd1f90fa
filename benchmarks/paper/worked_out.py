"""What follows from the study's figures at sizes that it does not report, beside ours: worked out, not reported."""

from __future__ import annotations

from dataclasses import dataclass

from reported import Study
from style import short

from tinyedge.study.overlap import Overlap
from tinyedge.study.scaling import Alone


@dataclass(frozen=True)
class WorkedOut:
    """A comparison with what follows from the study's figures, but is not among them.

    Args:
        title: what is compared.
        study: what follows from its figures.
        how: from which.
        reference: ours in float.
        deployed: ours in int8.
        percent: whether the three are shares.
    """

    title: str
    study: float
    how: str
    reference: float
    deployed: float
    percent: bool


def worked_out(study: Study, reference: Alone, deployed: Alone) -> tuple[WorkedOut, ...]:
    """Ours at the largest width, where it ends and how it gets there, beside what the study's figures imply."""
    small, middle = study.figures["accuracy-small"], study.figures["accuracy-middle"]
    error, size = 1 - study.value(small.id), small.params[0]
    before, after = (side.curves["accuracy"].points[-1] for side in (reference, deployed))
    top, ours = before.params, (before.mean.value, after.mean.value)
    title = f"accuracy at {short(top)} parameters"
    start = f"{100 * study.value(small.id):.0f} % at {short(size)}"
    how = f"its exponent {study.value('alpha')} from {start}"
    rows = [WorkedOut(title, 1 - study.error_by_law(top), how, ours[0], ours[1], True)]
    if top < middle.params[0]:
        chord = study.between_accuracies()
        how = f"{start} and {100 * study.value(middle.id):.0f} % at {short(middle.params[0])}"
        rows.append(
            WorkedOut(title, 1 - error * (top / size) ** -chord, f"the line between {how}", ours[0], ours[1], True)
        )
        alphas = [side.law.alpha.value for side in (reference, deployed) if side.law is not None]
        rows.append(WorkedOut("exponent of the error law up to there", chord, how, alphas[0], alphas[1], False))
    jaccard = study.figures["jaccard"]
    place = _place(study.value("jaccard"), *baselines(error, study.error_by_law(jaccard.params[1])))
    rows.append(
        WorkedOut(
            "Jaccard of smallest and largest, from independent (0) to nested (1)",
            place,
            f"{study.value('jaccard')}, with the error that its exponent gives at {short(jaccard.params[1])}",
            _placed(reference.overlaps.ends),
            _placed(deployed.overlaps.ends),
            False,
        )
    )
    return tuple(rows)


def baselines(e1: float, e2: float) -> tuple[float, float]:
    """The Jaccard of independent and of nested errors at two error rates, e1 the larger.

    >>> [round(value, 4) for value in baselines(0.5, 0.25)]  # 0.125 / 0.625, 0.25 / 0.5
    [0.2, 0.5]
    """
    return e1 * e2 / (e1 + e2 - e1 * e2), e2 / e1


def _placed(ends: Overlap) -> float:
    return _place(ends.jaccard.value, ends.independent, ends.nested)


def _place(value: float, independent: float, nested: float) -> float:
    return (value - independent) / (nested - independent)
