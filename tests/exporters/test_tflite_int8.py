from __future__ import annotations

import exporting
import numpy as np
import pytest
import torch

from tinyedge.artifact import InputConvention
from tinyedge.exporters.representative import Representative
from tinyedge.exporters.source import TorchSource
from tinyedge.exporters.tflite_int8 import TfliteInt8
from tinyedge.formats.tflite import operators, read_graph
from tinyedge.models.family import Member
from tinyedge.validate import predict


def test_input_and_output_are_int8_with_a_lossless_input():
    artifact = exporting.exported("tflite-int8")
    assert (artifact.input.dtype, artifact.input.shape) == ("int8", (1, 32, 32, 3))
    assert (artifact.input.scale, artifact.input.zero_point) == (1 / 128, 0)
    assert (artifact.output.dtype, artifact.output.shape) == ("int8", (1, 100))
    images = np.arange(256, dtype=np.uint8).repeat(12).reshape(1, 32, 32, 3)
    assert np.array_equal(artifact.feed(images).astype(int), images.astype(int) - 128)


def test_the_graph_is_what_every_microcontroller_runtime_has():
    assert set(operators(exporting.exported("tflite-int8").path)) == {
        "CONV_2D",
        "MAX_POOL_2D",
        "AVERAGE_POOL_2D",
        "RESHAPE",
    }


def test_weights_have_a_scale_a_channel():
    graph = read_graph(exporting.exported("tflite-int8").path)
    scales = [len(graph.tensors[op.inputs[1]].scales) for op in graph.operators if op.name == "CONV_2D"]
    assert scales == [4, 4, 8, 8, 16, 16, 32, 32, 100]


def test_it_agrees_with_the_float_module():
    artifact = exporting.exported("tflite-int8")
    data = exporting.noise("test")
    logits = predict("tflite-int8", artifact, data).logits
    expected = exporting.source().outputs(data.images)
    assert artifact.origin["verified"]["same_top1"] > 0.8
    kept = expected > artifact.output.scale * (-128 - artifact.output.zero_point)
    assert np.abs(logits - expected)[kept].mean() < 2 * artifact.output.scale


def test_tflite_micro_runs_it_unmodified_and_puts_out_the_reference_kernels_bytes():
    artifact, data = exporting.exported("tflite-int8"), exporting.noise("test", 40)
    micro = predict("tflm-int8", artifact, data)
    reference = predict("tflite-int8-reference", artifact, data)
    assert np.array_equal(micro.outputs, reference.outputs)


def test_the_default_spends_fewer_steps_on_logits_that_never_win():
    default = exporting.exported("tflite-int8")
    full = exporting.exported("tflite-int8", calibration="minmax-plain")
    assert default.output.scale < 0.95 * full.output.scale

    def top(artifact):
        return artifact.output.scale * (127 - artifact.output.zero_point)

    assert top(default) == pytest.approx(top(full), abs=full.output.scale)


def test_moving_averages_cut_the_largest_logits_off():
    default = exporting.exported("tflite-int8").origin["verified"]
    average = exporting.exported("tflite-int8", calibration="moving-average").origin["verified"]
    assert average["saturated_top1"] > default["saturated_top1"] + 0.03
    assert exporting.exported("tflite-int8", calibration="moving-average").input.scale != 1 / 128


def test_mobilenet_exports_without_mean_or_transpose(tmp_path):
    torch.manual_seed(0)
    module = exporting.settled(Member("mobilenetv2", 0.1).build())
    source = TorchSource(module, (32, 32, 3), "mobilenetv2-w0.1", family_member=True)
    artifact = TfliteInt8().export(source, tmp_path / "m.tflite", representative=exporting.representative())
    names = set(operators(artifact.path))
    assert names == {"CONV_2D", "DEPTHWISE_CONV_2D", "PAD", "ADD", "AVERAGE_POOL_2D", "RESHAPE"}
    micro = predict("tflm-int8", artifact, exporting.noise("test", 5))
    reference = predict("tflite-int8-reference", artifact, exporting.noise("test", 5))
    assert np.array_equal(micro.outputs, reference.outputs)


def test_a_foreign_module_with_its_own_convention_goes_in_directly(tmp_path):
    torch.manual_seed(1)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
        torch.nn.Linear(8, 5), torch.nn.Softmax(1),
    )  # fmt: skip
    source = TorchSource(module, (12, 12, 3), "mine", InputConvention((0.0,), (255.0,)))
    images = np.random.default_rng(0).integers(40, 200, (100, 12, 12, 3), dtype=np.uint8)
    given = Representative(images, 5, {"split": "train"})
    artifact = TfliteInt8().export(source, tmp_path / "mine.tflite", representative=given)
    # The images do not span black to white; the input's range is the convention's all the same.
    assert artifact.input.scale == pytest.approx(1 / 255, rel=1e-6)
    assert artifact.input.zero_point == -128
    assert artifact.output_kind == "probabilities"
    assert (artifact.output.scale, artifact.output.zero_point) == (1 / 256, -128)


def test_wide_members_keep_their_weights_in_the_flatbuffer(tmp_path):
    """From a few hundred KB on the quantizer puts constants behind it, where TFLite Micro does not look."""
    torch.manual_seed(0)
    module = exporting.settled(Member("scalecnn", 16).build())
    source = TorchSource(module, (32, 32, 3), "scalecnn-c16", family_member=True)
    path = tmp_path / "c16.tflite"
    artifact = TfliteInt8().export(source, path, representative=exporting.representative())
    read_graph(path)  # refuses constants behind the flatbuffer
    images = exporting.noise("test", 20)
    micro, host = (predict(target, artifact, images).outputs.astype(int) for target in ("tflm-int8", "tflite-int8"))
    assert np.abs(micro - host).max() <= 1
    assert len(np.unique(host)) > 20


@pytest.mark.parametrize("estimator", ["percentile", "mse"])
def test_estimators_change_hidden_activations_and_nothing_that_is_known_beforehand(estimator):
    default, found = (exporting.exported("tflite-int8", calibration=c) for c in (None, estimator))
    assert (found.input.scale, found.input.zero_point) == (1 / 128, 0)
    assert (found.output.scale, found.output.zero_point) == (default.output.scale, default.output.zero_point)
    before, after = (read_graph(artifact.path) for artifact in (default, found))
    hidden = [op.outputs[0] for op in before.operators if op.name == "CONV_2D"][:-1]
    assert {after.tensors[index].zero_points for index in hidden} == {(-128,)}, "a ReLU's output starts at 0"
    scales = [(before.tensors[index].scales[0], after.tensors[index].scales[0]) for index in hidden]
    assert all(now <= 1.001 * then for then, now in scales), "no range beyond what was seen"
    assert sum(now < 0.99 * then for then, now in scales) >= 4
    assert found.origin["options"]["calibration"] == estimator
    assert found.origin["verified"]["same_top1"] > 0.8
