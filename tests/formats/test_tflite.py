from contextlib import suppress

import pytest
import tiny_models
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyedge import errors
from tinyedge.formats import read_model
from tinyedge.formats.tflite import operators, read_graph


def written(folder, content):
    path = folder / "model.tflite"
    path.write_bytes(content)
    return path


def test_int8(tmp_path):
    facts = read_model(written(tmp_path, tiny_models.tflite()))
    assert (facts.format, facts.precision, facts.output_kind) == ("tflite", "int8", "logits")
    assert (facts.input.shape, facts.input.dtype, facts.input.layout) == ((1, 8, 8, 3), "int8", "NHWC")
    assert (facts.input.scale, facts.input.zero_point) == (1 / 128, 0)
    assert (facts.output.shape, facts.output.layout) == ((1, 7), "NK")
    assert facts.output.scale == pytest.approx(0.1)
    assert facts.output.zero_point == 3
    assert facts.params == 8 * 27 + 8 + 7 * 8 + 7
    assert facts.convention is None, "a TFLite file does not say how pixels become its input"


def test_fp32(tmp_path):
    facts = read_model(written(tmp_path, tiny_models.tflite("fp32")))
    assert (facts.precision, facts.input.dtype, facts.input.scale) == ("fp32", "float32", None)
    assert facts.params == 287


def test_int16_activations(tmp_path):
    facts = read_model(written(tmp_path, tiny_models.tflite("int16x8")))
    assert (facts.precision, facts.input.dtype, facts.output.dtype) == ("int16x8", "int16", "int16")
    assert (facts.input.scale, facts.input.zero_point) == (1 / 128 / 256, 0)
    assert facts.params == 287, "the int64 biases too"


def test_int8_weights_under_float_activations_are_dynamic(tmp_path):
    facts = read_model(written(tmp_path, tiny_models.tflite("dynamic")))
    assert (facts.precision, facts.input.dtype, facts.input.scale) == ("dynamic", "float32", None)
    assert facts.params == 287
    partly = tiny_models.tflite("dynamic", float_head=True)  # converters leave small layers float
    assert read_model(written(tmp_path, partly)).precision == "dynamic"


def test_weights_that_become_float_before_the_operator_are_no_dynamic_model(tmp_path):
    """Weight-only: stored in int8, computed with floats alone. No target here says that of its figures."""

    def change(graph, model):
        graph.operators = list(graph.operators)
        for at, operator in ((0, graph.operators[0]), (2, graph.operators[2])):
            tensor = graph.tensors[operator.inputs[1]]
            builder = tiny_models.TfliteBuilder()
            builder.model, builder.graph = model, graph
            restored = builder.tensor(f"restored{at}", tensor.shape, "float32")
            builder.operator("DEQUANTIZE", [int(operator.inputs[1])], [restored])
            operator.inputs = [operator.inputs[0], restored, operator.inputs[2]]

    content = surgery(change, tiny_models.tflite("dynamic"))
    with pytest.raises(errors.ArtifactUnsupported, match="one supported precision") as caught:
        read_model(written(tmp_path, content))
    assert "int8 restored to float weights under float32 activations (2" in caught.value.found


def test_operators_in_order(tmp_path):
    assert operators(written(tmp_path, tiny_models.tflite())) == ("CONV_2D", "AVERAGE_POOL_2D", "FULLY_CONNECTED")
    path = written(tmp_path, tiny_models.tflite(middle="CUSTOM"))
    assert operators(path)[1] == "CUSTOM MyOperator"


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_a_softmax_at_the_end_means_probabilities(tmp_path, precision):
    assert read_model(written(tmp_path, tiny_models.tflite(precision, ending="SOFTMAX"))).output_kind == "probabilities"


