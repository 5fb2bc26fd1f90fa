"""The figures of what quantization does: its cost by size, and whether the same images flip in every model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator
from style import INK, INT8, SOFT, TITLE, Look, bare, percent, point, sheet, sizes

from tinyedge.study.cost import QuantizationCost, WidthCost
from tinyedge.study.estimate import Estimate
from tinyedge.study.exemplars import Exemplars

CHANGED = Look("#009E73", "#c9ebe0", "s", "right or wrong changes", 1.0)


def cost_figure(cost: QuantizationCost) -> Figure:
    """Accuracy lost, images whose class changes, and overlap of the error sets, float against int8, by width."""
    figure, axes = sheet(3.3, ncols=3)
    drops, changes, overlaps = axes
    for width in cost.widths:
        _place(drops, width, width.drop)
        _place(overlaps, width, width.paired["jaccard"])
        _place(changes, width, width.paired["flips"])
        _place(changes, width, width.paired["discordance"], CHANGED)
    for name, text, up in (("flips", "another class", 8), ("discordance", "right or wrong\nchanges", 7)):
        last = cost.widths[0].paired[name].value
        changes.annotate(
            text, (cost.widths[0].params * 1.1, last), xytext=(4, up), textcoords="offset points", fontsize=8.5,
            color=INK, va="bottom", linespacing=1.05,
        )  # fmt: skip
    drops.axhline(0, color=SOFT, linewidth=1)
    drops.yaxis.set_major_formatter(lambda value, _: f"{100 * value:+.1f} pp" if abs(value) > 1e-9 else "0")
    changes.set_ylim(0, changes.get_ylim()[1] * 1.12)
    percent(changes)
    overlaps.set_ylim(min(0.9, overlaps.get_ylim()[0]), 1)
    for axis, title in zip(axes, ("accuracy lost", "images that change", "Jaccard, float to int8"), strict=True):
        sizes(axis, cost.widths[0].params / 1.35, cost.widths[-1].params * 1.35, most=4)
        bare(axis)
        axis.set_title(title, **TITLE)
    handles = [
        Line2D([], [], color=INT8.color, marker="D", linewidth=1.4, markersize=5,
               label="several seeds, interval over seeds"),
        Line2D([], [], color=INT8.color, marker="D", markerfacecolor=INT8.tint, linewidth=1.4, markersize=5,
               label="one seed, interval over images"),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=9, labelcolor=INK)
    return figure


def exemplars_figure(panels: Sequence[tuple[str, Sequence[int], Sequence[float], Sequence[float]]]) -> Figure:
    """In how many models each image flips, against what chance alone would give.

    Args:
        panels: a title; images by the number of models in which they flip; the same if models were independent, each
            with its own rate; and with the rate of images of like confidence.
    """
    lasts = [
        max(k for k, row in enumerate(zip(counts, by_rate, by_confidence, strict=True)) if max(row) >= 0.5)
        for _, counts, by_rate, by_confidence in panels
    ]
    ratios = [1.2 + last for last in lasts]
    figure, axes = sheet(3.4, ncols=len(panels), sharey=True, squeeze=False, width_ratios=ratios)
    most = max(max(*panel[1], *panel[2]) for panel in panels)
    for axis, last, (title, counts, by_rate, by_confidence) in zip(axes[0], lasts, panels, strict=True):
        at = np.arange(last + 1)
        for k in at[::2]:
            axis.axvspan(k - 0.5, k + 0.5, color="#f3f4f7", linewidth=0, zorder=0)
        axis.plot(at - 0.22, by_rate[: last + 1], "o", markersize=6, color=SOFT, markerfacecolor="white")
        axis.plot(at, [n or np.nan for n in counts[: last + 1]], INT8.marker, markersize=7, color=INT8.color)
        axis.plot(at + 0.22, by_confidence[: last + 1], CHANGED.marker, markersize=5.5, color=CHANGED.color)
        _logarithmic(axis, most)
        for k, count in enumerate(counts[: last + 1]):
            if not count:  # a logarithmic axis has no 0
                axis.annotate("0", (k, 0.36), fontsize=9, color=INT8.color, ha="center", va="bottom")
        axis.set_xticks(at)
        axis.set_xlabel(f"{'seeds' if 'seeds' in title else 'models'} with a flip")
        axis.set_xlim(-0.5, last + 0.5)
        bare(axis, grid="y")
        axis.set_title(title, **TITLE)
    axes[0][0].set_ylabel("images (log scale)")
    handles = [
        Line2D([], [], color=SOFT, marker="o", markerfacecolor="white", linestyle="none",
               label="chance, the same for all images"),
        Line2D([], [], color=INT8.color, marker=INT8.marker, linestyle="none", label="seen"),
        Line2D([], [], color=CHANGED.color, marker=CHANGED.marker, linestyle="none", label="chance, by confidence"),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9, labelcolor=INK)
    return figure


def exemplar_panels(found: Exemplars) -> list[tuple[str, Sequence[int], Sequence[float], Sequence[float]]]:
    """A panel for each of the two smallest widths of three seeds or more, and one for all models."""
    widths = [width for width in found.widths if len(width.seeds) > 2][:2]
    return [
        *((f"{w.label}, {len(w.seeds)} seeds", w.counts, w.counts_expected, w.counts_expected_by_confidence)
          for w in widths),
        (f"all {found.models} models", found.counts, found.counts_expected, found.counts_expected_by_confidence),
    ]  # fmt: skip


def _place(axis: Axes, width: WidthCost, found: Estimate, look: Look = INT8) -> None:
    best = found.best
    bounds = None if best is None else (best.low, best.high)
    point(axis, width.params, found.value, look, several=len(width.seeds) > 1, bounds=bounds)


def _logarithmic(axis: Axes, most: float) -> None:
    axis.set_yscale("log")
    axis.set_ylim(0.3, most * 4)
    axis.yaxis.set_major_locator(FixedLocator([tick for tick in (1, 10, 100, 1000, 10000) if tick < most * 4]))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
