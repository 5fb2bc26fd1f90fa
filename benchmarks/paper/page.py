"""docs/study.md from its template: every figure in its prose is filled in from the results, so that none goes stale."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from comparison import Line, complete, sides, widths_trained
from comparison_tables import page_table, reported_words, worked_out_table
from family_tables import pair_of, widths_table
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from reported import Study
from style import short
from tables import grid
from worked_out import WorkedOut

from tinyedge.models.family import members
from tinyedge.study.estimate import Estimate
from tinyedge.study.scaling import Scaling

HERE = Path(__file__).parent
TEMPLATE = "study.md.jinja"
SCALES = {"": (1.0, ""), "%": (100.0, " %"), "pp": (100.0, " pp")}


def page(study: Study, lines: Sequence[Line], rows: Sequence[WorkedOut], families: dict[str, Scaling]) -> str:
    """The page's text.

    Args:
        study: what is reported.
        lines: each figure beside ours.
        rows: what follows from the study's figures.
        families: ours by name.
    """
    found = families["scalecnn"]
    reference, deployed = sides(found)
    # Markdown, not HTML: nothing is to be escaped.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {"number": number, "between": between, "change": change, "short": short}
    trained = {p.params for p in reference.curves["accuracy"].points}
    absent = [m for m in members(reference.setting.family) if m.plan.params not in trained]
    return environment.get_template(TEMPLATE).render(
        study=study,
        comparison=grid(page_table(lines)),
        place=rows[-1],
        beyond=grid(worked_out_table(rows)),
        widths=grid(widths_table(found)),
        met=_titles(lines, kept=True),
        kept={line.figure.id: all(line.kept) for line in lines if None not in line.kept},
        missed=_titles(lines, kept=False),
        unjudged=_titles(lines, kept=None),
        float=reference,
        int8=deployed,
        pair=pair_of(found),
        complete=complete(found),
        counts=widths_trained(found),
        absent=[(m.name.partition("-")[2], m.plan.params) for m in absent],
        single=[p.label for p in reference.curves["accuracy"].points if len(p.seeds) == 1],
        mobilenet="mobilenetv2" in families,
        notes=found.notes,
    )


def number(value: float | Estimate, digits: int, unit: str = "", *, sign: bool = False) -> str:
    """A value, of a share in per cent (``%``) or percentage points (``pp``).

    >>> number(0.0123, 1, "%"), number(-0.002, 2, "pp", sign=True), number(0.2, 3)
    ('1.2 %', '-0.20 pp', '0.200')
    """
    scale, after = SCALES[unit]
    plain = value.value if isinstance(value, Estimate) else value
    text = f"{scale * plain:{'+' if sign else ''}.{digits}f}"
    # A rounded nothing has no direction.
    return (text.lstrip("+-") if float(text) == 0 else text) + after


def between(value: Estimate, digits: int, unit: str = "") -> str:
    """An interval in words, and what it is over."""
    if value.best is None:
        return "no interval"
    low, high = (number(end, digits, unit) for end in (value.best.low, value.best.high))
    return f"{low.removesuffix(SCALES[unit][1])} to {high}, over {value.best.over}"


def change(value: Estimate) -> str:
    """What the interval of a change says."""
    if value.best is None:
        return "not known"
    if value.best.holds(0):
        return "none that can be told from chance"
    return "upwards" if value.value > 0 else "downwards"


def _titles(lines: Sequence[Line], *, kept: bool | None) -> list[str]:
    """The figures whose bar is met in both arithmetics, missed in one at least, or not judged in one at least."""
    found = []
    for line in lines:
        if line.figure.bar is None:
            continue
        state = None if None in line.kept else all(line.kept)
        if state is kept:
            at = f" at {short(line.figure.params[0])}" if len(line.figure.params) == 1 else ""
            found.append(line.figure.title + at + _values(line))
    return found


def _values(line: Line) -> str:
    """Ours and the study's in brackets, where both are numbers."""
    if not isinstance(line.reference, Estimate) or not isinstance(line.deployed, Estimate):
        return ""
    unit, digits = ("%", 1) if line.figure.percent else ("", 3)
    ours = [number(value, digits, unit) for value in (line.reference, line.deployed)]
    return f" ({ours[0]} in float, {ours[1]} in int8, the study {reported_words(line.figure)})"
