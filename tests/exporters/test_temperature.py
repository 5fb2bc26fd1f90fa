from __future__ import annotations

from dataclasses import replace

import exporting
import numpy as np
import pytest
import tiny_models
from ai_edge_litert import schema_py_generated as schema

from tinyedge.artifact import FAMILY_CONVENTION, load_artifact, read_sidecar
from tinyedge.data.dataset import Dataset
from tinyedge.errors import ArtifactHashMismatch, ArtifactUnsupported, UsageError
from tinyedge.exporters.scale_search import TOLERANCE
from tinyedge.exporters.temperature import fold_temperature
from tinyedge.formats.tflite import read_graph
from tinyedge.models.family import Member
from tinyedge.overlap import KEY
from tinyedge.validate import predict
from tinyedge.zoo import find

LAYER, RESHAPE, BETA = "the last layer's scales", "the scale behind the last reshape", "the softmax's beta"
INT8 = ("tflite-int8", "tflite-int8-reference", "tflite-int8-xnnpack", "tflm-int8")
INT16 = ("tflite-int16x8", "tflm-int16x8")


@pytest.fixture(scope="module")
def tiny_data():
    images = tiny_models.images(40)
    return Dataset("tiny", "test", images, np.arange(40, dtype=np.int64) % 7, tuple("abcdefg"))


def tiny(folder, content=None, **options):
    path = folder / "tiny.tflite"
    path.write_bytes(tiny_models.tflite(**options) if content is None else content)
    return load_artifact(path, convention=FAMILY_CONVENTION)


def shipped(width, kind="tflite-int8"):
    return find(Member("scalecnn", width), "cifar100").load(kind)


def changed(before, after):
    """How many bytes of the two files differ; they are of one length."""
    x, y = before.path.read_bytes(), after.path.read_bytes()
    assert len(x) == len(y)
    return sum(a != b for a, b in zip(x, y, strict=True))


@pytest.mark.parametrize(
    ("width", "kind", "into", "targets"),
    [
        (4, "tflite-int8", LAYER, ("tflite-int8", "tflm-int8")),
        (6, "tflite-int8", RESHAPE, INT8),
        (6, "tflite-int16x8", LAYER, INT16),
    ],
)
def test_the_shipped_models_put_out_the_same_integers_that_mean_logits_over_t(tmp_path, width, kind, into, targets):
    before, data = shipped(width, kind), exporting.noise("test", 40)
    after = fold_temperature(before, 1.37, tmp_path / "after.tflite")
    told = after.origin["temperature"]
    assert told["into"] == into
    assert told["folded"] == pytest.approx(1.37, rel=TOLERANCE)
    assert changed(before, after) <= (4 if into == RESHAPE else 4 * (2 + 2 * 100))
    for target in targets:
        first, second = (predict(target, artifact, data) for artifact in (before, after))
        assert len(np.unique(first.outputs)) > 20
        np.testing.assert_array_equal(first.outputs, second.outputs)
        np.testing.assert_allclose(second.logits * told["folded"], first.logits, rtol=1e-6)


def test_the_last_layers_scales_cancel_and_the_format_holds(tmp_path):
    before = shipped(4)
    graph, after = (read_graph(fold_temperature(before, 0.8, tmp_path / "a.tflite").path), read_graph(before.path))
    new, old = ([g.tensors[i] for i in (*g.operators[-2].inputs, g.operators[-2].outputs[0])] for g in (graph, after))
    assert new[0].scales == old[0].scales, "the input's"
    np.testing.assert_allclose(np.divide(new[1].scales, old[1].scales), 1 / 0.8, rtol=1e-4)
    np.testing.assert_allclose(new[2].scales, np.multiply(new[1].scales, new[0].scales[0]), rtol=1e-6)
    assert new[3].scales == graph.tensors[graph.outputs[0]].scales, "a reshape's two scales are one"
    others = {*graph.operators[-2].inputs, *graph.operators[-2].outputs, *graph.outputs}
    assert all(t == after.tensors[i] for i, t in enumerate(graph.tensors) if i not in others)


@pytest.mark.parametrize("options", [{}, {"io": "uint8"}])
def test_a_graph_that_ends_in_a_fully_connected_layer(tmp_path, tiny_data, options):
    before = tiny(tmp_path, **options)
    after = fold_temperature(before, 0.61, tmp_path / "after.tflite")
    assert after.origin["temperature"]["into"] == LAYER
    assert before.output.scale / after.output.scale == pytest.approx(0.61, rel=TOLERANCE)
    for target in ("tflite-int8", "tflm-int8"):
        first, second = (predict(target, artifact, tiny_data).outputs for artifact in (before, after))
        np.testing.assert_array_equal(first, second)


def test_a_softmax_takes_it_into_its_beta_on_every_runtime(tmp_path, tiny_data):
    temperature = 1.9
    logits = predict("tflite-int8", tiny(tmp_path), tiny_data).logits.astype(np.float64) / temperature
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    before = tiny(tmp_path, ending="SOFTMAX")
    after = fold_temperature(before, temperature, tmp_path / "after.tflite")
    assert after.origin["temperature"] | {"parent_sha256": ""} == {
        "asked": temperature, "folded": temperature, "into": BETA, "parent_sha256": "",
    }  # fmt: skip
    assert changed(before, after) <= 4
    assert np.abs(predict("tflite-int8", before, tiny_data).logits - expected).max() > 0.1
    for target in INT8:
        found = predict(target, after, tiny_data).logits
        # The output's step and a half (int8 holds no 1), and a step of a logit, by which kernels differ.
        assert np.abs(found - expected).max() <= 1.5 / 256 + 0.1 / temperature / 4


