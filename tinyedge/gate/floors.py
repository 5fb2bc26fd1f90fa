"""Gate: absolute floors that a policy may set, whatever the reference does: none is set by default."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from math import ceil

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import PolicyError
from tinyedge.gate.accuracy import judge_drop
from tinyedge.gate.classes import MIN_IMAGES, MIN_IMAGES_SAYS, thin_classes
from tinyedge.gate.ece import judge_ece_limit
from tinyedge.gate.result import Case, GateResult, Status, settle
from tinyedge.gate.rule import Rule, names, optional, setting, tables
from tinyedge.gate.shares import images_needed
from tinyedge.metrics.accuracy import BOTTOM, ClassAccuracies, bottoms, spread_kept
from tinyedge.metrics.outcome import Outcome
from tinyedge.stats.proportion import share_interval
from tinyedge.stats.resampling import accuracies, draw_right, reflected

NAME, TITLE = "floors", "Floors"


@dataclass(frozen=True)
class Group:
    """Classes that a policy judges as one, ``[[floors.group]]``: a "safety-critical" list, one class, a superclass.

    Raises:
        PolicyError: where it names no class, or sets no limit.
    """

    name: str = field(metadata={"says": "printed in reports"})
    classes: tuple[str, ...] = names(says="names of classes")
    superclasses: tuple[str, ...] = names(says="names of superclasses, each standing for all of its classes")
    min_accuracy_percent: float | None = optional(
        says="smallest true accuracy over the group's images", low=0, high=100
    )
    max_drop_pp: float | None = optional(says="largest true drop in accuracy, over the group's images", low=0, high=100)

    def __post_init__(self) -> None:
        """Refuse a group that could not fail."""
        if not self.classes and not self.superclasses:
            raise PolicyError(
                "a group of classes is empty", found=f"group {self.name!r}", expected="classes or superclasses, by name"
            )
        if self.min_accuracy_percent is None and self.max_drop_pp is None:
            raise PolicyError(
                "a group of classes has no limit",
                found=f"group {self.name!r}",
                expected="min_accuracy_percent, max_drop_pp, or both",
            )


@dataclass(frozen=True)
class FloorsRule(Rule):
    """Settings of the floors gate; ``None`` is not judged.

    Raises:
        PolicyError: where two groups have one name.
    """

    min_accuracy_percent: float | None = optional(says="smallest true top-1 accuracy", low=0, high=100)
    min_bottom5_percent: float | None = optional(
        says="smallest true mean accuracy of the model's five worst classes", low=0, high=100
    )
    max_ece_pp: float | None = optional(says="largest true expected calibration error", low=0, high=100)
    max_size_bytes: float | None = optional(says="largest model file", low=1, high=1e12)
    max_arena_bytes: float | None = optional(says="largest tensor arena", low=1, high=1e12)
    min_images_per_class: int = setting(MIN_IMAGES, says=f"{MIN_IMAGES_SAYS} (bottom five)", low=2, high=1_000_000)
    group: tuple[Group, ...] = tables(Group, says="classes that are judged as one")

    def __post_init__(self) -> None:
        """Refuse two results of one name."""
        named = [group.name for group in self.group]
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise PolicyError(
                "two groups of classes have one name", where="floors.group", found=twice[0], expected="one group a name"
            )


def judge_floors(case: Case, rule: FloorsRule) -> tuple[GateResult, ...] | str:
    """Each floor that the policy sets, by itself: ``floors.accuracy``, ``floors.size``, ``floors.group.<name>...``.

    Raises:
        PolicyError: where a group names a class or superclass that the data do not have.
    """
    found: list[GateResult] = []
    if rule.min_accuracy_percent is not None:
        everything = np.ones(len(case.deployed), np.bool_)
        found.append(_share(case, everything, rule.min_accuracy_percent, f"{NAME}.accuracy", "Floor: accuracy"))
    if rule.min_bottom5_percent is not None:
        found.append(_bottom5(case, rule.min_bottom5_percent, rule.min_images_per_class))
    if rule.max_ece_pp is not None:
        found.append(judge_ece_limit(f"{NAME}.ece", "Floor: calibration error", case, rule.max_ece_pp))
    for key, word, limit in (("size", "model file", rule.max_size_bytes), ("arena", "arena", rule.max_arena_bytes)):
        if limit is not None:
            found.append(_bytes(case, key, word, limit))
    for group in rule.group:
        found.extend(_group(case, group))
    return tuple(found) or "the policy sets no floor"


def _share(case: Case, chosen: NDArray[np.bool_], limit: float, name: str, title: str) -> GateResult:
    """Accuracy over the chosen images ``(N,)`` against a floor, by exact bounds."""
    n, right = int(chosen.sum()), int(case.deployed.correct[chosen].sum())
    if n == 0:
        return _unknown(name, title, "%", limit, "None of the images is of these classes.")
    low, high = (100 * bound for bound in share_interval(right, n, tail=case.tail))
    # What is settled is that the share of wrong images is at most the rest.
    status = settle((100 - high, 100 - low), 100 - limit)
    needed = None
    if status is Status.INCONCLUSIVE:
        more = images_needed(n - right, n, limit=1 - limit / 100, tail=case.tail)
        needed = None if more is None else ceil(more * len(chosen) / n)
    detail = f"{right:,} of {n:,} images are right."
    return GateResult(name, title, status, 100 * right / n, "%", (low, high), limit, detail, needed, at_least=True)


def _bottom5(case: Case, limit: float, minimum: int) -> GateResult:
    """The deployed model's own five worst classes against a floor."""
    name, title = f"{NAME}.bottom5", "Floor: bottom five"
    if len(case.cells) <= BOTTOM:
        return _unknown(name, title, "%", limit, f"Only {len(case.cells)} classes have images.")
    table = ClassAccuracies(
        np.flatnonzero(case.deployed.class_counts), case.cells.sum(axis=1), accuracies(case.cells[None])[1][0]
    )
    found = 100 * float(bottoms(table.accuracy[None])[0])
    detail = f"The model's own five worst classes are {found:.1f} % right."
    thin = thin_classes(case, minimum)
    if thin is not None:
        detail = f"{thin[0]}. {detail}"
        return GateResult(name, title, Status.INCONCLUSIVE, found, "%", None, limit, detail, thin[1], at_least=True)
    low, high = bottom5_interval(table, tail=case.tail)
    status = settle((1 - high, 1 - low), 1 - limit / 100)
    return GateResult(name, title, status, found, "%", (100 * low, 100 * high), limit, detail, at_least=True)


