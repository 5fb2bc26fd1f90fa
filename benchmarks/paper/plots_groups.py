"""The figure of what small models give up: superclass by superclass."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from style import FLOAT, INK, INT8, bare, key, sheet

from tinyedge.study.giving_up import GivenUp


def superclasses_figure(reference: GivenUp, deployed: GivenUp, ends: tuple[str, str]) -> Figure:
    """Accuracy of every superclass at both ends of the family, and the loss with its interval, the largest first.

    Args:
        reference: in float.
        deployed: as int8.
        ends: what to call the smallest and the largest width.
    """
    after = {group.name: group for group in deployed.superclasses}
    groups = reference.superclasses
    figure, (axis, losses) = sheet(0.9 + 0.265 * len(groups), ncols=2, sharey=True, width_ratios=(3, 1))
    single = min(len(seeds) for seeds in reference.seeds) == 1
    for at, group in enumerate(groups):
        for found, look, up in ((group, FLOAT, -0.13), (after[group.name], INT8, 0.13)):
            axis.plot([found.small, found.large], [at + up, at + up], color=look.color, linewidth=1.1, alpha=0.55)
            for value, seeds in ((found.small, reference.seeds[0]), (found.large, reference.seeds[1])):
                axis.plot(
                    [value], [at + up], look.marker, markersize=5 if look.marker == "o" else 4.2, color=look.color,
                    markerfacecolor=look.color if len(seeds) > 1 else look.tint, markeredgewidth=1.1,
                )  # fmt: skip
        best = group.loss.best
        assert best is not None, "the loss has an interval over images"
        losses.plot((best.low, best.high), [at, at], color=FLOAT.color, linewidth=1.4, solid_capstyle="butt")
        losses.plot([group.loss.value], [at], FLOAT.marker, markersize=5, color=FLOAT.color,
                    markerfacecolor=FLOAT.tint if single else FLOAT.color)  # fmt: skip
    for value, name in ((groups[0].small, ends[0]), (groups[0].large, ends[1])):
        axis.annotate(name, (value, -1.05), fontsize=9, color=INK, ha="center", va="center", annotation_clip=False)
    axis.set_yticks(range(len(groups)), [group.name.replace("_", " ") for group in groups])
    axis.set_ylim(len(groups) - 0.4, -1.4)
    axis.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axis.set_xlabel("accuracy on the superclass's images")
    losses.set_xlim(min(0, losses.get_xlim()[0]), losses.get_xlim()[1])
    losses.xaxis.set_major_locator(MaxNLocator(4))
    losses.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}")
    losses.set_xlabel("loss, float, pp")
    for panel in (axis, losses):
        bare(panel, grid="x")
    key(figure, (FLOAT, INT8), single=single, study=False)
    return figure
