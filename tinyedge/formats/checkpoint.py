"""tinyedge's own checkpoints: the safetensors header read by hand, so that no torch is needed to know what one is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tinyedge.artifact import FAMILY_CONVENTION, TensorSpec
from tinyedge.errors import ArtifactCorrupt, ArtifactUnsupported, TinyedgeError
from tinyedge.formats.facts import ModelFacts
from tinyedge.models.family import Member, family_module

FORMAT = "tinyedge-checkpoint/1"
PREFIX = "model."
"""Of the model's tensors; a run's state file holds others too."""
_MAX_HEADER = 100_000_000  # safetensors' own limit
_WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


def read(path: Path, layout: str | None = None) -> ModelFacts:
    """What a tinyedge checkpoint says of itself; its layout is fixed, whatever is stated.

    Raises:
        ArtifactCorrupt, ArtifactUnsupported: as in ``tinyedge.formats.read_model``.
    """
    tensors, about = _header(path)
    wrong = sorted({str(t["dtype"]) for name, t in tensors.items() if name.startswith(PREFIX)} - {"F32", "I64"})
    if wrong:
        raise ArtifactUnsupported(
            "the checkpoint's weights are not float32", where=path, found=", ".join(wrong), expected="F32"
        )
    member = _member(about, path)
    size = family_module(member.family).IMAGE_SIZE
    try:
        key = about["key"]
        origin = {
            "family": member.family,
            "width": member.width,
            "seed": key["seed"],
            "data": key["data"],
            "data_digest": key["data_digest"],
            "recipe": key["recipe"],
            "epoch": about["epoch"],
        }
    except (KeyError, TypeError) as error:
        raise _corrupt(f"metadata without {error}", path) from error
    return ModelFacts(
        format="checkpoint",
        precision="fp32",
        params=member.plan.params,
        input=TensorSpec("image", (-1, 3, size, size), "float32", "NCHW"),
        output=TensorSpec("logits", (-1, member.num_classes), "float32", "NK"),
        output_kind="logits",
        model=member.name,
        convention=FAMILY_CONVENTION,
        origin=origin,
    )


def read_member(path: Path) -> Member:
    """Which member's weights a checkpoint holds.

    Raises:
        ArtifactCorrupt, ArtifactUnsupported: as ``read``.
    """
    return _member(_header(path)[1], path)


def _member(about: dict[str, Any], path: Path) -> Member:
    try:
        return Member(**about["key"]["member"])
    except (KeyError, TypeError) as error:
        raise _corrupt(f"metadata without {error}", path) from error
    except TinyedgeError as error:
        raise ArtifactUnsupported(
            "the checkpoint is of no known model", where=path, found=error.found, expected=error.expected
        ) from error


def _header(path: Path) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The tensors' table and tinyedge's metadata, once both agree with the file's size."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > min(_MAX_HEADER, size - 8):
            raise _corrupt(f"{size} bytes, of which the header claims {length}", path)
        raw = stream.read(length)
    try:
        tensors = json.loads(raw)
        metadata = tensors.pop("__metadata__", {})
        ends = [_end(entry) for entry in tensors.values()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _corrupt(f"no safetensors header: {error}", path) from error
    if 8 + length + max(ends, default=0) != size:
        raise _corrupt(f"{size} bytes, where the header describes {8 + length + max(ends, default=0)}", path)
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise ArtifactUnsupported(
            "the safetensors file is not a tinyedge checkpoint",
            where=path,
            found=metadata.get("format") if isinstance(metadata, dict) else metadata,
            expected=FORMAT,
            fix="export a foreign model to ONNX or TFLite and validate that",
        )
    try:
        about: dict[str, Any] = json.loads(metadata["tinyedge"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _corrupt(f"no tinyedge metadata: {error}", path) from error
    return tensors, about


def _end(entry: dict[str, Any]) -> int:
    """Where a tensor's bytes end, once dtype, shape and offsets agree."""
    begin, end = entry["data_offsets"]
    count = 1
    for dimension in entry["shape"]:
        count *= int(dimension)
    if not 0 <= begin <= end or end - begin != count * _WIDTHS[entry["dtype"]]:
        raise ValueError(f"offsets {begin} to {end} for {entry['dtype']} {entry['shape']}")
    return int(end)


def _corrupt(found: str, path: Path) -> ArtifactCorrupt:
    return ArtifactCorrupt(
        "the checkpoint is truncated or broken",
        where=path,
        found=found,
        expected="a whole safetensors file",
        fix="copy it again, or train again: tinyedge train resumes from the run's state file",
    )
