"""Short training that starts from a finished run: what it does, and the schedule of each method."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from tinyedge.errors import UsageError
from tinyedge.train.recipe import Recipe

METHODS = {
    "plain": Recipe("plain", epochs=30, learning_rate=0.05),
    "distill": Recipe("distill", epochs=30, learning_rate=0.05),
    "qat": Recipe("qat", epochs=5, learning_rate=2e-5),
}
"""The default schedule of each method. ``plain`` is the control of ``distill``: the same epochs and rates without a
teacher. It is none of ``qat``, whose epochs, rate, precision and frozen statistics differ too.

The rate of ``qat`` is that of folded weights with frozen statistics: there is no batch norm to undo a step that is too
large (docs/training.md).
"""


@dataclass(frozen=True)
class Tuning:
    """What to do with a finished run.

    Args:
        method: ``plain``: the loss and network of ordinary training; ``distill``: towards a teacher's probabilities;
            ``qat``: with weights and activations rounded as the int8 export rounds them.
        epochs: passes over the training set; ``None`` is the method's own.
        learning_rate: at the first step, from where it falls to 0 by a cosine; ``None`` is the method's own.
        temperature: of the teacher's and the student's softmax (``distill``).
        weight: of the teacher's loss; the labels' has the rest (``distill``).

    Raises:
        UsageError: for an unknown method, or a number outside its range.
    """

    method: str
    epochs: int | None = None
    learning_rate: float | None = None
    temperature: float = 4.0
    weight: float = 0.9

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(
                "unknown method of tuning", where="--method", found=self.method, expected=" or ".join(METHODS)
            )
        rate = 1.0 if self.learning_rate is None else self.learning_rate
        above_0 = "a finite number above 0"
        for flag, value, fine, expected in (
            ("--epochs", self.epochs, self.epochs is None or self.epochs >= 1, "1 or more"),
            ("--learning-rate", rate, math.isfinite(rate) and rate > 0, above_0),
            ("--temperature", self.temperature, math.isfinite(self.temperature) and self.temperature > 0, above_0),
            ("--weight", self.weight, 0 < self.weight <= 1, "above 0, at most 1"),
        ):
            if not fine:
                raise UsageError("a tuning's setting is out of range", where=flag, found=value, expected=expected)
        if self.method != "distill" and (self.temperature, self.weight) != (Tuning.temperature, Tuning.weight):
            raise UsageError(
                f"{self.method} has no teacher to soften or to weigh",
                where="--temperature, --weight",
                found=f"{self.temperature:g}, {self.weight:g}",
                expected="neither, or --method distill",
            )

    @property
    def recipe(self) -> Recipe:
        """The schedule, under a name that says what is not the method's own."""
        recipe = METHODS[self.method]
        if self.method == "distill" and (self.temperature, self.weight) != (Tuning.temperature, Tuning.weight):
            recipe = replace(recipe, name=f"{recipe.name}-t{self.temperature:g}-w{self.weight:g}")
        if self.learning_rate not in (None, recipe.learning_rate):
            rate = float(self.learning_rate or 0.0)
            recipe = replace(recipe, name=f"{recipe.name}-lr{rate:g}", learning_rate=rate)
        return recipe if self.epochs is None else recipe.shortened(self.epochs)


@dataclass(frozen=True)
class Tuned:
    """The part of a run's key that a tuned run has and an ordinary one has not.

    Args:
        method: as ``Tuning`` names it.
        start: SHA-256 over the weights that it starts from (``tune.digest``).
        start_recipe: that one's recipe.
        start_epochs: that one's epochs.
        teacher: SHA-256 over the teacher's weights (``distill``).
        temperature: as in ``Tuning`` (``distill``).
        weight: as in ``Tuning`` (``distill``).
    """

    method: str
    start: str
    start_recipe: str
    start_epochs: int
    teacher: str | None = None
    temperature: float | None = None
    weight: float | None = None
