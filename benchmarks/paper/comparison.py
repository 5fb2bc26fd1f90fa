"""Every figure that the study reports beside ours, in float and in int8, and whether the bar is met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bars import Verdicts, about_is_trained, away, verdicts
from gaps import Gap
from ours import Value, at_size, complete, law_of, sides, widths_trained
from reported import Reported, Study
from style import short
from worked_out import baselines

from tinyedge.study.curves import Point
from tinyedge.study.estimate import Estimate
from tinyedge.study.overlap import Overlap
from tinyedge.study.peak import Shape
from tinyedge.study.scaling import Scaling


@dataclass(frozen=True)
class Line:
    """One row.

    Args:
        figure: what the study reports.
        reference: ours in float.
        deployed: ours in int8.
        models: which of ours these are.
        verdicts: on the bar, in float and in int8; ``None`` where there is none.
        why: the reason for the difference, or for there being no comparison.
    """

    figure: Reported
    reference: Value
    deployed: Value
    models: str
    verdicts: Verdicts | None
    why: str


Both = tuple[Value, Value, str, str]
"""Ours in float and in int8, which models, why they differ."""
Ours = Callable[[Study, Reported, Scaling], Both]
"""What finds ours of a reported figure."""
Gaps = tuple[Gap | None, Gap | None]
"""Confidence less accuracy at the study's smallest size, in float and in int8."""


def compare_all(study: Study, families: dict[str, Scaling], gaps: Gaps) -> tuple[Line, ...]:
    """A line for every figure of the study.

    Args:
        study: what it reports.
        families: ours by name; a family that is not there was not trained.
        gaps: of ScaleCNN.
    """
    all_of_ours: dict[str, Ours] = {**_OURS, "ece-why": partial(_why_small, gaps)}
    lines = []
    for figure in study.figures.values():
        found = families.get(figure.family)
        if found is None:
            both: Both = (None, None, "none", "not trained: no comparison")
        else:
            both = all_of_ours[figure.id](study, figure, found)
        reference, deployed, models, why = both
        lines.append(Line(figure, reference, deployed, models, verdicts(figure, (reference, deployed), found), why))
    return tuple(lines)


def _described(found: Scaling) -> str:
    trained, planned = widths_trained(found)
    return f"{_range(found)}: {trained} of {planned} widths, {len(sides(found)[0].models)} models"


def _range(found: Scaling) -> str:
    labels = [p.label for p in sides(found)[0].curves["accuracy"].points]
    return f"{labels[0]} to {labels[-1]}"


def _alpha(study: Study, figure: Reported, found: Scaling) -> Both:
    laws = [law_of(side) for side in sides(found)]
    alphas = laws[0].alpha, laws[1].alpha
    if complete(found):
        return *alphas, _described(found), "the recipe is ours: the study's was not at hand"
    told = []
    if figure.bar is not None and not about_is_trained(figure, found):
        told.append(away(figure, alphas, _range(found)))
    local = [f"{exponent.exponent.value:.3f}" for exponent in laws[0].local]
    told.append(f"local exponents go from {local[0]} to {local[-1]} in float")
    if figure.family == "scalecnn":
        told.append(f"the study's own accuracies give {study.between_accuracies():.3f} from 22K to 1.2M")
    return *alphas, _described(found), ". ".join(text[0].upper() + text[1:] for text in told)


def _r2(study: Study, figure: Reported, found: Scaling) -> Both:
    values = [Estimate(law.r2, () if law.r2_seeds is None else (law.r2_seeds,)) for law in map(law_of, sides(found))]
    why = "" if complete(found) else "over fewer widths than the study's"
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


def _metric(metric: str) -> Ours:
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
    if about_is_trained(figure, found):
        return ""
    top = sides(found)[0].curves["accuracy"].points[-1]
    over = f"{ends.small} and {ends.large}"
    outside = away(figure, [side.overlaps.ends.jaccard for side in sides(found)], over)
    small, error = 1 - study.value("accuracy-small"), study.error_by_law(figure.params[1])
    independent, nested = baselines(small, error)
    return (
        f"{outside[0].upper()}{outside[1:]}. {short(figure.params[1])} is not trained; the larger here, "
        f"{short(top.params)}, is wrong on "
        f"{100 * ends.errors[1]:.0f} %, which allows {ends.independent:.2f} to {ends.nested:.2f}; at the study's sizes "
        f"its exponent gives {100 * error:.0f} % wrong, which allows {independent:.2f} to {nested:.2f}"
    )


def _peak(study: Study, figure: Reported, found: Scaling) -> Both:
    peaks = [side.peak for side in sides(found)]
    words = [str(peak.shape) if peak.shape is not Shape.OPEN else f"not decided: {peak.why}" for peak in peaks]
    return words[0], words[1], _described(found), ""


def _why_small(gaps: Gaps, study: Study, figure: Reported, found: Scaling) -> Both:
    words, left = [], []
    for side, gap in zip(sides(found), gaps, strict=True):
        points = [at_size(side, name, figure.params[0]) for name in ("ece", "ece_floor", "ece_debiased")]
        if gap is None or points[0] is None:
            return None, None, "none", _nearest(found, "ece", figure)
        ece, floor, debiased = (p.mean.value for p in points if p is not None)
        words.append(
            f"confidence less accuracy {gap}; ECE {100 * ece:.2f} %, where bins that are right show "
            f"{100 * floor:.2f} % by chance; debiased {100 * debiased:.2f} %"
        )
        left.append(f"{100 * debiased / ece:.0f} %")
        models = _models(points[0])
    why = f"with chance taken off, {left[0]} of the ECE remains in float, {left[1]} in int8"
    return words[0], words[1], models, f"{why}: {sides(found)[0].images:,} images in 15 bins"


def _rises(study: Study, figure: Reported, found: Scaling) -> Both:
    steps = [side.curves["ece"].steps or "one width" for side in sides(found)]
    return steps[0], steps[1], _described(found), ""


_OURS: dict[str, Ours] = {
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
    "mobilenet-alpha": _alpha,
    "mobilenet-r2": _r2,
    "mobilenet-saturation": _saturation,
    "mobilenet-ece": _rises,
}
