from __future__ import annotations

import exporting
import numpy as np
import pytest
import torch

from tinyedge.errors import ExportError
from tinyedge.exporters import tflite_dynamic
from tinyedge.exporters.source import TorchSource
from tinyedge.exporters.tflite_dynamic import TfliteDynamic
from tinyedge.exporters.torch_tflite import float_tflite
from tinyedge.formats.tflite import read_graph
from tinyedge.models.family import Member
from tinyedge.validate import predict


def test_float_in_and_out_around_int8_weights():
    artifact = exporting.exported("tflite-dynamic")
    assert (artifact.input.dtype, artifact.output.dtype) == ("float32", "float32")
    graph = read_graph(artifact.path)
    assert {graph.tensors[op.inputs[1]].dtype for op in graph.operators if op.name == "CONV_2D"} == {"int8"}
    assert {tensor.dtype for tensor in graph.tensors if not tensor.constant} == {"float32"}
    assert artifact.size_bytes < 0.4 * exporting.exported("tflite-fp32").size_bytes


@pytest.mark.parametrize("kernels", ["xnnpack", "built-in"])
def test_it_agrees_with_the_float_module_on_either_kernels(kernels):
    artifact, data = exporting.exported("tflite-dynamic"), exporting.noise("test")
    found = predict("tflite-dynamic", artifact, data, options={"kernels": kernels})
    expected = exporting.source().outputs(data.images)
    assert np.abs(found.outputs - expected).mean() < 0.02 * np.abs(expected).max()
    assert found.provenance["kernels"].startswith("XNNPACK for" if kernels == "xnnpack" else "LiteRT built-in (")


def test_mobilenet_exports(tmp_path):
    torch.manual_seed(0)
    module = exporting.settled(Member("mobilenetv2", 0.1).build())
    source = TorchSource(module, (32, 32, 3), "mobilenetv2-w0.1", family_member=True)
    artifact = TfliteDynamic().export(source, tmp_path / "m.tflite")
    found = predict("tflite-dynamic", artifact, exporting.noise("test", 4))
    assert "XNNPACK for" in found.provenance["kernels"]


def test_a_file_that_the_quantizer_left_float_is_no_export(tmp_path, monkeypatch):
    monkeypatch.setattr(tflite_dynamic, "quantized", lambda content, *_: float_tflite(exporting.source()))
    with pytest.raises(ExportError, match="left the weights as they were"):
        TfliteDynamic().export(exporting.source(), tmp_path / "m.tflite")
    assert list(tmp_path.iterdir()) == []
