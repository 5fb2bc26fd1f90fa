"""A model file: what it is, what goes in, what comes out.

The facts come from two places: the file itself (``tinyedge.formats`` reads it) and the side-car
``<file>.tinyedge.json`` that the exporters write. Where the two disagree, the file is right and loading stops.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import ArtifactCorrupt, ArtifactHashMismatch, ArtifactNotFound, ArtifactUnsupported, UsageError
from tinyedge.files import sha256_file, write_atomic

SIDECAR_FORMAT = "tinyedge-artifact/1"


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a graph.

    Args:
        name: as the graph names it.
        shape: with ``-1`` for a dimension that is not fixed.
        dtype: numpy's name, e.g. ``int8``.
        layout: ``NHWC``, ``NCHW`` or ``NK``.
        scale: of a quantized tensor, else ``None``; real = scale * (stored - zero_point).
        zero_point: of a quantized tensor, else ``None``.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str
    scale: float | None = None
    zero_point: int | None = None

    @property
    def quantized(self) -> bool:
        """Whether stored values stand for reals by scale and zero point."""
        return self.scale is not None

    def dequantize(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """The reals, float32, that ``stored`` stands for."""
        if self.scale is None or self.zero_point is None:
            return stored.astype(np.float32)
        return (stored.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)

    def quantize(self, real: NDArray[np.float32]) -> NDArray[Any]:
        """``real`` in the tensor's own dtype: rounded to nearest (ties to even), clipped to its range."""
        dtype = np.dtype(self.dtype)
        if self.scale is None or self.zero_point is None:
            return real.astype(dtype)
        range_ = np.iinfo(dtype)
        stored = np.rint(real / np.float32(self.scale)) + np.float32(self.zero_point)
        return np.asarray(np.clip(stored, range_.min, range_.max), dtype)


@dataclass(frozen=True)
class InputConvention:
    """How a uint8 image becomes the model's real input: ``(pixel - mean) / std``, a channel each, in ``color`` order.

    Args:
        mean: one value, or one a channel, in pixel units.
        std: likewise.
        color: ``RGB``, ``BGR`` or ``GRAY``.

    Raises:
        UsageError: for anything but finite numbers, ``std`` above 0, one or three of each, and a known ``color``.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    color: str = "RGB"

    def __post_init__(self) -> None:
        numbers = all(isinstance(v, int | float) and math.isfinite(v) for v in (*self.mean, *self.std))
        sizes = {len(self.mean), len(self.std)} <= {1, 3}
        if not (numbers and sizes and all(v > 0 for v in self.std) and self.color in ("RGB", "BGR", "GRAY")):
            raise UsageError(
                "not an input convention",
                found=f"mean {self.mean}, std {self.std}, color {self.color}",
                expected="mean and std in pixel units, one or three finite numbers each, std above 0; RGB, BGR or GRAY",
            )

    def apply(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 ``(N, H, W, C)`` to float32 of the same shape."""
        pixels = images[..., ::-1] if self.color == "BGR" else images
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        return (pixels.astype(np.float32) - mean) / std


FAMILY_CONVENTION = InputConvention(mean=(128.0,), std=(128.0,))
"""(pixel - 128)/128: int8 input with scale 1/128 and zero point 0 is then pixel - 128, without loss."""


