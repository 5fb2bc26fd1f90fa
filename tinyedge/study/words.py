"""How the study's figures are written: a value, its interval, and a letter for what the interval is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from tinyedge.study.estimate import Estimate, Interval

T = TypeVar("T")


def quoted(of: Estimate, *, scale: float = 1, digits: int = 3, sign: bool = False) -> str:
    """A figure with the interval to quote: ``0.204 [0.195, 0.214]s*``.

    >>> quoted(Estimate(0.5, (Interval(0.25, 0.75, "seeds", "", "one seed at c8"),)), digits=2)
    '0.50 [0.25, 0.75]s*'
    """
    best = of.best
    value = figure(scale * of.value, digits, sign=sign)
    return value if best is None else f"{value} {bounds(best, scale=scale, digits=digits)}"


def bounds(of: Interval, *, scale: float = 1, digits: int = 3) -> str:
    """``[0.195, 0.214]s*``: s over seeds, i over images, w over widths; a star where there is a caution."""
    return f"[{figure(scale * of.low, digits)}, {figure(scale * of.high, digits)}]{marked(of)}"


def marked(of: Interval) -> str:
    """``s``, ``i`` or ``w``, with a star where there is a caution."""
    return of.over[0] + ("*" if of.caution else "")


def figure(value: float, digits: int, *, sign: bool = False) -> str:
    """A number; never a negative zero.

    >>> figure(-0.0001, 2), figure(0.5, 1, sign=True)
    ('0.00', '+0.5')
    """
    rounded = round(value, digits) + 0.0
    return f"{rounded:+.{digits}f}" if sign else f"{rounded:.{digits}f}"


def percent(share: float) -> str:
    """A share of draws; never 100 %, as draws prove nothing for certain.

    >>> percent(0.264), percent(0.9997)
    ('26%', '>99%')
    """
    return ">99%" if share >= 0.995 else f"{share:.0%}"


def base(target: str) -> str:
    """What to call a reference: ``float``, or its target where that is another int8.

    >>> base("onnx-fp32"), base("tflite-int8-xnnpack")
    ('float', 'tflite-int8-xnnpack')
    """
    return "float" if target.endswith("-fp32") else target


def size(params: int) -> str:
    """``22K``, ``4.7M``."""
    return f"{params / 1e3:,.0f}K" if params < 1e6 else f"{params / 1e6:,.1f}M"


def named(name: str) -> str:
    """A class's name as words."""
    return name.replace("_", " ")


def ends_of(parts: Sequence[T]) -> Sequence[T]:
    """The first and the last: what there is room for."""
    return parts if len(parts) < 3 else (parts[0], parts[-1])
