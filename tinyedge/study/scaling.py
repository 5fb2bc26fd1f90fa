"""All that the study says of a family on one target, and against its float reference, as one result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tinyedge.errors import PredictionsError
from tinyedge.metrics.scaling import FEWEST
from tinyedge.models.family import Member, family_module
from tinyedge.report.codec import encode
from tinyedge.study.alike import differing
from tinyedge.study.cost import QuantizationCost, quantization_cost
from tinyedge.study.curves import CURVES, Curve, curve
from tinyedge.study.estimate import Estimate
from tinyedge.study.exemplars import Exemplars, exemplars
from tinyedge.study.giving_up import GivenUp, given_up
from tinyedge.study.law import ErrorLaw, error_law, law_change
from tinyedge.study.members import Family, Setting, common
from tinyedge.study.overlap import Overlaps, error_overlap
from tinyedge.study.peak import Peak, calibration_peak
from tinyedge.study.ranks import RankStability, rank_stability

SCHEMA = "tinyedge-scaling/1"
TRAINED_BY = ("device", "torch")
"""Facts of the training that rounding depends on: where they differ it is said."""


@dataclass(frozen=True)
class Alone:
    """A family on one target.

    Args:
        setting: what all its models share.
        images: N of the evaluation set.
        classes: K.
        models: names, narrowest first.
        missing: names of the planned models that are not among them.
        run: runtimes, versions, kernels, rounding and machines: each distinct value once.
        differences: what differs between the runs, where that was allowed.
        law: ``None`` below three widths.
        overlaps: of the error sets.
        curves: by metric.
        peak: of the ECE.
        given_up: smallest against largest.
    """

    setting: Setting
    images: int
    classes: int
    models: tuple[str, ...]
    missing: tuple[str, ...]
    run: dict[str, tuple[str, ...]]
    differences: tuple[str, ...]
    law: ErrorLaw | None
    overlaps: Overlaps
    curves: dict[str, Curve]
    peak: Peak
    given_up: GivenUp


@dataclass(frozen=True)
class Pair:
    """The family on its target against the same models in float.

    Args:
        models: names of those that both have.
        alpha_change: of the law's exponent; ``None`` below three widths.
        cost: width by width.
        exemplars: which images flip in every seed.
        ranks: which orders change.
    """

    models: tuple[str, ...]
    alpha_change: Estimate | None
    cost: QuantizationCost
    exemplars: Exemplars
    ranks: RankStability


@dataclass(frozen=True)
class Scaling:
    """The whole result.

    Args:
        deployed: the family on the target that was asked for.
        reference: the same family on the float reference; ``None`` where they are one.
        pair: the two against each other.
        notes: what is missing or not to be had, in sentences.
    """

    deployed: Alone
    reference: Alone | None
    pair: Pair | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return {"schema": SCHEMA, **encode(self)}


def scaling(deployed: Family, *, reference: Family | None = None) -> Scaling:
    """Study a family, and what its target does to it.

    Args:
        deployed: on the target.
        reference: the same models in float; ``None`` to look at one target alone.

    Raises:
        PredictionsError: for a family with one width, or where the two have no model in common.
    """
    if len(deployed.widths) < 2:
        raise PredictionsError(
            "one member is no family: nothing can be said about size",
            where=f"{deployed.setting.family} on {deployed.setting.target}",
            found=f"only {deployed.widths[0].member}",
            expected="2 widths or more, 3 for a law",
            fix="tinyedge sweep --widths trains more; tinyedge evaluate has the figures of one model",
        )
    return Scaling(
        deployed=alone(deployed),
        reference=None if reference is None else alone(reference),
        pair=None if reference is None else _pair(reference, deployed),
        notes=tuple(_notes(deployed, reference)),
    )


def alone(family: Family) -> Alone:
    """Every topic of one target.

    Raises:
        PredictionsError: for a family with one width.
    """
    return Alone(
        setting=family.setting,
        images=family.images,
        classes=family.models[0].outcome.num_classes,
        models=tuple(m.model for m in family.models),
        missing=family.missing,
        run={key: family.told(key) for key in ("runtime", "runtime_version", "kernels", "rounding", "machine")},
        differences=family.differences,
        law=error_law(family) if len(family.widths) >= FEWEST else None,
        overlaps=error_overlap(family),
        curves={metric: curve(family, metric) for metric in CURVES if metric in family.models[0].figures},
        peak=calibration_peak(family),
        given_up=given_up(family),
    )


def _pair(reference: Family, deployed: Family) -> Pair:
    reference, deployed = common(reference=reference, deployed=deployed)
    enough = len(reference.widths) >= FEWEST
    return Pair(
        models=tuple(m.model for m in reference.models),
        alpha_change=law_change(reference=reference, deployed=deployed) if enough else None,
        cost=quantization_cost(reference=reference, deployed=deployed),
        exemplars=exemplars(reference=reference, deployed=deployed),
        ranks=rank_stability(reference=reference, deployed=deployed),
    )


def _notes(deployed: Family, reference: Family | None) -> list[str]:
    """What is missing, and what that keeps from being said."""
    setting, widths = deployed.setting, deployed.widths
    names = {Member(setting.family, w).name for w in family_module(setting.family).WIDTHS}
    absent = sorted(names - {w.member.removesuffix("-s2") for w in widths}, key=lambda n: float(n.split("-")[1][1:]))
    notes = []
    if absent:
        notes.append(f"no outcomes, so nothing is said of {_listed(name.partition('-')[2] for name in absent)}")
    single = [w.label for w in widths if len(w.seeds) == 1]
    if len(single) == len(widths):
        notes.append("one seed a width: there is no interval over seeds, and no seed noise to compare with")
    elif single:
        notes.append(f"one seed at {_listed(single)}: how much another seed changes there is not known")
    seeds = {w.seeds for w in widths}
    if len(seeds) > 1:
        notes.append("seeds differ between widths: every pair of those there are is used")
    if len(widths) < FEWEST:
        notes.append(f"{len(widths)} widths: no law is fitted, as any line goes through two points")
    if setting.synthetic:
        notes.append(f"the images of {setting.data} are synthetic")
    if reference is not None:
        notes += _unpaired(reference, deployed)
    notes += [f"training differs in {told}" for told in differing(deployed.models, "training", TRAINED_BY)]
    for family in (deployed, reference):
        if family is not None and family.differences:
            notes.append(f"mixed on {family.setting.target}: {'; '.join(family.differences)}")
    return notes


def _unpaired(reference: Family, deployed: Family) -> list[str]:
    """Models that one side has and the other lacks."""
    notes = []
    for one, other in ((reference, deployed), (deployed, reference)):
        lacking = sorted({m.model for m in one.models} - {m.model for m in other.models})
        if lacking:
            notes.append(f"left out of every comparison, as {other.setting.target} lacks them: {_listed(lacking)}")
    return notes


def _listed(names: Any) -> str:
    return ", ".join(names)
