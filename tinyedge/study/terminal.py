"""The study as a person reads it, at 80 columns: sizes, the law, which images and classes fail, calibration, int8."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from tinyedge.report.terminal import escape, print_lines
from tinyedge.study.curves import Curve, Point
from tinyedge.study.estimate import Estimate, Interval
from tinyedge.study.law import LEVEL, ErrorLaw
from tinyedge.study.overlap import Overlaps
from tinyedge.study.scaling import Alone, Scaling
from tinyedge.study.terminal_pair import pair_rows, pair_table
from tinyedge.study.words import base, bounds, ends_of, figure, named, percent, quoted, size

_SHOWN = 4
_COLUMNS = (
    ("top-1 %", "accuracy", 100, 2),
    ("Gini", "gini", 1, 3),
    ("corr.", "gini_corrected", 1, 3),
    ("bottom-5 %", "bottom5", 100, 1),
    ("shrunk", "bottom5_shrunk", 100, 1),
    ("ECE %", "ece", 100, 2),
    ("debiased", "ece_debiased", 100, 2),
    ("gap pp", "signed_gap", 100, 2),
    ("NLL", "nll", 1, 3),
)


def render(found: Scaling, console: Console) -> None:
    """Print ``found`` to ``console``."""
    one, setting = found.deployed, found.deployed.setting
    against = "" if found.reference is None else f" against {found.reference.setting.target}"
    console.print(f"[bold]{escape(setting.family)}[/] on [bold]{escape(setting.target)}[/]{against}")
    print_lines(console, *_facts(found))
    console.print()
    console.print(_sizes(one))
    _section(console, "Error law: error = k x parameters^-alpha", _law_rows(found))
    _section(console, "Which images fail", _overlap_rows(found))
    _section(console, "Which classes fail", _class_rows(one))
    _section(console, "What confidence means", _calibration_rows(found))
    if found.pair is not None and found.reference is not None:
        console.print(f"\n[bold]What {escape(setting.target)} costs[/]: deployed less {escape(_base(found))}")
        console.print(pair_table(found.pair))
        print_lines(console, *pair_rows(found.pair, escape(_base(found))))
    cautions = _cautions(found)
    if cautions:
        _section(console, "Cautions (*)", [("", escape(text)) for text in cautions])


def _section(console: Console, title: str, rows: list[tuple[str, str]]) -> None:
    console.print(f"\n[bold]{title}[/]")
    print_lines(console, *rows)


def _facts(found: Scaling) -> list[tuple[str, str]]:
    one, setting = found.deployed, found.deployed.setting
    points = next(iter(one.curves.values())).points
    widths = ", ".join(f"{p.label} ({len(p.seeds)})" for p in points)
    recipe = f"recipe {escape(setting.recipe.name)}, {setting.recipe.epochs} epochs, {setting.precision}"
    synthetic = "synthetic; " if setting.synthetic else ""
    rows = [
        ("models", f"{len(one.models)}: widths (seeds) {widths}; {recipe}"),
        ("data", f"{escape(setting.data)} {setting.split}, {synthetic}{one.images:,} images, {one.classes} classes"),
        ("kernels", _kernels(one)),
    ]
    if found.reference is not None:
        rows.append(("float" if _base(found) == "float" else "reference", _kernels(found.reference)))
    rows += [("note" if i == 0 else "", escape(note)) for i, note in enumerate(found.notes)]
    rows.append(("intervals", "two-sided 95 %, s over seeds, i over images; * with a caution, below"))
    return rows


def _kernels(one: Alone) -> str:
    return escape("; ".join(" ".join(one.run[key]) for key in ("runtime", "runtime_version", "kernels")))


def _sizes(one: Alone) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    shown = [column for column in _COLUMNS if column[1] in one.curves]
    for title in ("", "params", *(title for title, *_ in shown)):
        table.add_column(title, justify="right" if title else "left", no_wrap=True)
    for i, point in enumerate(one.curves["accuracy"].points):
        cells = [figure(scale * one.curves[name].points[i].mean.value, digits) for _, name, scale, digits in shown]
        table.add_row(point.label, size(point.params), *cells)
    return table


def _law_rows(found: Scaling) -> list[tuple[str, str]]:
    law = found.deployed.law
    if law is None:
        return [("alpha", f"no law: {len(found.deployed.curves['accuracy'].points)} widths are too few")]
    rows = [("alpha", f"{quoted(law.alpha)}, R2 {law.r2:.3f}; {_other_intervals(law)}")]
    if found.pair is not None and found.pair.alpha_change is not None and found.reference and found.reference.law:
        change = quoted(found.pair.alpha_change, sign=True, digits=4)
        name = escape(_base(found))
        rows.append(("", f"{name} {found.reference.law.alpha.value:.3f}; deployed less {name} {change}"))
    last = law.local[-1]
    so_far = " so far as trained" if law.untrained else ""
    return [
        *rows,
        ("local", "; ".join(f"{'-'.join(e.between)} {quoted(e.exponent)}" for e in law.local)),
        ("falling", f"{law.falls}: local exponents change by {quoted(law.curvature, sign=True)} a tenfold"),
        (
            "levelling",
            f"{law.saturates}{so_far} (an exponent below {LEVEL:g}): {'-'.join(last.between)} is {quoted(law.below)} "
            "below alpha",
        ),
    ]


def _other_intervals(law: ErrorLaw) -> str:
    """The intervals of alpha that are not quoted first."""
    best = law.alpha.best
    rest = [i for i in law.alpha.intervals if i is not best]
    return "; ".join(f"{_name(i)} {bounds(i)}" for i in rest) or "no interval"


def _name(interval: Interval) -> str:
    return {"widths": "off the line", "images": "images"}.get(interval.over, interval.method.split(",")[0])


def _overlap_rows(found: Scaling) -> list[tuple[str, str]]:
    overlaps = found.deployed.overlaps
    ends = overlaps.ends
    seeds = f"{len(ends.seeds[0])} x {len(ends.seeds[1])}"
    beside = found.reference
    float_one = "" if beside is None else f"; {escape(_base(found))} {beside.overlaps.ends.jaccard.value:.3f}"
    rows = [
        (
            "Jaccard",
            f"{ends.small} to {ends.large} {quoted(ends.jaccard)} over {seeds} pairs of seeds; "
            f"nested {ends.nested:.3f}, independent {ends.independent:.3f}{float_one}",
        ),
        ("moved", f"{quoted(ends.redistribution)} below nested"),
        *_beyond(overlaps),
    ]
    rows.append(("next", ", ".join(f"{o.small}-{o.large} {o.jaccard.value:.3f}" for o in overlaps.neighbours)))
    noise = "; ".join(f"{n.label} {quoted(n.jaccard)}, nested {n.nested:.3f}" for n in ends_of(overlaps.same_width))
    return [*rows, ("two seeds", noise or "no width has two seeds: how much of this is chance is not known")]


def _beyond(overlaps: Overlaps) -> list[tuple[str, str]]:
    other = overlaps.ends.other_seed
    if other is None:
        return []
    verdict = "both say the same" if other.decided else "so these baselines do not decide what is size's"
    text = (
        f"below another seed of {overlaps.ends.small} cut to as few errors: {quoted(other.beyond, sign=True)} if those "
        f"of the least likely labels stay, {quoted(other.beyond_thinned, sign=True)} if any do; {verdict}"
    )
    return [("", text)]


def _class_rows(one: Alone) -> list[tuple[str, str]]:
    rows = [
        (title, _ends(one.curves[name], scale, digits, unit))
        for title, name, scale, digits, unit in (("Gini", "gini", 1, 3, ""), ("bottom-5", "bottom5", 100, 1, " %"))
        if name in one.curves
    ]
    given = one.given_up
    shown = given.superclasses[:_SHOWN] or given.classes[:_SHOWN]
    told = [f"{escape(named(g.name))} {g.small:.0%} of {g.large:.0%}" for g in shown]
    rows.append(("given up", f"{', '.join(told)} ({given.small} of {given.large}; the largest losses)"))
    worst = sorted(given.classes, key=lambda g: g.small)[:_SHOWN]
    counts = ", ".join(f"{count} at {label}" for label, count in given.abandoned if count) or "none at any width"
    lowest = ", ".join(f"{escape(named(g.name))} {g.small:.0%}" for g in worst)
    return [*rows, ("lowest", f"{lowest}; classes at 5 % or less: {counts}")]


def _ends(curve: Curve, scale: float, digits: int, unit: str) -> str:
    first, last = curve.points[0], curve.points[-1]

    def told(point: Point) -> str:
        return f"{quoted(point.mean, scale=scale, digits=digits)}{unit} at {point.label}"

    between = {"turns": "turns between"}.get(curve.steps or "", f"{curve.steps} at every step")
    return f"{told(first)}, {told(last)}; {between}"


def _calibration_rows(found: Scaling) -> list[tuple[str, str]]:
    one = found.deployed
    peak = one.peak
    floor = one.curves["ece_floor"].points[0].mean.value
    rows = [
        ("ECE", f"{_ends(one.curves['ece'], 100, 2, ' %')}; floor {100 * floor:.2f} % at {peak_start(one)}"),
        ("gap", _ends(one.curves["signed_gap"], 100, 2, " pp")),
        ("U shape", f"inverted U: {peak.shape.replace('inverted U', 'yes')}; {peak.why}"),
    ]
    best = f"{peak.smallest.label}" + (
        "" if peak.smallest.share is None else f" ({percent(peak.smallest.share)} of draws)"
    )
    if found.reference is not None:
        best += f"; {escape(_base(found))}: {found.reference.peak.smallest.label}"
    return [*rows, ("best", f"calibrated: {best}")]


def _base(found: Scaling) -> str:
    return base(found.reference.setting.target) if found.reference is not None else ""


def peak_start(one: Alone) -> str:
    """The smallest width's name."""
    return one.curves["ece"].points[0].label


def _cautions(found: Scaling) -> list[str]:
    """Every caution of an interval that is printed, once."""
    law = found.deployed.law
    quoted_first = [e.best for e in _printed(found) if e.best is not None]
    intervals = [*quoted_first, *(law.alpha.intervals if law is not None else ())]
    return list(dict.fromkeys(i.caution for i in intervals if i.caution))


def _printed(found: Scaling) -> Iterator[Estimate]:
    one, pair = found.deployed, found.pair
    if one.law is not None:
        yield from (one.law.curvature, one.law.below, *(e.exponent for e in one.law.local))
    ends = one.overlaps.ends
    yield from (ends.jaccard, ends.redistribution)
    if ends.other_seed is not None:
        yield from (ends.other_seed.beyond, ends.other_seed.beyond_thinned)
    if pair is not None:
        yield pair.cost.drop
        if pair.alpha_change is not None:
            yield pair.alpha_change
        if pair.cost.redistribution_change is not None:
            yield pair.cost.redistribution_change