@pytest.mark.parametrize(
    ("options", "found"),
    [({"ending": "LOGISTIC"}, "ends in LOGISTIC"), ({"relu_head": True}, "ends in FULLY_CONNECTED RELU")],
)
def test_an_output_of_unknown_meaning_is_not_guessed(tmp_path, options, found):
    with pytest.raises(errors.ArtifactUnsupported, match="outputs mean is not known") as caught:
        read_model(written(tmp_path, tiny_models.tflite(**options)))
    assert found in caught.value.found


def surgery(change, content=None):
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content or tiny_models.tflite(), 0))
    change(model.subgraphs[0], model)
    builder = tiny_models.TfliteBuilder()
    builder.model = model
    builder.graph = model.subgraphs[0]
    graph = model.subgraphs[0]
    return builder.bytes(*([] if tensors is None else tensors for tensors in (graph.inputs, graph.outputs)))


def wrap_output(*names):
    """The output through operators that only move numbers."""

    def change(graph, model):
        builder = tiny_models.TfliteBuilder()
        builder.model, builder.graph = model, graph
        graph.operators = list(graph.operators)
        for name in names:
            out = builder.tensor(name, [1, 7], "int8", 0.1, 3)
            builder.operator(name, [int(graph.outputs[0])], [out])
            graph.outputs = [out]

    return change


def test_the_meaning_is_read_through_operators_that_only_move_numbers(tmp_path):
    assert read_model(written(tmp_path, surgery(wrap_output("RESHAPE", "QUANTIZE")))).output_kind == "logits"
    path = written(tmp_path, surgery(wrap_output("SOFTMAX", "RESHAPE", "DEQUANTIZE")))
    assert read_model(path).output_kind == "probabilities"
    with pytest.raises(errors.ArtifactUnsupported, match="outputs mean"):
        read_model(written(tmp_path, surgery(wrap_output("RELU", "RESHAPE"))))


def test_a_circle_in_the_graph_ends(tmp_path):
    def circle(graph, model):
        wrap_output("RESHAPE")(graph, model)
        graph.operators[-1].inputs = list(graph.outputs)

    with pytest.raises(errors.ArtifactUnsupported, match="outputs mean"):
        read_model(written(tmp_path, surgery(circle)))


def test_a_layer_that_stayed_float_is_found(tmp_path):
    with pytest.raises(errors.ArtifactUnsupported, match="not all of one supported precision") as caught:
        read_model(written(tmp_path, tiny_models.tflite(float_head=True)))
    assert "float32 weights under int8 activations (1, e.g. FULLY_CONNECTED head)" in caught.value.found


def test_a_dynamic_batch_is_seen(tmp_path):
    assert read_model(written(tmp_path, tiny_models.tflite(batch=-1))).input.shape == (-1, 8, 8, 3)


def test_a_stated_layout_settles_what_can_be_read_both_ways(tmp_path):
    def change(graph, model):
        graph.tensors[graph.inputs[0]].shape = [1, 3, 8, 3]

    path = written(tmp_path, surgery(change))
    for layout in ("NHWC", "NCHW"):
        assert read_model(path, layout).input.layout == layout
    with pytest.raises(errors.ArtifactUnsupported, match="read in two ways") as caught:
        read_model(path)
    assert "NHWC would be images of 3x8 with 3 channels, NCHW of 8x3 with 3 channels" in caught.value.found
    assert caught.value.fix == "--layout NHWC or --layout NCHW"


def test_a_stated_layout_that_does_not_fit_is_refused(tmp_path):
    path = written(tmp_path, tiny_models.tflite())
    assert read_model(path, "NHWC").input.layout == "NHWC"
    with pytest.raises(errors.ArtifactUnsupported, match="stated layout does not fit"):
        read_model(path, "NCHW")


def test_a_single_output_is_refused_with_what_would_do(tmp_path):
    def change(graph, model):
        graph.tensors[graph.outputs[0]].shape = [1, 1]

    with pytest.raises(errors.ArtifactUnsupported, match="single output") as caught:
        read_model(written(tmp_path, surgery(change)))
    assert "softmax over 0 and z is the sigmoid of z" in caught.value.fix


