"""A cut model computes what the whole one computes there: byte for byte, on kernels that show both."""

import hashlib
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
import tiny_models
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tinyedge.artifact import FAMILY_CONVENTION, load_artifact
from tinyedge.errors import ArtifactCorrupt
from tinyedge.formats.prefix import cut, layers, prefix
from tinyedge.models.family import Member
from tinyedge.zoo import find


def interpreter(content, kernels="BUILTIN_REF", *, keep=False):
    found = Interpreter(
        model_content=content,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType[kernels],
        experimental_preserve_all_tensors=keep,
    )
    found.allocate_tensors()
    return found


def run(runtime, batch, tensor=None):
    """``(N, values)`` of the output, or of any tensor that the runtime keeps."""
    given = runtime.get_input_details()[0]["index"]
    wanted = runtime.get_output_details()[0]["index"] if tensor is None else tensor
    found = []
    for image in batch:
        runtime.set_tensor(given, image[None])
        runtime.invoke()
        found.append(runtime.get_tensor(wanted).ravel().copy())
    return np.array(found)


def behind(content, layer):
    """The rest of the model: its input is the layer's output. Only for models without a way around the layer."""
    model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    graph = model.subgraphs[0]
    graph.inputs = list(graph.operators[layer.place - 1].outputs)
    graph.operators = graph.operators[layer.place :]
    model.signatureDefs = None
    return packed(model)


def packed(model):
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.fixture(scope="module")
def smallest():
    return find(Member("scalecnn", 4), "shapes").load("tflite-int8")


@pytest.fixture(scope="module")
def fed(smallest, shapes_test):
    return smallest.feed(shapes_test.sample(5, seed=0).images)


def tiny(folder, **options):
    path = folder / "tiny.tflite"
    path.write_bytes(tiny_models.tflite(**options))
    return path


def check_every_prefix(path, batch):
    content = path.read_bytes()
    whole = interpreter(content, keep=True)
    tensors = [node["outputs"][0] for node in whole._get_ops_details()]
    steps = layers(path)
    assert [step.place for step in steps] == list(range(1, len(tensors) + 1))
    for step, tensor in zip(steps, tensors, strict=True):
        expected = run(whole, batch, tensor)
        assert expected.shape == (len(batch), step.output.shape[1])
        np.testing.assert_array_equal(run(interpreter(cut(content, step, path)), batch), expected, str(step))


@pytest.mark.parametrize("options", [{}, {"io": "uint8"}, {"ending": "SOFTMAX"}, {"batch": -1}])
def test_each_prefix_of_a_tiny_model_puts_out_the_tensor_that_the_whole_one_holds(tmp_path, options):
    batch = tiny_models.images(5)
    check_every_prefix(tiny(tmp_path, **options), batch if "io" in options else (batch ^ 128).view(np.int8))


def test_each_prefix_of_a_trained_model_does(smallest, fed):
    check_every_prefix(smallest.path, fed)


def test_a_cut_changes_nothing_where_a_delegate_shows_no_tensor(smallest, fed):
    """XNNPACK keeps its values to itself; but what it makes of a prefix and then of the rest, it makes of the whole."""
    content = smallest.path.read_bytes()
    expected = run(interpreter(content, "AUTO"), fed)
    assert (expected != run(interpreter(content), fed)).any(), "it is another arithmetic"
    for layer in layers(smallest.path)[:-1]:
        values = run(interpreter(cut(content, layer, smallest.path), "AUTO"), fed)
        rest = run(interpreter(behind(content, layer), "AUTO"), values.reshape(len(fed), *layer.shape[1:]))
        np.testing.assert_array_equal(rest, expected, str(layer))


def test_a_prefix_is_an_artifact_of_its_own(smallest, tmp_path):
    steps = layers(smallest.path)
    assert [step.operator for step in steps[:3]] == ["CONV_2D", "CONV_2D", "MAX_POOL_2D"]
    assert steps[0].shape == (1, 32, 32, 4)
    found = prefix(smallest, steps[0], tmp_path)
    content = found.path.read_bytes()
    assert found.path.parent == tmp_path
    assert (found.size_bytes, found.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert found.size_bytes < smallest.size_bytes / 4, "weights that nothing reads go too"
    assert found.output == steps[0].output
    assert found.num_classes == 32 * 32 * 4
    assert (found.input, found.convention) == (smallest.input, smallest.convention)
    assert steps[-1].output.shape == (1, smallest.num_classes)
    assert (steps[-1].output.scale, steps[-1].output.zero_point) == (smallest.output.scale, smallest.output.zero_point)


def test_operators_beside_the_way_are_left_out(tmp_path):
    """A second branch that the cut does not read, and one that does not depend on the image."""
    model = schema.ModelT.InitFromPackedBuf(bytearray(tiny_models.tflite()), 0)
    graph = model.subgraphs[0]
    conv = graph.operators[0]
    twin = schema.OperatorT()
    twin.__dict__ |= vars(conv)
    spare = schema.TensorT()
    spare.__dict__ |= vars(graph.tensors[conv.outputs[0]])
    spare.name = b"spare"
    graph.tensors.append(spare)
    twin.outputs = [len(graph.tensors) - 1]
    graph.operators.insert(0, twin)
    path = tmp_path / "branched.tflite"
    path.write_bytes(packed(model))
    steps = layers(path)
    assert [step.place for step in steps] == [1, 2, 3, 4]
    pooled = schema.ModelT.InitFromPackedBuf(bytearray(cut(path.read_bytes(), steps[2], path)), 0)
    assert len(pooled.subgraphs[0].operators) == 2
    names = {tensor.name for tensor in pooled.subgraphs[0].tensors}
    assert b"spare" not in names
    assert b"head" not in names


def test_what_holds_no_int8_is_no_layer(tmp_path):
    model = schema.ModelT.InitFromPackedBuf(bytearray(tiny_models.tflite(io="uint8")), 0)
    graph = model.subgraphs[0]
    graph.tensors[graph.operators[2].outputs[0]].type = schema.TensorType.INT16
    path = tmp_path / "mixed.tflite"
    path.write_bytes(packed(model))
    assert [step.place for step in layers(path)] == [1, 2, 4, 5]
    assert [step.output.dtype for step in layers(path)] == ["int8", "int8", "int8", "uint8"]


def test_a_broken_file_is_corrupt(smallest):
    content, layer = smallest.path.read_bytes(), layers(smallest.path)[0]
    with pytest.raises(ArtifactCorrupt, match="cannot be cut behind operator 1"):
        cut(content[: len(content) // 2], layer, Path("broken.tflite"))


def test_a_prefix_of_a_foreign_model_keeps_its_convention(tmp_path):
    artifact = load_artifact(tiny(tmp_path), convention=FAMILY_CONVENTION)
    found = prefix(artifact, layers(artifact.path)[1], tmp_path)
    assert found.output.shape == (1, tiny_models.CHANNELS)
    assert found.convention == FAMILY_CONVENTION
