"""The trained models that ship with tinyedge: an index with hashes, and what it points to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tinyedge.artifact import Artifact, load_artifact
from tinyedge.errors import ArtifactNotFound, InstallationDamaged
from tinyedge.models.family import Member

FOLDER = Path(__file__).parent
INDEX = FOLDER / "index.json"
FORMAT = "tinyedge-zoo/1"
_SUFFIXES = {"onnx": ".onnx", "tflite": ".tflite", "executorch": ".pte"}


@dataclass(frozen=True)
class Entry:
    """One trained model and its files.

    Args:
        model: the member's name, e.g. ``scalecnn-c6``.
        params: trainable parameters.
        data: dataset that it was trained on.
        seed: of the training.
        recipe: the recipe's name; a shortened one says so.
        epochs: passes over the training set.
        test_accuracy: of the float32 model, on that dataset's test split.
        files: path in the zoo, SHA-256 and bytes by format: ``checkpoint``, ``onnx-fp32``, ``tflite-fp32``,
            ``tflite-int8``; of some models the other precisions too.
    """

    model: str
    params: int
    data: str
    seed: int
    recipe: str
    epochs: int
    test_accuracy: float
    files: dict[str, dict[str, Any]]

    def load(self, format: str) -> Artifact:
        """The file of ``format``, its hash checked against the index.

        Raises:
            ArtifactNotFound: where the zoo has no such file of this model.
            ArtifactHashMismatch: where the file is not the one that was shipped.
        """
        if format not in self.files:
            raise ArtifactNotFound(
                f"the zoo has no {format} of {self.model}",
                found=", ".join(self.files),
                expected=format,
                fix=self._export(format),
            )
        stored = self.files[format]
        return load_artifact(FOLDER / stored["path"], expected_sha256=stored["sha256"])

    def _export(self, format: str) -> str:
        """The command that makes the file which is not shipped, and what to do with it."""
        out = f"{self.model}-{format}{_SUFFIXES.get(format.partition('-')[0], '')}"
        checkpoint = FOLDER / self.files["checkpoint"]["path"]
        return (
            f"tinyedge export --to {format} --checkpoint {checkpoint} --data {self.data} --out {out}, "
            f"then this command again with --deployed {out}"
        )


@cache
def entries() -> tuple[Entry, ...]:
    """Everything in the zoo.

    Raises:
        InstallationDamaged: where the index is missing or cannot be read.
    """
    try:
        content = json.loads(INDEX.read_text())
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']!r}")
        return tuple(Entry(**entry) for entry in content["models"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InstallationDamaged(
            "the zoo's index cannot be read", where=INDEX, found=error, expected=FORMAT, fix="reinstall tinyedge"
        ) from error


def find(member: Member, data: str, *, seed: int = 0) -> Entry:
    """The trained ``member`` for ``data``.

    Raises:
        ArtifactNotFound: where it was not trained, naming what was.
    """
    for entry in entries():
        if (entry.model, entry.data, entry.seed) == (member.name, data, seed):
            return entry
    have = ", ".join(f"{e.model} ({e.data}, {e.params:,})" for e in entries()) or "nothing"
    raise ArtifactNotFound(
        f"the zoo has no {member.name} trained on {data} with seed {seed}",
        found=have,
        fix=f"choose one of these, bring your own with --reference and --deployed, or train it: "
        f"tinyedge train --family {member.family} --width {member.width:g} --seed {seed} --data {data}",
    )
