"""The XNNPACK part of an ExecuTorch program: its layers, read off the flatbuffer that the delegate gets.

By ``backends/xnnpack/serialization/schema.fbs`` of ExecuTorch 1.5, whose fields and union members only ever grow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from tinyedge.formats.flat import INT16, INT32, UINT8, UINT32, Table, root

BACKEND = "XnnpackBackend"
_HEADER, _IDENTIFIER = b"XH00", b"XN"
_ABSENT = 0xFFFFFFFF
_QUANTIZED, _PER_TENSOR = 2, 2
"""Members of the unions of values and of their quantization."""
_NODES = (
    "None", "Add", "FullyConnected", "Softmax", "Sigmoid", "StaticTranspose", "Clamp", "Conv2d", "Div",
    "StaticResizeBilinear2D", "StaticConstantPad", "AvgPooling2d", "Minimum", "DepthwiseConv2d", "MaxPooling2d",
    "Multiply", "Subtract", "Floor", "Convert", "GlobalAvgPooling2d", "StaticReshape", "ArgMaxPooling2d", "SquareRoot",
    "Ceiling", "Hardswish", "LeakyReLU", "Maximum", "Negate", "Square", "ELU", "Abs", "PReLU", "Concatenate2",
    "Concatenate3", "Concatenate4", "StaticSlice", "ScaledDotProductAttention", "BatchMatrixMultiply", "Concatenate5",
    "ConvTranspose2d", "ReciprocalSquareRoot", "Log", "Gelu", "Tanh", "Exp", "Sin", "Copy", "Cos",
)  # fmt: skip
_WEIGHTED = {"FullyConnected": 0, "Conv2d": 15, "DepthwiseConv2d": 15, "ConvTranspose2d": 15}
"""Nodes with weights, and the place of their input, which weights, bias and output follow."""
_TYPES = {1: "float32", 3: "int8", 4: "int8", 6: "int8", 9: "float32"}  # 9: quantized as it comes
_MOVES = {"Convert", "StaticReshape", "Copy", "AvgPooling2d", "GlobalAvgPooling2d"}
_OUTPUT = {"Convert": 1, "StaticReshape": 3, "Copy": 1, "AvgPooling2d": 11, "GlobalAvgPooling2d": 1, "Softmax": 1}
_OUTPUT |= dict.fromkeys(("Sigmoid", "Clamp", "Tanh", "Gelu", "Hardswish"), 1)
_OUTPUT |= {"Add": 2, **{name: at + 3 for name, at in _WEIGHTED.items()}}


@dataclass(frozen=True)
class XnnGraph:
    """What one delegated part computes.

    Args:
        nodes: names in order of execution.
        layers: types of activations and weights of each node with weights.
        params: elements of weights and biases.
        ends: the node that makes the output, looked for through those that only move numbers; ``clamped`` behind its
            name where an activation is fused into it; ``None`` where that is not known.
        scores: scale and zero point of the int8 tensor behind the output, where there is one.
    """

    nodes: tuple[str, ...]
    layers: dict[str, tuple[str, str]]
    params: int
    ends: str | None
    scores: tuple[float, int] | None


def read_graph(blob: bytes) -> XnnGraph:
    """The graph in a delegate's data.

    Raises:
        ValueError: or any of ``flat.BROKEN``, where it is not one.
    """
    if blob[4:8] == _HEADER:
        start, size = int.from_bytes(blob[10:14], "little"), int.from_bytes(blob[14:18], "little")
        constants = int.from_bytes(blob[18:22], "little") + int.from_bytes(blob[22:30], "little")
        if not 0 < start < start + size <= len(blob) or constants > len(blob):
            raise ValueError(f"an XNNPACK part of {len(blob)} bytes that describes {max(start + size, constants)}")
        blob = blob[start : start + size]
    graph = root(blob, _IDENTIFIER)
    values = dict(_values(graph))
    nodes = [_node(node) for node in graph.tables(1)]
    layers, params = {}, 0
    for index, (name, node, _) in enumerate(nodes):
        if name in _WEIGHTED:
            data, weights, bias = (node.number(_WEIGHTED[name] + i, UINT32) for i in range(3))
            layers[f"{name} {index}"] = (values[data].dtype, values[weights].dtype)
            params += values[weights].count + (0 if bias == _ABSENT else values[bias].count)
    ends, rounded = None, None
    if len(outputs := graph.numbers(5, UINT32)) == 1:
        ends, rounded = _end(nodes, outputs[0])
    scores = None if rounded is None else values[rounded].quantization
    return XnnGraph(tuple(name for name, _, _ in nodes), layers, params, ends, scores)


@dataclass(frozen=True)
class _Value:
    dtype: str
    count: int
    quantization: tuple[float, int] | None


def _values(graph: Table) -> Iterator[tuple[int, _Value]]:
    """Each value by its number."""
    for value in graph.tables(2):
        tensor, quantization = value.table(1), None
        if tensor is not None and value.number(0, UINT8) == _QUANTIZED:
            scheme = tensor.table(2)
            if scheme is not None and tensor.number(1, UINT8) == _PER_TENSOR:
                quantization = scheme.real(0), scheme.number(1, INT32)
            tensor = tensor.table(0)
        if tensor is None:
            raise ValueError("a value without a tensor")
        kind = tensor.number(0, INT16)
        dtype = _TYPES.get(kind, f"XNNPACK type {kind}")
        yield tensor.number(6, UINT32), _Value(dtype, math.prod(tensor.numbers(2, UINT32)), quantization)


def _node(node: Table) -> tuple[str, Table, bool]:
    """Name, fields, and whether the output is clamped to a range."""
    kind, fields = node.number(0, UINT8), node.table(1)
    if fields is None:
        raise ValueError("a node without fields")
    return (_NODES[kind] if kind < len(_NODES) else f"node {kind}"), fields, node.table(3) is not None


def _end(nodes: list[tuple[str, Table, bool]], output: int) -> tuple[str | None, int | None]:
    """Follow the output back through nodes that only move numbers, to the one that makes them, and what it makes."""
    known = [(name, node, clamped) for name, node, clamped in nodes if name in _OUTPUT]
    made_by = {node.number(_OUTPUT[name], UINT32): (name, node, clamped) for name, node, clamped in known}
    for _ in nodes:
        if output not in made_by:
            break
        name, node, clamped = made_by[output]
        if clamped or name not in _MOVES:
            return (f"{name} clamped" if clamped else name), output
        output = node.number(_OUTPUT[name] - 1, UINT32)
    return None, None
