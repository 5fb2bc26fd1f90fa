"""One file on several kernels: what each puts out on the same images, and where two of them part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from tinyedge.report.checks import contradiction


@dataclass(frozen=True)
class KernelPath:
    """One way to compute a model: a target, and its kernels where it has a choice of them.

    Args:
        name: e.g. ``tflite-int8-xnnpack`` or ``cortex-m4-int8:portable``.
        facts: of its run: runtime, version, kernels that ran.
        accuracy: on these images, as a fraction.
        ties: images whose highest output several classes share; the lowest index wins.

    Raises:
        ReportError: for figures that cannot be.
    """

    name: str
    facts: dict[str, Any] = field(repr=False, compare=False)
    accuracy: float
    ties: int

    def __post_init__(self) -> None:
        if not 0 <= self.accuracy <= 1:
            raise contradiction("a share that is none", self.accuracy, "0 to 1")
        if self.ties < 0:
            raise contradiction("a negative count", self.ties, "0 or more")


@dataclass(frozen=True)
class Parting:
    """The first layer behind which two paths no longer hold the same numbers.

    It is looked for on a few of the images whose outputs differ, so that the shares are not those of all images.

    Args:
        layer: the operator's place in the file, from 1.
        layers: operators in the file.
        operator: e.g. ``CONV_2D``.
        shape: of the operator's output.
        images: that were looked at; the outputs of each differ.
        images_differ: those of them that differ behind this layer.
        elements_differ: share of the layer's values that are not equal, over ``images``.
        largest: the largest difference, in LSB of that layer.
        seen_on: the two paths that were run. Firmware is taken to part where a path parts whose every output is the
            firmware's; then that path's name is here.
        unseen: the layers before it that one of the two could not be asked for, with the reason.

    Raises:
        ReportError: for figures that cannot be.
    """

    layer: int
    layers: int
    operator: str
    shape: tuple[int, ...]
    images: int
    images_differ: int
    elements_differ: float
    largest: int
    seen_on: tuple[str, str]
    unseen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.layer <= self.layers:
            raise contradiction("a layer that its model has not", self.layer, f"1 to {self.layers}")
        if not 1 <= self.images_differ <= self.images:
            raise contradiction("a layer at which nothing parts", self.images_differ, f"1 to {self.images} images")
        if not 0 < self.elements_differ <= 1 or self.largest < 1:
            found = f"{self.elements_differ} of the values, by {self.largest}"
            raise contradiction("a layer at which nothing parts", found, "a share above 0, of 1 LSB or more")


@dataclass(frozen=True)
class KernelPair:
    """Two paths on the same images.

    Args:
        first: a path's name.
        second: another's.
        images: compared.
        images_equal: those whose every output is equal.
        argmax_flips: those whose predicted class differs; the lowest index wins a tie.
        lsb_histogram: how many output elements differ by how many steps (first minus second).
        parting: where they part; ``None`` where they do not, or where it was not looked for.

    Raises:
        ReportError: for figures that contradict each other.
    """

    first: str
    second: str
    images: int
    images_equal: int
    argmax_flips: int
    lsb_histogram: dict[int, int]
    parting: Parting | None = None

    def __post_init__(self) -> None:
        counts = self.lsb_histogram
        if not counts or min(counts.values()) < 1 or self.images < 1 or sum(counts.values()) % self.images:
            raise contradiction("a histogram of no images' outputs", counts, "as many outputs for each of the images")
        if not 0 <= self.images_equal <= self.images or (self.images_equal == self.images) != (set(counts) == {0}):
            found = f"{self.images_equal} of {self.images} images are equal, LSB {counts}"
            raise contradiction("equal images that its histogram has not", found, "all of them only where all are 0")
        if not 0 <= self.argmax_flips <= self.images - self.images_equal:
            limit = f"0 to {self.images - self.images_equal}, the images that differ"
            raise contradiction("more flips than images that differ", self.argmax_flips, limit)

    @property
    def elements_differ(self) -> float:
        """Share of the output elements that are not equal."""
        return 1.0 - self.lsb_histogram.get(0, 0) / sum(self.lsb_histogram.values())

    @property
    def largest(self) -> int:
        """The largest difference, in LSB."""
        return max(abs(step) for step in self.lsb_histogram)


@dataclass(frozen=True)
class KernelMatrix:
    """One file on several paths, all on the same images.

    Args:
        images: that each path ran.
        classes: outputs of the model.
        paths: those that ran.
        pairs: of ``paths``; each two, or only those with the run that a report is of.
        left_out: why a path that was asked for did not run, by its name.

    Raises:
        ReportError: where the pairs are not of these paths and images.
    """

    images: int
    classes: int
    paths: tuple[KernelPath, ...]
    pairs: tuple[KernelPair, ...]
    left_out: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [path.name for path in self.paths]
        if len(set(names)) != len(names) or set(names) & set(self.left_out):
            raise contradiction("one path of kernels twice", names, "each once, run or left out")
        if any(path.ties > self.images for path in self.paths):
            raise contradiction("more ties than images", max(path.ties for path in self.paths), self.images)
        for pair in self.pairs:
            outputs = sum(pair.lsb_histogram.values())
            if not {pair.first, pair.second} <= set(names) or pair.first == pair.second:
                raise contradiction("a pair of other paths", f"{pair.first}, {pair.second}"[:120], ", ".join(names))
            if (pair.images, outputs) != (self.images, self.images * self.classes):
                found = f"{pair.images} images, {outputs} outputs"
                raise contradiction("a pair of other images", found, f"{self.images}, {self.images * self.classes}")

    def pair(self, first: str, second: str) -> KernelPair | None:
        """The pair of these two, in either order."""
        wanted = {first, second}
        return next((pair for pair in self.pairs if {pair.first, pair.second} == wanted), None)


def groups(matrix: KernelMatrix) -> list[list[str]]:
    """The paths' names, those together whose outputs are all equal, in the order of the paths."""
    found: list[list[str]] = []
    for path in matrix.paths:
        for same in found:
            pair = matrix.pair(same[0], path.name)
            if pair is not None and pair.images_equal == pair.images:
                same.append(path.name)
                break
        else:
            found.append([path.name])
    return found


def between(matrix: KernelMatrix, sets: Iterable[list[str]]) -> list[KernelPair]:
    """One pair for each two of ``sets``: within a set every path has the same outputs."""
    found = (matrix.pair(first[0], second[0]) for first, second in combinations(sets, 2))
    return [pair for pair in found if pair is not None]
