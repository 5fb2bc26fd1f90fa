"""The two width families: from a width to its cost, and from a budget such as ``50k`` to the nearest member."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from difflib import get_close_matches
from types import ModuleType
from typing import TYPE_CHECKING

from tinyedge.errors import UsageError
from tinyedge.models import mobilenetv2, scalecnn
from tinyedge.models.plan import Plan

if TYPE_CHECKING:
    from torch import nn

FAMILIES = {"scalecnn": scalecnn, "mobilenetv2": mobilenetv2}
MAX_FACTOR = 1.35
"""How far, as a ratio, a member may be from the parameter count asked for."""
MAX_COUNT = 10**12
"""The largest parameter count that can be asked for."""
_SUFFIX = {"": 1, "k": 1_000, "m": 1_000_000}


@dataclass(frozen=True)
class Member:
    """One width of one family. ``stem_stride`` matters for MobileNetV2 only."""

    family: str
    width: float
    num_classes: int = 100
    stem_stride: int = 1

    def __post_init__(self) -> None:
        widths = family_module(self.family).WIDTHS
        if self.width not in widths:
            raise UsageError(
                f"{self.family} has no such width",
                where="--width",
                found=f"{self.width:g}",
                expected="one of " + ", ".join(f"{w:g}" for w in widths),
                fix="tinyedge family",
            )

    @property
    def name(self) -> str:
        """``scalecnn-c6`` or ``mobilenetv2-w0.25``, with ``-s2`` for a stride-2 stem."""
        if self.family == "scalecnn":
            return f"scalecnn-c{self.width:g}"
        return f"{self.family}-w{self.width:g}" + ("" if self.stem_stride == 1 else f"-s{self.stem_stride}")

    @property
    def plan(self) -> Plan:
        """The member's layers."""
        if self.family == "mobilenetv2":
            return mobilenetv2.plan(self.width, self.num_classes, stem_stride=self.stem_stride)
        return scalecnn.plan(self.width, self.num_classes)

    def build(self) -> nn.Module:
        """The member as a torch module (needs the ``train`` extra)."""
        if self.family == "mobilenetv2":
            return mobilenetv2.build(self.width, self.num_classes, stem_stride=self.stem_stride)
        return scalecnn.build(self.width, self.num_classes)


@dataclass(frozen=True)
class Nearest:
    """The member nearest to an asked parameter count; ``factor`` is its count over the asked one."""

    member: Member
    asked: int
    factor: float


def family_module(name: str) -> ModuleType:
    """The module of a family.

    Raises:
        UsageError: for an unknown name, with the close ones.
    """
    if name not in FAMILIES:
        close = get_close_matches(name, FAMILIES, n=1)
        raise UsageError(
            "unknown family",
            where="--family",
            found=name,
            expected=" or ".join(FAMILIES),
            fix=f"did you mean {close[0]}?" if close else "tinyedge family",
        )
    return FAMILIES[name]


def members(family: str, *, num_classes: int = 100, stem_stride: int = 1) -> list[Member]:
    """All members of a family, narrowest first."""
    return [Member(family, w, num_classes, stem_stride) for w in family_module(family).WIDTHS]


def parse_count(text: str) -> int:
    """``50k``, ``1.2M`` or ``46570`` as a number of parameters.

    >>> parse_count("50k"), parse_count("1.2M"), parse_count("46,570")
    (50000, 1200000, 46570)

    Raises:
        UsageError: where it is not a positive number up to ``MAX_COUNT`` with an optional k or M.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKmM]?)", text.strip().replace(",", "").replace("_", ""))
    asked = float(match[1]) * _SUFFIX[match[2].lower()] if match else 0.0
    if not 0.5 < asked <= MAX_COUNT:  # before the rounding: digits enough are an infinity, which has no integer
        raise UsageError(
            "not a number of parameters", where="--params", found=text, expected="a count such as 50k, 1.2M or 46570"
        )
    return round(asked)


def nearest(asked: int, family: str = "scalecnn", *, num_classes: int = 100) -> Nearest:
    """The member whose parameter count is nearest to ``asked`` in log ratio.

    >>> found = nearest(50_000)
    >>> found.member.name, round(found.factor, 3)
    ('scalecnn-c6', 0.931)

    Raises:
        UsageError: where the nearest is more than ``MAX_FACTOR`` away: a verdict on it would not be about that size.
    """
    options = members(family, num_classes=num_classes)
    best = min(options, key=lambda m: abs(math.log(m.plan.params / asked)))
    factor = best.plan.params / asked
    if max(factor, 1 / factor) > MAX_FACTOR:
        around = sorted(options, key=lambda m: abs(math.log(m.plan.params / asked)))[:2]
        listed = ", ".join(f"{m.plan.params:,} ({m.name})" for m in sorted(around, key=lambda m: m.plan.params))
        raise UsageError(
            f"no member of {family} is near that size",
            where="--params",
            found=f"{asked:,} parameters; the nearest has {best.plan.params:,}, a factor {max(factor, 1 / factor):.2f}",
            expected=f"a member within a factor {MAX_FACTOR}: {listed}",
            fix="tinyedge family lists all sizes",
        )
    return Nearest(best, asked, factor)
