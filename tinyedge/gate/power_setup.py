"""What the power table is worked out from: the run that is expected, and how one gate would decide in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Setup:
    """What a run is expected to be.

    Args:
        classes: K, with equally many images.
        discordance: share of images on which exactly one of the two models is right, where nothing changed.
        tail: of each bound.
        parity_images: of the parity sample.
        measured: figures that a run has measured, by gate, in the unit of its limit; empty before any run.
    """

    classes: int
    discordance: float
    tail: float
    parity_images: int
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """Whether a true figure passes, or fails, with a probability of 80 % at so many images.

    Args:
        unit: of the figure.
        limit: the policy's.
        top: the largest figure there can be.
        usual: the figure of a model that nothing happened to; ``None`` where nothing is known of it.
        passes: from a figure and a number of images.
        fails: likewise.
        note: what was assumed, and how it was worked out.
        title: what a reader sees, where that is not the gate's own title.
        sample: images that the gate looks at, where those are not the run's.
    """

    unit: str
    limit: float
    top: float
    usual: float | None
    passes: Callable[[float, int], bool]
    fails: Callable[[float, int], bool]
    note: str
    title: str | None = None
    sample: int | None = None
