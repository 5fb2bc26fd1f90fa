"""Whether a figure of ours keeps its bar: judged only where all the widths that the figure is about were trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ours import Value, at_size, sides, widths_trained
from reported import Reported

from tinyedge.study.estimate import Estimate
from tinyedge.study.peak import Shape
from tinyedge.study.scaling import Scaling


@dataclass(frozen=True)
class Verdict:
    """Of one arithmetic.

    Args:
        trained: whether the widths that the figure is about were.
        inside: whether ours lies inside the bar, over as many widths as there are; ``None`` where ours is no number,
            or a shape that is open.
    """

    trained: bool
    inside: bool | None

    @property
    def kept(self) -> bool | None:
        """``None`` where it cannot be judged."""
        return self.inside if self.trained else None

    def __str__(self) -> str:
        if not self.trained:
            return "not judged"
        return {True: "met", False: "missed", None: "not decided"}[self.inside]


Verdicts = tuple[Verdict, Verdict]


def verdicts(figure: Reported, ours: Sequence[Value], found: Scaling | None) -> Verdicts | None:
    """In float and in int8; ``None`` where there is no bar."""
    if figure.bar is None:
        return None
    if found is None:
        return Verdict(False, None), Verdict(False, None)
    trained = about_is_trained(figure, found)
    inside = [_inside(figure, value, found, int8) for int8, value in enumerate(ours)]
    return Verdict(trained, inside[0]), Verdict(trained, inside[1])


def about_is_trained(figure: Reported, found: Scaling) -> bool:
    """Whether the widths that a figure is about were trained.

    A metric is about the size where it was published, an overlap about the two ends, a law and a shape about every
    width of the family.
    """
    if len(figure.params) == 1 or figure.topic == "errors":
        return all(at_size(sides(found)[0], "accuracy", size) is not None for size in figure.params)
    trained, planned = widths_trained(found)
    return trained == planned


def away(figure: Reported, ours: Sequence[Value], over: str) -> str:
    """How far ours is from the study's over the widths there are, and on which side of the bar: for what is not judged.

    Args:
        figure: with a bar on a number.
        ours: in float and in int8.
        over: the widths that ours is of.
    """
    assert figure.bar is not None, "a figure with a bar"
    assert figure.value is not None, "on a number"
    told, insides = [], []
    for name, value in zip(("float", "int8"), ours, strict=True):
        assert isinstance(value, Estimate), "a bar is on a number"
        off = value.value - figure.value
        told.append(f"{value.value:.3f} in {name}, {abs(off):.3f} {'above' if off > 0 else 'below'}")
        insides.append("inside" if figure.bar.keeps(value.value, figure.value) else "outside")
    if insides[0] == insides[1]:
        return f"over {over}: {'; '.join(told)}: {insides[0]} the bar"
    return f"over {over}: {told[0]}: {insides[0]} the bar; {told[1]}: {insides[1]}"


def _inside(figure: Reported, ours: Value, found: Scaling, int8: int) -> bool | None:
    assert figure.bar is not None, "looked at before"
    if figure.bar.peak is not None:
        shape = sides(found)[int8].peak.shape
        return None if shape is Shape.OPEN else shape is Shape.INVERTED_U
    if ours is None:
        return None
    assert isinstance(ours, Estimate), "a bar is on a number"
    return figure.bar.keeps(ours.value, figure.value)
