"""What gates are given and what they give back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tinyedge import errors
from tinyedge.metrics.outcome import Outcome
from tinyedge.stats.resampling import accuracies, draw_classes, paired_cells


class Status(StrEnum):
    """What a gate, or a whole verdict, comes to."""

    PASS = "PASS"  # noqa: S105  # a status, not a password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


EXIT_CODES = {
    Status.PASS: errors.PASS,
    Status.FAIL: errors.GATE_FAILED,
    Status.INCONCLUSIVE: errors.INCONCLUSIVE,
}

EVIDENCE = "evidence"
"""The gate that says whether there is anything to judge by."""

OVERLAP = "evidence.overlap"
"""Its other result: whether the deployed model was fitted to what it is judged on, which can only flatter it."""


@dataclass(frozen=True)
class Parity:
    """The run's kernels against TensorFlow Lite Micro on a sample of the same images.

    Args:
        compared: images run on both.
        argmax_flips: of those, images whose predicted class differs.
    """

    compared: int
    argmax_flips: int


@dataclass(frozen=True, eq=False)
class Shipped:
    """One release's deployed model: what a gate between releases needs, and a stored report keeps.

    Args:
        labels: int64 ``(N,)``.
        predicted: int64 ``(N,)``, the class that it names.
        size_bytes: of its file; ``None`` where that is not known.
    """

    labels: NDArray[np.int64] = field(repr=False)
    predicted: NDArray[np.int64] = field(repr=False)
    size_bytes: float | None

    @property
    def correct(self) -> NDArray[np.bool_]:
        """``(N,)`` whether the class named is the label."""
        return np.asarray(self.predicted == self.labels)


@dataclass(frozen=True)
class Case:
    """What every gate looks at.

    Args:
        reference: the float model.
        deployed: the deployed artifact, on the same images in the same order.
        parity: against TensorFlow Lite Micro, where the target is a microcontroller's; or why there is none.
        confidence: of each one-sided bound, e.g. 0.95.
        min_images: below which nothing is concluded.
        facts: what is known of the deployed file, as ``size_bytes`` and ``arena_bytes``, and of the device that it is
            for (``tinyedge.board_use``), each where it is known.
        baseline: the last release's deployed model on the same images in the same order; or why there is none.
        overlap: how many of the images are, to the last pixel, also in the deployed model's representative dataset;
            ``None`` where that is not known.
    """

    reference: Outcome
    deployed: Outcome
    parity: Parity | str
    confidence: float
    min_images: int
    facts: Mapping[str, float] = field(default_factory=dict)
    baseline: Shipped | str = "no baseline was given"
    overlap: int | None = 0

    @property
    def tail(self) -> float:
        """The probability with which a one-sided bound may miss."""
        return 1 - self.confidence

    @cached_property
    def cells(self) -> NDArray[np.int64]:
        """``(M, 4)`` images of each class that has any, by who is right: both, lost, gained, none."""
        r = self.reference
        return paired_cells(r.labels, reference=r.correct, deployed=self.deployed.correct, num_classes=r.num_classes)

    @cached_property
    def resampled(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """``(R, M)`` class accuracies of the reference and the deployed model on paired resamples within each class.

        Here because several gates need them, and they are the dearest thing that a verdict takes.
        """
        return accuracies(draw_classes(self.cells))


@dataclass(frozen=True)
class GateResult:
    """What one gate found; ``figure``, ``interval`` and ``limit`` are in ``unit``.

    Args:
        name: the gate's, and its section's in a policy.
        title: what a reader sees.
        status: PASS, FAIL or INCONCLUSIVE.
        figure: the point estimate.
        unit: ``pp``, ``%``, ``images``, ``bytes``, ``instructions``, ``cycles`` or ``score`` (a plain number).
        interval: one-sided bounds of the true figure, below and above, or ``None``.
        limit: the policy's.
        detail: one sentence for a person.
        images_needed: where inconclusive, about how many images in all would settle it (with a probability of 80 %, if
            the true figure is the one measured); ``None`` where the figure lies too near the limit for any number.
        warning: something that does not fail the gate but should be looked at.
        classes: names of the classes that the gate speaks of, the worst first.
        note: what decided, where that is not the interval; to be shown in its place.
        at_least: whether the limit is the smallest acceptable figure (a floor) and not the largest.
    """

    name: str
    title: str
    status: Status
    figure: float
    unit: str
    interval: tuple[float, float] | None
    limit: float
    detail: str
    images_needed: int | None = None
    warning: str | None = None
    classes: tuple[str, ...] = ()
    note: str | None = None
    at_least: bool = False


@dataclass(frozen=True)
class Skipped:
    """A gate that was not judged, and why: reports print these, so that silence is never taken for a pass."""

    name: str
    title: str
    reason: str


@dataclass(frozen=True)
class Verdict:
    """All gates together.

    Args:
        gates: in the order of the catalogue; the first, ``evidence``, says whether there is anything to judge by.
        skipped: gates that are off or do not apply.
        policy_name: of the policy judged by.
        policy_digest: of its settings.
        confidence: of each one-sided bound.
    """

    gates: tuple[GateResult, ...]
    skipped: tuple[Skipped, ...] = field(default=())
    policy_name: str = ""
    policy_digest: str = ""
    confidence: float = 0.95

    @property
    def status(self) -> Status:
        """FAIL if any gate fails, else INCONCLUSIVE if any is or if none judged the model, else PASS.

        Without evidence a figure that is measured on images means nothing, so that a gate's FAIL by such a figure does
        not count. One without an interval, as a file's size, is known whatever the images are, and does.
        """
        evident = all(gate.name != EVIDENCE or gate.status is not Status.INCONCLUSIVE for gate in self.gates)
        if any(gate.status is Status.FAIL and (evident or gate.interval is None) for gate in self.gates):
            return Status.FAIL
        judged = any(gate.name not in (EVIDENCE, OVERLAP) for gate in self.gates)
        if not judged or any(gate.status is not Status.PASS for gate in self.gates):
            return Status.INCONCLUSIVE
        return Status.PASS

    @property
    def exit_code(self) -> int:
        """0, 1 or 3."""
        return EXIT_CODES[self.status]


def settle(interval: tuple[float, float], limit: float) -> Status:
    """Which side of an upper limit a figure is shown to be on: PASS, FAIL, or neither."""
    low, high = interval
    if high <= limit:
        return Status.PASS
    return Status.FAIL if low > limit else Status.INCONCLUSIVE
