from __future__ import annotations

import exporting
import numpy as np
import onnx
import pytest

from tinyedge.exporters.onnx_fp32 import OPSET
from tinyedge.validate import predict


@pytest.mark.parametrize(("batch", "expected"), [("1", 1), ("dynamic", -1)])
def test_batch_and_opset(batch, expected):
    artifact = exporting.exported("onnx-fp32", batch=batch)
    assert artifact.input.shape == (expected, 3, 32, 32)
    assert artifact.output.shape == (expected, 100)
    assert artifact.origin["options"]["batch"] == batch
    assert artifact.origin["verified"]["opset"] == OPSET
    assert onnx.load(artifact.path).opset_import[0].version == OPSET


def test_both_put_out_what_the_module_does():
    data = exporting.noise("test")
    expected = exporting.source().outputs(data.images)
    for batch in ("1", "dynamic"):
        found = predict("onnx-fp32", exporting.exported("onnx-fp32", batch=batch), data).outputs
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_batch_norm_is_folded_and_nothing_is_left_over():
    kinds = [node.op_type for node in onnx.load(exporting.exported("onnx-fp32").path).graph.node]
    assert kinds.count("Conv") == 8
    assert set(kinds) == {"Conv", "Relu", "MaxPool", "AveragePool", "Flatten", "Gemm"}
