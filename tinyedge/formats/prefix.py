"""A TFLite model cut behind one of its operators: that operator's output becomes the model's.

So every runtime can be asked for its intermediate values, also one that keeps them to itself: a delegate, TensorFlow
Lite Micro, firmware. A cut takes operators away and changes none: those that stay keep their weights, options and
quantization.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from tinyedge.artifact import Artifact, TensorSpec
from tinyedge.errors import ArtifactCorrupt
from tinyedge.formats.tflite import Graph, read_graph

_BROKEN = (struct.error, IndexError, ValueError, TypeError, OverflowError, KeyError, AttributeError, MemoryError)


@dataclass(frozen=True)
class Layer:
    """An operator behind which a model can be cut.

    Args:
        place: among the file's operators, from 1.
        operator: e.g. ``CONV_2D``.
        shape: of its output, with the batch.
        output: the same flattened, ``(1, N)``, int8 or uint8.
    """

    place: int
    operator: str
    shape: tuple[int, ...]
    output: TensorSpec


def layers(path: Path) -> tuple[Layer, ...]:
    """Where the int8 model at ``path`` can be cut, in order; the last is the model as it is.

    An operator is left out where its output is no single int8 or uint8 tensor with one scale, or where it does not
    depend on the image.

    Raises:
        ArtifactCorrupt, ArtifactUnsupported: as ``read_graph``.
    """
    graph = read_graph(path)
    fed = set(graph.inputs)
    found = []
    for place, operator in enumerate(graph.operators, 1):
        if not fed & set(operator.inputs):
            continue
        fed |= set(operator.outputs)
        layer = _layer(graph, place)
        if layer is not None:
            found.append(layer)
        if set(operator.outputs) & set(graph.outputs):
            break  # what may still come is not the classifier
    return tuple(found)


def cut(content: bytes, layer: Layer, path: Path) -> bytes:
    """``content`` up to and with ``layer``; ``path`` is for errors.

    Raises:
        ArtifactCorrupt: where it cannot be read.
    """
    try:
        model: Any = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
        graph = model.subgraphs[0]
        graph.outputs = list(graph.operators[layer.place - 1].outputs)
        graph.operators = _leading_to(graph.outputs, graph.operators[: layer.place])
        model.signatureDefs = None  # they name the output that was
        model.metadata = None
        _empty_unread(model)
        builder = flatbuffers.Builder(len(content))
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    except _BROKEN as error:
        raise ArtifactCorrupt(
            f"the model cannot be cut behind operator {layer.place}",
            where=path,
            found=f"{type(error).__name__}: {error}",
            expected="a valid TFLite model",
            fix="export the model again",
        ) from error
    return bytes(builder.Output())


def prefix(artifact: Artifact, layer: Layer, folder: Path) -> Artifact:
    """``artifact`` up to and with ``layer``, as a file in ``folder``; its K outputs are the layer's values, flattened.

    Raises:
        ArtifactCorrupt: where the file cannot be read.
    """
    content = cut(artifact.path.read_bytes(), layer, artifact.path)
    path = folder / f"{artifact.path.stem}-to-operator-{layer.place}.tflite"
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    return replace(artifact, path=path, sha256=sha256, size_bytes=len(content), output=layer.output)


def _layer(graph: Graph, place: int) -> Layer | None:
    operator = graph.operators[place - 1]
    if len(operator.outputs) != 1:
        return None
    tensor = graph.tensors[operator.outputs[0]]
    shape = (1, *tensor.shape[1:])
    single = len(tensor.scales) == 1 and len(tensor.zero_points) == 1
    if tensor.dtype not in ("int8", "uint8") or not single or min(shape) < 1:
        return None
    flat = TensorSpec(tensor.name, (1, prod(shape)), tensor.dtype, "NK", tensor.scales[0], tensor.zero_points[0])
    return Layer(place, operator.name, shape, flat)


def _leading_to(outputs: list[int], operators: list[Any]) -> list[Any]:
    """Those of ``operators`` that ``outputs`` are computed from, in order."""
    read = {int(tensor) for tensor in outputs}
    kept = []
    for operator in reversed(operators):
        if read & {int(tensor) for tensor in operator.outputs}:
            read |= {int(tensor) for tensor in operator.inputs}
            kept.append(operator)
    return kept[::-1]


def _empty_unread(model: Any) -> None:
    """Drop the tensors that no operator names any more, and what the file holds for them."""
    graph = model.subgraphs[0]
    named = [list(graph.inputs), list(graph.outputs)]
    named += [list(tensors) for operator in graph.operators for tensors in (operator.inputs, operator.outputs)]
    kept = sorted({int(tensor) for tensors in named for tensor in tensors if tensor >= 0})
    place = {old: new for new, old in enumerate(kept)} | {-1: -1}
    for operator in graph.operators:
        operator.inputs = [place[int(tensor)] for tensor in operator.inputs]
        operator.outputs = [place[int(tensor)] for tensor in operator.outputs]
    graph.inputs, graph.outputs = ([place[int(tensor)] for tensor in ends] for ends in (graph.inputs, graph.outputs))
    graph.tensors = [graph.tensors[old] for old in kept]
    held = {int(tensor.buffer) for one in model.subgraphs for tensor in one.tensors}
    for index, buffer in enumerate(model.buffers):
        if index not in held:
            buffer.data = None