@dataclass(frozen=True)
class Artifact:
    """A model file with what is known of it; the file's bytes are those of ``sha256``.

    Args:
        path: the file.
        format: ``tflite``, ``onnx`` or ``checkpoint`` (tinyedge's safetensors).
        precision: ``fp32`` or ``int8``, by the weights.
        sha256: of the file's bytes.
        size_bytes: of the file.
        params: trainable parameters of the model before conversion where known, else the file's constants.
        input: what goes in.
        output: what comes out, ``(batch, K)``.
        output_kind: ``logits`` or ``probabilities``, read off the graph's last operator.
        convention: how a uint8 image becomes the input.
        model: what reports call it, e.g. ``scalecnn-c6``.
        origin: how it came about: training, converter, representative data. Reported, never computed with.
    """

    path: Path
    format: str
    precision: str
    sha256: str
    size_bytes: int
    params: int | None
    input: TensorSpec
    output: TensorSpec
    output_kind: str
    convention: InputConvention
    model: str
    origin: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def num_classes(self) -> int:
        """K, the width of the output."""
        return self.output.shape[-1]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """``(H, W, C)`` of one image."""
        _, a, b, c = self.input.shape
        return (a, b, c) if self.input.layout == "NHWC" else (b, c, a)

    def feed(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """uint8 ``(N, H, W, C)`` as the array that the graph takes: normalized, in its layout, quantized."""
        real = self.convention.apply(images)
        stored = self.input.quantize(real)
        return np.ascontiguousarray(stored.transpose(0, 3, 1, 2)) if self.input.layout == "NCHW" else stored


def sidecar_path(path: Path) -> Path:
    """``model.tflite`` to ``model.tflite.tinyedge.json``."""
    return path.with_name(path.name + ".tinyedge.json")


def write_sidecar(artifact: Artifact) -> Path:
    """Write what the file cannot say of itself beside it; returns the side-car's path."""
    content = {
        "format": SIDECAR_FORMAT,
        "sha256": artifact.sha256,
        "model": artifact.model,
        "params": artifact.params,
        "convention": asdict(artifact.convention),
        "origin": artifact.origin,
    }
    path = sidecar_path(artifact.path)
    write_atomic(path, json.dumps(content, indent=1, sort_keys=True) + "\n")
    return path


def load_artifact(
    path: Path, *, convention: InputConvention | None = None, expected_sha256: str | None = None
) -> Artifact:
    """Read a model file and its side-car.

    Args:
        path: ``.tflite``, ``.onnx`` or ``.safetensors``.
        convention: overrides the side-car's; needed for a foreign model without one.
        expected_sha256: e.g. from the zoo's index.

    Raises:
        ArtifactNotFound, ArtifactCorrupt, ArtifactHashMismatch, ArtifactUnsupported: by what is wrong.
    """
    from tinyedge.formats import read_model  # the formats know this module's types

    if not path.is_file():
        raise ArtifactNotFound("there is no such model file", where=path, fix="check the path, or: tinyedge export")
    sha256 = sha256_file(path)
    if expected_sha256 is not None and sha256 != expected_sha256:
        raise ArtifactHashMismatch(
            "the model file is not the one that the index records",
            where=path,
            found=sha256,
            expected=expected_sha256,
            fix="restore the file (git checkout, or reinstall tinyedge), or export it again",
        )
    known = _read_sidecar(path, sha256)
    facts = read_model(path)
    convention = convention or known.get("convention") or facts.convention
    if convention is None:
        raise ArtifactUnsupported(
            "how a pixel becomes this model's input is not known",
            where=path,
            found=f"no {sidecar_path(path).name}",
            expected="a side-car, or the convention as flags",
            fix="--normalize MEAN,STD (in pixel units), e.g. --normalize 128,128 for (pixel - 128)/128",
        )
    return Artifact(
        path=path,
        sha256=sha256,
        size_bytes=path.stat().st_size,
        params=known.get("params", facts.params),
        convention=convention,
        model=known.get("model", facts.model or path.stem),
        origin=known.get("origin", facts.origin),
        format=facts.format,
        precision=facts.precision,
        input=facts.input,
        output=facts.output,
        output_kind=facts.output_kind,
    )


def _read_sidecar(path: Path, sha256: str) -> dict[str, Any]:
    sidecar = sidecar_path(path)
    if not sidecar.is_file():
        return {}
    try:
        known = json.loads(sidecar.read_text())
        if known["format"] != SIDECAR_FORMAT:
            raise ValueError(f"format {known['format']!r}")
        recorded = known["sha256"]
        if "convention" in known:
            stated = known["convention"]
            known["convention"] = InputConvention(tuple(stated["mean"]), tuple(stated["std"]), stated["color"])
        for key, kind in (("params", int | None), ("model", str), ("origin", dict)):
            if key in known and not isinstance(known[key], kind):
                raise TypeError(f"{key} {known[key]!r}")
    except (ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
        raise ArtifactCorrupt(
            "the side-car cannot be read", where=sidecar, found=error, expected=SIDECAR_FORMAT
        ) from error
    if recorded != sha256:
        raise ArtifactHashMismatch(
            "the model file is not the one that its side-car describes",
            where=path,
            found=sha256,
            expected=recorded,
            fix="export it again, or remove the side-car and state the convention with --normalize",
        )
    return dict(known)
