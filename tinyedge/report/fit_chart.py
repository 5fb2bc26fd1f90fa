"""The plot of ``tinyedge fit``: error against what each member takes, with the board's limits, as one SVG file.

Colours are Okabe and Ito's; marks differ as well, and every point has its name beside it and its figures as a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator, PercentFormatter

from tinyedge.gate import Status
from tinyedge.report.fit import Fit, Row
from tinyedge.report.svg import inline, settings

_INK, _FAINT, _LIMIT = "#3b4252", "#d5d9e0", "#D55E00"
_MARKS: dict[Status | None, tuple[str, str, str]] = {
    Status.PASS: ("o", "#0072B2", "keeps budget and gates"),
    Status.INCONCLUSIVE: ("s", "#E69F00", "not settled"),
    Status.FAIL: ("X", "#D55E00", "beyond the budget, or a gate failed"),
}
_TICKS = (1, 2, 5)


@dataclass(frozen=True)
class _Panel:
    """One of the plots side by side.

    Args:
        key: of ``Row`` and of ``Fit.limits``.
        title: below its axis.
        scale: what a unit of the axis is.
    """

    key: str
    title: str
    scale: float


def svg(found: Fit) -> str:
    """A file that any browser shows: error of the deployed model over flash, RAM and work, a point a member."""
    rows = [row for row in found.rows if row.accuracy is not None]
    panels = [panel for panel in _panels(found) if any(getattr(row, panel.key) is not None for row in rows)]
    described: dict[str, str] = {}
    with settings():
        figure = Figure(figsize=(3.6 * max(len(panels), 1), 3.9), layout="constrained")
        if panels:
            axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
            for axis, panel in zip(axes, panels, strict=True):
                described |= _draw(axis, panel, rows, found.limits.get(panel.key))
            axes[0].set_ylabel("error (top-1)")
            axes[0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
            _legend(figure, rows)
        figure.suptitle(f"{found.board['title']}: {found.data['images']:,} images of {found.data['name']}", fontsize=10)
    listed = "; ".join(_said(row) for row in rows)
    drawn = inline(
        figure, "fit", label=f"Error by what a model takes of {found.board['name']}. {listed}", described=described
    )
    return str(drawn).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" ', 1) + "\n"


def _panels(found: Fit) -> tuple[_Panel, ...]:
    work = _Panel(
        "work", "estimated NPU cycles, thousands" if found.unit == "cycles" else "instructions, millions", 1e6
    )
    if found.unit == "cycles":
        work = _Panel("work", work.title, 1e3)
    return _Panel("flash", "flash, KiB", 1024), _Panel("ram", "RAM, KiB", 1024), work


def _draw(axis: Axes, panel: _Panel, rows: Sequence[Row], limit: float | None) -> dict[str, str]:
    """Points with bounds and names, and the limit; what each point says where the pointer rests on it."""
    described = {}
    shown = [(row, getattr(row, panel.key)) for row in rows if getattr(row, panel.key) is not None]
    for row, figure in shown:
        assert row.accuracy is not None, "only rows that ran are drawn"
        mark, color, _ = _MARKS[row.verdict]
        x, name = figure.value / panel.scale, f"{panel.key}-{row.model}"
        if row.bounds is not None:
            axis.plot([x, x], [1 - bound for bound in row.bounds], color=_INK, linewidth=1, zorder=2)
        axis.plot(x, 1 - row.accuracy, mark, color=color, markersize=8, markeredgecolor="white", gid=name, zorder=3)
        axis.annotate(
            row.model.partition("-")[2], (x, 1 - row.accuracy), xytext=(7, 4), textcoords="offset points", color=_INK
        )
        described[name] = _said(row)
    values = [figure.value / panel.scale for _, figure in shown]
    ends = (*values, limit / panel.scale) if limit is not None else tuple(values)
    axis.set_xscale("log")
    axis.set_xlim(min(ends) / 1.35, max(ends) * 1.6)
    if limit is not None:
        x, name = limit / panel.scale, f"{panel.key}-limit"
        axis.axvline(x, color=_LIMIT, linewidth=1.5, linestyle=(0, (4, 3)), gid=name, zorder=1)
        axis.axvspan(x, axis.get_xlim()[1], color=_LIMIT, alpha=0.08, linewidth=0, zorder=0)
        axis.annotate(
            f"limit {x:,.4g}", (x, 0.98), xycoords=("data", "axes fraction"), xytext=(-4, 0), rotation=90,
            textcoords="offset points", ha="right", va="top", color=_LIMIT, fontsize=8,
        )  # fmt: skip
        described[name] = f"the limit: {x:,.6g} ({panel.title})"
    _bare(axis, panel.title)
    return described


def _bare(axis: Axes, title: str) -> None:
    low, high = axis.get_xlim()
    ticks = [step * 10.0**power for power in range(-3, 10) for step in _TICKS]
    inside = [tick for tick in ticks if low <= tick <= high]
    axis.set_xticks(inside if len(inside) <= 6 else inside[:: len(inside) // 5])
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlabel(title, color=_INK)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(_FAINT)
    axis.tick_params(colors=_INK, length=0)
    axis.yaxis.label.set_color(_INK)
    axis.grid(color=_FAINT, linewidth=0.6)
    axis.set_axisbelow(True)


def _legend(figure: Figure, rows: Sequence[Row]) -> None:
    """Which mark means what, of those that are there."""
    from matplotlib.lines import Line2D

    there = [_MARKS[status] for status in _MARKS if any(row.verdict is status for row in rows)]
    handles = [
        Line2D([], [], marker=mark, color=color, linestyle="none", markeredgecolor="white", markersize=8, label=says)
        for mark, color, says in there
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)


def _said(row: Row) -> str:
    """A member's figures in words."""
    assert row.accuracy is not None
    parts = [f"{row.model}: error {1 - row.accuracy:.2%}"]
    if row.flash is not None:
        parts.append(f"{row.flash.value:,.0f} bytes of flash")
    if row.ram is not None:
        parts.append(f"{row.ram.value:,.0f} bytes of RAM")
    if row.work is not None:
        parts.append(f"{row.work.value:,.0f} {'cycles' if row.work.note == 'estimate' else 'instructions'}")
    judged = "" if row.verdict is None else f" ({row.verdict})"
    return ", ".join(parts) + judged
