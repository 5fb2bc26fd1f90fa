"""Rewriting a quantized TFLite so that microcontroller toolchains take it, and so that it is small; outputs unchanged.

- Operator versions (int8): the quantizer leaves the float model's (1); code generators for microcontrollers look for
  those that int8 operators carry (CONV_2D 3, pools 2, FULLY_CONNECTED 4). The runtimes read them as a lower bound only.
- RESHAPE gets its options filled in, for the same readers.
- Names of tensors (PyTorch module paths, a hundred bytes each), metadata and unused buffers go.
- Constants that the quantizer puts behind the flatbuffer (it does from a few hundred KB on) come back into it:
  microcontroller runtimes look nowhere else.
- Constants are aligned to 16 bytes, as the schema asks and the Python writers do not do: vector kernels on
  microcontrollers read them in place.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_INT8_VERSIONS = {
    schema.BuiltinOperator.ADD: 2,
    schema.BuiltinOperator.AVERAGE_POOL_2D: 2,
    schema.BuiltinOperator.CONV_2D: 3,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D: 3,
    schema.BuiltinOperator.FULLY_CONNECTED: 4,
    schema.BuiltinOperator.MAX_POOL_2D: 2,
    schema.BuiltinOperator.PAD: 2,
}
_ALIGNMENT = 16


def unpacked(content: bytes) -> Any:
    """``content`` as the schema's objects, every constant in its buffer."""
    model: Any = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    for buffer in model.buffers:
        if buffer.offset > 1:  # 0 and 1 stand for none: the schema's defaults
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def for_microcontrollers(content: bytes) -> bytes:
    """``content`` (one graph, all int8) rewritten as above."""
    return _rewritten(content, _INT8_VERSIONS)


def compacted(content: bytes) -> bytes:
    """``content`` (one graph, of any precision) rewritten as above, but for the operators' versions."""
    return _rewritten(content, {})


def _rewritten(content: bytes, versions: dict[int, int]) -> bytes:
    model = unpacked(content)
    graph = model.subgraphs[0]
    for code in model.operatorCodes:
        code.version = versions.get(code.builtinCode, code.version)
    for operator in graph.operators:
        if model.operatorCodes[operator.opcodeIndex].builtinCode == schema.BuiltinOperator.RESHAPE:
            operator.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
            operator.builtinOptions = schema.ReshapeOptionsT()
            operator.builtinOptions.newShape = [int(size) for size in graph.tensors[operator.outputs[0]].shape]
    _name(model, graph)
    _keep_used_buffers(model)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _name(model: Any, graph: Any) -> None:
    for index, tensor in enumerate(graph.tensors):
        tensor.name = f"t{index}"
    graph.tensors[graph.inputs[0]].name, graph.tensors[graph.outputs[0]].name = "image", "scores"
    graph.name = "main"
    model.description = "tinyedge"
    model.metadata = model.metadataBuffer = None
    for signature in model.signatureDefs or []:
        signature.inputs[0].name, signature.outputs[0].name = "image", "scores"


def _keep_used_buffers(model: Any) -> None:
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    used = sorted({0, *(tensor.buffer for tensor in tensors)})  # buffer 0 is the empty one, by the schema
    position = {old: new for new, old in enumerate(used)}
    for tensor in tensors:
        tensor.buffer = position[tensor.buffer]
    model.buffers = [_Aligned(model.buffers[index].data) for index in used]


class _Aligned(schema.BufferT):  # type: ignore[misc]  # generated code without types
    """A buffer whose data starts at a multiple of 16 bytes."""

    def __init__(self, data: Any) -> None:
        super().__init__()
        self.data = data

    def Pack(self, builder: Any) -> int:  # noqa: N802  # overrides the generated code's
        held = b"" if self.data is None else np.asarray(self.data, np.uint8).tobytes()
        vector = None
        if held:
            builder.StartVector(1, len(held), _ALIGNMENT)
            builder.head -= len(held)
            builder.Bytes[builder.head : builder.head + len(held)] = held
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if vector is not None:
            schema.BufferAddData(builder, vector)
        return int(schema.BufferEnd(builder))
