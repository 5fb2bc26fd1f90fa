"""Training recipes: frozen, named, and digested, so that a checkpoint can say exactly how it came about."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace

from tinyedge.errors import TrainingError, UsageError


@dataclass(frozen=True)
class Recipe:
    """SGD with Nesterov momentum and a cosine from ``learning_rate`` to 0; cross entropy without label smoothing.

    Args:
        name: what tables call it.
        epochs: passes over the training set.
        batch: images a step; the incomplete last batch of an epoch is dropped (a fresh permutation each epoch).
        learning_rate: at the first step.
        momentum: Nesterov's.
        weight_decay: on every parameter.
        crop_padding: black pixels added on each side before the random crop back to the image's size.
        flip: mirror half of the images.
    """

    name: str
    epochs: int = 200
    batch: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    crop_padding: int = 4
    flip: bool = True

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of ``step`` out of ``steps`` (counted from 0 over the whole run).

        >>> Recipe("paper").rate(0, 100), Recipe("paper").rate(50, 100)
        (0.1, 0.05)
        """
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))

    @property
    def digest(self) -> str:
        """SHA-256 of every field."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def shortened(self, epochs: int) -> Recipe:
        """The recipe with other epochs and a name that says so: it is never taken for the full one."""
        if epochs == self.epochs:
            return self
        if epochs < 1:
            raise UsageError("a recipe needs at least one epoch", where="--epochs", found=epochs, expected="1 or more")
        return replace(self, name=f"{self.name}-{epochs}ep", epochs=epochs)


PAPER = Recipe("paper")
"""The study's recipe, for CIFAR-100: the same for every width."""

SHAPES = Recipe("shapes", epochs=30, flip=False)
"""For the embedded synthetic set: easier than CIFAR-100, so shorter; no flips, as its classes have a handedness."""

RECIPES = {recipe.name: recipe for recipe in (PAPER, SHAPES)}


def chosen_recipe(name: str | None, epochs: int | None, data: str) -> Recipe:
    """The recipe called ``name`` (default: the dataset's own), with other ``epochs`` where they are given.

    Raises:
        UsageError: for an unknown name, or no epoch at all.
    """
    name = name or ("shapes" if data == "shapes" else "paper")
    if name not in RECIPES:
        raise UsageError("unknown recipe", where="--recipe", found=name, expected=" or ".join(RECIPES))
    return RECIPES[name].shortened(epochs) if epochs is not None else RECIPES[name]


def recipe_from(fields: dict[str, object]) -> Recipe:
    """A recipe from a checkpoint's metadata.

    Raises:
        TrainingError: where the fields are not a recipe's.
    """
    try:
        return Recipe(**fields)  # type: ignore[arg-type]  # checked by the constructor's names
    except TypeError as error:
        raise TrainingError("the checkpoint's recipe is not one that this version knows", found=fields) from error
