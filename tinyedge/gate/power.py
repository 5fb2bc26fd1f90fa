"""What a run can tell: for each gate, the changes that so many images show, before any model is run.

"Settled" means with a probability of 80 %. Everything is a pure function of its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tinyedge.errors import UsageError
from tinyedge.gate.catalogue import GATES
from tinyedge.gate.policy import Policy
from tinyedge.gate.power_plans import PLANS
from tinyedge.gate.power_setup import Plan, Setup
from tinyedge.stats.power import images_to_settle

PARITY_SAMPLE = 1000
"""That a run is compared with TensorFlow Lite Micro on, unless told otherwise."""


@dataclass(frozen=True)
class PowerRow:
    """What one gate can tell with the images of a run; figures are true ones, not measured ones.

    Args:
        gate: its name, or that of one of its results.
        title: what a reader sees.
        unit: of ``limit``, ``detects`` and ``passes``.
        limit: the policy's.
        detects: the smallest figure that FAILs with a probability of 80 %; ``None`` where none does.
        images_for_limit: how many images it takes for a model that nothing happened to to be settled, or, where the
            note says so, for a share of images that is typical or was measured; ``None`` where no practical number
            does, or nothing is known of the model.
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


def power_table(
    *,
    images: int,
    classes: int,
    discordance: float,
    policy: Policy,
    parity_images: int | None = None,
    measured: Mapping[str, float] | None = None,
) -> tuple[PowerRow, ...]:
    """What each gate can tell with so many images, of those that are on in the policy and apply.

    Args:
        images: in all, equally many a class.
        classes: K.
        discordance: expected share of images on which exactly one of the two models is right, 0..1.
        policy: limits and confidence.
        parity_images: of the parity sample; ``PARITY_SAMPLE``, or all where there are fewer, if ``None``.
        measured: the figures of a run, by gate (and result, as ``baseline.negative_flips``), in the unit of the limit.

    Raises:
        UsageError: for arguments that cannot be.
    """
    _check(images, classes, discordance)
    sample = min(images, PARITY_SAMPLE) if parity_images is None else parity_images
    setup = Setup(classes, discordance, 1 - policy.confidence, sample, dict(measured or {}))
    return tuple(
        _row(name, plan, images if plan.sample is None else plan.sample) for name, plan in _plans(setup, policy)
    )


def _row(name: str, plan: Plan, images: int) -> PowerRow:
    return PowerRow(
        gate=name,
        title=plan.title or next(gate.title for gate in GATES if gate.name == name),
        unit=plan.unit,
        limit=plan.limit,
        detects=_edge(lambda x: plan.fails(x, images), inside=plan.top, outside=plan.limit),
        images_for_limit=None if plan.usual is None else _images(plan, plan.usual),
        note=plan.note,
        passes=_edge(lambda x: plan.passes(x, images), inside=0.0, outside=plan.limit),
    )


def images_for(*, gate: str, figure: float, classes: int, discordance: float, policy: Policy) -> int | None:
    """Images with which a gate settles, to PASS or to FAIL, a model whose true figure is ``figure``.

    Args:
        gate: its name, or a result's, as in the table.
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
    plans = dict(_plans(Setup(classes, discordance, 1 - policy.confidence, PARITY_SAMPLE), policy))
    if gate not in plans:
        raise UsageError("there is no power table of this gate", found=gate, expected="one of " + ", ".join(plans))
    if not 0 <= figure <= plans[gate].top:
        raise UsageError("a figure cannot be", found=figure, expected=f"0 to {plans[gate].top:g} {plans[gate].unit}")
    return _images(plans[gate], figure)


def _plans(setup: Setup, policy: Policy) -> Iterator[tuple[str, Plan]]:
    for name, make in PLANS.items():
        rule = policy.rules[name.partition(".")[0]]
        plan = make(setup, rule) if rule.enabled else None
        if plan is not None:
            yield name, plan


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
