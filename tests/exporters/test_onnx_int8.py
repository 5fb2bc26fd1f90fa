from __future__ import annotations

from pathlib import Path

import exporting
import numpy as np
import onnx
import pytest
import torch

from tinyedge.errors import ExportError
from tinyedge.exporters import onnx_int8
from tinyedge.exporters.onnx_int8 import OnnxInt8
from tinyedge.exporters.source import TorchSource
from tinyedge.formats.onnx import output_quantization
from tinyedge.models.family import Member
from tinyedge.validate import predict


def test_float_in_and_out_around_integers():
    artifact = exporting.exported("onnx-int8")
    assert (artifact.input.dtype, artifact.input.shape) == ("float32", (1, 3, 32, 32))
    assert (artifact.output.dtype, artifact.output.shape) == ("float32", (1, 100))
    assert artifact.origin["verified"]["layers"] == "9 of 9 layers with integers (1 QGemm, 8 QLinearConv)"
    assert artifact.size_bytes < 0.5 * exporting.exported("onnx-fp32").size_bytes


def test_a_dynamic_batch():
    assert exporting.exported("onnx-int8", batch="dynamic").input.shape == (-1, 3, 32, 32)


def test_the_first_node_stores_the_pixel_itself():
    graph = onnx.load(exporting.exported("onnx-int8").path).graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    first = next(node for node in graph.node if node.input[0] == "image")
    scale, zero_point = (constants[name] for name in first.input[1:])
    pixels = np.arange(256)
    real = ((pixels - 128) / 128).astype(np.float32)
    assert first.op_type == "QuantizeLinear"
    assert np.array_equal(np.rint(real / scale) + zero_point, pixels)


def test_weights_have_a_scale_a_channel():
    graph = onnx.load(exporting.exported("onnx-int8").path).graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}
    scales = [constants[made_by[n.input[1]].input[1]].size for n in graph.node if n.op_type == "Conv"]
    assert scales == [4, 4, 8, 8, 16, 16, 32, 32]


def test_it_agrees_with_the_float_module():
    artifact, data = exporting.exported("onnx-int8"), exporting.noise("test")
    found, expected = predict("onnx-int8", artifact, data), exporting.source().outputs(data.images)
    scale, zero_point, dtype = output_quantization(artifact.path)
    assert dtype == "uint8"
    seen = expected.clip(-zero_point * scale, (255 - zero_point) * scale)
    assert np.abs(found.outputs - seen).mean() < 1.5 * scale
    assert artifact.origin["verified"]["same_top1"] > 0.8


def settled_mobilenet() -> TorchSource:
    torch.manual_seed(0)
    module = exporting.settled(Member("mobilenetv2", 0.1).build())
    return TorchSource(module, (32, 32, 3), "mobilenetv2-w0.1", family_member=True)


def test_every_convolution_of_mobilenet_is_an_integer_one(tmp_path):
    artifact = OnnxInt8().export(settled_mobilenet(), tmp_path / "m.onnx", representative=exporting.representative())
    assert artifact.origin["verified"]["layers"] == "53 of 53 layers with integers (1 QGemm, 52 QLinearConv)"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the exporter's own, which an export holds back
def test_a_layer_that_the_runtime_would_compute_with_floats_fails_the_export(tmp_path, monkeypatch):
    """Signed activations, the library's other choice: on x86-64 its graph optimizer leaves residual blocks float."""
    monkeypatch.setattr(onnx_int8, "_ACTIVATIONS", "QInt8")
    content = onnx_int8._quantized(
        onnx_int8.float_onnx(settled_mobilenet(), "1"), settled_mobilenet(), exporting.representative().images[:8]
    )
    layers = onnx_int8._as_run(content)
    if not layers.floating:
        pytest.fail("ONNX Runtime takes signed activations here: docs/precisions.md says that it does not")
    monkeypatch.setattr(onnx_int8, "_quantized", lambda *_: content)
    with pytest.raises(ExportError, match="compute some layers with floats") as caught:
        OnnxInt8().export(settled_mobilenet(), tmp_path / "m.onnx", representative=exporting.representative())
    assert "layers with integers" in caught.value.found
    assert list(Path(tmp_path).iterdir()) == []
