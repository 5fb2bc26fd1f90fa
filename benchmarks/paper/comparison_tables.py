"""The tables of the study's figures beside ours, in words and as numbers."""

from __future__ import annotations

from collections.abc import Sequence

from comparison import Line
from ours import Value, complete, sides, widths_trained
from reported import Reported
from style import short
from tables import Column, Table
from worked_out import WorkedOut

from tinyedge.study.estimate import Estimate
from tinyedge.study.scaling import Scaling

_WHY = "why it differs, or is not compared"
_FAMILIES = {"scalecnn": "ScaleCNN", "mobilenetv2": "MobileNetV2"}


def page_table(lines: Sequence[Line]) -> Table:
    """The main one as the page has it: fewer columns."""
    titles = ("figure", "the study", "float (95 %)", "int8 (95 %)", "of; interval over", "bar", _WHY)
    rows = []
    for line in lines:
        at = " to ".join(short(size) for size in line.figure.params)
        family = "" if line.figure.family == "scalecnn" else "MobileNetV2: "
        over = over_words(line.reference)
        bar = ""
        if line.verdicts is not None:
            both = list(dict.fromkeys(map(str, line.verdicts)))
            bar = f"{bar_words(line.figure)}: **{' / '.join(both)}**"
        rows.append(
            (f"{family}{line.figure.title}" + (f", {at}" if at else ""), reported_words(line.figure),
             value_words(line.reference, line.figure), value_words(line.deployed, line.figure),
             "-" if line.reference is None else line.models + ("" if over is None else f"; {over}"), bar, line.why)
        )  # fmt: skip
    return Table("page", "", tuple(Column(title, title) for title in titles), tuple(rows))


def comparison_table(lines: Sequence[Line], found: Scaling) -> Table:
    """The main one: every reported figure beside ours."""
    setting, images = sides(found)[0].setting, sides(found)[0].images
    columns = (
        Column("figure", "figure"),
        Column("family", "family"),
        Column("at", "at"),
        Column("study", "the study"),
        Column("float", "ours, float (95 %)"),
        Column("int8", "ours, int8 (95 %)"),
        Column("models", "of"),
        Column("over", "interval over"),
        Column("bar", "bar"),
        Column("float_meets_bar", "float"),
        Column("int8_meets_bar", "int8"),
        Column("why", _WHY),
        Column("epochs", "epochs"),
        Column("images", "images"),
    )
    rows = [
        (
            line.figure.title,
            _FAMILIES[line.figure.family],
            " to ".join(short(size) for size in line.figure.params) or "all sizes",
            reported_words(line.figure),
            value_words(line.reference, line.figure),
            value_words(line.deployed, line.figure),
            line.models,
            over_words(line.reference),
            bar_words(line.figure),
            *((None, None) if line.verdicts is None else map(str, line.verdicts)),
            line.why,
            setting.recipe.epochs if line.reference is not None else None,
            images if line.reference is not None else None,
        )
        for line in lines
    ]
    return Table("comparison", "The study's figures beside ours", columns, tuple(rows), _comparison_note(found))


def numbers_table(lines: Sequence[Line]) -> Table:
    """The same as numbers, for programs."""
    columns = ("id", "family", "study", "study_spread", "float", "float_low", "float_high", "int8", "int8_low",
               "int8_high", "interval_over", "interval_method", "caution")  # fmt: skip
    rows = []
    for line in lines:
        figure, best = line.figure, line.reference.best if isinstance(line.reference, Estimate) else None
        rows.append(
            (figure.id, figure.family, figure.value, figure.spread, *bounds(line.reference), *bounds(line.deployed),
             *((None,) * 3 if best is None else (best.over, best.method, best.caution)))
        )  # fmt: skip
    return Table("comparison-numbers", "The study's figures beside ours, as numbers",
                 tuple(Column(name, name.replace("_", " "), 4) for name in columns), tuple(rows))  # fmt: skip


def worked_out_table(rows: Sequence[WorkedOut]) -> Table:
    """What follows from the study's figures beside ours."""
    columns = (Column("comparison", "comparison"), Column("study", "from the study"), Column("how", "worked out from"),
               Column("float", "ours, float"), Column("int8", "ours, int8"))  # fmt: skip
    return Table(
        "worked-out",
        "Beside what follows from the study's figures",
        columns,
        tuple((r.title, _shown(r.study, r, 1), r.how, _shown(r.reference, r), _shown(r.deployed, r)) for r in rows),
        "Worked out, not reported: the study's accuracies are published in whole per cent.",
    )  # fmt: skip


def reported_words(figure: Reported) -> str:
    """What the study says, with its plus-minus."""
    if figure.value is None:
        return figure.says or ""
    percent = figure.percent
    spread = "" if figure.spread is None else f" ± {figure.spread}"
    text = number(figure.value, percent, _digits(figure)) if percent else f"{figure.value}"
    return text + spread + ("" if figure.over is None else f", {figure.over}")


def value_words(value: Value, figure: Reported) -> str:
    """Ours, with its interval."""
    if value is None:
        return "not trained"
    if isinstance(value, str):
        return value
    digits = 2 if figure.percent else 3
    best = value.best
    text = number(value.value, figure.percent, digits)
    if best is None:
        return text
    low, high = (number(end, figure.percent, digits).removesuffix(" %") for end in (best.low, best.high))
    return f"{text} ({low} to {high})"


def over_words(value: Value) -> str | None:
    """What its interval is over."""
    best = value.best if isinstance(value, Estimate) else None
    return None if best is None else best.over


def bar_words(figure: Reported) -> str | None:
    """The bar."""
    bar = figure.bar
    if bar is None:
        return None
    if bar.peak is not None:
        return "at neither end"
    if bar.at_most is not None:
        return f"at most {100 * bar.at_most:.1f} %"
    assert bar.within is not None, "a bar has one of the three"
    return f"± {100 * bar.within:.0f} pp" if figure.percent else f"± {bar.within}"


def bounds(value: Value) -> tuple[float | None, float | None, float | None]:
    """A number with the ends of the interval to quote; ``None`` for what there is not."""
    if not isinstance(value, Estimate):
        return None, None, None
    best = value.best
    return (value.value, None, None) if best is None else (value.value, best.low, best.high)


def number(value: float, percent: bool, digits: int) -> str:
    """A share in per cent, or a plain number."""
    return f"{100 * value:.{digits}f} %" if percent else f"{value:.{digits}f}"


def _comparison_note(found: Scaling) -> str:
    reference, deployed = sides(found)
    setting, recipe = reference.setting, reference.setting.recipe
    trained, planned = widths_trained(found)
    whole = "the whole family" if complete(found) else f"{trained} of {planned} widths of ScaleCNN"
    runs = ["{runtime[0]} {runtime_version[0]} ({kernels[0]})".format(**side.run) for side in (reference, deployed)]
    return (
        f"{len(reference.models)} models, {whole}; {recipe.epochs} epochs, recipe {recipe.name}, {setting.precision}; "
        f"{reference.images:,} {setting.split} images of {setting.data}. Float: {runs[0]}. Int8: {runs[1]}. "
        "Intervals are 95 %."
    )


def _digits(figure: Reported) -> int:
    """As published: an ECE of 0.110, an accuracy of 42 %."""
    return 1 if figure.topic == "calibration" else 0


def _shown(value: float, row: WorkedOut, digits: int = 2) -> str:
    return number(value, row.percent, digits if row.percent else 3)
