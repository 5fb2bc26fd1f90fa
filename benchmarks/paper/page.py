"""docs/study.md from its template: every figure in its prose is filled in from the results, so that none goes stale."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from comparison import Gaps, Line
from comparison_tables import page_table, reported_words, worked_out_table
from family_tables import pair_of, widths_table
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from ours import complete, sides, widths_trained
from reported import Study
from style import short
from tables import grid
from worked_out import WorkedOut

from tinyedge.models.family import members
from tinyedge.study.cost import WidthCost
from tinyedge.study.estimate import Estimate
from tinyedge.study.giving_up import Group
from tinyedge.study.scaling import Scaling

HERE = Path(__file__).parent
TEMPLATE = "study.md.jinja"
SCALES = {"": (1.0, ""), "%": (100.0, " %"), "pp": (100.0, " pp")}


def page(
    study: Study, lines: Sequence[Line], rows: Sequence[WorkedOut], families: dict[str, Scaling], gaps: Gaps
) -> str:
    """The page's text.

    Args:
        study: what is reported.
        lines: each figure beside ours.
        rows: what follows from the study's figures.
        families: ours by name.
        gaps: confidence less accuracy of ScaleCNN at the study's smallest size.
    """
    found = families["scalecnn"]
    reference, deployed = sides(found)
    # Markdown, not HTML: nothing is to be escaped.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {
        "number": number,
        "between": between,
        "change": change,
        "short": short,
        "largest": largest,
        "apart": apart,
    }
    trained = {p.params for p in reference.curves["accuracy"].points}
    absent = [m for m in members(reference.setting.family) if m.plan.params not in trained]
    return environment.get_template(TEMPLATE).render(
        study=study,
        comparison=grid(page_table(lines)),
        place=rows[-1],
        beyond=grid(worked_out_table(rows)),
        widths=grid(widths_table(found)),
        bars=_by_verdict(lines),
        outside=_outside(lines),
        verdicts={line.figure.id: line.verdicts for line in lines if line.verdicts is not None},
        gaps=gaps,
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
    interval = value.best
    if interval is None:
        return "no interval"
    low, high = (number(end, digits, unit) for end in (interval.low, interval.high))
    return f"{low.removesuffix(SCALES[unit][1])} to {high}, over {interval.over}"


def change(value: Estimate, digits: int, unit: str = "") -> str:
    """What the interval of a change says; of none, how large a change it leaves room for."""
    interval = value.best
    if interval is None:
        return "whether that is chance is not known"
    if not interval.holds(0):
        return "upwards" if value.value > 0 else "downwards"
    most = number(max(-interval.low, interval.high), digits, unit)
    return f"none that can be told from chance, and by that interval at most {most} either way"


def largest(widths: Sequence[WidthCost], name: str) -> str:
    """The width at which a figure of pairs is largest, with those whose intervals overlap with its own."""
    top = max(widths, key=lambda width: width.paired[name].value)
    near = [width.label for width in widths if width is not top and _overlap(width.paired[name], top.paired[name])]
    if near:
        return f"{top.label}, but its interval overlaps with {' and '.join(near)}'s"
    return f"{top.label}, whose interval overlaps with no other's"


def apart(groups: Sequence[Group]) -> int:
    """How many neighbours in this order have losses whose intervals do not overlap."""
    return sum(not _overlap(a.loss, b.loss) for a, b in pairwise(groups))


def _overlap(a: Estimate, b: Estimate) -> bool:
    """Whether two intervals do; also where one is not known."""
    one, other = a.best, b.best
    return one is None or other is None or max(one.low, other.low) <= min(one.high, other.high)


def _by_verdict(lines: Sequence[Line]) -> dict[str, list[str]]:
    """The figures with a bar by what is said of it: where float and int8 differ, both words."""
    found: dict[str, list[str]] = {}
    for line in lines:
        if line.verdicts is not None:
            words = list(dict.fromkeys(map(str, line.verdicts)))
            state = words[0] if len(words) == 1 else f"{words[0]} in float, {words[1]} in int8"
            values = _values(line) if line.verdicts[0].trained else ""
            found.setdefault(state, []).append(_title(line) + values)
    order = ("met", "missed")
    return dict(sorted(found.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))


def _outside(lines: Sequence[Line]) -> list[str]:
    """Figures that are not judged and lie, over the widths that there are, outside the bar in float or in int8."""
    return [
        _title(line) + _values(line)
        for line in lines
        if line.verdicts is not None and not line.verdicts[0].trained and False in (v.inside for v in line.verdicts)
    ]


def _title(line: Line) -> str:
    return line.figure.title + (f" at {short(line.figure.params[0])}" if len(line.figure.params) == 1 else "")


def _values(line: Line) -> str:
    """Ours and the study's in brackets, where both are numbers."""
    if not isinstance(line.reference, Estimate) or not isinstance(line.deployed, Estimate):
        return ""
    unit, digits = ("%", 1) if line.figure.percent else ("", 3)
    ours = [number(value, digits, unit) for value in (line.reference, line.deployed)]
    return f" ({ours[0]} in float, {ours[1]} in int8, the study {reported_words(line.figure)})"
