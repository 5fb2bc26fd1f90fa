"""A TFLite model rewritten, in memory, into the dialect that BakeNN reads, where that changes no output.

BakeNN takes one spelling of each operator and refuses the others. What is only spelling is mended here; what is not
stays as it is, and BakeNN says what it lacks.

- Operator versions: converters write different ones for the same int8 operator. They are a lower bound on the
  runtime and no part of the arithmetic, which the options carry.
- A batch that is not fixed is fixed to 1; the shapes are already those of a batch of 1.
- A reshape whose new shape other operators compute from the batch gets it written out, and they go.
- A fully connected layer on a 4-dimensional tensor gets a RESHAPE before it: it flattens anyway.
- A last reshape whose output has another scale than its input (a temperature folded into the scores' scale) gets the
  input's: it moves bytes, and what these mean is read off the artifact, not off the firmware.
- A uint8 input or output that a QUANTIZE shifts by 128 from or to int8 becomes that int8: ``shifted`` says so.
"""

from __future__ import annotations

import copy
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from tinyedge.errors import ArtifactCorrupt

_OPS = schema.BuiltinOperator
_VERSIONS = {
    _OPS.ADD: 2, _OPS.AVERAGE_POOL_2D: 2, _OPS.CONV_2D: 3, _OPS.DEPTHWISE_CONV_2D: 3, _OPS.MAX_POOL_2D: 2,
    _OPS.PAD: 2, _OPS.PADV2: 2, _OPS.RESHAPE: 1,
}  # fmt: skip
_DENSE_WITH_BIAS, _DENSE_WITHOUT_BIAS = 4, 6
_HIGH_BIT = 0x80
_BROKEN = (struct.error, IndexError, ValueError, TypeError, OverflowError, KeyError, AttributeError, MemoryError)


@dataclass(frozen=True)
class Legal:
    """A model as BakeNN reads it.

    Args:
        model: the flatbuffer.
        steps: what was rewritten, in words; empty where the file is used as it is.
        operators: its operators in order, each with its place in the file.
        input_shifted: whether the firmware's input is the model's uint8 less 128.
        output_shifted: whether the model's uint8 output is the firmware's and 128.
    """

    model: bytes
    steps: tuple[str, ...]
    operators: tuple[str, ...]
    input_shifted: bool = False
    output_shifted: bool = False

    def to_firmware(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """The model's inputs, int8 or uint8, with the bytes that the firmware takes for them."""
        return inputs ^ np.uint8(_HIGH_BIT) if self.input_shifted else inputs

    def from_firmware(self, scores: NDArray[np.int8]) -> NDArray[Any]:
        """The firmware's scores in the model's own dtype."""
        return scores.view(np.uint8) ^ np.uint8(_HIGH_BIT) if self.output_shifted else scores


def legalize(content: bytes, path: Path) -> Legal:
    """``content`` rewritten as the module says; ``path`` is for errors.

    Raises:
        ArtifactCorrupt: where it cannot be read.
    """
    try:
        model: Any = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
        steps: list[str] = []
        _embed(model, content)
        graph = model.subgraphs[0]
        own = list(graph.operators)  # kept: one that is put in must not get the id of one that went
        places = {id(operator): f"operator {i + 1} of {len(own)}" for i, operator in enumerate(own)}
        shifted = _shift_ends(model, graph)
        if any(shifted):
            steps.append("uint8 input or output taken as int8, 128 lower")
        if _fix_batch(graph):
            steps.append("batch fixed to 1")
        if _spell_reshapes(model, graph):
            steps.append("shapes of reshapes written out")
        if _one_scale_behind_reshapes(model, graph):
            steps.append("the scores' scale set back to that before the last reshape, as their bytes are the same")
        if flat := _flatten_before_dense(model, graph):
            steps.append(f"a reshape put before {flat} fully connected layers")
        if changed := _set_versions(model, graph):
            steps.append(f"versions of {', '.join(changed)} set to those of int8 operators")
        names = tuple(f"{_name(_code(model, o))}, {places.get(id(o), 'put in')}" for o in graph.operators)
        if not steps:
            return Legal(content, (), names)
        builder = flatbuffers.Builder(len(content))
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    except _BROKEN as error:
        raise ArtifactCorrupt(
            "the model cannot be rewritten for the firmware",
            where=path,
            found=f"{type(error).__name__}: {error}",
            expected="a valid TFLite model",
            fix="export the model again",
        ) from error
    return Legal(bytes(builder.Output()), tuple(steps), names, *shifted)


def _embed(model: Any, content: bytes) -> None:
    for buffer in model.buffers:
        if buffer.offset > 1:  # 0 and 1 stand for none
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0


def _code(model: Any, operator: Any) -> int:
    return int(model.operatorCodes[operator.opcodeIndex].builtinCode)


def _name(kind: int) -> str:
    return next((name for name, value in vars(_OPS).items() if value == kind), f"operator code {kind}")


def _shift_ends(model: Any, graph: Any) -> tuple[bool, bool]:
    """Take a QUANTIZE off either end; whether it was there."""
    first, last = graph.operators[0], graph.operators[-1]
    at_input = (
        _code(model, first) == _OPS.QUANTIZE
        and list(first.inputs) == list(graph.inputs)
        and _is_shift(graph.tensors[first.inputs[0]], graph.tensors[first.outputs[0]])
    )
    at_output = (
        first is not last
        and _code(model, last) == _OPS.QUANTIZE
        and list(last.outputs) == list(graph.outputs)
        and _is_shift(graph.tensors[last.outputs[0]], graph.tensors[last.inputs[0]])
    )
    if at_input:
        graph.inputs = list(first.outputs)
        graph.operators = graph.operators[1:]
    if at_output:
        graph.outputs = list(last.inputs)
        graph.operators = graph.operators[:-1]
    if at_input or at_output:
        model.signatureDefs = None  # they name the tensors that were the ends
    return at_input, at_output


def _is_shift(unsigned: Any, signed: Any) -> bool:
    a, b = unsigned.quantization, signed.quantization
    return (
        (unsigned.type, signed.type) == (schema.TensorType.UINT8, schema.TensorType.INT8)
        and list(a.scale) == list(b.scale)
        and [int(z) - 128 for z in a.zeroPoint] == [int(z) for z in b.zeroPoint]
    )


def _fix_batch(graph: Any) -> bool:
    found = False
    for tensor in graph.tensors:
        if tensor.shapeSignature is not None and list(tensor.shapeSignature) != list(tensor.shape):
            tensor.shapeSignature, found = None, True
    return found


def _one_scale_behind_reshapes(model: Any, graph: Any) -> bool:
    """Whether the operator that puts the scores out is a reshape with two scales, of which one is left."""
    for operator in graph.operators:
        if _code(model, operator) == _OPS.RESHAPE and list(operator.outputs) == list(graph.outputs):
            before, after = (graph.tensors[index].quantization for index in (operator.inputs[0], operator.outputs[0]))
            if (
                before
                and after
                and list(before.zeroPoint) == list(after.zeroPoint)
                and list(before.scale) != list(after.scale)
            ):
                after.scale = before.scale
                return True
    return False


def _flatten_before_dense(model: Any, graph: Any) -> int:
    operators, count = [], 0
    for operator in graph.operators:
        source = graph.tensors[operator.inputs[0]]
        if _code(model, operator) == _OPS.FULLY_CONNECTED and len(source.shape) > 2 and source.shape[0] == 1:
            flat = copy.copy(source)
            flat.name, flat.shape = f"{_text(source.name)}_flat", [1, math.prod(int(n) for n in source.shape)]
            flat.buffer, flat.shapeSignature = 0, None
            graph.tensors.append(flat)
            reshape = schema.OperatorT()
            reshape.opcodeIndex = _opcode(model, _OPS.RESHAPE, _VERSIONS[_OPS.RESHAPE])
            reshape.inputs, reshape.outputs = [operator.inputs[0]], [len(graph.tensors) - 1]
            reshape.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
            reshape.builtinOptions = schema.ReshapeOptionsT()
            reshape.builtinOptions.newShape = flat.shape
            operator.inputs = [len(graph.tensors) - 1, *operator.inputs[1:]]
            operators.append(reshape)
            count += 1
        operators.append(operator)
    graph.operators = operators
    return count


def _text(name: Any) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name or "tensor")


