"""The figures of metrics against size: how unequal the classes are, and what confidence means."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from reported import Study
from style import FLOAT, INK, INT8, SOFT, TITLE, Look, bare, key, percent, point, published, sheet, sizes, untrained

from tinyedge.study.curves import Curve

Curves = dict[str, Curve]


def classes_figure(study: Study, reference: Curves, deployed: Curves) -> Figure:
    """Gini of the class accuracies and accuracy of the five worst, with the part that chance adds taken off."""
    figure, (left, right) = sheet(3.5, ncols=2)
    for axis, metric, corrected, ends in (
        (left, "gini", "gini_corrected", ("gini-small", "gini-large")),
        (right, "bottom5", "bottom5_shrunk", ("bottom5-small", "bottom5-large")),
    ):
        for curves, look in ((reference, FLOAT), (deployed, INT8)):
            _draw(axis, curves[metric], look)
            _ticks(axis, curves[corrected], look)
        _frame(axis, reference[metric], 6.5e6)
        for name, place, align in zip(ends, ((9, 2), (-8, 8)), ("left", "right"), strict=True):
            found = study.figures[name]
            value = study.value(name)
            text = f"{value:.2f}" if metric == "gini" else f"{100 * value:.0f} %"
            published(axis, found.params[0], value, text, at=place, ha=align)
    left.set_ylim(0, max(left.get_ylim()[1], 0.3))
    right.set_ylim(0, max(right.get_ylim()[1], 0.6))
    percent(right)
    left.set_title("Gini of class accuracy", **TITLE)
    right.set_title("accuracy of the five worst classes", **TITLE)
    corrected_mark = Line2D(
        [], [], color=SOFT, marker="_", linestyle="none", markersize=11, markeredgewidth=1.6,
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
    for name, place, align in (("ece-small", (9, -10), "left"), ("ece-peak", (-8, -3), "right")):
        found = study.figures[name]
        published(axes[0], found.params[0], study.value(name), f"{100 * study.value(name):.1f} %", at=place, ha=align)
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


def _ticks(axis: Axes, curve: Curve, look: Look) -> None:
    """The corrected values: a short line each."""
    for p in curve.points:
        axis.plot(
            [p.params * look.nudge], [p.mean.value], marker="_", markersize=10, markeredgewidth=1.6, color=look.color,
            zorder=3,
        )  # fmt: skip


def _frame(axis: Axes, curve: Curve, reach: float | None) -> None:
    params = [p.params for p in curve.points]
    sizes(axis, params[0] / 1.35, max(reach or 0, params[-1] * 1.35), most=4)
    bare(axis)
    untrained(axis, params[-1])
    axis.tick_params(colors=INK)


def _single(curve: Curve) -> bool:
    return any(len(p.seeds) == 1 for p in curve.points)
