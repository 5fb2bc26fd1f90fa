"""What ``tinyedge repair`` tried on a failing file, and what each step did to every gate: plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tinyedge.gate import GateResult, Status, Verdict
from tinyedge.gate.result import EXIT_CODES
from tinyedge.report.codec import encode

SCHEMA = "tinyedge-repair/1"
BEFORE = "before"
"""The name of the first trial: the file as it was given."""


@dataclass(frozen=True)
class Harm:
    """A gate that a step made worse, on the images judged, at the policy's own confidence.

    Args:
        gate: its name.
        title: what a reader sees.
        was: before the step, what the file that it builds on had; ``None`` where it was not judged by this gate.
        now: after it.
        text: one clause with both figures.
    """

    gate: str
    title: str
    was: Status | None
    now: Status
    text: str


@dataclass(frozen=True)
class Cost:
    """What a file takes of the device.

    Args:
        size_bytes: of the file.
        arena_bytes: TensorFlow Lite Micro's arena on this machine, where it is known.
        instructions: of an inference, where they are counted.
    """

    size_bytes: int
    arena_bytes: int | None = None
    instructions: int | None = None


@dataclass(frozen=True)
class Trial:
    """One file: the one that was given, or what a step made.

    Args:
        step: the step's name; ``before`` for the file as it was given.
        says: what was done, in words.
        on: which trial it builds on, by position; ``None`` for the first.
        made: the steps that the file has in it: a later step may have replaced what an earlier one did.
        kept: whether the next step builds on it.
        why: why it was kept, or undone.
        sha256: of the file.
        target: that ran it.
        cost: what it takes of the device.
        temperature: folded into its output, 1 where there is none.
        reference_temperature: at which the float model is held against it.
        verdict: on the images judged, at the run's share of the policy's error; of ``before``, at the policy's own
            unless it shares too (``Split.given_shares``).
        nominal: on the same images, at the policy's own confidence.
        tuning: gates that fail and gates that are not settled on the tuning images, by which steps are kept.
        harms: gates that are worse than those of the trial it builds on.
        as_trained: the gate on the change of the gap with the float model as it was trained, where the verdict's is
            with the float model at a temperature; ``None`` where the two are one.
    """

    step: str
    says: str
    on: int | None
    made: tuple[str, ...]
    kept: bool
    why: str
    sha256: str
    target: str
    cost: Cost
    temperature: float
    reference_temperature: float
    verdict: Verdict
    nominal: Verdict
    tuning: tuple[int, int]
    harms: tuple[Harm, ...] = ()
    as_trained: GateResult | None = None


@dataclass(frozen=True)
class Untried:
    """A step that made no file, and why: silence is never taken for a failure of the step."""

    step: str
    reason: str


@dataclass(frozen=True)
class Split:
    """How the evaluation images were used.

    Args:
        tuning: images that fit the temperature and choose among files; never judged.
        judged: images that the verdicts are of.
        seed: of the split.
        candidates: files that the run might judge, among which the policy's error is shared.
        confidence: of the policy's one-sided bounds.
        shared: of a candidate's.
        given_shares: whether the file as it was given is one of the candidates.
    """

    tuning: int
    judged: int
    seed: int
    candidates: int
    confidence: float
    shared: float
    given_shares: bool = False


@dataclass(frozen=True)
class Repair:
    """The whole run.

    Args:
        run: file, target, policy, version, seed, and the reference: what to repeat it with.
        data: name, split, images, classes, digest, whether synthetic.
        split: tuning and judged images, and the share of the error.
        trials: the first is the file as it was given.
        untried: steps that made no file.
        final: the position of the trial that the run ends with.
        repaired: the name of the file written, or ``None`` where nothing was.
        note: why nothing was written, or what else is to be known; or ``None``.
    """

    run: dict[str, Any]
    data: dict[str, Any]
    split: Split
    trials: tuple[Trial, ...] = field(repr=False)
    untried: tuple[Untried, ...]
    final: int
    repaired: str | None = None
    note: str | None = None

    @property
    def before(self) -> Trial:
        """The file as it was given."""
        return self.trials[0]

    @property
    def result(self) -> Trial:
        """What the run ends with."""
        return self.trials[self.final]

    @property
    def status(self) -> Status:
        """Of the result."""
        return self.result.verdict.status

    @property
    def exit_code(self) -> int:
        """0, 1 or 3."""
        return EXIT_CODES[self.status]

    @property
    def path(self) -> tuple[int, ...]:
        """The trials that led to the result, first to last, without ``before``."""
        found: list[int] = []
        at: int | None = self.final
        while at:
            found.append(at)
            at = self.trials[at].on
        return tuple(reversed(found))

    def to_json(self) -> dict[str, Any]:
        """As JSON types, with the answer in front."""
        answer = {"before": str(self.before.verdict.status), "steps": list(self.result.made)}
        return {"schema": SCHEMA, "status": str(self.status), "exit_code": self.exit_code, **answer, **encode(self)}
