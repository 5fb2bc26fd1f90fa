"""The figures of metrics against size: how unequal the classes are, and what confidence means."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from ours import same_size
from reported import Study
from style import FLOAT, INK, INT8, SOFT, TITLE, Look, bare, key, percent, point, published, sheet, sizes, untrained

from tinyedge.study.curves import Curve

Curves = dict[str, Curve]


def classes_figure(study: Study, reference: Curves, deployed: Curves) -> Figure:
    """Gini of the class accuracies and accuracy of the five worst, with the part that chance adds taken off."""
    figure, (left, right) = sheet(3.5, ncols=2)
    for axis, metric, corrected, ends, up in (
        (left, "gini", "gini_corrected", ("gini-small", "gini-large"), 8),
        (right, "bottom5", "bottom5_shrunk", ("bottom5-small", "bottom5-large"), -17),
    ):
        for curves, look in ((reference, FLOAT), (deployed, INT8)):
            _draw(axis, curves[metric], look)
            _crosses(axis, curves[corrected], look)
        _frame(axis, reference[metric], 6.5e6)
        for name in ends:
            value = study.value(name)
            text = f"{value:.2f}" if metric == "gini" else f"{100 * value:.0f} %"
            _published(axis, study.figures[name].params[0], value, text, reference[metric], up=up)
    left.set_ylim(0, max(left.get_ylim()[1], 0.3))
    right.set_ylim(0, max(right.get_ylim()[1], 0.6))
    percent(right)
    left.set_title("Gini of class accuracy", **TITLE)
    right.set_title("accuracy of the five worst classes", **TITLE)
    corrected_mark = Line2D(
        [], [], color=SOFT, marker="x", linestyle="none", markersize=5, markeredgewidth=1.2,
        label="sampling noise taken off",
    )  # fmt: skip
    key(figure, (FLOAT, INT8), single=_single(reference["gini"]), study=True, more=(corrected_mark,), columns=3)
    return figure


def calibration_figure(study: Study, reference: Curves, deployed: Curves) -> Figure:
    """ECE with the floor that chance sets, the signed gap, and NLL."""
    figure, axes = sheet(3.4, ncols=3)
    titles = ("ECE, 15 bins", "confidence less accuracy", "NLL (nats)")
    for axis, metric, title in zip(axes, ("ece", "signed_gap", "nll"), titles, strict=True):
        for curves, look in ((reference, FLOAT), (deployed, INT8)):
            _draw(axis, curves[metric], look)
        _frame(axis, reference[metric], 2.2e6 if metric == "ece" else None)
        axis.set_title(title, **TITLE)
    floor = reference["ece_floor"]
    axes[0].plot(
        [p.params for p in floor.points], [p.mean.value for p in floor.points], color=SOFT, linewidth=1.2,
        linestyle=(0, (4, 3)),
    )  # fmt: skip
    for name in ("ece-small", "ece-peak"):
        value = study.value(name)
        _published(axes[0], study.figures[name].params[0], value, f"{100 * value:.1f} %", reference["ece"], up=-17)
    axes[0].set_ylim(0, max(axes[0].get_ylim()[1], 0.12))
    axes[1].axhline(0, color=SOFT, linewidth=1)
    for axis in axes[:2]:
        percent(axis)
    axes[1].yaxis.set_major_formatter(lambda value, _: f"{100 * value:+.0f} pp" if value else "0")
    floor_line = Line2D([], [], color=SOFT, linewidth=1.2, linestyle=(0, (4, 3)), label="ECE of perfect calibration")
    key(figure, (FLOAT, INT8), single=_single(reference["ece"]), study=True, more=(floor_line,), columns=3)
    return figure


def _draw(axis: Axes, curve: Curve, look: Look) -> None:
    x, y = [p.params * look.nudge for p in curve.points], [p.mean.value for p in curve.points]
    axis.plot(x, y, color=look.color, linewidth=1, alpha=0.6, zorder=2)
    for at, p in zip(x, curve.points, strict=True):
        best = p.mean.best
        bounds = None if best is None else (best.low, best.high)
        point(axis, at, p.mean.value, look, several=len(p.seeds) > 1, bounds=bounds)


def _crosses(axis: Axes, curve: Curve, look: Look) -> None:
    """The corrected values, beside the others: a small cross each."""
    for p in curve.points:
        axis.plot(
            [p.params * look.nudge**5], [p.mean.value], marker="x", markersize=4, markeredgewidth=1.1, color=look.color,
            zorder=3,
        )  # fmt: skip


def _published(axis: Axes, size: int, value: float, text: str, curve: Curve, *, up: int) -> None:
    """The study's value; left of ours where there is one of that size, its text ``up`` points higher."""
    beside = any(same_size(p.params, size) for p in curve.points)
    place, align = ((-4, up), "left") if beside else ((0, 8), "center")
    published(axis, size / 1.3 if beside else size, value, text, at=place, ha=align)


def _frame(axis: Axes, curve: Curve, reach: float | None) -> None:
    params = [p.params for p in curve.points]
    sizes(axis, params[0] / 1.7, max(reach or 0, params[-1] * 1.35), most=4)
    bare(axis)
    untrained(axis, params[-1])
    axis.tick_params(colors=INK)


def _single(curve: Curve) -> bool:
    return any(len(p.seeds) == 1 for p in curve.points)
