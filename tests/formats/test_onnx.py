import os
from contextlib import suppress

import numpy as np
import onnx
import pytest
import tiny_models
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from tinyedge import errors
from tinyedge.formats import read_model
from tinyedge.formats.onnx import output_quantization


def written(folder, content):
    path = folder / "model.onnx"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("batch", "expected"), [("batch", -1), (1, 1), (4, 4)])
def test_facts(tmp_path, batch, expected):
    facts = read_model(written(tmp_path, tiny_models.onnx_bytes(batch=batch)))
    assert (facts.format, facts.precision, facts.output_kind) == ("onnx", "fp32", "logits")
    assert (facts.input.name, facts.input.shape, facts.input.layout) == ("image", (expected, 3, 8, 8), "NCHW")
    assert (facts.output.shape, facts.output.dtype) == ((expected, 7), "float32")
    assert facts.params == 287


@pytest.mark.parametrize(("ending", "kind"), [("Softmax", "probabilities"), ("LogSoftmax", "logits")])
def test_the_last_operator_tells_the_kind(tmp_path, ending, kind):
    assert read_model(written(tmp_path, tiny_models.onnx_bytes(ending=ending))).output_kind == kind


@pytest.mark.parametrize("ending", ["Sigmoid", "Relu"])
def test_an_output_of_unknown_meaning_is_not_guessed(tmp_path, ending):
    with pytest.raises(errors.ArtifactUnsupported, match="outputs mean") as caught:
        read_model(written(tmp_path, tiny_models.onnx_bytes(ending=ending)))
    assert ending in caught.value.found


def test_every_truncation_is_an_error(tmp_path):
    content = tiny_models.onnx_bytes()
    for length in range(0, len(content), 3):
        with pytest.raises(errors.ArtifactCorrupt):
            read_model(written(tmp_path, content[:length]))


@pytest.mark.parametrize("content", [b"", bytes(64), b"\xff" * 64, b"not an onnx file, but text"])
def test_garbage_is_corrupt(tmp_path, content):
    with pytest.raises(errors.ArtifactCorrupt):
        read_model(written(tmp_path, content))


def test_weights_in_another_file_are_refused_and_it_is_not_opened(tmp_path):
    model = tiny_models.onnx_model()
    tensor = model.graph.initializer[2]
    size = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    # A pipe: to open it for reading would block this test for ever.
    os.mkfifo(tmp_path / "secret")
    for key, value in {"location": "secret", "offset": "0", "length": str(size)}.items():
        tensor.external_data.add(key=key, value=value)
    with pytest.raises(errors.ArtifactUnsupported, match="weights in another file") as caught:
        read_model(written(tmp_path, model.SerializeToString()))
    assert "tensor head" in caught.value.where
    assert "save_as_external_data=False" in caught.value.fix


def test_a_weight_of_the_wrong_size_is_corrupt(tmp_path):
    model = tiny_models.onnx_model()
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-4]
    with pytest.raises(errors.ArtifactCorrupt, match="truncated or broken") as caught:
        read_model(written(tmp_path, model.SerializeToString()))
    assert "tensor conv holds 860 bytes and needs 864" in caught.value.found


def test_quantized_activations_and_weights_are_int8(tmp_path):
    facts = read_model(written(tmp_path, tiny_models.onnx_int8_bytes()))
    assert (facts.precision, facts.input.dtype, facts.output.dtype) == ("int8", "float32", "float32")
    assert facts.output_kind == "logits"
    assert facts.params > 287, "scales and zero points are constants too"


def test_quantized_weights_alone_are_not(tmp_path):
    with pytest.raises(errors.ArtifactUnsupported, match="one supported precision") as caught:
        read_model(written(tmp_path, tiny_models.onnx_int8_bytes(weight_only=True)))
    assert "int8 restored to float weights under float32 activations (2" in caught.value.found


def test_a_layer_that_stayed_float_is_found(tmp_path):
    model = tiny_models.onnx_int8_model()
    model.graph.initializer.append(numpy_helper.from_array(tiny_models.weights()["head"], "head2"))
    gemm = next(node for node in model.graph.node if node.op_type == "Gemm")
    gemm.input[1] = "head2"
    with pytest.raises(errors.ArtifactUnsupported, match="one supported precision") as caught:
        read_model(written(tmp_path, model.SerializeToString()))
    assert "float32 weights under int8 activations (1, e.g. Gemm head2)" in caught.value.found


def test_integer_operators_that_quantize_as_they_go_are_dynamic(tmp_path):
    constant = numpy_helper.from_array(np.ones((192, 7), np.int8), "w")
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("DynamicQuantizeLinear", ["flat"], ["q", "s", "z"]),
        helper.make_node("MatMulInteger", ["q", "w", "z"], ["i"]),
        helper.make_node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["f", "f"], ["scores"]),
    ]
    image, scores = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("image", [1, 3, 8, 8]), ("scores", [1, 7]))
    )
    graph = helper.make_graph(nodes, "tiny", [image], [scores], [constant])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert read_model(written(tmp_path, model.SerializeToString())).precision == "dynamic"


def test_the_scores_grid_is_read(tmp_path):
    scale, zero_point, dtype = output_quantization(written(tmp_path, tiny_models.onnx_int8_bytes()))
    assert (scale, zero_point, dtype) == (pytest.approx(0.1), 131, "uint8")
    with pytest.raises(errors.ArtifactUnsupported, match="does not end in a DequantizeLinear"):
        output_quantization(written(tmp_path, tiny_models.onnx_bytes()))


def test_a_second_input_is_refused(tmp_path):
    model = tiny_models.onnx_model()
    model.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1]))
    with pytest.raises(errors.ArtifactUnsupported, match="plain classifier"):
        read_model(written(tmp_path, model.SerializeToString()))


def test_weights_that_are_listed_as_inputs_are_none(tmp_path):
    model = tiny_models.onnx_model()
    model.graph.input.append(helper.make_tensor_value_info("head", TensorProto.FLOAT, [7, 8]))
    assert read_model(written(tmp_path, model.SerializeToString())).input.name == "image"


@settings(max_examples=150, deadline=None)
@given(flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=6))
def test_flipped_bits_raise_nothing_but_our_errors(tmp_path_factory, flips):
    content = bytearray(tiny_models.onnx_bytes())
    for at, mask in flips:
        content[at % len(content)] ^= mask
    with suppress(errors.ArtifactError):  # anything else fails the test
        read_model(written(tmp_path_factory.getbasetemp(), bytes(content)))


def test_the_helper_is_a_valid_model():
    onnx.checker.check_model(tiny_models.onnx_model(), full_check=True)
    onnx.checker.check_model(tiny_models.onnx_int8_model(), full_check=True)
