"""The temperature that a file has in its output, and the one at which the float model is to be held against it.

A temperature is a part of the model, chosen after training: it divides the logits, and says only how sure the model is.
The gate on the change of the confidence gap therefore holds a file with one in it against the float model at a
temperature too, the float model's own, fitted on the same images: else the change that was meant would be taken for
what deployment did. Where that one is not known, the float model stays as it was trained: at the file's own a file that
is wrongly scaled would bend the float model along.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinyedge.artifact import Artifact
from tinyedge.errors import ArtifactCorrupt
from tinyedge.gate import GateResult, Policy, Verdict
from tinyedge.gate.result import Case
from tinyedge.gate.signed_gap import GAP_CHANGE, judge_gap_change
from tinyedge.metrics.outcome import Outcome
from tinyedge.metrics.temperature import HIGHEST, LOWEST
from tinyedge.predictions import Predictions

REFERENCE = "reference"
"""Of the side-car's ``temperature``: the float model's own."""
_FILE, _WEIGHTS = "reference_sha256", "reference_checkpoint_sha256"
"""Of the same: which float model that is, by its file, and by the checkpoint that the file was exported from."""
_MOVED = 1.01
"""Folding moves T by a little, beyond the bounds of a fit too."""


@dataclass(frozen=True)
class Held:
    """How the float model is held against a file.

    Args:
        folded: the file's own temperature; 1 where it has none.
        reference: the float model's; 1 is as it was trained.
        basis: which images ``reference`` was fitted on, or why it is 1; empty where the file has no temperature.
    """

    folded: float
    reference: float
    basis: str


def temperature_of(artifact: Artifact) -> float:
    """What was folded into the file's output, one temperature after another; 1 where nothing was.

    Raises:
        ArtifactCorrupt: where the side-car says something that is no temperature.
    """
    found, told = 1.0, artifact.origin.get("temperature")
    while told is not None:
        found, told = found * _number(told, "folded", artifact), told.get("before")
    return found


def reference_temperature(artifact: Artifact) -> float:
    """The float model's own temperature, as the side-car has it: of the model that ``identity`` names there; else 1.

    Raises:
        ArtifactCorrupt: as ``temperature_of``.
    """
    told = artifact.origin.get("temperature")
    return _number(told, REFERENCE, artifact) if isinstance(told, dict) and REFERENCE in told else 1.0


def held(artifact: Artifact, *, reference: Artifact) -> Held:
    """How ``reference`` is held against ``artifact``: at its own temperature, where the side-car has that.

    Raises:
        ArtifactCorrupt: as ``temperature_of``.
    """
    told = artifact.origin.get("temperature")
    if told is None:
        return Held(1.0, 1.0, "")
    folded, own = temperature_of(artifact), reference_temperature(artifact)
    if REFERENCE not in told:
        return Held(folded, 1.0, "the file's side-car has none of the float model")
    mine = identity(reference)
    # The file's name in the side-car first: weights are known of tinyedge's own exports alone.
    if not any(told.get(key) == mine[key] for key in (_FILE, _WEIGHTS) if key in mine):
        found = str(told[_FILE])[:16] if _FILE in told else "it does not say which"
        return Held(folded, 1.0, f"the one in the file's side-car is another float model's ({found})")
    return Held(folded, own, _fitted_on(told))


def identity(reference: Artifact) -> dict[str, str]:
    """What the side-car says of the float model whose temperature it has.

    A checkpoint and an export of it in float32 are one model in two files.
    """
    training = reference.origin.get("training")
    recorded = training.get("checkpoint_sha256") if isinstance(training, dict) else None
    weights = reference.sha256 if reference.format == "checkpoint" else recorded
    if reference.precision != "fp32" or not isinstance(weights, str):
        return {_FILE: reference.sha256}
    return {_FILE: reference.sha256, _WEIGHTS: weights}


def at_temperature(predictions: Predictions, temperature: float) -> Predictions:
    """The same model with its logits divided by ``temperature``: no class changes, only how sure it is.

    The provenance of what is returned says so.

    Args:
        predictions: of a float model.
        temperature: above 0.
    """
    if temperature == 1:
        return predictions
    real: np.ndarray[Any, np.dtype[np.float64]] = predictions.outputs.astype(np.float64)
    scaled = real / temperature if predictions.output_kind == "logits" else real ** (1 / temperature)
    return replace(predictions, outputs=scaled, provenance=predictions.provenance | {"temperature": temperature})


def judged_at_own(
    verdict: Verdict, hold: Held, *, reference: Outcome, deployed: Outcome, policy: Policy
) -> tuple[Verdict, GateResult | None]:
    """``verdict`` with the change of the gap judged at the float model's own temperature, and that gate as it was.

    Args:
        verdict: against the float model as it was trained.
        hold: how the float model is held against the file.
        reference: the float model at that temperature.
        deployed: the file.
        policy: that judged.

    Returns:
        The verdict, and the gate against the float model as it was trained; ``None`` where the policy has it off.
    """
    as_trained = next((gate for gate in verdict.gates if gate.name == GAP_CHANGE), None)
    if as_trained is None or hold.reference == 1:
        return verdict, as_trained
    case = Case(reference, deployed, "not asked here", policy.confidence, policy.min_images)
    rule: Any = policy.rules[GAP_CHANGE]  # by its name a GapChangeRule
    own = judge_gap_change(case, rule)
    own = replace(own, detail=f"{own.detail} The float model is at its own temperature: logits / {hold.reference:.4f}.")
    return replace(verdict, gates=tuple(own if gate is as_trained else gate for gate in verdict.gates)), as_trained


def _fitted_on(told: dict[str, Any]) -> str:
    images = told.get("fitted_on")
    count, digest = (images.get(key) if isinstance(images, dict) else None for key in ("images", "images_digest"))
    if not isinstance(count, int) or not isinstance(digest, str):
        return "fitted on images that the side-car does not name"
    return f"fitted on {count:,} images (digest {digest[:16]})"


def _number(told: Any, key: str, artifact: Artifact) -> float:
    found: Any = told.get(key) if isinstance(told, dict) else None
    if isinstance(found, float | int) and not isinstance(found, bool) and LOWEST / _MOVED <= found <= HIGHEST * _MOVED:
        return float(found)
    raise ArtifactCorrupt(
        "the side-car's temperature cannot be read",
        where=artifact.path,
        found=f"{key}: {found!r}"[:60] if isinstance(told, dict) else str(told)[:60],
        expected=f"{key}: a number from {LOWEST:g} to {HIGHEST:g}",
        fix="fold it again",
    )
