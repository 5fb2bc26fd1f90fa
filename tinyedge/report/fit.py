"""Which size to ship on a board: what each member of a family takes and keeps, as one table that a reader can check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tinyedge.gate import GateResult, Status, Verdict
from tinyedge.gate.budget import NAME as BUDGET
from tinyedge.gate.budget import TITLE as BUDGET_TITLE
from tinyedge.gate.result import EVIDENCE, EXIT_CODES
from tinyedge.report.codec import encode
from tinyedge.report.schema import Report
from tinyedge.stats.proportion import share_interval

SCHEMA = "tinyedge-fit/1"
WORK = ("instructions", "cycles")
"""What an inference is counted in: firmware's instructions, or an NPU's estimated cycles."""


@dataclass(frozen=True)
class Taken:
    """One figure of a model on the board.

    Args:
        value: bytes, instructions or cycles.
        note: where it is from: ``firmware``, ``model file``, ``lower bound`` or ``estimate``.
    """

    value: float
    note: str


@dataclass(frozen=True)
class Row:
    """One member of the family.

    Args:
        model: its name.
        params: trainable parameters.
        trained: whether it ships; else nothing but its size is known.
        accuracy: of the deployed file, a fraction; ``None`` where it did not run, like the rest.
        bounds: one-sided bounds of the true accuracy, below and above.
        flash: what it takes; for a member that is not trained the weights alone.
        ram: data, arena and stack.
        work: of one inference, in the table's unit.
        max_fps: frames a second: more cannot be by its instructions, or by the NPU's estimate.
        budget: what the board's limits come to; of a member that is not trained FAIL or nothing.
        gates: what all other gates come to; ``None`` where the policy has none.
        verdict: of all together.
        failed: titles of the gates and limits that it fails.
        unsettled: titles of those that the images cannot settle.
        images_needed: that would about settle them, where that can be told.
        note: what else is to say: the target refuses it, the weights alone are beyond the flash, or it was not judged.
    """

    model: str
    params: int
    trained: bool
    accuracy: float | None = None
    bounds: tuple[float, float] | None = None
    flash: Taken | None = None
    ram: Taken | None = None
    work: Taken | None = None
    max_fps: float | None = None
    budget: Status | None = None
    gates: Status | None = None
    verdict: Status | None = None
    failed: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()
    images_needed: int | None = None
    note: str | None = None


@dataclass(frozen=True)
class Fit:
    """The table.

    Args:
        board: name, title and the facts of the board's file.
        run: target, family, policy, images, seed, version: what to repeat it with.
        data: name, split, images, classes, digest, whether synthetic.
        fps: frames a second that were asked for, or ``None``.
        unit: of ``Row.work``: ``instructions`` or ``cycles``; ``None`` where nothing counts it.
        limits: of ``flash``, ``ram`` and ``work``, each where there is one.
        label: whose estimates the figures are, or ``None``.
        rows: the family, smallest first.
    """

    board: dict[str, Any]
    run: dict[str, Any]
    data: dict[str, Any]
    fps: float | None
    unit: str | None
    limits: dict[str, float]
    label: str | None
    rows: tuple[Row, ...] = field(repr=False)

    @property
    def passing(self) -> tuple[Row, ...]:
        """Members that keep budget and gates, smallest first."""
        return tuple(row for row in self.rows if row.verdict is Status.PASS)

    @property
    def status(self) -> Status:
        """PASS where a member passes, else INCONCLUSIVE where one may, else FAIL."""
        if self.passing:
            return Status.PASS
        open_ = any(row.verdict is Status.INCONCLUSIVE for row in self.rows)
        return Status.INCONCLUSIVE if open_ else Status.FAIL

    @property
    def exit_code(self) -> int:
        """0, 1 or 3."""
        return EXIT_CODES[self.status]

    def to_json(self) -> dict[str, Any]:
        """As JSON types, with the answer in front."""
        passing = [row.model for row in self.passing]
        answer = {"smallest": passing[0] if passing else None, "largest": passing[-1] if passing else None}
        return {"schema": SCHEMA, "status": str(self.status), "exit_code": self.exit_code, **answer, **encode(self)}


def row_of(report: Report, *, model: str, params: int) -> Row:
    """What a run on a board says of one member."""
    verdict, seen = report.verdict, report.examples
    judged = {gate.name: gate for gate in verdict.gates if _is_budget(gate)}
    others = [gate for gate in verdict.gates if not _is_budget(gate)]
    right = sum(a == b for a, b in zip(seen.labels, seen.deployed, strict=True))
    unsettled = [gate for gate in verdict.gates if gate.status is Status.INCONCLUSIVE]
    return Row(
        model=model,
        params=params,
        trained=True,
        accuracy=right / len(seen),
        bounds=share_interval(right, len(seen), tail=1 - verdict.confidence),
        flash=_taken(judged.get(f"{BUDGET}.flash")),
        ram=_taken(judged.get(f"{BUDGET}.ram")),
        work=work_of(report),
        max_fps=None if report.board is None else report.board.max_fps,
        budget=Verdict(tuple(judged.values())).status if judged else None,
        gates=Verdict(tuple(others)).status if any(not gate.name.startswith(EVIDENCE) for gate in others) else None,
        verdict=verdict.status,
        failed=tuple(gate.title for gate in verdict.gates if gate.status is Status.FAIL),
        unsettled=tuple(gate.title for gate in unsettled),
        images_needed=max((gate.images_needed for gate in unsettled if gate.images_needed), default=None),
    )


def only_sized(row: Row) -> Row:
    """``row`` of a run on a few images, all that is needed beyond the budget: without what they cannot show."""
    return replace(
        row,
        accuracy=None,
        bounds=None,
        gates=None,
        verdict=Status.FAIL,
        failed=tuple(title for title in row.failed if title.startswith(BUDGET_TITLE)),
        unsettled=(),
        images_needed=None,
        note="not judged",
    )


def limits_of(report: Report) -> dict[str, float]:
    """The board's limits that a run was held against."""
    keys = {f"{BUDGET}.{key}": key for key in ("flash", "ram")} | {f"{BUDGET}.{unit}": "work" for unit in WORK}
    return {keys[gate.name]: gate.limit for gate in report.verdict.gates if gate.name in keys and gate.limit > 0}


def unit_of(report: Report) -> str | None:
    """What an inference was counted in; ``None`` where it was not."""
    if report.board is not None and report.board.estimate is not None:
        return "cycles"
    return "instructions" if _counted(report.deployed.target) else None


def work_of(report: Report) -> Taken | None:
    """Instructions or cycles of an inference, with or without a limit."""
    if report.board is not None and report.board.estimate is not None:
        return Taken(report.board.estimate["cycles"], "estimate")
    counted = _counted(report.deployed.target)
    return None if counted is None else Taken(counted, "firmware")


def _counted(facts: Mapping[str, Any]) -> float | None:
    return facts.get("instructions")


def _is_budget(gate: GateResult) -> bool:
    return gate.name.startswith(f"{BUDGET}.")


def _taken(gate: GateResult | None) -> Taken | None:
    if gate is None or gate.note is None:  # there is a note wherever there is a figure
        return None
    return Taken(gate.figure, gate.note)