def bottom5_interval(table: ClassAccuracies, *, tail: float = 0.05) -> tuple[float, float]:
    """Bounds of the true mean accuracy of the five worst classes, each missed with a probability of about ``tail``.

    The five that look worst look worse than they are. The lower bound, a plain reflected bootstrap's, takes off too
    little of that: it is safe to pass by. For the upper one samples are drawn from accuracies that are pulled together
    as far as chance explains their spread: else classes that are truly equal would fail.

    Args:
        table: of two images or more a class, and more than five classes.
        tail: on each side.
    """
    a, kept = table.accuracy, spread_kept(table)
    shrunk = a.mean() + kept * (a - a.mean())
    found, centre = float(bottoms(a[None])[0]), float(bottoms(shrunk[None])[0])
    low, _ = reflected(found, bottoms(draw_right(table.counts, a)), tail=tail)
    likely = np.quantile(bottoms(draw_right(table.counts, np.clip(shrunk, 0, 1))), tail)
    return max(low, 0.0), min(max(centre + found - float(likely), low), 1.0)


def _bytes(case: Case, key: str, word: str, limit: float) -> GateResult:
    """A size in bytes: known exactly, or not at all."""
    name, title, found = f"{NAME}.{key}", f"Floor: {word}", case.facts.get(f"{key}_bytes")
    if found is None:
        return _unknown(name, title, "bytes", limit, f"The size of the {word} is not known for this run.", least=False)
    status = Status.PASS if found <= limit else Status.FAIL
    return GateResult(name, title, status, found, "bytes", None, limit, f"The {word} takes {found:,.0f} bytes.")


def _group(case: Case, group: Group) -> list[GateResult]:
    """A group's accuracy, its drop, or both; each over all of its images together."""
    chosen = np.isin(case.deployed.labels, class_indices(case.deployed, group))
    name, title = f"{NAME}.group.{group.name}", f"Floor: {group.name}"
    found = []
    if group.min_accuracy_percent is not None:
        found.append(_share(case, chosen, group.min_accuracy_percent, f"{name}.accuracy", f"{title}, accuracy"))
    if group.max_drop_pp is not None:
        found.append(_drop(case, chosen, group.max_drop_pp, f"{name}.drop", f"{title}, drop"))
    return found


def _drop(case: Case, chosen: NDArray[np.bool_], limit: float, name: str, title: str) -> GateResult:
    """The drop in accuracy over the chosen images, paired as the accuracy gate's."""
    if not chosen.any():
        return _unknown(name, title, "pp", limit, "None of the images is of these classes.", least=False)
    before, after = case.reference.correct[chosen], case.deployed.correct[chosen]
    said = f"{before.mean():.2%} before, {after.mean():.2%} now"
    return judge_drop(name, title, before, after, limit, said, case.tail, chosen_of=len(chosen))


def class_indices(outcome: Outcome, group: Group) -> NDArray[np.int64]:
    """The classes of a group, ascending.

    Raises:
        PolicyError: for a name that the data do not have, with the nearest one that they do.
    """
    wanted = {_position(name, outcome.class_names, "class", group) for name in group.classes}
    for name in group.superclasses:
        index = _position(name, outcome.superclass_names, "superclass", group)
        wanted |= set(np.flatnonzero(outcome.superclasses == index).tolist())
    return np.array(sorted(wanted), np.int64)


def _position(name: str, known: tuple[str, ...], kind: str, group: Group) -> int:
    if name in known:
        return known.index(name)
    close = get_close_matches(name, known, n=1, cutoff=0.4)
    raise PolicyError(
        f"the data have no {kind} of this name",
        where=f"floors.group, {group.name!r}",
        found=name,
        expected=f"one of the {len(known)} {kind} names of the data" if known else f"data with {kind} names",
        fix=f"did you mean {close[0]}?" if close else None,
    )


def _unknown(name: str, title: str, unit: str, limit: float, detail: str, *, least: bool = True) -> GateResult:
    """A floor that is set and cannot be looked at: never a pass."""
    return GateResult(name, title, Status.INCONCLUSIVE, 0.0, unit, None, limit, detail, at_least=least)
