"""ONNX: parsed as a protobuf, never executed, and nothing outside the file is ever opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from tinyedge.artifact import TensorSpec
from tinyedge.errors import ArtifactCorrupt, ArtifactUnsupported
from tinyedge.formats.facts import ModelFacts, class_shape, image_layout, model_precision

_LOGITS = {"Gemm", "MatMul", "Conv", "Add", "LogSoftmax"}
"""A log-softmax is the logits less one number a row, which no metric of logits can see."""
_THROUGH = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "GlobalAveragePool", "AveragePool", "ReduceMean"}
_THROUGH |= {"QuantizeLinear", "DequantizeLinear"}
_MOVES = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Transpose"}
_WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
_QUANTIZED_WEIGHTS = {"QLinearConv": 3, "QLinearMatMul": 3, "ConvInteger": 1, "MatMulInteger": 1}
_DYNAMIC = {"ConvInteger", "MatMulInteger"}
_RUNTIME_INTEGER = {*_QUANTIZED_WEIGHTS, "QGemm", "MatMulIntegerToFloat"}
_RUNTIME_FLOAT = _WEIGHTED | {"FusedConv", "NhwcFusedConv", "FusedGemm", "FusedMatMul"}


@dataclass(frozen=True)
class RuntimeLayers:
    """The layers that multiply in a graph as ONNX Runtime optimized it, by operator and name.

    Args:
        integer: those that compute with integers.
        floating: the others.
    """

    integer: tuple[str, ...]
    floating: tuple[str, ...]

    @property
    def found(self) -> str:
        """How many, of which operators; the first that are float."""
        kinds = Counter(name.partition(" ")[0] for name in self.integer)
        listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "none"
        total = len(self.integer) + len(self.floating)
        text = f"{len(self.integer)} of {total} layers with integers ({listed})"
        return text + (f"; float: {', '.join(self.floating[:3])}" if self.floating else "")


def read(path: Path, layout: str | None = None) -> ModelFacts:
    """What an ``.onnx`` says of itself.

    Raises:
        ArtifactCorrupt, ArtifactUnsupported: as in ``tinyedge.formats.read_model``.
    """
    graph = _parse(path).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for tensor in _tensors(graph):
        _check_tensor(tensor, path)
    inputs = [value for value in graph.input if value.name not in constants]  # old files list weights as inputs
    if len(inputs) != 1 or len(graph.output) != 1:
        raise ArtifactUnsupported(
            "the model is not a plain classifier",
            where=path,
            found=f"{len(inputs)} inputs, {len(graph.output)} outputs",
            expected="1 input, 1 output",
        )
    image, scores = _shape(inputs[0]), _shape(graph.output[0])
    return ModelFacts(
        format="onnx",
        precision=model_precision(_layer_types(graph, constants), path),
        params=sum(_elements(t) for t in constants.values() if t.data_type != onnx.TensorProto.INT64),
        input=TensorSpec(inputs[0].name, image, _dtype(inputs[0]), image_layout(image, path, layout)),
        output=TensorSpec(graph.output[0].name, class_shape(scores, path), _dtype(graph.output[0]), "NK"),
        output_kind=_output_kind(graph, path),
    )


def runtime_layers(content: bytes) -> RuntimeLayers:
    """The layers of an optimized graph: what ONNX Runtime wrote to ``optimized_model_filepath``."""
    nodes = onnx.load_model_from_string(content).graph.node
    integer, floating = (
        tuple(f"{node.op_type} {node.name}".strip() for node in nodes if node.op_type in kinds)
        for kinds in (_RUNTIME_INTEGER, _RUNTIME_FLOAT)
    )
    return RuntimeLayers(integer, floating)


def output_quantization(path: Path) -> tuple[float, int, str]:
    """Scale, zero point and type of the scores of a QDQ model, which its last node makes real.

    Raises:
        ArtifactUnsupported: where the graph does not end in a DequantizeLinear of constants.
    """
    graph = _parse(path).graph
    last = next((node for node in graph.node if graph.output[0].name in node.output), None)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    if last is None or last.op_type != "DequantizeLinear" or not set(last.input[1:]) <= set(constants):
        raise ArtifactUnsupported(
            "the model does not end in a DequantizeLinear",
            where=path,
            found=None if last is None else last.op_type,
            expected="quantized scores",
        )
    scale, zero_point = (onnx.numpy_helper.to_array(constants[name]) for name in last.input[1:3])
    return float(scale), int(zero_point), str(zero_point.dtype)


def _parse(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except (DecodeError, ValueError) as error:
        raise _corrupt(str(error), path) from error
    if not model.opset_import or not model.graph.node or not model.graph.output:
        raise _corrupt("no graph in it", path)  # a cut between two fields leaves a valid, emptier message
    return model


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every stored tensor: initializers, constants in attributes, and those of nested graphs."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for nested in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                yield from _tensors(nested)


def _check_tensor(tensor: onnx.TensorProto, path: Path) -> None:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise ArtifactUnsupported(
            "the ONNX file keeps weights in another file",
            where=f"{path}, tensor {tensor.name}",
            found="external data",
            expected="all weights inside: the file's SHA-256 would not cover the others",
            fix="onnx.save(onnx.load(PATH), PATH, save_as_external_data=False)",
        )
    if tensor.raw_data:
        try:
            width = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        except (KeyError, ValueError, TypeError) as error:
            raise _corrupt(f"tensor {tensor.name} has no known type", path) from error
        packed = tensor.data_type in (onnx.TensorProto.INT4, onnx.TensorProto.UINT4)
        if not packed and len(tensor.raw_data) != _elements(tensor) * width:
            raise _corrupt(
                f"tensor {tensor.name} holds {len(tensor.raw_data)} bytes and needs {_elements(tensor) * width}", path
            )


def _elements(tensor: onnx.TensorProto) -> int:
    count = 1
    for size in tensor.dims:
        count *= size
    return count


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in value.type.tensor_type.shape.dim)


def _dtype(value: onnx.ValueInfoProto) -> str:
    code = value.type.tensor_type.elem_type
    try:
        return str(onnx.helper.tensor_dtype_to_np_dtype(code))
    except (KeyError, ValueError, TypeError):
        return f"type {code}"


def _layer_types(graph: onnx.GraphProto, constants: dict[str, onnx.TensorProto]) -> dict[str, tuple[str, str]]:
    """Activations' and weights' type of each layer that multiplies, by its name.

    Weights behind a DequantizeLinear count as what is stored, activations behind one as what they were quantized to:
    a runtime computes such a layer with integers if it can (``onnx-int8`` looks whether it does).
    """
    made_by = {name: node for node in graph.node for name in node.output}
    found = {}
    for node in graph.node:
        position = 1 if node.op_type in _WEIGHTED else _QUANTIZED_WEIGHTS.get(node.op_type)
        if position is None or len(node.input) <= position:
            continue
        name, restored = node.input[position], False
        for _ in graph.node:
            if name in constants or name not in made_by or not made_by[name].input:
                break
            restored |= made_by[name].op_type == "DequantizeLinear"
            name = made_by[name].input[0]
        if name in constants:
            stored = str(onnx.helper.tensor_dtype_to_np_dtype(constants[name].data_type)).replace("uint8", "int8")
            activations = _activations(node, made_by)
            if restored and activations == "float32":
                stored += " restored to float"
            found[f"{node.op_type} {node.name or name}"[:80]] = (activations, stored)
    return found


def _activations(node: onnx.NodeProto, made_by: dict[str, onnx.NodeProto]) -> str:
    """What goes into a layer: ``int8`` (or uint8) where it is quantized beforehand, else ``float32``."""
    if node.op_type in _QUANTIZED_WEIGHTS:
        return "float32" if node.op_type in _DYNAMIC else "int8"
    name = node.input[0]
    for _ in made_by:
        maker = made_by.get(name)
        if maker is None or maker.op_type not in _MOVES or not maker.input:
            return "int8" if maker is not None and maker.op_type == "DequantizeLinear" else "float32"
        name = maker.input[0]
    return "float32"


def _output_kind(graph: onnx.GraphProto, path: Path) -> str:
    """Follow the output back through operators that only move numbers, to the one that makes them."""
    made_by = {name: node for node in graph.node for name in node.output}
    name, last = graph.output[0].name, None
    for _ in graph.node:
        last = made_by.get(name)
        if last is None or last.op_type not in _THROUGH or not last.input:
            break
        name = last.input[0]
    if last is not None and last.op_type == "Softmax":
        return "probabilities"
    if last is not None and last.op_type in _LOGITS:
        return "logits"
    raise ArtifactUnsupported(
        "what the model's outputs mean is not known",
        where=path,
        found="no operator before the output" if last is None else f"a graph that ends in {last.op_type}",
        expected="a Softmax (probabilities), or a linear layer without activation (logits)",
        fix="export the classifier with its linear head, or with a softmax behind it",
    )


def _corrupt(found: str, path: Path) -> ArtifactCorrupt:
    return ArtifactCorrupt(
        "the ONNX file is truncated or broken",
        where=path,
        found=found,
        expected="a whole ONNX model",
        fix="copy it again, or export the model again",
    )