def test_uint8_in_and_out_is_read_with_its_scale(tmp_path):
    facts = read_model(written(tmp_path, tiny_models.tflite(io="uint8")))
    assert (facts.precision, facts.output_kind) == ("int8", "logits")
    assert (facts.input.dtype, facts.input.zero_point, facts.output.dtype) == ("uint8", 128, "uint8")


def test_missing_quantization_is_seen(tmp_path):
    assert not read_model(written(tmp_path, tiny_models.tflite(quantized=False))).input.quantized


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_scale_is_refused(tmp_path, scale):
    def change(graph, model):
        graph.tensors[graph.inputs[0]].quantization.scale = [scale]

    with pytest.raises(errors.ArtifactUnsupported, match="quantization is impossible"):
        read_model(written(tmp_path, surgery(change)))


def test_two_outputs_are_refused(tmp_path):
    def change(graph, model):
        graph.outputs = [*graph.outputs, *graph.outputs]

    with pytest.raises(errors.ArtifactUnsupported, match="plain classifier"):
        read_model(written(tmp_path, surgery(change)))


@pytest.mark.parametrize(
    ("shape", "words"),
    [([1, 192], "input is not an image"), ([1, 8, 8, 4], "not an image"), ([1, 3, 8, 3], "read in two ways")],
)
def test_an_input_that_is_no_image_is_refused(tmp_path, shape, words):
    def change(graph, model):
        graph.tensors[graph.inputs[0]].shape = shape

    with pytest.raises(errors.ArtifactUnsupported, match=words):
        read_model(written(tmp_path, surgery(change)))


@pytest.mark.parametrize(
    "change",
    [
        lambda graph, model: setattr(graph.operators[0], "inputs", [0, 99, 2]),
        lambda graph, model: setattr(graph.operators[0], "inputs", [0, -7, 2]),
        lambda graph, model: setattr(graph.operators[1], "opcodeIndex", 50),
        lambda graph, model: setattr(graph.tensors[1], "buffer", 40),
        lambda graph, model: setattr(graph.tensors[4], "shape", [80, 3, 3, 3]),
        lambda graph, model: setattr(graph, "outputs", [77]),
        lambda graph, model: setattr(model, "subgraphs", [schema.SubGraphT()]) or setattr(model, "buffers", []),
    ],
)
def test_a_graph_that_points_nowhere_is_corrupt(tmp_path, change):
    with pytest.raises((errors.ArtifactCorrupt, errors.ArtifactUnsupported)) as caught:
        read_model(written(tmp_path, surgery(change)))
    assert str(tmp_path) in caught.value.where


def test_every_truncation_is_corrupt(tmp_path):
    content = tiny_models.tflite()
    for length in range(0, len(content), 3):
        with pytest.raises(errors.ArtifactCorrupt):
            read_model(written(tmp_path, content[:length]))


@pytest.mark.parametrize(
    "content", [b"", b"TFL3", bytes(100), b"\x1c\0\0\0TFL3" + b"\xff" * 200, b"PK\3\4" + bytes(99)]
)
def test_garbage_is_corrupt(tmp_path, content):
    with pytest.raises(errors.ArtifactCorrupt) as caught:
        read_model(written(tmp_path, content))
    assert caught.value.fix
    assert caught.value.exit_code == 2


@settings(max_examples=200, deadline=None)
@given(flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=6))
def test_flipped_bits_raise_nothing_but_our_errors(tmp_path_factory, flips):
    content = bytearray(tiny_models.tflite())
    for at, mask in flips:
        content[at % len(content)] ^= mask
    path = written(tmp_path_factory.getbasetemp(), bytes(content))
    with suppress(errors.ArtifactError):  # anything else fails the test
        read_model(path)


def test_the_graph_is_whole(tmp_path):
    graph = read_graph(written(tmp_path, tiny_models.tflite()))
    assert len(graph.operators) == 3
    assert graph.tensors[graph.operators[0].inputs[1]].scales
    assert graph.operators[0].activation == 1
