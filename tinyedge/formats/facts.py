"""The type that every reader returns, and the checks that all of them share."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinyedge.artifact import InputConvention, TensorSpec
from tinyedge.errors import ArtifactUnsupported

CHANNELS = (1, 3)
PRECISIONS = {
    "fp32": "float32 weights and activations",
    "int8": "int8 weights and activations",
    "int16x8": "int8 weights, int16 activations",
    "dynamic": "int8 weights, float32 activations that are quantized as they come",
}
"""What a model can be, in words."""
_BY_TYPES = {
    ("float32", "float32"): "fp32",
    ("int8", "int8"): "int8",
    ("int16", "int8"): "int16x8",
    ("float32", "int8"): "dynamic",
}
"""By a layer's activations and weights."""


@dataclass(frozen=True)
class ModelFacts:
    """What a model file says of itself.

    Args:
        format: ``tflite``, ``onnx``, ``executorch`` or ``checkpoint``.
        precision: one of ``PRECISIONS``.
        params: elements of the file's weights and biases, or the trainable parameters where the file says so.
        input: what goes in, ``(batch, H, W, C)`` or ``(batch, C, H, W)``.
        output: what comes out, ``(batch, K)``; dimensions of 1 between the two are dropped.
        output_kind: ``logits`` or ``probabilities``, by the graph's last operator.
        model: the name that the file gives the model, or ``None``.
        convention: how a pixel becomes the input, where the format fixes it (checkpoints), else ``None``.
        origin: what the file records of how it came about.
    """

    format: str
    precision: str
    params: int | None
    input: TensorSpec
    output: TensorSpec
    output_kind: str
    model: str | None = None
    convention: InputConvention | None = None
    origin: dict[str, Any] = field(default_factory=dict)


def image_layout(shape: tuple[int, ...], path: Path, stated: str | None = None) -> str:
    """``NHWC`` or ``NCHW``, by which dimension counts 1 or 3 channels; by ``stated`` where both may.

    Raises:
        ArtifactUnsupported: where the input is not one image batch of fixed size, where either layout could be meant
            and none is stated, or where the stated one does not fit.
    """
    channel = {"NHWC": 3, "NCHW": 1}
    possible = [layout for layout, axis in channel.items() if len(shape) == 4 and shape[axis] in CHANNELS]
    if not possible or any(size < 1 for size in shape[1:]):
        raise ArtifactUnsupported(
            "the model's input is not an image",
            where=path,
            found=f"shape {shape}",
            expected="(batch, H, W, C) or (batch, C, H, W) of fixed size, with 1 or 3 channels",
        )
    if stated is not None and stated not in possible:
        raise ArtifactUnsupported(
            "the stated layout does not fit the model's input",
            where=path,
            found=f"--layout {stated}, shape {shape}",
            expected=f"{possible[0]}: dimension {channel[possible[0]]} counts the channels",
        )
    if stated is None and len(possible) > 1:
        _, a, b, c = shape
        raise ArtifactUnsupported(
            "the input's layout can be read in two ways",
            where=path,
            found=f"shape {shape}: NHWC would be images of {a}x{b} with {c} channels, "
            f"NCHW of {b}x{c} with {a} channels",
            expected="one of the two",
            fix="--layout NHWC or --layout NCHW",
        )
    return stated or possible[0]


def class_shape(shape: tuple[int, ...], path: Path) -> tuple[int, int]:
    """``(batch, K)`` from ``(batch, K)``, ``(batch, 1, 1, K)`` or ``(batch, K, 1, 1)``.

    Raises:
        ArtifactUnsupported: where the output is something else, such as a feature map.
    """
    wide = [size for size in shape[1:] if size != 1]
    if len(shape) < 2 or len(wide) > 1 or any(size < 1 for size in wide):
        raise ArtifactUnsupported(
            "the model's output is not a score a class",
            where=path,
            found=f"shape {shape}",
            expected="(batch, classes)",
            fix="export the whole classifier, with its head",
        )
    classes = wide[0] if wide else 1
    if classes < 2:
        raise ArtifactUnsupported(
            "the model has a single output",
            where=path,
            found=f"shape {shape}",
            expected='a score for each of at least 2 classes: one sigmoid leaves open where "yes" begins',
            fix="export it with two outputs: a softmax over 0 and z is the sigmoid of z",
        )
    return shape[0], classes


def model_precision(layers: Mapping[str, tuple[str, str]], path: Path) -> str:
    """One of ``PRECISIONS``, by what each layer that multiplies computes with.

    Float layers beside dynamic ones are ``dynamic``: converters leave small layers float, and every activation is
    float in either.

    Args:
        layers: the type of the activations that go in, and of the stored weights, by the layer's name.
        path: for the message.

    Raises:
        ArtifactUnsupported: where they are mixed otherwise, of other types, or there are none.
    """
    if not layers:
        raise ArtifactUnsupported(
            "the model has no weights", where=path, found="no constant of a convolution or a fully connected layer"
        )
    found = {_BY_TYPES.get(types) for types in layers.values()}
    if found == {"fp32", "dynamic"}:
        return "dynamic"
    (precision, *others) = found
    if precision is not None and not others:
        return precision
    counts = Counter(layers.values())
    example = {types: name for name, types in layers.items()}
    listed = ", ".join(
        f"{weights} weights under {activations} activations ({count}, e.g. {example[activations, weights]})"
        for (activations, weights), count in sorted(counts.items())
    )
    raise ArtifactUnsupported(
        "the layers are not all of one supported precision",
        where=path,
        found=listed,
        expected="; or ".join(f"{name}: {what}" for name, what in PRECISIONS.items()),
        fix="export it again: a layer that a quantizer skipped stays float and is slow or impossible on the device",
    )


def checked_quantization(scale: float, zero_point: int, dtype: str, tensor: str, path: Path) -> tuple[float, int]:
    """The pair as it is, where it can be one.

    Raises:
        ArtifactUnsupported: for a scale that is not positive and finite, or a zero point outside the type.
    """
    low, high = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}.get(dtype, (-(2**31), 2**31 - 1))
    if not (math.isfinite(scale) and scale > 0) or not low <= zero_point <= high:
        raise ArtifactUnsupported(
            "a tensor's quantization is impossible",
            where=f"{path}, tensor {tensor}",
            found=f"scale {scale}, zero point {zero_point}",
            expected=f"a positive scale, a zero point from {low} to {high}",
        )
    return scale, zero_point
