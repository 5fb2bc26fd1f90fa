"""What was found of a family, as the comparison asks for it."""

from __future__ import annotations

import math

from tinyedge.models.family import family_module
from tinyedge.study.curves import Point
from tinyedge.study.estimate import Estimate
from tinyedge.study.law import ErrorLaw
from tinyedge.study.scaling import Alone, Scaling

NEAR = 0.02
"""A published size is rounded: 22K is 21,936."""
Value = Estimate | str | None
"""A figure of ours: a number, words where the study has words, ``None`` where nothing was trained."""


def sides(found: Scaling) -> tuple[Alone, Alone]:
    """Float and int8."""
    assert found.reference is not None, "the study is always of both"
    return found.reference, found.deployed


def law_of(side: Alone) -> ErrorLaw:
    """The law of a family of three widths or more."""
    assert side.law is not None, "too few widths are refused before"
    return side.law


def complete(found: Scaling) -> bool:
    """Whether every width of the family was trained with every seed."""
    trained, planned = widths_trained(found)
    return not sides(found)[0].missing and trained == planned


def widths_trained(found: Scaling) -> tuple[int, int]:
    """How many widths were trained, of how many."""
    reference, _ = sides(found)
    return len(reference.curves["accuracy"].points), len(family_module(reference.setting.family).WIDTHS)


def same_size(params: int, published: int) -> bool:
    """Whether a width of ours is of a published size."""
    return abs(math.log(params / published)) < NEAR


def at_size(side: Alone, metric: str, size: int) -> Point | None:
    """A metric at a published size; ``None`` where that width was not trained."""
    return next((p for p in side.curves[metric].points if same_size(p.params, size)), None)
