"""Which size to ship on a board: every trained member of a family through one validation each, at its own size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tinyedge import __version__
from tinyedge.board_use import Aim
from tinyedge.data.dataset import Dataset
from tinyedge.errors import ArtifactNotFound, TargetCrashed, TargetError, TargetRefused, TargetTimeout, UsageError
from tinyedge.gate import Policy, Status
from tinyedge.gate.policy import DEFAULT_POLICY
from tinyedge.models.family import Member, members
from tinyedge.registry import TARGETS, lookup
from tinyedge.report.codec import encode
from tinyedge.report.fit import Fit, Row, Taken, limits_of, only_sized, row_of, unit_of
from tinyedge.report.schema import Report
from tinyedge.validate import PARITY_IMAGES, data_facts, validate
from tinyedge.zoo import Entry, entries

OnMember = Callable[[str, int, int], None]
"""Called with a member's name before it runs, how many are done, and how many there are."""


_SIZING = 20
"""Images that show what a model takes; what it keeps they cannot show."""
PRECISION = "int8"
"""Of every row: what is not trained is sized by its int8 weights."""


def _silent(name: str, done: int, total: int) -> None:
    """No progress."""


def fit(
    aim: Aim,
    *,
    target: str,
    family: str,
    data: Dataset,
    policy: Policy = DEFAULT_POLICY,
    options: Mapping[str, Any] | None = None,
    parity_images: int = PARITY_IMAGES,
    seed: int = 0,
    within_budget: bool = False,
    on_member: OnMember = _silent,
) -> Fit:
    """Validate every shipped member of ``family`` that was trained on ``data`` against the board.

    Args:
        aim: the board, and the frame rate.
        target: that stands for it.
        family: ``scalecnn`` or ``mobilenetv2``.
        data: the evaluation set, or the sample of it to run.
        policy: the gates and their limits.
        options: of the target's constructor.
        parity_images: as ``validate`` takes it.
        seed: of the parity sample.
        within_budget: judge only members that keep the budget, by a look at a few images first.
        on_member: for progress.

    Raises:
        UsageError: for an unknown family or target, or as ``check_precision``.
        ArtifactNotFound: where nothing of the family was trained on these data.
        TargetRefused, TargetCrashed, TargetTimeout: where no member runs, the first one's.
        TargetUnavailable, ArtifactError, PredictionsError: as ``validate``.
    """
    check_precision(target)
    family_members = members(family, num_classes=data.num_classes)
    shipped = _shipped(family_members, data.name)
    reports: dict[str, Report] = {}
    beyond: dict[str, Report] = {}
    refused: dict[str, TargetError] = {}
    few = data.sample(min(_SIZING, len(data)), seed=seed)
    for done, (name, entry) in enumerate(shipped.items()):
        on_member(name, done, len(shipped))
        try:
            if within_budget:
                sized = _validate(entry, aim, target, few, policy, options or {}, 0, seed)
                if row_of(sized, model=name, params=entry.params).budget is Status.FAIL:
                    beyond[name] = sized
                    continue
            reports[name] = _validate(entry, aim, target, data, policy, options or {}, parity_images, seed)
        except (TargetRefused, TargetCrashed, TargetTimeout) as error:
            refused[name] = error
    if not reports and not beyond:
        raise next(iter(refused.values()))
    first = next(iter((reports | beyond).values()))
    limits = limits_of(first)
    rows = [_row(member, reports, beyond, refused, limits.get("flash")) for member in family_members]
    estimate = None if first.board is None else first.board.estimate
    return Fit(
        board={"name": aim.board.name, "title": aim.board.title, "facts": encode(aim.board)},
        run={
            "tinyedge": __version__,
            "target": target,
            "options": dict(options or {}),
            "family": family,
            "seed": seed,
            "parity_images": parity_images,
            "policy": policy.name,
            "policy_digest": policy.digest,
            "confidence": policy.confidence,
            "kernels": first.deployed.target["kernels"],
        },
        data=data_facts(data),
        fps=aim.fps,
        unit=unit_of(first),
        limits=limits,
        label=None if estimate is None else estimate["label"],
        rows=tuple(sorted(rows, key=lambda row: row.params)),
    )


def check_precision(target: str) -> None:
    """Whether the target runs the files that the table is of.

    Raises:
        UsageError: for an unknown target, or one that runs no int8 files.
    """
    kind = lookup(TARGETS, "target", target)
    if kind.precision != PRECISION:
        raise UsageError(
            f"the table is of {PRECISION} files: members that are not trained are sized by their {PRECISION} weights",
            where=f"--target {target}",
            found=f"a target that runs {kind.precision} files",
            expected=f"one that runs {PRECISION} files",
            fix="leave --target out, or hold one model against the board: tinyedge validate --board",
        )


def _shipped(family_members: Sequence[Member], data: str) -> dict[str, Entry]:
    """The zoo's entries of the family for these data, smallest first."""
    names = [member.name for member in family_members]
    found = {e.model: e for e in sorted(entries(), key=lambda e: e.params) if e.data == data and e.seed == 0}
    found = {name: entry for name, entry in found.items() if name in names}
    if not found:
        have = dict.fromkeys(f"{e.model.partition('-')[0]} on {e.data}" for e in entries())
        raise ArtifactNotFound(
            f"no member of {family_members[0].family} that ships was trained on {data}",
            found="none; there is " + ", ".join(have),
            fix="choose one of these, or hold a model of your own against the board: tinyedge validate --board",
        )
    return found


def _validate(
    entry: Entry,
    aim: Aim,
    target: str,
    data: Dataset,
    policy: Policy,
    options: Mapping[str, Any],
    parity_images: int,
    seed: int,
) -> Report:
    kind = lookup(TARGETS, "target", target)
    return validate(
        reference=entry.load("onnx-fp32"),
        deployed=entry.load(f"{kind.format}-{kind.precision}"),
        reference_target="onnx-fp32",
        target=target,
        data=data,
        policy=policy,
        seed=seed,
        parity_images=parity_images,
        options=options,
        aim=aim,
    )


def _row(
    member: Member,
    reports: Mapping[str, Report],
    beyond: Mapping[str, Report],
    refused: Mapping[str, TargetError],
    flash: float | None,
) -> Row:
    name, plan = member.name, member.plan
    if name in reports:
        return row_of(reports[name], model=name, params=plan.params)
    if name in beyond:
        return only_sized(row_of(beyond[name], model=name, params=plan.params))
    weights = Taken(plan.int8_bytes, "lower bound")
    # A bound from below can rule out, and nothing else.
    too_large = flash is not None and plan.int8_bytes > flash
    if name in refused:
        error = refused[name]
        note = error.what if isinstance(error, TargetRefused) else f"could not run: {error.what}"
        return Row(name, plan.params, True, flash=weights, verdict=Status.FAIL, note=note)
    return Row(
        name,
        plan.params,
        False,
        flash=weights,
        budget=Status.FAIL if too_large else None,
        note="the weights alone are beyond the flash" if too_large else None,
    )