def test_the_side_car_says_what_was_done_and_keeps_the_rest(tmp_path):
    before = exporting.exported("tflite-int8")
    once = fold_temperature(before, 1.5, tmp_path / "once.tflite")
    twice = fold_temperature(once, 0.8, tmp_path / "twice.tflite")
    told = twice.origin["temperature"]
    assert (told["asked"], told["parent_sha256"]) == (0.8, once.sha256)
    assert told["before"] == once.origin["temperature"]
    assert told["before"]["parent_sha256"] == before.sha256
    assert {k: v for k, v in twice.origin.items() if k != "temperature"} == before.origin
    assert (twice.model, twice.params, twice.size_bytes) == (before.model, before.params, before.size_bytes)
    assert twice.output.scale == pytest.approx(before.output.scale / told["folded"] / told["before"]["folded"])
    seen = [read_sidecar(artifact.path, artifact.sha256)[KEY] for artifact in (before, twice)]
    assert seen[0] == seen[1], "what validate looks up evaluation images in"


def test_firmware_is_the_same_to_the_instruction(arm_tools, tmp_path):
    before, data = shipped(6), exporting.noise("test", 6)
    after = fold_temperature(before, 1.37, tmp_path / "after.tflite")
    assert after.origin["temperature"]["into"] == RESHAPE
    first, second = (predict("cortex-m4-int8", artifact, data) for artifact in (before, after))
    np.testing.assert_array_equal(first.outputs, second.outputs)
    assert second.scale == after.output.scale
    costs = ("instructions", "flash_bytes", "ram_bytes", "stack_bytes", "arena_bytes")
    assert [first.provenance[name] for name in costs] == [second.provenance[name] for name in costs]


@pytest.mark.parametrize("temperature", [0.0, -1.0, 1e-300, 101.0, float("nan"), float("inf")])
def test_what_is_no_temperature_is_refused(tmp_path, temperature):
    with pytest.raises(UsageError, match="not a temperature"):
        fold_temperature(tiny(tmp_path), temperature, tmp_path / "after.tflite")
    assert not (tmp_path / "after.tflite").exists()


@pytest.mark.parametrize("name", ["tiny.tflite", "after.onnx", "."])
def test_a_place_that_cannot_be_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="not a place"):
        fold_temperature(tiny(tmp_path), 1.5, tmp_path / name)


@pytest.mark.parametrize("precision", ["fp32", "dynamic"])
def test_float_outputs_have_no_scale(tmp_path, precision):
    with pytest.raises(ArtifactUnsupported, match=f"(?s)this file has none.*tflite {precision}, float32 out"):
        fold_temperature(tiny(tmp_path, precision=precision), 1.5, tmp_path / "after.tflite")


def test_onnx_is_refused(tmp_path):
    with pytest.raises(ArtifactUnsupported, match=r"(?s)onnx int8.*a \.tflite"):
        fold_temperature(shipped(4, "onnx-int8"), 1.5, tmp_path / "after.tflite")


def test_a_file_that_changed_meanwhile_is_refused(tmp_path):
    artifact = tiny(tmp_path)
    artifact.path.write_bytes(tiny_models.tflite(ending="SOFTMAX"))
    with pytest.raises(ArtifactHashMismatch, match="changed since it was read"):
        fold_temperature(artifact, 1.5, tmp_path / "after.tflite")


def test_scales_that_cannot_cancel_without_a_reshape_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tinyedge.exporters.temperature.divided", lambda layer, temperature: None)
    with pytest.raises(ArtifactUnsupported, match=r"(?s)no reshape behind the layer.*tinyedge export"):
        fold_temperature(tiny(tmp_path), 1.5, tmp_path / "after.tflite")


def table(content, tensor):
    """The tensor's table in the file's own bytes."""
    return schema.Model.GetRootAs(content, 0).Subgraphs(0).Tensors(tensor)


def test_a_quantize_to_another_scale_is_refused(tmp_path):
    content = bytearray(tiny_models.tflite(io="uint8"))
    last = schema.Model.GetRootAs(content, 0).Subgraphs(0).Outputs(0)
    table(content, last).Quantization().ScaleAsNumpy()[:] *= 2
    with pytest.raises(ArtifactUnsupported, match="a QUANTIZE from one scale to another"):
        fold_temperature(tiny(tmp_path, bytes(content)), 1.5, tmp_path / "after.tflite")


def test_a_scale_that_is_stored_once_for_two_tensors_is_refused(tmp_path):
    content = bytearray(tiny_models.tflite())
    pooled, scores = (table(content, i) for i in (2, 3))
    place = scores._tab.Pos + scores._tab.Offset(12)  # where the table names its quantization
    content[place : place + 4] = (pooled.Quantization()._tab.Pos - place).to_bytes(4, "little")
    artifact = tiny(tmp_path, bytes(content))
    assert artifact.output.scale == pytest.approx(0.05), "the pooled map's"
    with pytest.raises(ArtifactUnsupported, match="stored once for it and for another"):
        fold_temperature(artifact, 1.5, tmp_path / "after.tflite")


def test_scores_that_something_else_reads_too_are_refused(tmp_path):
    content = bytearray(tiny_models.tflite())
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    spare = schema.OperatorT()
    spare.opcodeIndex, spare.inputs, spare.outputs = 0, [3], [1]
    model.subgraphs[0].operators.append(spare)
    builder = tiny_models.flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    artifact = replace(tiny(tmp_path), path=tmp_path / "spare.tflite")
    artifact.path.write_bytes(bytes(builder.Output()))
    artifact = replace(artifact, sha256=load_artifact(artifact.path, convention=FAMILY_CONVENTION).sha256)
    with pytest.raises(ArtifactUnsupported, match="something else reads too"):
        fold_temperature(artifact, 1.5, tmp_path / "after.tflite")
