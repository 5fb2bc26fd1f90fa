"""TFLite: the flatbuffer read lazily, each access bound by the file's own bytes.

Structure that a runtime would trust blindly is looked at here first: measured on broken files, LiteRT and TFLite
Micro segfault on some of them and accept others in silence.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tinyedge.artifact import TensorSpec
from tinyedge.errors import ArtifactCorrupt, ArtifactUnsupported
from tinyedge.formats.facts import ModelFacts, checked_quantization, class_shape, image_layout, model_precision

_MAGIC = b"TFL3"
_WEIGHTED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "BATCH_MATMUL"}
_LOGITS = {"FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "BATCH_MATMUL", "ADD", "LOG_SOFTMAX"}
"""A log-softmax is the logits less one number a row, which no metric of logits can see."""
_THROUGH = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "QUANTIZE", "DEQUANTIZE", "AVERAGE_POOL_2D", "MEAN"}
_FUSED = {
    "FULLY_CONNECTED": schema.FullyConnectedOptions,
    "CONV_2D": schema.Conv2DOptions,
    "DEPTHWISE_CONV_2D": schema.DepthwiseConv2DOptions,
    "ADD": schema.AddOptions,
    "AVERAGE_POOL_2D": schema.Pool2DOptions,
}
_DTYPES = {
    "FLOAT32": "float32", "FLOAT16": "float16", "FLOAT64": "float64", "INT8": "int8", "UINT8": "uint8",
    "INT16": "int16", "UINT16": "uint16", "INT32": "int32", "UINT32": "uint32", "INT64": "int64",
    "UINT64": "uint64", "BOOL": "bool",
}  # fmt: skip
_BROKEN = (struct.error, IndexError, ValueError, TypeError, OverflowError, KeyError, AttributeError, MemoryError)
"""What flatbuffers' Python accessors raise on bytes that are no flatbuffer."""


@dataclass(frozen=True)
class Operator:
    """One operator of a graph; tensors by index, -1 for an optional one that is absent."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    activation: int = 0


@dataclass(frozen=True)
class Tensor:
    """One tensor of a graph; ``shape`` has -1 where the size is not fixed, ``constant`` where the file holds values."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    constant: bool


@dataclass(frozen=True)
class Graph:
    """The main subgraph."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read(path: Path, layout: str | None = None) -> ModelFacts:
    """What a ``.tflite`` says of itself.

    Raises:
        ArtifactCorrupt, ArtifactUnsupported: as in ``tinyedge.formats.read_model``.
    """
    graph = read_graph(path)
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ArtifactUnsupported(
            "the model is not a plain classifier",
            where=path,
            found=f"{len(graph.inputs)} inputs, {len(graph.outputs)} outputs",
            expected="1 input, 1 output",
        )
    image, scores = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    return ModelFacts(
        format="tflite",
        precision=model_precision(_layer_types(graph), path),
        params=_count(graph),
        input=_spec(image, image.shape, image_layout(image.shape, path, layout), path),
        output=_spec(scores, class_shape(scores.shape, path), "NK", path),
        output_kind=_output_kind(graph, path),
    )


def operators(path: Path) -> tuple[str, ...]:
    """The main graph's operators in order of execution, e.g. ``("CONV_2D", "MAX_POOL_2D", ...)``."""
    return tuple(operator.name for operator in read_graph(path).operators)


def read_graph(path: Path) -> Graph:
    """The main subgraph, with every index and every constant's size checked.

    Raises:
        ArtifactCorrupt: where the file is no TFLite model, truncated, or points outside itself.
        ArtifactUnsupported: where its constants are not in the file's flatbuffer.
    """
    data = path.read_bytes()
    if len(data) < 8 or data[4:8] != _MAGIC:
        raise ArtifactCorrupt(
            "the file is not a TFLite model",
            where=path,
            found=f"{len(data)} bytes, identifier {data[4:8]!r}",
            expected=f"identifier {_MAGIC!r}",
            fix="export the model again, or give the file its right suffix",
        )
    try:
        return _graph(schema.Model.GetRootAs(data, 0), len(data), path)
    except _BROKEN as error:
        raise _corrupt("its structure points outside the file", path) from error


