"""What is rewritten for BakeNN, and that no output changes by it."""

import flatbuffers
import numpy as np
import pytest
import tiny_models
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tiny_models import images

from tinyedge.errors import ArtifactCorrupt
from tinyedge.models.family import Member
from tinyedge.targets.legalize import legalize
from tinyedge.zoo import find


def outputs(model, batch):
    """LiteRT's reference kernels on int8 or uint8 images."""
    interpreter = Interpreter(model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    given, taken = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    found = []
    for image in batch:
        interpreter.set_tensor(given["index"], image[None].astype(given["dtype"]))
        interpreter.invoke()
        found.append(interpreter.get_tensor(taken["index"])[0])
    return np.array(found)


def packed(model):
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def signed(batch):
    return (batch.astype(int) - 128).astype(np.int8)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ["a reshape put before 1 fully connected layers"]),
        ({"batch": -1}, ["batch fixed to 1", "reshape"]),
        ({"io": "uint8"}, ["uint8 input or output taken as int8", "reshape"]),
    ],
)
def test_a_rewritten_model_puts_out_the_same(tmp_path, options, words):
    content = tiny_models.tflite(**options)
    legal = legalize(content, tmp_path)
    assert all(any(word in step for step in legal.steps) for word in words)
    assert legal.input_shifted == legal.output_shifted == ("io" in options)
    batch = images(20)
    before = outputs(content, batch if "io" in options else signed(batch)).astype(int)
    after = outputs(legal.model, signed(batch)).astype(int) + 128 * legal.output_shifted
    np.testing.assert_array_equal(after, before)


def test_versions_become_those_of_int8_operators(tmp_path):
    content = tiny_models.tflite()
    model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    for code in model.operatorCodes:
        code.version = 1
    legal = legalize(packed(model), tmp_path)
    assert "versions of CONV_2D, AVERAGE_POOL_2D, FULLY_CONNECTED set to those of int8 operators" in legal.steps
    batch = signed(images(20))
    np.testing.assert_array_equal(outputs(legal.model, batch), outputs(content, batch))


def test_what_needs_nothing_is_used_as_it_is(tmp_path, zoo_entry):
    content = zoo_entry.load("tflite-int8").path.read_bytes()
    legal = legalize(content, tmp_path)
    assert legal.model is content
    assert legal.steps == ()
    assert legal.operators[-1] == "RESHAPE, operator 14 of 14"


def test_a_quantize_that_does_more_than_shift_stays(tmp_path):
    legal = legalize(tiny_models.tflite(io="uint8"), tmp_path)
    assert not [place for place in legal.operators if place.startswith("QUANTIZE")]
    assert legal.operators[0] == "CONV_2D, operator 2 of 5"
    assert legal.operators[2] == "RESHAPE, put in"
    model = schema.ModelT.InitFromPackedBuf(bytearray(tiny_models.tflite(io="uint8")), 0)
    graph = model.subgraphs[0]
    graph.tensors[graph.inputs[0]].quantization.scale = np.array([0.5], np.float32)
    other = legalize(packed(model), tmp_path)
    assert other.operators[0].startswith("QUANTIZE")
    assert (other.input_shifted, other.output_shifted) == (False, True)


def test_a_shape_that_operators_compute_is_written_out(tmp_path):
    """As TensorFlow's converter does for a Flatten behind a batch that is not fixed."""
    model = schema.ModelT.InitFromPackedBuf(bytearray(legalize(tiny_models.tflite(), tmp_path).model), 0)
    graph = model.subgraphs[0]
    reshape = next(o for o in graph.operators if o.builtinOptionsType == schema.BuiltinOptions.ReshapeOptions)
    flat = graph.tensors[reshape.outputs[0]]
    shape = schema.TensorT()
    shape.name, shape.shape, shape.type, shape.buffer = b"shape", [2], schema.TensorType.INT32, 0
    graph.tensors.append(shape)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.SHAPE
    model.operatorCodes.append(code)
    asks = schema.OperatorT()
    asks.opcodeIndex = len(model.operatorCodes) - 1
    asks.builtinOptionsType, asks.builtinOptions = schema.BuiltinOptions.ShapeOptions, schema.ShapeOptionsT()
    asks.builtinOptions.outType = schema.TensorType.INT32
    asks.inputs, asks.outputs = [graph.operators[0].inputs[0]], [len(graph.tensors) - 1]
    graph.operators.insert(0, asks)
    reshape.inputs = [*reshape.inputs, len(graph.tensors) - 1]
    legal = legalize(packed(model), tmp_path)
    assert list(flat.shape) == [1, tiny_models.CHANNELS]
    assert [place.partition(",")[0] for place in legal.operators] == [
        "CONV_2D", "AVERAGE_POOL_2D", "RESHAPE", "FULLY_CONNECTED",
    ]  # fmt: skip
    assert "shapes of reshapes written out" in legal.steps
    batch = signed(images(20))
    np.testing.assert_array_equal(outputs(legal.model, batch), outputs(tiny_models.tflite(), batch))


def test_a_cut_file_is_corrupt(tmp_path):
    content = tiny_models.tflite()
    with pytest.raises(ArtifactCorrupt, match="cannot be rewritten"):
        legalize(content[: len(content) // 2], tmp_path / "model.tflite")


def test_a_last_reshape_with_two_scales_gets_one(tmp_path):
    """Where a temperature was folded into the scores' scale alone: BakeNN wants one, and the bytes are the same."""
    plain = find(Member("scalecnn", 6), "cifar100").load("tflite-int8").path.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(bytearray(plain), 0)
    graph = model.subgraphs[0]
    graph.tensors[graph.outputs[0]].quantization.scale = np.array([0.01], np.float32)
    scaled = packed(model)
    legal = legalize(scaled, tmp_path)
    assert any("scale set back" in step for step in legal.steps)
    assert not any("scale set back" in step for step in legalize(plain, tmp_path).steps)
    scales = [list(tensor.quantization.scale) for tensor in ends(legal.model)]
    assert scales[0] == scales[1] == [np.float32(v) for v in scales[0]]
    assert scales[0] != [np.float32(0.01)]
    batch = np.random.default_rng(0).integers(-128, 128, (4, 32, 32, 3)).astype(np.int8)
    np.testing.assert_array_equal(outputs(legal.model, batch), outputs(scaled, batch))


def ends(content):
    """The last operator's input and output."""
    graph = schema.ModelT.InitFromPackedBuf(bytearray(content), 0).subgraphs[0]
    last = graph.operators[-1]
    return graph.tensors[last.inputs[0]], graph.tensors[last.outputs[0]]
