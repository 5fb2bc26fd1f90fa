"""The figures of how mistakes change with size: the error law, and how far error sets overlap."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator
from reported import Study
from style import (
    BAND,
    FLOAT,
    INK,
    INT8,
    SOFT,
    TITLE,
    Look,
    across,
    bare,
    key,
    percent,
    point,
    published,
    sheet,
    short,
    sizes,
)

from tinyedge.study.estimate import Estimate
from tinyedge.study.law import ErrorLaw
from tinyedge.study.overlap import Overlap, Overlaps, SeedNoise

_ERRORS = (0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6)


def law_figure(study: Study, reference: ErrorLaw, deployed: ErrorLaw) -> Figure:
    """Error against size with the fit, and the exponents between neighbours."""
    figure, (left, right) = sheet(3.8, ncols=2, width_ratios=(1.4, 1))
    reach = (min(p.params for p in reference.points) / 1.25, max(*(p.params for p in reference.points), 1.2e6) * 1.9)
    _study_law(left, study, reach)
    for law, look in ((reference, FLOAT), (deployed, INT8)):
        _fitted(left, law, look, reach)
        _local(right, law, look)
    left.set_yscale("log")
    best = min(1 - study.value("accuracy-middle"), *(p.error for p in reference.points)) / 1.2
    left.set_ylim(best, 0.66)
    left.set_yticks([tick for tick in _ERRORS if best <= tick <= 0.66])
    left.yaxis.set_minor_locator(NullLocator())
    percent(left)
    left.set_ylabel("test error (log scale)")
    alpha = study.figures["alpha"]
    assert alpha.value is not None
    low, high = right.get_ylim()
    right.set_ylim(min(low, alpha.value - 0.06), high)
    right.yaxis.set_major_locator(MaxNLocator(6))
    right.set_ylabel("exponent, from width to width")
    across(right, alpha.value, "the study, all widths", dashes=(4, 3))
    across(right, study.between_accuracies(), "the study, 22K to 1.2M", dashes=(1, 2))
    ends = [size for exponent in reference.local for size in exponent.params]
    for axis, low, high, most in ((left, *reach, 7), (right, min(ends) / 1.15, max(ends) * 1.15, 4)):
        sizes(axis, low, high, most=most)
        bare(axis)
    left.set_title("error against size", **TITLE)
    right.set_title("local exponents", **TITLE)
    key(figure, (FLOAT, INT8), single=any(len(p.seeds) == 1 for p in reference.points), study=True)
    return figure


def overlap_figure(study: Study, reference: Overlaps, deployed: Overlaps) -> Figure:
    """The Jaccard of error sets, a row a pair of widths, between its two baselines."""
    rows = _rows(reference, deployed)
    figure, axis = sheet(1.2 + 0.33 * (len(rows) + 1), ncols=1)
    names = []
    for at, (name, before, after) in enumerate(rows):
        names.append(name)
        axis.plot([before.independent, before.nested], [at, at], color=BAND, linewidth=11, solid_capstyle="butt")
        if isinstance(before, Overlap) and before.other_seed is not None:
            for baseline, color in ((before.other_seed.jaccard, INK), (before.other_seed.thinned, SOFT)):
                axis.plot([baseline] * 2, [at - 0.3, at + 0.3], color=color, linewidth=1.4)
        for pair, look, up in ((before, FLOAT, -0.14), (after, INT8, 0.14)):
            _across(axis, pair.jaccard, at + up, look, several=_several(pair))
    jaccard = study.figures["jaccard"]
    assert jaccard.value is not None
    at = len(rows)
    published(axis, jaccard.value, at, f"{jaccard.value}", at=(8, -3))
    names.append("the study: " + ", ".join(short(size) for size in jaccard.params))
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(rows) + 0.6, -0.6)
    axis.set_xlim(0, 1)
    axis.set_xlabel("Jaccard overlap of the two error sets")
    bare(axis, grid="x")
    more = [
        Line2D([], [], color=BAND, marker="s", markersize=11, linestyle="none",
               label="from independent to nested errors"),
        Line2D([], [], color=INK, linewidth=0, marker="|", markersize=11, markeredgewidth=1.4,
               label="another seed, its hardest errors kept"),
        Line2D([], [], color=SOFT, linewidth=0, marker="|", markersize=11, markeredgewidth=1.4,
               label="another seed, any errors kept"),
    ]  # fmt: skip
    single = any(not _several(before) for _, before, _ in rows)
    key(figure, (FLOAT, INT8), single=single, study=True, more=more, columns=3)
    return figure


def _study_law(axis: Axes, study: Study, reach: tuple[float, float]) -> None:
    """Its two published accuracies, and the line through the smaller with its exponent."""
    start, alpha = study.figures["accuracy-small"], study.value("alpha")
    assert start.value is not None
    x = np.array([start.params[0], reach[1]])
    line = (1 - start.value) * (x / x[0]) ** -alpha
    axis.plot(x, line, color=INK, linewidth=1.1, linestyle=(0, (4, 3)), zorder=2)
    at = 1.2e5
    axis.annotate(
        f"the study's exponent, {alpha}", (at, (1 - start.value) * (at / x[0]) ** -alpha), xytext=(5, 3),
        textcoords="offset points", fontsize=8.5, color=INK,
    )  # fmt: skip
    for name, place, align in (("accuracy-small", (9, 4), "left"), ("accuracy-middle", (0, -16), "center")):
        figure = study.figures[name]
        assert figure.value is not None
        published(axis, figure.params[0], 1 - figure.value, f"{100 * (1 - figure.value):.0f} %", at=place, ha=align)


def _fitted(axis: Axes, law: ErrorLaw, look: Look, reach: tuple[float, float]) -> None:
    x = np.array([p.params for p in law.points], float)
    axis.plot(x, law.scale * x**-law.alpha.value, color=look.color, linewidth=1.2, zorder=2)
    for p in law.points:
        point(axis, p.params * look.nudge, p.error, look, several=len(p.seeds) > 1, bounds=None)
    best = law.alpha.best
    bounds = "" if best is None else f" ({best.low:.3f} to {best.high:.3f})"
    text = f"{look.name.split()[0]}: alpha {law.alpha.value:.3f}{bounds}, R2 {law.r2:.3f}"
    place = (0.03, 0.11 if look is FLOAT else 0.04)
    axis.annotate(text, place, xycoords="axes fraction", fontsize=8.5, color=look.color)


def _local(axis: Axes, law: ErrorLaw, look: Look) -> None:
    seeds = {p.params: len(p.seeds) for p in law.points}
    for exponent in law.local:
        best = exponent.exponent.over("seeds")
        several = min(seeds[size] for size in exponent.params) > 1
        point(
            axis, float(np.sqrt(np.prod(np.array(exponent.params, float)))) * look.nudge, exponent.exponent.value, look,
            several=several, bounds=None if best is None else (best.low, best.high),
        )  # fmt: skip


def _rows(reference: Overlaps, deployed: Overlaps) -> list[tuple[str, Overlap | SeedNoise, Overlap | SeedNoise]]:
    """Seeds of one width, then neighbours, then the ends, each with its name."""
    rows: list[tuple[str, Overlap | SeedNoise, Overlap | SeedNoise]] = []
    for noise, after_noise in zip(reference.same_width, deployed.same_width, strict=True):
        rows.append((f"{noise.label}, two seeds", noise, after_noise))
    for before, after in zip(reference.neighbours, deployed.neighbours, strict=True):
        rows.append((f"{before.small} and {before.large}", before, after))
    if len(reference.neighbours) > 1:
        ends = reference.ends
        rows.append((f"{ends.small} and {ends.large}: the ends", ends, deployed.ends))
    return rows


def _several(pair: Overlap | SeedNoise) -> bool:
    return isinstance(pair, SeedNoise) or min(len(seeds) for seeds in pair.seeds) > 1


def _across(axis: Axes, found: Estimate, at: float, look: Look, *, several: bool) -> None:
    """A point on its side: the value along x."""
    best = found.over("seeds")
    if best is not None:
        axis.plot((best.low, best.high), [at, at], color=look.color, linewidth=1.4, solid_capstyle="butt", zorder=3)
    axis.plot(
        [found.value], [at], look.marker, markersize=6 if look.marker == "o" else 5, color=look.color,
        markerfacecolor=look.color if several else look.tint, markeredgewidth=1.2, zorder=4,
    )  # fmt: skip