def _graph(model: Any, size: int, path: Path) -> Graph:
    if not model.SubgraphsLength() or not model.OperatorCodesLength():
        raise _corrupt("it holds no graph", path)
    lengths = [_buffer_length(model.Buffers(i), size, path) for i in range(_count_of(model.BuffersLength(), size))]
    codes = [_operator_name(model.OperatorCodes(i)) for i in range(_count_of(model.OperatorCodesLength(), size))]
    for i in range(_count_of(model.MetadataLength(), size)):
        model.Metadata(i).Name()  # at the end of the file: a truncation shows here
    main = model.Subgraphs(0)
    tensors = [_tensor(main.Tensors(i), lengths, path) for i in range(_count_of(main.TensorsLength(), size))]
    graph = Graph(
        tuple(tensors),
        tuple(_operator(main.Operators(i), codes) for i in range(_count_of(main.OperatorsLength(), size))),
        tuple(int(main.Inputs(i)) for i in range(_count_of(main.InputsLength(), size))),
        tuple(int(main.Outputs(i)) for i in range(_count_of(main.OutputsLength(), size))),
    )
    used = [*graph.inputs, *graph.outputs, *(o for op in graph.operators for o in op.outputs)]
    optional = [i for op in graph.operators for i in op.inputs if i != -1]
    if any(not 0 <= index < len(tensors) for index in [*used, *optional]):
        raise _corrupt("an operator names a tensor that is not there", path)
    return graph


def _count_of(length: int, size: int) -> int:
    if length > size // 4:  # a vector's elements take four bytes each at least: the count is not one
        raise ValueError(f"a vector of {length} elements in {size} bytes")
    return length


def _buffer_length(buffer: Any, size: int, path: Path) -> int:
    if buffer.Offset() > 1:
        raise ArtifactUnsupported(
            "the model keeps weights behind its flatbuffer",
            where=path,
            found=f"a buffer at offset {buffer.Offset()}",
            expected="a model below 2 GB with its weights inside",
        )
    length = int(buffer.DataLength())
    if length:
        if length > size:
            raise ValueError(f"a buffer of {length} bytes in a file of {size}")
        buffer.DataAsNumpy()  # raises where the data would end behind the file
    return length


def _tensor(tensor: Any, lengths: list[int], path: Path) -> Tensor:
    name = (tensor.Name() or b"").decode()
    shape = tuple(int(tensor.Shape(i)) for i in range(tensor.ShapeLength()))
    dtype = _DTYPES.get(_enum(schema.TensorType).get(tensor.Type(), ""), f"type {tensor.Type()}")
    index = int(tensor.Buffer())
    if index >= len(lengths):
        raise _corrupt(f"tensor {name} names a buffer that is not there", path)
    held = lengths[index]
    if held and dtype in _DTYPES.values() and tensor.Sparsity() is None:
        wanted = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if held != wanted:
            raise _corrupt(f"tensor {name} holds {held} bytes and needs {wanted}", path)
    if tensor.ShapeSignatureLength():
        shape = tuple(int(tensor.ShapeSignature(i)) for i in range(tensor.ShapeSignatureLength()))
    quantization = tensor.Quantization()
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    if quantization is not None and quantization.ScaleLength():
        scales = tuple(float(value) for value in quantization.ScaleAsNumpy())
        if quantization.ZeroPointLength():
            zero_points = tuple(int(value) for value in quantization.ZeroPointAsNumpy())
        zero_points = zero_points or (0,) * len(scales)
    return Tensor(name, shape, dtype, scales, zero_points, bool(held))


def _operator(operator: Any, codes: list[str]) -> Operator:
    name = codes[operator.OpcodeIndex()]
    activation = 0
    if name in _FUSED and operator.BuiltinOptions() is not None:
        options = _FUSED[name]()
        table = operator.BuiltinOptions()
        options.Init(table.Bytes, table.Pos)
        activation = int(options.FusedActivationFunction())
    return Operator(
        name,
        tuple(int(operator.Inputs(i)) for i in range(operator.InputsLength())),
        tuple(int(operator.Outputs(i)) for i in range(operator.OutputsLength())),
        activation,
    )


def _operator_name(code: Any) -> str:
    builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())  # old files have the one, new files both
    name = _enum(schema.BuiltinOperator).get(builtin, f"operator {builtin}")
    if name == "CUSTOM":
        return f"CUSTOM {(code.CustomCode() or b'').decode()}"
    return name


