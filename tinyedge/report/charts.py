"""The plots of a report. Colours are Okabe and Ito's, which colour-blind readers can tell apart; marks differ as well.

Source: Okabe and Ito, Color Universal Design, 2008.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator, PercentFormatter

from tinyedge.metrics.calibration import ReliabilityBin
from tinyedge.report.changes import Group
from tinyedge.report.schema import Parity
from tinyedge.report.svg import inline, settings

REFERENCE, DEPLOYED, GAP = "#0072B2", "#D55E00", "#E69F00"
_INK, _FAINT = "#3b4252", "#d5d9e0"


def reliability(bins: Sequence[ReliabilityBin], *, name: str, title: str, color: str) -> Markup:
    """Accuracy by confidence, with how many images are in each bin below; the diagonal is a model that is calibrated.

    Args:
        bins: of one model.
        name: of the figure in the page.
        title: what stands over it.
        color: of its bars.
    """
    with settings():
        figure = Figure(figsize=(4.3, 4.6), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        full = [(i, b, b.confidence, b.accuracy) for i, b in enumerate(bins) if b.confidence is not None]
        described = {}
        upper.plot([0, 1], [0, 1], color=_INK, linewidth=1, linestyle=(0, (4, 3)), zorder=3)
        for i, found, confidence, accuracy in full:
            assert accuracy is not None, "a bin with images has both"
            width, middle = found.high - found.low, (found.low + found.high) / 2
            upper.bar(middle, accuracy, width * 0.92, color=color, alpha=0.85, gid=f"{name}-bin{i}")
            upper.plot([middle, middle], sorted((accuracy, confidence)), color=GAP, linewidth=3, zorder=2)
            lower.bar(middle, found.count, width * 0.92, color=_INK, alpha=0.6, gid=f"{name}-count{i}")
            described[f"{name}-bin{i}"] = described[f"{name}-count{i}"] = (
                f"confidence {found.low:.0%} to {found.high:.0%}: {found.count:,} images, mean confidence "
                f"{confidence:.1%}, accuracy {accuracy:.1%}"
            )
        _bare(upper)
        _bare(lower)
        upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
        lower.set(xlabel="confidence", ylabel="images")
        for axis in (upper.yaxis, lower.xaxis):
            axis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
        lower.yaxis.set_major_locator(MaxNLocator(2, integer=True))
        lower.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    return inline(figure, name, label=f"Reliability diagram: {title}", described=described)


def classes(groups: Sequence[Group]) -> Markup:
    """Every class's accuracy before and after, in the order of ``groups``: columns of equal width.

    Together they fill the element with ``data-mark="area"``, so that the page's script finds a class by its place.
    """
    count = len(groups)
    x = np.arange(count)
    before, after = np.array([g.reference for g in groups]), np.array([g.deployed for g in groups])
    size = float(np.clip(420 / count, 1.6, 7))
    with settings():
        figure = Figure(figsize=(10.4, 3.5), layout="constrained")
        axes = figure.add_subplot()
        lower, higher = after < before, after > before
        for mask, color in ((lower, DEPLOYED), (higher, REFERENCE)):
            axes.vlines(x[mask], before[mask], after[mask], color=color, alpha=0.55, linewidth=size * 0.45)
        axes.plot(x, before, "o", markersize=size, markerfacecolor="white", color=REFERENCE, markeredgewidth=size / 5)
        axes.plot(x, after, "D", markersize=size * 0.8, color=DEPLOYED, markeredgewidth=0)
        _bare(axes)
        axes.set(xlim=(-0.5, count - 0.5), ylim=(-0.02, 1.04), ylabel="accuracy")
        axes.set_xlabel("classes, largest drop first", loc="left")
        axes.xaxis.set_major_locator(NullLocator())
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
        axes.axvspan(-0.5, count - 0.5, facecolor="none", zorder=9, gid="area")
    label = f"Accuracy of {count:,} classes before and after; the table below has all"
    return inline(figure, "classes", label=label, marked=("area",))


def lsb(parity: Parity) -> Markup:
    """How far the outputs of two sets of kernels are apart, in steps of the quantized output."""
    steps = sorted(parity.lsb_histogram)
    counts = [parity.lsb_histogram[step] for step in steps]
    total = sum(counts)
    with settings():
        figure = Figure(figsize=(4.8, 2.6), layout="constrained")
        axes = figure.add_subplot()
        described = {}
        for step, count in zip(steps, counts, strict=True):
            axes.bar(step, count, 0.8, color=REFERENCE if step == 0 else DEPLOYED, gid=f"lsb{step}")
            described[f"lsb{step}"] = f"{step:+d} LSB: {count:,} outputs, {count / total:.3%}"
        _bare(axes)
        axes.set_yscale("log")
        axes.set(xlabel="difference in steps (LSB)", ylabel="outputs", ylim=(0.5, total * 2))
        axes.set_xlim(min(-1, steps[0]) - 0.7, max(1, steps[-1]) + 0.7)
        axes.xaxis.set_major_locator(MaxNLocator(9, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+.0f}" if value else "0"))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.yaxis.set_minor_locator(NullLocator())
    return inline(figure, "lsb", label="Histogram of differences between the two sets of kernels", described=described)


def _bare(axes: Axes) -> None:
    """Only what is needed to read the figures off."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_FAINT)
    axes.tick_params(colors=_INK, length=0)
    axes.yaxis.label.set_color(_INK)
    axes.xaxis.label.set_color(_INK)
    axes.grid(axis="y", color=_FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
