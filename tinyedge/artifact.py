"""A model file: what it is, what goes in, what comes out.

The facts come from two places: the file itself (``tinyedge.formats`` reads it) and the side-car
``<file>.tinyedge.json`` that the exporters write. Where the two disagree, the file is right and loading stops.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.convention import FAMILY_CONVENTION, InputConvention, Stated
from tinyedge.errors import (
    ArtifactCorrupt,
    ArtifactHashMismatch,
    ArtifactNotFound,
    ConventionUnknown,
    ImageSizeMismatch,
    UsageError,
)
from tinyedge.files import sha256_file, write_atomic

__all__ = [
    "FAMILY_CONVENTION",
    "Artifact",
    "InputConvention",
    "TensorSpec",
    "load_artifact",
    "read_sidecar",
    "sidecar_path",
    "write_sidecar",
]
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
class Artifact:
    """A model file with what is known of it; the file's bytes are those of ``sha256``.

    Args:
        path: the file.
        format: ``tflite``, ``onnx``, ``executorch`` or ``checkpoint`` (tinyedge's safetensors).
        precision: ``fp32``, ``int8``, ``int16x8`` or ``dynamic``: see ``tinyedge.formats.facts.PRECISIONS``.
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

    def check_images(self, shape: tuple[int, ...], where: str) -> None:
        """Whether images of ``shape``, ``(H, W, C)``, can go in under this artifact's convention.

        Raises:
            ImageSizeMismatch: where they cannot; names the flag that would say how.
        """
        lacking = self.convention.lacks(shape, self.image_shape)
        if lacking is not None:
            raise ImageSizeMismatch(
                "the images do not fit the model's input",
                where=where,
                found="images of " + "x".join(map(str, shape)),
                expected="x".join(map(str, self.image_shape)) + " (height, width, channels)",
                fix=lacking,
            )

    def preparation(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        """What happens to images of ``shape``, ``(H, W, C)``, on their way into the graph, a clause a step."""
        steps = self.convention.steps(shape, self.image_shape)
        put = self.input
        if put.scale is not None:
            steps += (f"stored as {put.dtype}, scale {put.scale:.6g}, zero point {put.zero_point}",)
        return steps if self.input.shape[0] != -1 else (*steps, "the batch is dynamic in the file: fixed to 1 here")

    def feed(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """uint8 ``(N, H, W, C)`` as the array that the graph takes: fitted, normalized, quantized, in its layout."""
        real = self.convention.apply(images, self.image_shape)
        stored = self.input.quantize(real)
        return np.ascontiguousarray(stored.transpose(0, 3, 1, 2)) if self.input.layout == "NCHW" else stored


def sidecar_path(path: Path) -> Path:
    """``model.tflite`` to ``model.tflite.tinyedge.json``."""
    return path.with_name(path.name + ".tinyedge.json")


def write_sidecar(artifact: Artifact, **more: Any) -> Path:
    """Write what the file cannot say of itself beside it, and ``more`` keys; returns the side-car's path."""
    content = {
        "format": SIDECAR_FORMAT,
        "sha256": artifact.sha256,
        "model": artifact.model,
        "params": artifact.params,
        "convention": asdict(artifact.convention),
        "origin": artifact.origin,
        **more,
    }
    path = sidecar_path(artifact.path)
    write_atomic(path, json.dumps(content, indent=1, sort_keys=True) + "\n")
    return path


def load_artifact(
    path: Path,
    *,
    convention: InputConvention | None = None,
    stated: Stated | None = None,
    expected_sha256: str | None = None,
) -> Artifact:
    """Read a model file and its side-car.

    Args:
        path: ``.tflite``, ``.onnx``, ``.pte`` or ``.safetensors``.
        convention: in the side-car's place, as a whole; a foreign model without one needs this or ``stated``.
        stated: what flags say, part by part: overrides that part of the side-car's.
        expected_sha256: e.g. from the zoo's index.

    Raises:
        ArtifactNotFound, ArtifactCorrupt, ArtifactHashMismatch, ArtifactUnsupported: by what is wrong.
        ConventionUnknown: where nothing says how a pixel becomes the input.
    """
    from tinyedge.formats import read_model  # the formats know this module's types

    stated = stated or Stated()
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
    known = read_sidecar(path, sha256)
    facts = read_model(path, stated.layout)
    convention = stated.over(convention or known.get("convention") or facts.convention)
    if convention is None:
        raise ConventionUnknown(
            "how a pixel becomes this model's input is not known",
            where=path,
            found=f"no {sidecar_path(path).name}",
            expected="a side-car, or the convention as flags",
            fix="--normalize 0..255, 0..1, -1..1 or MEAN,STD in pixel units, e.g. 128,128 for (pixel - 128)/128",
        )
    artifact = Artifact(
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
    _check_channels(artifact)
    return artifact


def _check_channels(artifact: Artifact) -> None:
    convention, channels = artifact.convention, artifact.image_shape[2]
    numbers = max(len(convention.mean), len(convention.std))
    if (numbers == 3 and channels == 1) or (convention.color == "GRAY" and channels == 3):
        raise UsageError(
            "the input convention is not one of this model's",
            where=artifact.path,
            found=f"{convention.flags}, for {channels} channel{'s' if channels > 1 else ''}",
            expected="one mean and std, and --color GRAY where the data is RGB"
            if channels == 1
            else "--color RGB or BGR; grey images are repeated by themselves",
        )


def read_sidecar(path: Path, sha256: str) -> dict[str, Any]:
    """What the side-car of the model file at ``path`` says; empty where there is none.

    Raises:
        ArtifactCorrupt: where it cannot be read.
        ArtifactHashMismatch: where it is not of a file with ``sha256``.
    """
    sidecar = sidecar_path(path)
    if not sidecar.is_file():
        return {}
    try:
        known = json.loads(sidecar.read_text())
        if known["format"] != SIDECAR_FORMAT:
            raise ValueError(f"format {known['format']!r}")
        recorded = known["sha256"]
        if "convention" in known:
            known["convention"] = InputConvention.of(known["convention"])
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
