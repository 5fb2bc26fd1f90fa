"""What a side-car says of how a file was made, read once and checked: repair computes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinyedge.artifact import Artifact, sidecar_path
from tinyedge.errors import ArtifactCorrupt


@dataclass(frozen=True)
class Origin:
    """How a file was made; ``None`` is what its side-car does not say.

    Args:
        calibration: the range estimator.
        count: representative images.
        seed: which.
        balanced: equally many of every class.
        checkpoint_sha256: of the weights that it was exported from.
    """

    calibration: str | None = None
    count: int | None = None
    seed: int | None = None
    balanced: bool = False
    checkpoint_sha256: str | None = None


def read_origin(artifact: Artifact) -> Origin:
    """What ``artifact``'s side-car says.

    Raises:
        ArtifactCorrupt: where it says something else than it can.
    """
    images = _part(artifact, "representative")
    training = _part(artifact, "training")
    calibration, count, seed = (images.get(key) for key in ("calibration", "count", "seed"))
    balanced, checkpoint = images.get("balanced", False), training.get("checkpoint_sha256")
    for key, value, fine, expected in (
        ("representative.calibration", calibration, _is_text(calibration), "a name"),
        ("representative.count", count, _is_number(count, 1), "a number, 1 or more"),
        ("representative.seed", seed, _is_number(seed, 0), "a number, 0 or more"),
        ("representative.balanced", balanced, isinstance(balanced, bool), "true or false"),
        ("training.checkpoint_sha256", checkpoint, _is_text(checkpoint), "hexadecimal digits"),
    ):
        if not fine:
            raise _unreadable(artifact, key, value, expected)
    return Origin(calibration, count, seed, balanced, checkpoint)


def _part(artifact: Artifact, name: str) -> Mapping[str, Any]:
    found = artifact.origin.get(name)
    if found is not None and not isinstance(found, dict):
        raise _unreadable(artifact, name, found, "names with values, {...}")
    return found or {}


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_number(value: object, least: int) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= least)


def _unreadable(artifact: Artifact, key: str, value: object, expected: str) -> ArtifactCorrupt:
    return ArtifactCorrupt(
        "what the side-car says of how the file was made cannot be read",
        where=f"{sidecar_path(artifact.path)}, origin.{key}",
        found=repr(value)[:60],
        expected=expected,
        fix="export it again",
    )
