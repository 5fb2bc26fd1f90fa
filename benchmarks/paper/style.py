"""How every figure looks: size, colours, marks, axes; and the SVG file that it becomes.

A figure is 700 px wide on a page and 185 mm in print. Colours are Okabe and Ito's, marks differ as well, text stays
text. Drawn twice, a figure is the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from tinyedge.report.svg import inline

WIDTH = 7.3  # inches; a point is 4/3 px of a page
INK, FAINT, SOFT = "#3b4252", "#e3e6ec", "#8a93a6"
BAND = "#dde1e9"
TITLE: dict[str, Any] = {"fontsize": 10, "loc": "left", "color": INK}
_SIZES = (2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 2e7)


@dataclass(frozen=True)
class Look:
    """How one arithmetic is drawn.

    Args:
        color: of marks and lines.
        tint: what fills the mark of a point of one seed.
        marker: its shape.
        name: in legends and tables.
        nudge: factor on the axis of sizes, so that two points of one size do not hide each other.
    """

    color: str
    tint: str
    marker: str
    name: str
    nudge: float


FLOAT = Look("#0072B2", "#cfe3f2", "o", "float", 0.975)
INT8 = Look("#D55E00", "#f9dcc9", "D", "int8 on TFLite Micro", 1.025)


def sheet(height: float, **panels: Any) -> tuple[Figure, Any]:
    """A figure of the page's width and its axes, as ``Figure.subplots`` gives them."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained", facecolor="white")
    return figure, figure.subplots(**panels)


def svg(figure: Figure, name: str, *, label: str, described: Mapping[str, str] | None = None) -> str:
    """The figure as a file that any browser shows, with ``label`` for who cannot see it."""
    drawn = str(inline(figure, name, label=label, described=described))
    return drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" ', 1) + "\n"


def short(count: float) -> str:
    """A number of parameters as people say it.

    >>> short(21_936), short(1_198_916), short(19_803_748)
    ('22K', '1.2M', '19.8M')
    """
    return f"{count / 1e6:.3g}M" if count >= 999_500 else f"{count / 1e3:.0f}K"


def bare(axis: Axes, *, grid: str = "both") -> None:
    """Only what is needed to read the figures off."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(SOFT)
    axis.tick_params(colors=INK, length=0, labelsize=9)
    axis.xaxis.label.set_color(INK)
    axis.yaxis.label.set_color(INK)
    axis.grid(axis=grid, color=FAINT, linewidth=0.7)  # type: ignore[arg-type]
    axis.set_axisbelow(True)


def sizes(axis: Axes, low: float, high: float, *, most: int = 6) -> None:
    """The axis of parameters: logarithmic, from ``low`` to ``high``, with ``most`` plain numbers at most."""
    axis.set_xscale("log")
    axis.set_xlim(low, high)
    inside = [tick for tick in _SIZES if low <= tick <= high]
    axis.set_xticks(inside[:: -(-len(inside) // most)])
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlabel("parameters")


def percent(axis: Axes, *, decimals: int = 0) -> None:
    """The other axis, of shares in 0..1."""
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.{decimals}f} %"))


def point(axis: Axes, x: float, y: float, look: Look, *, several: bool, bounds: tuple[float, float] | None) -> None:
    """One value of ours, with its interval where it has one: filled where it is of several seeds, pale where of one."""
    if bounds is not None:
        axis.plot([x, x], bounds, color=look.color, linewidth=1.4, solid_capstyle="butt", zorder=3)
    axis.plot(
        [x], [y], look.marker, markersize=5 if look.marker == "D" else 6, color=look.color,
        markerfacecolor=look.color if several else look.tint, markeredgewidth=1.2, zorder=4,
    )  # fmt: skip


def published(axis: Axes, x: float, y: float, text: str, *, at: tuple[float, float] = (7, 5), **more: Any) -> None:
    """A value of the study: an open square with what it is beside it, ``at`` points off."""
    axis.plot([x], [y], "s", markersize=8, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.3, zorder=5)
    axis.annotate(text, (x, y), xytext=at, textcoords="offset points", fontsize=8.5, color=INK, **more)


def across(axis: Axes, y: float, text: str, *, dashes: tuple[float, float]) -> None:
    """A value of the study that is not of one size: a broken line, and what it is under its left end."""
    axis.axhline(y, color=INK, linewidth=1.1, linestyle=(0, dashes), zorder=2)
    axis.annotate(
        text, (0.015, y), xycoords=("axes fraction", "data"), xytext=(0, -3), textcoords="offset points", fontsize=8.5,
        color=INK, va="top",
    )  # fmt: skip


def untrained(axis: Axes, beyond: float) -> None:
    """Shade the sizes above the largest that was trained, up to the end of the axis."""
    high = axis.get_xlim()[1]
    if high < beyond * 2:
        return
    axis.axvspan(beyond * 1.12, high, color="#f3f4f7", linewidth=0, zorder=0)
    axis.annotate(
        "not trained", (0.985, 0.03), xycoords="axes fraction", fontsize=8, color=SOFT, ha="right", style="italic"
    )


def key(
    figure: Figure,
    looks: Sequence[Look],
    *,
    single: bool,
    study: bool,
    more: Sequence[Line2D] = (),
    columns: int = 5,
) -> None:
    """Which mark means what, below the figure."""
    handles = [
        Line2D([], [], marker=look.marker, color=look.color, linestyle="none", markersize=6, label=look.name)
        for look in looks
    ]
    if single:
        handles.append(
            Line2D([], [], marker="o", color=SOFT, markerfacecolor="#eef0f4", linestyle="none", markersize=6,
                   label="pale: one seed")
        )  # fmt: skip
    if study:
        handles.append(
            Line2D([], [], marker="s", color=INK, markerfacecolor="none", linestyle="none", markersize=7,
                   label="the study's value")
        )  # fmt: skip
    handles.extend(more)
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(len(handles), columns), frameon=False, fontsize=9,
        labelcolor=INK, handletextpad=0.4, columnspacing=1.4,
    )  # fmt: skip
