"""What the study reports (``reported.toml``), typed; and whether a figure of ours keeps the bar beside it."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("reported.toml")


@dataclass(frozen=True)
class Bar:
    """How near a figure of ours has to come, for what was trained in full; one of the three.

    Args:
        within: at most so far from the reported value, either way.
        at_most: no larger than this.
        peak: ``inside``: at neither end of the family.
    """

    within: float | None = None
    at_most: float | None = None
    peak: str | None = None

    def keeps(self, ours: float, reported: float | None) -> bool:
        """Whether a value of ours keeps it; a tie in the last bit counts as kept."""
        if self.at_most is not None:
            return ours <= self.at_most
        assert self.within is not None, "a bar on a shape is judged where the shape is known"
        assert reported is not None, "a distance is from a reported value"
        return abs(ours - reported) <= self.within + 1e-12


@dataclass(frozen=True)
class Reported:
    """One figure of the study.

    Args:
        id: what the code calls it.
        title: what a table calls it.
        topic: ``law``, ``errors``, ``classes`` or ``calibration``.
        family: ``scalecnn`` or ``mobilenetv2``.
        params: at which sizes, as published (22K, not 21,936); empty for the whole family.
        value: a share (0..1), an exponent or R2; ``None`` where only words are published.
        spread: what stands behind its plus-minus sign.
        says: the words.
        over: what the plus-minus is over, where it is said.
        percent: whether tables show the value in per cent.
        bar: how near ours has to come; ``None`` where none was set.
    """

    id: str
    title: str
    topic: str
    family: str
    params: tuple[int, ...] = ()
    value: float | None = None
    spread: float | None = None
    says: str | None = None
    over: str | None = None
    percent: bool = False
    bar: Bar | None = None


@dataclass(frozen=True)
class Source:
    """The study, and all that it covers."""

    authors: str
    title: str
    arxiv: str
    date: str
    models: int
    families: int
    widths: int
    seeds: int
    data: str
    params_smallest: int
    params_largest: int


@dataclass(frozen=True)
class Study:
    """All that is known of it.

    Args:
        source: what it is.
        figures: by id, in the order of the file.
        worked_out: parameters by family and width, worked out from the published sizes.
    """

    source: Source
    figures: dict[str, Reported]
    worked_out: dict[str, dict[float, int]] = field(repr=False)

    def value(self, name: str) -> float:
        """A reported number."""
        value = self.figures[name].value
        assert value is not None, f"{name} is reported in words"
        return value

    def error_by_law(self, params: int) -> float:
        """ScaleCNN's error at a size, by its exponent from its 42 % at 22K: worked out, not reported."""
        small = self.figures["accuracy-small"]
        return float((1 - self.value(small.id)) * (params / small.params[0]) ** -self.value("alpha"))

    def between_accuracies(self) -> float:
        """The exponent between its two published accuracies of ScaleCNN, at 22K and 1.2M: worked out, not reported."""
        small, large = self.figures["accuracy-small"], self.figures["accuracy-middle"]
        ratio = (1 - self.value(small.id)) / (1 - self.value(large.id))
        return math.log(ratio) / math.log(large.params[0] / small.params[0])


def reported(path: Path = PATH) -> Study:
    """Read the file. An unknown key is an error: a misspelt bar would be no bar."""
    content = tomllib.loads(path.read_text())
    figures = [_figure(entry) for entry in content["figure"]]
    names = [figure.id for figure in figures]
    assert len(set(names)) == len(names), f"{path}: an id is there twice"
    worked_out = {
        family: {float(width): params for width, params in sizes.items()}
        for family, sizes in content["worked_out"].items()
    }
    return Study(Source(**content["source"]), dict(zip(names, figures, strict=True)), worked_out)


def _figure(entry: dict[str, Any]) -> Reported:
    bar = entry.pop("bar", None)
    return Reported(**{**entry, "params": tuple(entry.get("params", ()))}, bar=None if bar is None else Bar(**bar))
