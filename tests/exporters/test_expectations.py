"""Files that are wrong in one way each: made from a right one by editing its flatbuffer."""

from __future__ import annotations

import exporting
import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tinyedge.artifact import FAMILY_CONVENTION, InputConvention
from tinyedge.errors import ExportError
from tinyedge.exporters.expectations import (
    NOT_ON_MICROCONTROLLERS,
    InputQuantization,
    check_close,
    check_integer,
    lossless_input,
)
from tinyedge.formats import read_model


def edited(tmp_path, change):
    model = schema.ModelT.InitFromPackedBuf(bytearray(exporting.exported("tflite-int8").path.read_bytes()), 0)
    change(model, model.subgraphs[0])
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path = tmp_path / "edited.tflite"
    path.write_bytes(builder.Output())
    return path


def check(path, convention=FAMILY_CONVENTION):
    check_integer(path, read_model(path), convention=convention, forbid=NOT_ON_MICROCONTROLLERS, where="m")


def test_the_unedited_file_passes(tmp_path):
    check(edited(tmp_path, lambda model, graph: None))


def test_weights_with_one_scale_are_found(tmp_path):
    def per_tensor(model, graph):
        quantization = graph.tensors[graph.operators[0].inputs[1]].quantization
        quantization.scale, quantization.zeroPoint = quantization.scale[:1], quantization.zeroPoint[:1]

    with pytest.raises(ExportError, match=r"(?s)scales of CONV_2D.*found: +1.*expected: +4"):
        check(edited(tmp_path, per_tensor))


def test_another_input_scale_is_found(tmp_path):
    def rescale(model, graph):
        graph.tensors[graph.inputs[0]].quantization.scale = [0.0077]

    with pytest.raises(ExportError, match=r"(?s)not quantized so that.*0\.0076.*0\.0078125"):
        check(edited(tmp_path, rescale))


def test_a_float_input_is_found():
    path = exporting.exported("tflite-fp32").path
    with pytest.raises(ExportError, match=r"(?s)input's type.*float32.*int8"):
        check(path)


def test_a_dynamic_batch_is_found(tmp_path):
    def loosen(model, graph):
        graph.tensors[graph.inputs[0]].shapeSignature = [-1, 32, 32, 3]

    with pytest.raises(ExportError, match=r"(?s)input's batch.*-1.*1"):
        check(edited(tmp_path, loosen))


@pytest.mark.parametrize("operator", ["TRANSPOSE", "MEAN", "CUSTOM"])
def test_operators_that_microcontrollers_lack_are_found(tmp_path, operator):
    def swap(model, graph):
        code = next(c for c in model.operatorCodes if c.builtinCode == schema.BuiltinOperator.MAX_POOL_2D)
        code.builtinCode = getattr(schema.BuiltinOperator, operator)
        code.deprecatedBuiltinCode = code.builtinCode
        for op in graph.operators:
            if model.operatorCodes[op.opcodeIndex] is code:
                op.builtinOptionsType, op.builtinOptions = 0, None

    with pytest.raises(ExportError, match=rf"(?s)operators that microcontroller runtimes lack.*{operator}"):
        check(edited(tmp_path, swap))


def test_a_tensor_that_stayed_float_is_found(tmp_path):
    def leave(model, graph):
        tensor = graph.tensors[graph.operators[1].outputs[0]]
        tensor.type, tensor.quantization, tensor.name = schema.TensorType.FLOAT32, None, "left"

    with pytest.raises(ExportError, match=r"(?s)stayed float.*left"):
        check(edited(tmp_path, leave))


@pytest.mark.parametrize(
    ("mean", "std", "expected"),
    [
        ((128.0,), (128.0,), InputQuantization(1 / 128, 0)),
        ((0.0,), (255.0,), InputQuantization(1 / 255, -128)),
        ((0.0,), (1.0,), InputQuantization(1.0, -128)),
        ((127.5,), (127.5,), None),  # half a step off: some pixel has to move
        ((123.0, 116.0, 103.0), (58.0, 57.0, 57.0), None),
    ],
)
def test_the_lossless_input_maps_every_pixel_to_pixel_less_128(mean, std, expected):
    assert lossless_input(InputConvention(mean, std)) == expected
    if expected is not None:
        real = InputConvention(mean, std).apply(np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1))
        stored = np.rint(real / expected.scale) + expected.zero_point
        assert np.array_equal(stored.ravel(), np.arange(256) - 128)


def test_close_outputs_pass_and_others_do_not():
    expected = np.array([[10.0, -2.0]], np.float32)
    assert check_close(expected, expected + 5e-4, where="m") == pytest.approx(5e-5, rel=0.01)
    with pytest.raises(ExportError, match="does not compute what the model computes"):
        check_close(expected, expected + 2e-3, where="m")
    with pytest.raises(ExportError, match="does not compute"):
        check_close(expected, expected * np.nan, where="m")
    with pytest.raises(ExportError, match="another shape"):
        check_close(expected, expected[:, :1], where="m")