@cache
def _enum(kind: type) -> dict[int, str]:
    return {value: name for name, value in vars(kind).items() if isinstance(value, int)}


def _weights(graph: Graph) -> Iterator[tuple[Operator, int, bool]]:
    """The operators that multiply, their weights, and whether these become float before: the constant second input.

    A constant that reaches the operator through a DEQUANTIZE (float16 or weight-only int8) counts as what is stored.
    """
    made_by = {index: operator for operator in graph.operators for index in operator.outputs}
    for operator in graph.operators:
        if operator.name not in _WEIGHTED or len(operator.inputs) < 2:
            continue
        index, restored = operator.inputs[1], False
        for _ in graph.operators:  # a circle ends
            if index not in made_by or made_by[index].name != "DEQUANTIZE":
                break
            index, restored = made_by[index].inputs[0], True
        if index >= 0 and graph.tensors[index].constant:
            yield operator, index, restored


def _layer_types(graph: Graph) -> dict[str, tuple[str, str]]:
    """Activations' and weights' type of each layer that multiplies, by its name."""
    found = {}
    for operator, index, restored in _weights(graph):
        weights = graph.tensors[index]
        data = operator.inputs[2 if operator.name == "TRANSPOSE_CONV" and len(operator.inputs) > 2 else 0]
        stored = f"{weights.dtype} restored to float" if restored else weights.dtype
        found[f"{operator.name} {weights.name}"[:80]] = (graph.tensors[data].dtype, stored)
    return found


def _count(graph: Graph) -> int:
    """Elements of weights, of the biases beside them, and of float constants (scales of a batch norm not folded)."""
    indices = {index for _, index, _ in _weights(graph)}
    for operator in graph.operators:
        for index in operator.inputs:
            tensor = graph.tensors[index]
            bias = operator.name in _WEIGHTED and tensor.dtype in ("int32", "int64") and index in operator.inputs[2:]
            if index >= 0 and tensor.constant and (bias or tensor.dtype == "float32"):
                indices.add(index)
    return sum(int(np.prod(graph.tensors[index].shape)) for index in indices)


def _spec(tensor: Tensor, shape: tuple[int, ...], layout: str, path: Path) -> TensorSpec:
    if not tensor.scales:
        return TensorSpec(tensor.name, shape, tensor.dtype, layout)
    if len(tensor.scales) != 1 or len(tensor.zero_points) != 1:
        raise ArtifactUnsupported(
            "the input or output is quantized by channel",
            where=f"{path}, tensor {tensor.name}",
            found=f"{len(tensor.scales)} scales",
            expected="1 scale, 1 zero point",
        )
    scale, zero = checked_quantization(tensor.scales[0], tensor.zero_points[0], tensor.dtype, tensor.name, path)
    return TensorSpec(tensor.name, shape, tensor.dtype, layout, scale, zero)


def _output_kind(graph: Graph, path: Path) -> str:
    """Follow the output back through operators that only move numbers, to the one that makes them."""
    made_by = {index: operator for operator in graph.operators for index in operator.outputs}
    index, steps = graph.outputs[0], 0
    while index in made_by and steps <= len(graph.operators):
        operator, steps = made_by[index], steps + 1
        if operator.name == "SOFTMAX":
            return "probabilities"
        if operator.activation == 0 and operator.name in _LOGITS:
            return "logits"
        if operator.activation != 0 or operator.name not in _THROUGH or not operator.inputs:
            break
        index = operator.inputs[0]
    last = made_by.get(index)
    fused = _enum(schema.ActivationFunctionType).get(last.activation, "?") if last and last.activation else ""
    raise ArtifactUnsupported(
        "what the model's outputs mean is not known",
        where=path,
        found="no operator before the output" if last is None else f"a graph that ends in {last.name} {fused}".strip(),
        expected="a softmax (probabilities), or a linear layer without activation (logits)",
        fix="export the classifier with its linear head, or with a softmax behind it",
    )


def _corrupt(found: str, path: Path) -> ArtifactCorrupt:
    return ArtifactCorrupt(
        "the TFLite file is truncated or broken",
        where=path,
        found=found,
        expected="a whole flatbuffer",
        fix="copy it again, or export the model again",
    )
