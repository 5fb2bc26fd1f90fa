"""The steps of the ladder, the cheapest on the device first: a new step is a function and a line in ``STEPS``.

A step does nothing by itself: from the recipe of the best file so far it makes one or several others, or says why it
has none. What a recipe comes to is made by ``tinyedge.repair.make``, and judged by ``tinyedge.repair.run``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from tinyedge.errors import UsageError
from tinyedge.exporters.representative import DEFAULT_COUNT

_INT16X8 = {"tflite-int8": "tflite-int16x8", "tflm-int8": "tflm-int16x8"}
"""The runtime that runs the same graph with int16 activations."""
_POOR = ("moving-average",)
"""Estimators that are there to show what a bad default does: never a repair."""


@dataclass(frozen=True)
class Recipe:
    """How a file is made.

    Args:
        exporter: that writes it.
        target: that runs it.
        checkpoint: that it is made from; ``None`` where there is none at hand.
        calibration: the range estimator; ``None`` where it is not known, or the exporter's own.
        count: representative images.
        seed: which.
        balanced: equally many of every class.
        tempered: a temperature is folded into its output, fitted on the tuning images.
        tuning: a method of short training that the weights have seen last; ``None`` for the checkpoint's own.
    """

    exporter: str
    target: str
    checkpoint: Path | None = None
    calibration: str | None = None
    count: int = DEFAULT_COUNT
    seed: int = 0
    balanced: bool = False
    tempered: bool = False
    tuning: str | None = None


@dataclass(frozen=True)
class Kit:
    """What is at hand for the steps.

    Args:
        calibrations: of the recipe's exporter, its default first.
        images: how many the training set has.
        teacher: a checkpoint to learn from, or ``None``.
        format: of the file.
        lacks: why steps that need a checkpoint cannot be tried; ``None`` where they can.
    """

    calibrations: Callable[[str], tuple[str, ...]]
    images: Callable[[], int]
    teacher: Path | None = None
    format: str = "tflite"
    lacks: str | None = None


Variants = Sequence[tuple[Recipe, str]]
"""Recipes with what is new in them, in words."""


@dataclass(frozen=True)
class Step:
    """One step.

    Args:
        name: as ``--steps`` takes it.
        says: what it does, and what it costs.
        free: whether it costs nothing on the device and trains nothing: these are tried unless others are asked for.
        needs_checkpoint: whether the file alone is not enough.
        variants: from the recipe of the best file so far: those to try in its place, or why there is none.
        changed: what of a recipe is the step's doing: a file has the step in it where this is not as in the file given.
        trains: whether it has epochs.
        needs_teacher: whether it learns from a larger model.
    """

    name: str
    says: str
    free: bool
    needs_checkpoint: bool
    variants: Callable[[Recipe, Kit], Variants | str]
    changed: Callable[[Recipe], object]
    trains: bool = False
    needs_teacher: bool = False


def _ranges(recipe: Recipe, kit: Kit) -> Variants | str:
    known = kit.calibrations(recipe.exporter)
    others = [name for name in known if name != recipe.calibration and name not in _POOR]
    if not others:
        return f"{recipe.exporter} knows no other range estimator"
    was = recipe.calibration or "an unknown one"
    return [(replace(recipe, calibration=name), f"range estimator {name} in place of {was}") for name in others]


def _representative(recipe: Recipe, kit: Kit) -> Variants | str:
    recipe, also = _ranged(recipe, kit, poor=True)
    more = min(5 * recipe.count, kit.images())
    found = [(replace(recipe, seed=recipe.seed + 1), f"another draw of {recipe.count:,} representative images{also}")]
    if more > recipe.count:
        words = f"{more:,} representative images in place of {recipe.count:,}{also}"
        found.append((replace(recipe, count=more), words))
    return found


def _balanced(recipe: Recipe, kit: Kit) -> Variants | str:
    if recipe.balanced:
        return "its representative images are balanced already"
    recipe, also = _ranged(recipe, kit, poor=True)
    words = f"{recipe.count:,} representative images, equally many of every class{also}"
    return [(replace(recipe, balanced=True), words)]


def _temperature(recipe: Recipe, kit: Kit) -> Variants | str:
    if kit.format != "tflite":
        return f"a temperature is folded into TFLite files, and this is {kit.format}"
    if recipe.tempered:
        return "a temperature is folded in already"
    return [(replace(recipe, tempered=True), "one temperature, fitted on the tuning images, in the output's scale")]


def _int16x8(recipe: Recipe, kit: Kit) -> Variants | str:
    if recipe.target not in _INT16X8:
        return f"nothing runs {recipe.target}'s graph with int16 activations; " + " and ".join(_INT16X8) + " can"
    wide = replace(recipe, exporter="tflite-int16x8", target=_INT16X8[recipe.target])
    wide, also = _ranged(wide, kit)
    return [(wide, f"16-bit activations, 8-bit weights, on {wide.target}: more RAM and time{also}")]


def _qat(recipe: Recipe, kit: Kit) -> Variants | str:
    if not recipe.exporter.endswith("int8") or recipe.exporter.endswith("16x8"):
        return f"it trains with int8's rounding, and the file is one of {recipe.exporter}"
    tuned, also = _ranged(replace(recipe, tuning="qat"), kit)
    return [(tuned, f"short training with int8's rounding in the network{also}")]


def _distill(recipe: Recipe, kit: Kit) -> Variants | str:
    if kit.teacher is None:
        return "needs --teacher"
    tuned, also = _ranged(replace(recipe, tuning="distill"), kit)
    gone = "" if recipe.tuning is None else f", from the checkpoint: in place of {recipe.tuning}, not on top of it"
    return [(tuned, f"short training towards {kit.teacher.name}{gone}{also}")]


def _ranged(recipe: Recipe, kit: Kit, *, poor: bool = False) -> tuple[Recipe, str]:
    """``recipe`` with the range estimator that its export takes, and words for it where that is another than before.

    An export without a name takes the exporter's default: what that does is not to be put down to the step.

    Args:
        recipe: of the file to be made.
        kit: what is at hand.
        poor: whether an estimator that is never a repair stays: a step that changes the images alone shows what these
            do; one that trains or widens is not spent on it.
    """
    known, was = kit.calibrations(recipe.exporter), recipe.calibration
    if not known or (was in known and (poor or was not in _POOR)):
        return recipe, ""
    told = f" in place of {was}" if was else " (the file does not say which it had)"
    return replace(recipe, calibration=known[0]), f", and range estimator {known[0]}{told}"


STEPS: tuple[Step, ...] = (
    Step("ranges", "another range estimator", True, True, _ranges, lambda r: r.calibration),
    Step(
        "representative",
        "more representative images, or another draw",
        True,
        True,
        _representative,
        lambda r: (r.count, r.seed),
    ),
    Step(
        "balanced",
        "representative images in equal number of every class",
        True,
        True,
        _balanced,
        lambda r: r.balanced,
    ),
    Step(
        "temperature", "one temperature folded into the output's scale", True, False, _temperature, lambda r: r.tempered
    ),
    Step(
        "qat",
        "short training with int8's rounding in the network",
        False,
        True,
        _qat,
        lambda r: r.tuning == "qat",
        trains=True,
    ),
    Step(
        "distill",
        "short training towards a larger model",
        False,
        True,
        _distill,
        lambda r: r.tuning == "distill",
        trains=True,
        needs_teacher=True,
    ),
    Step("int16x8", "16-bit activations: more RAM and time", False, True, _int16x8, lambda r: r.exporter),
)
DEFAULT_STEPS = tuple(step.name for step in STEPS if step.free)


COSTLY_STEPS = tuple(step.name for step in STEPS if not step.free and not step.needs_teacher)
TEACHER_STEPS = tuple(step.name for step in STEPS if step.needs_teacher)


def steps_in(recipe: Recipe, given: Recipe) -> tuple[str, ...]:
    """The steps that a file has in it: what its recipe has that the recipe of the file that was given has not.

    Not the steps that led to it: a later one may have replaced what an earlier one did.
    """
    return tuple(step.name for step in STEPS if step.changed(recipe) != step.changed(given))


def chosen(names: Sequence[str]) -> tuple[Step, ...]:
    """The steps called ``names``, in the ladder's order, whatever theirs is.

    Raises:
        UsageError: for an unknown one, with the close ones; or where there is none.
    """
    known = [step.name for step in STEPS]
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            raise UsageError(
                "unknown step",
                where="--steps",
                found=name,
                expected="one of " + ", ".join(known),
                fix=f"did you mean {close[0]}?" if close else None,
            )
    if not names:
        raise UsageError("no step", where="--steps", found="nothing", expected="one of " + ", ".join(known))
    return tuple(step for step in STEPS if step.name in names)
