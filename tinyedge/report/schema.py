"""The report: everything that a verdict rests on, versioned, and nothing that it does not.

Scale and units: accuracies and shares are fractions in the data, percent only where a person reads them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from tinyedge.gate import Verdict
from tinyedge.metrics.calibration import ReliabilityBin

SCHEMA = "tinyedge-report/1"


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
    schema: str = field(default=SCHEMA)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON types: ``schema`` says which version."""
        content = asdict(self)
        if self.parity is not None:
            histogram = sorted(self.parity.lsb_histogram.items())
            content["parity"]["lsb_histogram"] = {str(step): count for step, count in histogram}
        content["verdict"] |= {"status": self.verdict.status, "exit_code": self.verdict.exit_code}
        return {"schema": content.pop("schema"), "verdict": content.pop("verdict"), **content}
