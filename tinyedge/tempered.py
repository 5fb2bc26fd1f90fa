"""The temperature that a file has in its output, and the one at which the float model is to be held against it.

A temperature is a part of the model, chosen after training: it divides the logits, and says only how sure the model is.
A file with one in it is therefore held against the float model at a temperature too: else the change that was meant
would be taken for what deployment did.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tinyedge.artifact import Artifact
from tinyedge.errors import ArtifactCorrupt
from tinyedge.predictions import Predictions

REFERENCE = "reference"
"""Of the side-car's ``temperature``: the float model's own."""


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
    """The temperature at which the float model is held against the file; 1 where none was folded into it.

    The float model's own, fitted on the same images as the file's, where the side-car has it: where deployment made the
    file too sure or too modest, its temperature is another. Else the file's.

    Raises:
        ArtifactCorrupt: as ``temperature_of``.
    """
    told = artifact.origin.get("temperature")
    if isinstance(told, dict) and REFERENCE in told:
        return _number(told, REFERENCE, artifact)
    return temperature_of(artifact)


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


def _number(told: Any, key: str, artifact: Artifact) -> float:
    found = told.get(key) if isinstance(told, dict) else None
    if not isinstance(found, float | int) or isinstance(found, bool) or not np.isfinite(found) or found <= 0:
        raise ArtifactCorrupt(
            "the side-car's temperature cannot be read",
            where=artifact.path,
            found=str(told)[:60],
            expected=f"{key}: a finite number above 0",
            fix="fold it again",
        )
    return float(found)
