from __future__ import annotations

import exporting
import numpy as np
import torch

from tinyedge.artifact import InputConvention
from tinyedge.exporters.representative import Representative
from tinyedge.exporters.source import TorchSource
from tinyedge.exporters.tflite_int16x8 import TfliteInt16x8
from tinyedge.formats.tflite import operators, read_graph
from tinyedge.models.family import Member
from tinyedge.validate import predict


def test_input_and_output_are_int16_with_a_lossless_input():
    artifact = exporting.exported("tflite-int16x8")
    assert (artifact.input.dtype, artifact.output.dtype) == ("int16", "int16")
    assert (artifact.input.scale, artifact.input.zero_point) == (1 / 128 / 256, 0)
    images = np.arange(256, dtype=np.uint8).repeat(12).reshape(1, 32, 32, 3)
    assert np.array_equal(artifact.feed(images).astype(int), 256 * (images.astype(int) - 128))


def test_the_graph_is_integer_throughout():
    graph = read_graph(exporting.exported("tflite-int16x8").path)
    assert {t.dtype for t in graph.tensors if not t.constant} == {"int16"}
    layers = [op for op in graph.operators if op.name == "CONV_2D"]
    assert {graph.tensors[op.inputs[1]].dtype for op in layers} == {"int8"}
    assert {graph.tensors[op.inputs[2]].dtype for op in layers} == {"int64"}
    assert [len(graph.tensors[op.inputs[1]].scales) for op in layers] == [4, 4, 8, 8, 16, 16, 32, 32, 100]


def test_it_is_nearer_to_the_float_module_than_int8():
    data = exporting.noise("test")
    expected = exporting.source().outputs(data.images)
    finer, coarser = (
        np.abs(predict(name, exporting.exported(name), data).logits - expected).mean()
        for name in ("tflite-int16x8", "tflite-int8")
    )
    assert finer < 0.7 * coarser


def test_corrected_biases_are_nearer_than_uncorrected_ones():
    data = exporting.noise("test")
    expected = exporting.source().outputs(data.images)
    corrected, plain = (
        np.abs((predict("tflite-int16x8", artifact, data).logits - expected).mean(axis=0)).mean()
        for artifact in (
            exporting.exported("tflite-int16x8"), exporting.exported("tflite-int16x8", calibration="minmax-plain")
        )
    )  # fmt: skip
    assert corrected < 0.8 * plain


def test_all_kernels_put_out_the_same_bits():
    artifact, data = exporting.exported("tflite-int16x8"), exporting.noise("test", 40)
    built_in = predict("tflite-int16x8", artifact, data).outputs
    assert np.array_equal(predict("tflite-int16x8", artifact, data, options={"kernels": "reference"}).outputs, built_in)
    assert np.array_equal(predict("tflm-int16x8", artifact, data).outputs, built_in)


def test_mobilenet_runs_on_tflite_micro(tmp_path):
    torch.manual_seed(0)
    module = exporting.settled(Member("mobilenetv2", 0.1).build())
    source = TorchSource(module, (32, 32, 3), "mobilenetv2-w0.1", family_member=True)
    artifact = TfliteInt16x8().export(source, tmp_path / "m.tflite", representative=exporting.representative())
    assert set(operators(artifact.path)) == {
        "CONV_2D", "DEPTHWISE_CONV_2D", "PAD", "ADD", "AVERAGE_POOL_2D", "RESHAPE",
    }  # fmt: skip
    data = exporting.noise("test", 4)
    micro = predict("tflm-int16x8", artifact, data).outputs
    reference = predict("tflite-int16x8", artifact, data, options={"kernels": "reference"}).outputs
    assert np.array_equal(micro, reference)
    assert len(np.unique(micro)) > 20


def test_another_convention_spans_its_range(tmp_path):
    torch.manual_seed(1)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
        torch.nn.Linear(8, 5),
    )  # fmt: skip
    source = TorchSource(module, (12, 12, 3), "mine", InputConvention((0.0,), (255.0,)))
    images = np.random.default_rng(0).integers(40, 200, (100, 12, 12, 3), dtype=np.uint8)
    given = Representative(images, 5, {"split": "train"})
    artifact = TfliteInt16x8().export(source, tmp_path / "mine.tflite", representative=given)
    assert artifact.input.zero_point == 0
    assert artifact.feed(np.full((1, 12, 12, 3), 255, np.uint8)).min() == 32767
