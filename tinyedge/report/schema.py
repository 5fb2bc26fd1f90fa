"""The report: everything that a verdict rests on, versioned, and nothing that it does not.

Scale and units: accuracies and shares are fractions in the data, percent only where a person reads them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from tinyedge.errors import ReportError
from tinyedge.gate import GateResult, Status, Verdict
from tinyedge.gate.power import PowerRow
from tinyedge.metrics.calibration import ReliabilityBin
from tinyedge.report.checks import check_report, contradiction
from tinyedge.report.codec import ADDED_LATER, decode, encode
from tinyedge.report.kernels import KernelMatrix

SCHEMA = "tinyedge-report/2"
CONFIDENCE_DIGITS = 5
"""Decimal places of the stored confidences."""
_ID = re.compile("[0-9a-f]{16}")


@dataclass(frozen=True)
class Side:
    """One of the two models: the reference, or what is deployed.

    Args:
        artifact: file name, SHA-256, format, precision, model, params, bytes, tensors, origin.
        target: runtime, version, kernels that ran, threads, time; for TFLite Micro the arena.
        metrics: by name, as ``tinyedge.metrics`` defines them.
        reliability: the bins of a reliability diagram.
    """

    artifact: dict[str, Any]
    target: dict[str, Any]
    metrics: dict[str, float]
    reliability: tuple[ReliabilityBin, ...] = ()


@dataclass(frozen=True)
class ClassChange:
    """One class before and after; accuracies as fractions."""

    name: str
    images: int
    reference: float
    deployed: float
    newly_wrong: int
    newly_right: int

    @property
    def change(self) -> float:
        """Deployed minus reference accuracy."""
        return self.deployed - self.reference


@dataclass(frozen=True)
class NewlyWrong:
    """An example that the reference gets right and the deployed model does not.

    Args:
        id: digest of its pixels and label.
        index: its position in the evaluation set as it was run.
        label: its class.
        deployed: the class that the deployed model names.
        confidence: with which it does.
    """

    id: str
    index: int
    label: str
    deployed: str
    confidence: float


@dataclass(frozen=True)
class Parity:
    """The deployed file on two sets of kernels.

    Args:
        against: the target that it was compared with.
        facts: of that target's run.
        images: compared.
        argmax_flips: images whose predicted class differs.
        lsb_histogram: how many output elements differ by how many steps (run minus compared).
    """

    against: str
    facts: dict[str, Any]
    images: int
    argmax_flips: int
    lsb_histogram: dict[int, int]

    @property
    def elements_differ(self) -> float:
        """Share of the output elements that are not equal."""
        total = sum(self.lsb_histogram.values())
        return 1.0 - self.lsb_histogram.get(0, 0) / total


@dataclass(frozen=True)
class Examples:
    """What every image got, as columns of N values in the order of the run; classes are indices into ``class_names``.

    Args:
        ids: of each image, 16 hex digits: a digest of its pixels and label.
        labels: the true class.
        reference: the class that the reference names.
        deployed: the class that the deployed model names.
        confidence: with which it does, 0 to 1, rounded to 1e-5.
        class_names: K names.
        superclasses: the superclass of each class, K indices into ``superclass_names``, or ``None``.
        superclass_names: their names; empty without superclasses.

    Raises:
        ReportError: where the columns do not pair, or hold what cannot be.
    """

    ids: tuple[str, ...] = field(repr=False)
    labels: tuple[int, ...] = field(repr=False)
    reference: tuple[int, ...] = field(repr=False)
    deployed: tuple[int, ...] = field(repr=False)
    confidence: tuple[float, ...] = field(repr=False)
    class_names: tuple[str, ...] = field(repr=False)
    superclasses: tuple[int, ...] | None = field(default=None, repr=False)
    superclass_names: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in ("ids", "labels", "reference", "deployed", "confidence")}
        if len(set(lengths.values())) != 1 or not self.ids:
            raise contradiction("columns of unequal or no length", lengths, "one value an image in each")
        bad_id = next((i for i in self.ids if not _ID.fullmatch(i)), None)
        if bad_id is not None:
            raise contradiction("an id that is none", repr(bad_id)[:60], "16 hex digits")
        for name in ("labels", "reference", "deployed"):
            _check_range(name, getattr(self, name), len(self.class_names), "class names")
        if not all(0 <= c <= 1 for c in self.confidence):
            odd = next(c for c in self.confidence if not 0 <= c <= 1)
            raise contradiction("a confidence that is none", odd, "0 to 1")
        if self.superclasses is not None:
            if len(self.superclasses) != len(self.class_names):
                raise contradiction(
                    "superclasses that do not cover the classes", len(self.superclasses), len(self.class_names)
                )
            _check_range("superclasses", self.superclasses, len(self.superclass_names), "superclass names")

    def __len__(self) -> int:
        """N, the images."""
        return len(self.ids)


@dataclass(frozen=True)
class Release:
    """An earlier release, as its report describes it.

    Args:
        report: the report's file name.
        report_sha256: of that file.
        created: when the report was made.
        artifact: the deployed model's file name.
        artifact_sha256: of that file.
        model: what reports call it.
        size_bytes: of the file.
        target: what it ran on.
        status: its verdict.
        policy: the name of the policy that it was judged by.
    """

    report: str
    report_sha256: str
    created: str
    artifact: str
    artifact_sha256: str
    model: str
    size_bytes: int
    target: str
    status: Status
    policy: str


@dataclass(frozen=True)
class BaselineComparison:
    """Two releases' deployed models on the same images: the last one's, and this one's.

    Args:
        release: the last one.
        images: compared, all of both.
        before: accuracy, ece and signed_gap of the last release, and size_bytes.
        now: the same of this one.
        comparison: pairwise metrics by name, as ``tinyedge.metrics`` defines them, the last release as the reference.
        classes: every class, largest drop first; ``reference`` is the last release's accuracy.
        negative_flips: right in the last release and wrong now, most confident first.
        positive_flips: ids of those wrong in the last release and right now, in the order of the run.
    """

    release: Release
    images: int
    before: dict[str, float]
    now: dict[str, float]
    comparison: dict[str, float]
    classes: tuple[ClassChange, ...]
    negative_flips: tuple[NewlyWrong, ...]
    positive_flips: tuple[str, ...]


@dataclass(frozen=True)
class BoardUse:
    """The board that a run was held against; the ``budget.*`` gates have what the model takes of it, and the limits.

    Args:
        name: e.g. ``nucleo-f446re``.
        title: for a reader.
        facts: what its file says of it, each with its source: see ``tinyedge.board.Board``.
        fps: frames a second that were asked for; ``None`` where none were.
        max_fps: more frames a second cannot be, by the instructions of an inference, or, with an ``estimate``, by that;
            ``None`` where nothing counts what an inference takes.
        estimate: what ``ethos-u-vela`` says of the model on the board's NPU; ``None`` without an NPU.
    """

    name: str
    title: str
    facts: dict[str, Any]
    fps: float | None
    max_fps: float | None
    estimate: dict[str, Any] | None


@dataclass(frozen=True)
class Scaled:
    """A temperature in the deployed file's output: the change of the confidence gap is judged at the float model's own.

    Args:
        folded: the file's: its outputs mean logits / ``folded``.
        reference: the float model's for that gate; 1 where it is held as it was trained, as in all else.
        basis: which images ``reference`` was fitted on, or why it is 1.
        as_trained: that gate with the float model as it was trained; ``None`` where the policy has it off.
    """

    folded: float
    reference: float
    basis: str
    as_trained: GateResult | None


@dataclass(frozen=True)
class Report:
    """One validation.

    Args:
        run: version, time, command's choices, seed, machine, package versions.
        data: name, split, images, classes, digest, whether synthetic.
        reference: the float model.
        deployed: the model that ships.
        comparison: pairwise metrics by name.
        classes: every class, largest drop first.
        newly_wrong: every example that only the deployed model gets wrong, most confident first.
        parity: against TFLite Micro, where it was run.
        parity_note: why there is none.
        policy: name, digest, limits.
        verdict: the gates' results and the whole's.
        examples: what every image got.
        power: what each gate can tell with so many images.
        baseline: against the last release, where one was given.
        kernels: the run against other kernels for the same file, on a sample; for a microcontroller's targets.
        board: what the run was held against, where a board was named.
        scaled: where the deployed file has a temperature in its output.
    """

    run: dict[str, Any]
    data: dict[str, Any]
    reference: Side
    deployed: Side
    comparison: dict[str, float]
    classes: tuple[ClassChange, ...]
    newly_wrong: tuple[NewlyWrong, ...]
    parity: Parity | None
    parity_note: str | None
    policy: dict[str, Any]
    verdict: Verdict
    examples: Examples
    power: tuple[PowerRow, ...] = ()
    baseline: BaselineComparison | None = None
    kernels: KernelMatrix | None = field(default=None, metadata=ADDED_LATER)
    board: BoardUse | None = field(default=None, metadata=ADDED_LATER)
    scaled: Scaled | None = field(default=None, metadata=ADDED_LATER)
    schema: str = field(default=SCHEMA)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON types, which ``from_json`` reads back to the same: ``schema`` says which version."""
        content = encode(self)
        content["verdict"] |= {"status": str(self.verdict.status), "exit_code": self.verdict.exit_code}
        return {"schema": content.pop("schema"), "verdict": content.pop("verdict"), **content}

    @classmethod
    def from_json(cls, content: Any, *, where: str = "report") -> Report:
        """The report that ``to_json`` made ``content`` of.

        Args:
            content: JSON types, as ``json.loads`` gives them.
            where: the file's name, for messages.

        Raises:
            ReportError: for another schema, a part that is missing, unknown, ill-typed or NaN, or parts that
                contradict each other.
        """
        found = content.get("schema") if isinstance(content, dict) else None
        if found != SCHEMA:
            raise ReportError(
                "this is no report that this version of tinyedge reads",
                where=where,
                found="no schema" if found is None else f"schema {str(found)[:60]!r}",
                expected=f"schema {SCHEMA!r}, the run.json of tinyedge validate --report",
                fix="run tinyedge validate again with this version",
            )
        verdict = content.get("verdict")
        told = {key: verdict[key] for key in ("status", "exit_code") if key in verdict} if _is_object(verdict) else {}
        if told:
            content = content | {"verdict": {key: part for key, part in verdict.items() if key not in told}}
        report: Report = decode(cls, content, where)
        if told != {"status": report.verdict.status, "exit_code": report.verdict.exit_code}:
            raise contradiction("a verdict that its gates do not come to", told, report.verdict.status, where)
        check_report(report, where)
        return report


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _check_range(name: str, column: tuple[int, ...], count: int, of: str) -> None:
    low, high = min(column, default=0), max(column, default=-1)
    if low < 0 or high >= count:
        raise contradiction(f"{name} out of range", low if low < 0 else high, f"0 to {count - 1} ({count} {of})")
