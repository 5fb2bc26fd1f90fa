"""What every file of a repair is run and judged with: the same images, the same reference, run once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinyedge.artifact import Artifact
from tinyedge.board_use import known_facts
from tinyedge.data.dataset import Dataset
from tinyedge.errors import TinyedgeError
from tinyedge.evaluate import Model
from tinyedge.gate import GateResult, Policy, Verdict, judge
from tinyedge.metrics.outcome import Outcome
from tinyedge.outcomes import outcome
from tinyedge.overlap import overlapping
from tinyedge.predictions import Predictions
from tinyedge.registry import TARGETS
from tinyedge.repair.ladder import at_share
from tinyedge.report.repair import Cost
from tinyedge.tempered import Held, at_temperature, held, judged_at_own, temperature_of
from tinyedge.validate import beside_micro, file_facts, judged_parity, predict, split_options

OnProgress = Callable[[str, int, int], None]
"""Called with a step's name, images done, and images in all."""
_NOT_ON_TUNING = "not run on the tuning images"


def silent(*news: object) -> None:
    """No progress."""


@dataclass(frozen=True)
class Candidate:
    """A file that could ship.

    Args:
        artifact: the file.
        target: that runs it.
    """

    artifact: Artifact
    target: str

    @property
    def temperature(self) -> float:
        """Folded into its output; 1 where there is none."""
        return temperature_of(self.artifact)


@dataclass(frozen=True)
class Judged:
    """What the judged images say of a candidate.

    Args:
        verdict: with the candidate's share of the policy's error.
        nominal: with the policy's own.
        cost: what the file takes.
        as_trained: the gate on the change of the gap with the float model as it was trained; ``None`` where the
            verdict's own is that.
        reference_temperature: at which the float model is held against the file.
    """

    verdict: Verdict
    nominal: Verdict
    cost: Cost
    as_trained: GateResult | None = None
    reference_temperature: float = 1.0


@dataclass
class Bench:
    """The images, the reference and the policy of a run.

    Args:
        reference: the float model.
        tuning: images that tune and choose.
        judged: images that judge.
        policy: the gates.
        candidates: among which the policy's error is shared.
        parity_images: as ``validate`` takes it.
        seed: of the parity sample.
        options: of the targets' constructors.
        on_progress: for a progress bar.
    """

    reference: Model
    tuning: Dataset
    judged: Dataset
    policy: Policy
    candidates: int
    parity_images: int
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    on_progress: OnProgress = silent
    _seen: dict[tuple[str, str, str], Predictions] = field(default_factory=dict, repr=False)

    def outputs(self, candidate: Candidate) -> Predictions:
        """What the candidate puts out for the tuning images."""
        return self._run(candidate.target, candidate.artifact, self.tuning)

    def float_outputs(self) -> Predictions:
        """What the float model puts out for the tuning images."""
        return self._run(self.reference.target, self.reference.artifact, self.tuning, reference=True)

    def look(self, candidate: Candidate) -> Verdict:
        """The gates on the tuning images, at the policy's own confidence: to choose by, not to report."""
        after = self.outputs(candidate)
        seen = {
            "deployed": outcome(after, self.tuning),
            "parity": _NOT_ON_TUNING,
            "facts": file_facts(candidate.artifact, after, None) | known_facts(after.provenance, None, None),
            "overlap": _overlap(candidate.artifact, self.tuning),
        }
        return self._judged(self._held(candidate), self.tuning, self.policy, seen)[0]

    def discordance(self, candidate: Candidate) -> float:
        """Share of the tuning images on which exactly one of the file and the reference is right."""
        before = self._reference(self.tuning, 1.0)
        return float((before.correct != self.outputs(candidate).correct).mean())

    def judge(self, candidate: Candidate, *, shared: bool) -> Judged:
        """The gates on the judged images.

        Args:
            candidate: the file.
            shared: whether it is one of several that are tried, and gets a share of the policy's error.

        Raises:
            TargetError, ArtifactError, PredictionsError: from the target.
        """
        artifact, target, data = candidate.artifact, candidate.target, self.judged
        after = self._run(target, artifact, data)
        _, beside = split_options(self.options, target, self.parity_images)
        parity, note = beside_micro(
            target, artifact, data, after, self.parity_images, self.seed, self.on_progress, beside
        )
        facts = file_facts(artifact, after, parity) | known_facts(after.provenance, None, None)
        seen: dict[str, Any] = {
            "deployed": outcome(after, data),
            "parity": judged_parity(target, parity, note),
            "facts": facts,
            "overlap": _overlap(artifact, data),
        }
        hold = self._held(candidate)
        nominal, as_trained = self._judged(hold, data, self.policy, seen)
        verdict = nominal
        if shared:
            verdict, as_trained = self._judged(hold, data, at_share(self.policy, self.candidates), seen)
        own = hold.reference
        return Judged(verdict, nominal, self._cost(artifact, facts), None if own == 1 else as_trained, own)

    def _judged(
        self, hold: Held, data: Dataset, policy: Policy, seen: Mapping[str, Any]
    ) -> tuple[Verdict, GateResult | None]:
        """As ``validate`` does: against the float model as trained, but for the one gate that a temperature moves."""
        verdict = judge(reference=self._reference(data, 1.0), policy=policy, **seen)
        at_own = self._reference(data, hold.reference)
        return judged_at_own(verdict, hold, reference=at_own, deployed=seen["deployed"], policy=policy)

    def _held(self, candidate: Candidate) -> Held:
        """At which temperature the float model is held against the candidate."""
        return held(candidate.artifact, reference=self.reference.artifact)

    def _reference(self, data: Dataset, temperature: float) -> Outcome:
        """The float model at a temperature."""
        found = self._run(self.reference.target, self.reference.artifact, data, reference=True)
        return outcome(at_temperature(found, temperature), data)

    def _cost(self, artifact: Artifact, facts: Mapping[str, float]) -> Cost:
        arena, instructions = (facts.get(name) for name in ("arena_bytes", "instructions"))
        if arena is None and f"tflm-{artifact.precision}" in TARGETS:
            arena = self._arena(artifact)
        return Cost(artifact.size_bytes, *(None if n is None else int(n) for n in (arena, instructions)))

    def _arena(self, artifact: Artifact) -> float | None:
        """What TensorFlow Lite Micro needs for the file, by one image; ``None`` where it does not run it here."""
        try:
            found = predict(f"tflm-{artifact.precision}", artifact, self.tuning.take(np.zeros(1, np.int64)))
        except TinyedgeError:
            return None
        arena: float | None = found.provenance.get("arena_bytes")
        return arena

    def _run(self, target: str, artifact: Artifact, data: Dataset, *, reference: bool = False) -> Predictions:
        key = (target, artifact.sha256, data.digest)
        if key not in self._seen:
            own = {} if reference else split_options(self.options, target, self.parity_images)[0]
            self._seen[key] = predict(target, artifact, data, self.on_progress, own)
        return self._seen[key]


def _overlap(artifact: Artifact, data: Dataset) -> int | None:
    """How many images the quantizer has seen; ``None`` where that is not known."""
    return overlapping(artifact, data) if artifact.precision in ("int8", "int16x8") else 0
