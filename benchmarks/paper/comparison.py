"""Every figure that the study reports beside ours, in float and in int8, and whether the bar is met."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from reported import Reported, Study
from style import short
from worked_out import baselines

from tinyedge.models.family import family_module
from tinyedge.study.curves import Point
from tinyedge.study.estimate import Estimate
from tinyedge.study.law import ErrorLaw
from tinyedge.study.overlap import Overlap
from tinyedge.study.peak import Shape
from tinyedge.study.scaling import Alone, Scaling

NEAR = 0.02
"""A published size is rounded: 22K is 21,936."""
Value = Estimate | str | None
"""A figure of ours: a number, words where the study has words, ``None`` where nothing was trained."""


@dataclass(frozen=True)
class Line:
    """One row.

    Args:
        figure: what the study reports.
        reference: ours in float.
        deployed: ours in int8.
        models: which of ours these are.
        kept: whether the bar is met in float and in int8; ``None`` where there is none or it cannot be judged.
        why: the reason for the difference, or for there being no comparison.
    """

    figure: Reported
    reference: Value
    deployed: Value
    models: str
    kept: tuple[bool | None, bool | None]
    why: str


Both = tuple[Value, Value, str, str]
"""Ours in float and in int8, which models, why they differ."""


def compare_all(study: Study, families: dict[str, Scaling]) -> tuple[Line, ...]:
    """A line for every figure of the study.

    Args:
        study: what it reports.
        families: ours by name; a family that is not there was not trained.
    """
    lines = []
    for figure in study.figures.values():
        found = families.get(figure.family)
        if found is None:
            both: Both = (None, None, "none", "not trained: no comparison")
        else:
            both = _OURS[figure.id](study, figure, found)
        reference, deployed, models, why = both
        kept = (_kept(figure, reference, found), _kept(figure, deployed, found, int8=True))
        lines.append(Line(figure, reference, deployed, models, kept, why))
    return tuple(lines)


def sides(found: Scaling) -> tuple[Alone, Alone]:
    """Float and int8."""
    assert found.reference is not None, "the study is always of both"
    return found.reference, found.deployed


def law_of(side: Alone) -> ErrorLaw:
    """The law of a family of three widths or more."""
    assert side.law is not None, "too few widths are refused before"
    return side.law


def complete(found: Scaling) -> bool:
    """Whether every width of the family was trained with every seed."""
    reference, _ = sides(found)
    return not reference.missing and widths_trained(found)[0] == widths_trained(found)[1]


def widths_trained(found: Scaling) -> tuple[int, int]:
    """How many widths were trained, of how many."""
    reference, _ = sides(found)
    return len(reference.curves["accuracy"].points), len(family_module(reference.setting.family).WIDTHS)


def at_size(side: Alone, metric: str, size: int) -> Point | None:
    """A metric at a published size; ``None`` where that width was not trained."""
    points = side.curves[metric].points
    return next((p for p in points if abs(math.log(p.params / size)) < NEAR), None)


def _kept(figure: Reported, ours: Value, found: Scaling | None, *, int8: bool = False) -> bool | None:
    if figure.bar is None or ours is None or found is None:
        return None
    if figure.bar.peak is not None:
        shape = sides(found)[int8].peak.shape
        return None if shape is Shape.OPEN else shape is Shape.INVERTED_U
    assert isinstance(ours, Estimate), "a bar is on a number"
    return figure.bar.keeps(ours.value, figure.value)


def _described(found: Scaling) -> str:
    trained, planned = widths_trained(found)
    reference, _ = sides(found)
    labels = [p.label for p in reference.curves["accuracy"].points]
    return f"{labels[0]} to {labels[-1]}: {trained} of {planned} widths, {len(reference.models)} models"


def _alpha(study: Study, figure: Reported, found: Scaling) -> Both:
    laws = [law_of(side) for side in sides(found)]
    if complete(found):
        why = "the recipe is ours: the study's was not at hand"
    else:
        trained, planned = widths_trained(found)
        local = [f"{exponent.exponent.value:.3f}" for exponent in laws[0].local]
        why = f"the {trained} smallest of {planned} widths, where the law is steepest: {local[0]} falls to {local[-1]}"
        if figure.family == "scalecnn":
            why += f"; the study's own accuracies give {study.between_accuracies():.3f} from 22K to 1.2M"
    return laws[0].alpha, laws[1].alpha, _described(found), why


def _r2(study: Study, figure: Reported, found: Scaling) -> Both:
    values = [Estimate(law.r2, () if law.r2_seeds is None else (law.r2_seeds,)) for law in map(law_of, sides(found))]
    why = "" if complete(found) else "over a shorter range the law bends less"
    return values[0], values[1], _described(found), why


def _local(study: Study, figure: Reported, found: Scaling) -> Both:
    words = []
    for law in map(law_of, sides(found)):
        listed = ", ".join(f"{exponent.exponent.value:.3f}" for exponent in law.local)
        words.append({"yes": "fall on the whole", "no": "do not fall"}.get(law.falls, "not decided") + f": {listed}")
    return words[0], words[1], _described(found), ""


def _saturation(study: Study, figure: Reported, found: Scaling) -> Both:
    last = [law.local[-1].exponent for law in map(law_of, sides(found))]
    return last[0], last[1], _described(found), "" if complete(found) else "not the largest width"


def _metric(metric: str) -> Callable[[Study, Reported, Scaling], Both]:
    """Ours is a metric at the published size."""

    def ours(study: Study, figure: Reported, found: Scaling) -> Both:
        points = [at_size(side, metric, figure.params[0]) for side in sides(found)]
        if points[0] is None or points[1] is None:
            return None, None, "none", _nearest(found, metric, figure)
        return points[0].mean, points[1].mean, _models(points[0]), _noise(found, metric, points[0], points[1])

    return ours


def _models(point: Point) -> str:
    seeds = len(point.seeds)
    return f"{point.label}, {seeds} seed{'s' if seeds > 1 else ''}"


def _nearest(found: Scaling, metric: str, figure: Reported) -> str:
    """What there is instead, plainly another size."""
    tops = [side.curves[metric].points[-1] for side in sides(found)]
    if metric == "gini":
        values = [f"{p.mean.value:.3f}" for p in tops]
    else:
        values = [f"{100 * p.mean.value:.{1 if metric == 'bottom5' else 2}f} %" for p in tops]
    return (
        f"{short(figure.params[0])} not trained: no comparison. The largest, {short(tops[0].params)}: {values[0]} in "
        f"float, {values[1]} in int8"
    )


def _noise(found: Scaling, metric: str, *points: Point) -> str:
    """What of the figure is sampling noise."""
    other = {"gini": "gini_corrected", "bottom5": "bottom5_shrunk", "ece": "ece_debiased"}.get(metric)
    if other is None:
        return ""
    values = [at_size(side, other, p.params) for side, p in zip(sides(found), points, strict=True)]
    assert values[0] is not None, "the same widths have every metric"
    assert values[1] is not None, "the same widths have every metric"
    scale, digits, unit = (1, 3, "") if metric == "gini" else (100, 2 if metric == "ece" else 1, " %")
    listed = " and ".join(f"{scale * p.mean.value:.{digits}f}{unit}" for p in values if p is not None)
    return f"with the sampling noise taken off: {listed}"


def _jaccard(study: Study, figure: Reported, found: Scaling) -> Both:
    ends = [side.overlaps.ends for side in sides(found)]
    return ends[0].jaccard, ends[1].jaccard, _pairs(ends[0]), _jaccard_why(study, figure, found, ends[0])


def _pairs(ends: Overlap) -> str:
    return f"{ends.small} and {ends.large}, {ends.pairs} seed pair{'s' if ends.pairs > 1 else ''}"


def _jaccard_why(study: Study, figure: Reported, found: Scaling, ends: Overlap) -> str:
    top = sides(found)[0].curves["accuracy"].points[-1]
    if abs(math.log(top.params / figure.params[1])) < NEAR:
        return ""
    small, error = 1 - study.value("accuracy-small"), study.error_by_law(figure.params[1])
    independent, nested = baselines(small, error)
    return (
        f"{short(figure.params[1])} not trained; the larger here, {short(top.params)}, is wrong on "
        f"{100 * ends.errors[1]:.0f} %, which allows {ends.independent:.2f} to {ends.nested:.2f}; at the study's sizes "
        f"its exponent gives {100 * error:.0f} % wrong, which allows {independent:.2f} to {nested:.2f}"
    )


def _peak(study: Study, figure: Reported, found: Scaling) -> Both:
    peaks = [side.peak for side in sides(found)]
    words = [str(peak.shape) if peak.shape is not Shape.OPEN else f"not decided: {peak.why}" for peak in peaks]
    return words[0], words[1], _described(found), ""


def _why_small(study: Study, figure: Reported, found: Scaling) -> Both:
    words = []
    for side in sides(found):
        point = at_size(side, "signed_gap", figure.params[0])
        if point is None:
            return None, None, "none", _nearest(found, "ece", figure)
        found_ece = {name: at_size(side, name, figure.params[0]) for name in ("ece", "ece_floor", "ece_debiased")}
        ece, floor, debiased = (f"{100 * p.mean.value:.2f} %" for p in found_ece.values() if p is not None)
        words.append(
            f"confidence less accuracy {100 * point.mean.value:+.2f} pp; ECE {ece}, where bins that are right show "
            f"{floor} by chance; debiased {debiased}"
        )
        models = _models(point)
    why = f"most of the ECE that is seen at this size is chance: {sides(found)[0].images:,} images in 15 bins"
    return words[0], words[1], models, why


def _rises(study: Study, figure: Reported, found: Scaling) -> Both:
    steps = [side.curves["ece"].steps or "one width" for side in sides(found)]
    return steps[0], steps[1], _described(found), ""


_OURS: dict[str, Callable[[Study, Reported, Scaling], Both]] = {
    "alpha": _alpha,
    "r2": _r2,
    "local": _local,
    "accuracy-small": _metric("accuracy"),
    "accuracy-middle": _metric("accuracy"),
    "jaccard": _jaccard,
    "gini-small": _metric("gini"),
    "gini-large": _metric("gini"),
    "bottom5-small": _metric("bottom5"),
    "bottom5-large": _metric("bottom5"),
    "ece-small": _metric("ece"),
    "ece-peak": _metric("ece"),
    "ece-shape": _peak,
    "ece-why": _why_small,
    "mobilenet-alpha": _alpha,
    "mobilenet-r2": _r2,
    "mobilenet-saturation": _saturation,
    "mobilenet-ece": _rises,
}
