"""Whether the models of a family are alike in all but their size and seed, and what differs where they are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinyedge.errors import PredictionsError

if TYPE_CHECKING:
    from tinyedge.study.members import Setting, Trained


def differing(models: Sequence[Trained], facts: str, keys: Sequence[str]) -> tuple[str, ...]:
    """What of the ``run`` or the ``training`` of models is not the same for all, a text a key."""
    told = []
    for key in keys:
        values: dict[str, list[str]] = {}
        for m in models:
            values.setdefault(str(getattr(m, facts).get(key)), []).append(m.model)
        if len(values) > 1:
            told.append(f"{key}: " + ", ".join(f"{value} ({_few(names)})" for value, names in values.items()))
    return tuple(told)


def check_epochs(setting: Setting, models: Sequence[Trained]) -> None:
    """Models that were trained for different times are not one family, whatever the caller allows.

    Raises:
        PredictionsError: where the epochs are not the recipe's for all.
    """
    by_epochs: dict[Any, list[str]] = {}
    for m in models:
        by_epochs.setdefault(m.training.get("epochs", setting.recipe.epochs), []).append(m.model)
    if set(by_epochs) != {setting.recipe.epochs}:
        raise PredictionsError(
            "models of different training are no family: their difference is not their size's alone",
            where=f"{setting.family} on {setting.target}",
            found="; ".join(f"{epochs} epochs: {_few(names)}" for epochs, names in by_epochs.items()),
            expected=f"{setting.recipe.epochs} epochs for all (recipe {setting.recipe.name})",
            fix="keep each recipe in a sweep folder of its own",
        )


def check_stems(models: Sequence[Trained]) -> None:
    """Two members of one width differ in more than their width.

    Raises:
        PredictionsError: where there are two kinds of stem.
    """
    stems = {m.member.endswith("-s2") for m in models}
    if len(stems) > 1:
        raise PredictionsError(
            "members with two kinds of stem are no one family",
            found=_few([m.member for m in models if m.member.endswith("-s2")]) + " beside stride 1",
            expected="one first stride for all",
            fix="keep each in a sweep folder of its own",
        )


def _few(names: Sequence[str]) -> str:
    """A few names, and how many more."""
    distinct = list(dict.fromkeys(names))
    return ", ".join(distinct[:3]) + (f" and {len(distinct) - 3} more" if len(distinct) > 3 else "")
