"""What a run can tell: for each gate, the changes that so many images show, before any model is run.

"Settled" means with a probability of 80 %. Everything is a pure function of its arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tinyedge.errors import UsageError
from tinyedge.gate.catalogue import GATES
from tinyedge.gate.policy import Policy
from tinyedge.gate.power_plans import PLANS, Plan, Setup
from tinyedge.stats.power import images_to_settle


@dataclass(frozen=True)
class PowerRow:
    """What one gate can tell with the images of a run; figures are true ones, not measured ones.

    Args:
        gate: its name.
        title: what a reader sees.
        unit: of ``limit``, ``detects`` and ``passes``.
        limit: the policy's.
        detects: the smallest figure that FAILs with a probability of 80 %; ``None`` where none does.
        images_for_limit: how many images it takes for a model that nothing happened to to be settled; ``None`` where
            no practical number does.
        note: what was assumed, and how the figures were worked out.
        passes: the largest figure that PASSes with a probability of 80 %; ``None`` where none does.
    """

    gate: str
    title: str
    unit: str
    limit: float
    detects: float | None
    images_for_limit: int | None
    note: str
    passes: float | None = None


def power_table(*, images: int, classes: int, discordance: float, policy: Policy) -> tuple[PowerRow, ...]:
    """What each gate can tell with so many images, of those that are on in the policy and apply.

    Args:
        images: in all, equally many a class.
        classes: K.
        discordance: expected share of images on which exactly one of the two models is right, 0..1.
        policy: limits and confidence.

    Raises:
        UsageError: for arguments that cannot be.
    """
    _check(images, classes, discordance)
    titles = {gate.name: gate.title for gate in GATES}
    return tuple(
        PowerRow(
            gate=name,
            title=titles[name],
            unit=plan.unit,
            limit=plan.limit,
            detects=_edge(lambda x, fails=plan.fails: fails(x, images), inside=plan.top, outside=plan.limit),  # type: ignore[misc]
            images_for_limit=_images(plan, plan.usual),
            note=plan.note,
            passes=_edge(lambda x, passes=plan.passes: passes(x, images), inside=0.0, outside=plan.limit),  # type: ignore[misc]
        )
        for name, plan in _plans(classes, discordance, policy).items()
    )


def images_for(*, gate: str, figure: float, classes: int, discordance: float, policy: Policy) -> int | None:
    """Images with which a gate settles, to PASS or to FAIL, a model whose true figure is ``figure``.

    Args:
        gate: its name.
        figure: the true one, in the unit of the gate's limit.
        classes: K.
        discordance: expected share of images on which exactly one of the two models is right, 0..1.
        policy: limits and confidence.

    Returns:
        ``None`` where no practical number does.

    Raises:
        UsageError: for arguments that cannot be, or a gate that is off, does not apply or has no such table.
    """
    _check(1, classes, discordance)
    plans = _plans(classes, discordance, policy)
    if gate not in plans:
        raise UsageError("there is no power table of this gate", found=gate, expected="one of " + ", ".join(plans))
    if not 0 <= figure <= plans[gate].top:
        raise UsageError("a figure cannot be", found=figure, expected=f"0 to {plans[gate].top:g} {plans[gate].unit}")
    return _images(plans[gate], figure)


def _plans(classes: int, discordance: float, policy: Policy) -> dict[str, Plan]:
    setup = Setup(classes, discordance, 1 - policy.confidence)
    made = {
        gate.name: PLANS[gate.name](setup, policy.rules[gate.name])
        for gate in GATES
        if gate.name in PLANS and policy.rules[gate.name].enabled
    }
    return {name: plan for name, plan in made.items() if plan is not None}


def _images(plan: Plan, figure: float) -> int | None:
    # A plan is as exact as it gets: no formula has to be outdone.
    return images_to_settle(lambda n: plan.passes(figure, n) or plan.fails(figure, n), now=1, formula=1)


def _edge(holds: Callable[[float], bool], *, inside: float, outside: float) -> float | None:
    """The figure nearest to ``outside`` that ``holds`` is true of, to three digits; ``None`` where of none."""
    if not holds(inside):
        return None
    while abs(outside - inside) > 5e-4 * max(abs(inside), 1e-6):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
        if inside == middle == 0:
            break
    return inside


def _check(images: int, classes: int, discordance: float) -> None:
    if images < 1 or classes < 2 or not 0 <= discordance <= 1:
        raise UsageError(
            "there is no such evaluation set",
            found=f"{images} images, {classes} classes, a discordance of {discordance}",
            expected="1 image or more, 2 classes or more, a discordance of 0 to 1 (a fraction)",
        )