def _spell_reshapes(model: Any, graph: Any) -> bool:
    """Every tensor's shape is known: a reshape's is its output's."""
    found = False
    for operator in graph.operators:
        computed = len(operator.inputs) > 1 and _is_computed(model, graph.tensors[operator.inputs[1]])
        if _code(model, operator) == _OPS.RESHAPE and (computed or operator.builtinOptions is None):
            operator.inputs = operator.inputs[:1] if computed else operator.inputs
            operator.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
            operator.builtinOptions = schema.ReshapeOptionsT()
            operator.builtinOptions.newShape = [int(size) for size in graph.tensors[operator.outputs[0]].shape]
            found = True
    if found:
        _drop_unread(graph)
    return found


def _is_computed(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is None or len(data) == 0


def _drop_unread(graph: Any) -> None:
    read = {int(tensor) for tensor in graph.outputs}
    kept = []
    for operator in reversed(graph.operators):
        if read & {int(tensor) for tensor in operator.outputs}:
            read |= {int(tensor) for tensor in operator.inputs}
            kept.append(operator)
    graph.operators = kept[::-1]


def _set_versions(model: Any, graph: Any) -> list[str]:
    changed: dict[str, None] = {}  # a set in order
    for operator in graph.operators:
        kind = _code(model, operator)
        wanted = _VERSIONS.get(kind)
        if kind == _OPS.FULLY_CONNECTED:
            biased = len(operator.inputs) == 3 and operator.inputs[2] >= 0
            wanted = _DENSE_WITH_BIAS if biased else _DENSE_WITHOUT_BIAS
        if wanted is not None and model.operatorCodes[operator.opcodeIndex].version != wanted:
            operator.opcodeIndex = _opcode(model, kind, wanted)
            changed[_name(kind)] = None
    return list(changed)


def _opcode(model: Any, kind: int, version: int) -> int:
    """The index of that operator in that version; added where the model has none."""
    for index, code in enumerate(model.operatorCodes):
        if (code.builtinCode, code.version) == (kind, version):
            return index
    code = schema.OperatorCodeT()
    code.builtinCode = kind
    code.deprecatedBuiltinCode = min(kind, 127)
    code.version = version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
