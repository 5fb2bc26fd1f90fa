"""What an exported file has to hold, looked up in the file itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyedge.artifact import InputConvention, TensorSpec
from tinyedge.errors import ExportError
from tinyedge.formats import ModelFacts
from tinyedge.formats.tflite import Graph, read_graph

FLOAT_TOLERANCE = 1e-4
"""Largest difference of a float file's outputs from the module's, relative to the largest output (at least 1)."""
NOT_ON_MICROCONTROLLERS = ("TRANSPOSE", "MEAN")
_PER_CHANNEL = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3}
"""Operators with a scale for each output channel, and the weights' axis that holds those."""


@dataclass(frozen=True)
class InputQuantization:
    """Scale and zero point that lose nothing: stored = pixel - 128."""

    scale: float
    zero_point: int


def lossless_input(convention: InputConvention, dtype: str = "int8") -> InputQuantization | None:
    """The quantization under which a stored value is exactly pixel - 128; ``None`` where channels differ.

    In int16, whose zero point is always 0, it is 256 times that, and there is one only where pixel 128 is 0.

    >>> from tinyedge.artifact import FAMILY_CONVENTION
    >>> lossless_input(FAMILY_CONVENTION)
    InputQuantization(scale=0.0078125, zero_point=0)
    """
    if len(set(convention.mean)) != 1 or len(set(convention.std)) != 1:
        return None
    mean, std = convention.mean[0], convention.std[0]
    zero_point = round(mean) - 128
    if mean != round(mean) or std <= 0 or not -128 <= zero_point <= 127:
        return None
    if dtype == "int16":
        return InputQuantization(1.0 / std / 256, 0) if zero_point == 0 else None
    return InputQuantization(1.0 / std, zero_point)


def check_images(image_shape: tuple[int, int, int], count: int = 16) -> NDArray[np.uint8]:
    """Noise, ``(count, H, W, C)``: what a float file is compared with its module on, where no data is at hand."""
    return np.random.default_rng(0).integers(0, 256, (count, *image_shape), dtype=np.uint8)


def check_close(expected: NDArray[np.float32], found: NDArray[np.float32], *, where: str) -> float:
    """The largest relative difference of ``found`` from the module's outputs, ``(N, K)`` both.

    Raises:
        ExportError: beyond ``FLOAT_TOLERANCE``.
    """
    if found.shape != expected.shape:
        raise ExportError(
            "the exported file's output has another shape", where=where, found=found.shape, expected=expected.shape
        )
    largest = relative_difference(expected, found)
    if not largest <= FLOAT_TOLERANCE:
        raise ExportError(
            "the exported file does not compute what the model computes",
            where=where,
            found=f"outputs that differ by {largest:.2e} of the largest",
            expected=f"at most {FLOAT_TOLERANCE:g}",
            fix="report the model: a layer is converted wrongly",
        )
    return largest


def relative_difference(expected: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """The largest difference over the largest expected output (at least 1)."""
    return float(np.abs(found - expected).max() / max(1.0, float(np.abs(expected).max())))


def check_integer(
    path: Path,
    facts: ModelFacts,
    *,
    activations: str = "int8",
    convention: InputConvention | None,
    forbid: tuple[str, ...],
    where: str,
) -> None:
    """A full integer TFLite for a microcontroller: types, batch, per-channel weights, input quantization, operators.

    Args:
        path: the written file.
        facts: what ``tinyedge.formats`` reads off it.
        activations: their type, ``int8`` or ``int16``; the weights' is int8.
        convention: of the model's input; ``None`` where its scale and zero point are not held to one.
        forbid: operators that may not be there.
        where: for the message.

    Raises:
        ExportError: with what was found and what was expected.
    """
    graph = read_graph(path)
    for side, spec in (("input", facts.input), ("output", facts.output)):
        _expect(f"the {side}'s type", spec.dtype, activations, where)
        _expect(f"the {side} is quantized", spec.quantized, True, where)
        _expect(f"the {side}'s batch", spec.shape[0], 1, where)
    check_operators(graph, forbid, where)
    floats = [t.name for t in graph.tensors if t.dtype not in (activations, "int8", "int32", "int64")]
    _expect("tensors that stayed float", ", ".join(floats[:3]) or "none", "none", where)
    _check_weights(graph, where)
    expected = None if convention is None else lossless_input(convention, activations)
    if expected is not None:
        _check_input(facts.input, expected, where)


def check_operators(graph: Graph, forbid: tuple[str, ...], where: str) -> None:
    """None of ``forbid`` is in the graph, nor a custom operator.

    Raises:
        ExportError: with those that are.
    """
    names = [operator.name for operator in graph.operators]
    bad = sorted({name for name in names if name in forbid or name.startswith("CUSTOM")})
    _expect("operators that microcontroller runtimes lack", ", ".join(bad) or "none", "none", where)


def _check_weights(graph: Graph, where: str) -> None:
    for operator in graph.operators:
        if operator.name in _PER_CHANNEL:
            weights = graph.tensors[operator.inputs[1]]
            channels = weights.shape[_PER_CHANNEL[operator.name]]
            _expect(f"scales of {operator.name}'s weights", len(weights.scales), channels, where)
            _expect(f"zero points of {operator.name}'s weights", set(weights.zero_points), {0}, where)


def _check_input(spec: TensorSpec, expected: InputQuantization, where: str) -> None:
    if spec.scale is None or abs(spec.scale / expected.scale - 1) > 1e-6 or spec.zero_point != expected.zero_point:
        raise ExportError(
            "the input is not quantized so that a stored value is pixel - 128 (256 times that in int16)",
            where=where,
            found=f"scale {spec.scale}, zero point {spec.zero_point}",
            expected=f"scale {expected.scale:g}, zero point {expected.zero_point}",
            fix="the representative images do not span black to white: give more of them (--representative)",
        )


def _expect(what: str, found: object, expected: object, where: str) -> None:
    if found != expected:
        raise ExportError(
            f"the exported file does not hold what it should: {what}", where=where, found=found, expected=expected
        )
