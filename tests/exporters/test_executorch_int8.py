from __future__ import annotations

import exporting
import numpy as np
import pytest

from tinyedge.errors import ExportError
from tinyedge.exporters.base import Conversion
from tinyedge.exporters.executorch_int8 import ExecutorchInt8
from tinyedge.formats.executorch import read_program
from tinyedge.validate import predict

pytestmark = pytest.mark.usefixtures("executorch")


def test_xnnpack_takes_every_operator_in_int8():
    artifact = exporting.exported("executorch-int8")
    program = read_program(artifact.path)
    assert program.kernels == ()
    ((backend, graph),) = program.delegates
    assert backend == "XnnpackBackend"
    assert graph.nodes.count("Conv2d") == 8
    assert set(graph.layers.values()) == {("int8", "int8")}
    assert len(graph.layers) == 9
    assert graph.params == 21_936 - 2 * (4 + 4 + 8 + 8 + 16 + 16 + 32 + 32) + 4 + 4 + 8 + 8 + 16 + 16 + 32 + 32


def test_it_agrees_with_the_float_module():
    artifact, data = exporting.exported("executorch-int8"), exporting.noise("test")
    found = predict("executorch-int8", artifact, data)
    expected = exporting.source().outputs(data.images)
    assert np.abs(found.outputs - expected).mean() < 0.03 * np.abs(expected).max()
    assert artifact.origin["verified"]["same_top1"] > 0.8
    assert "XNNPACK for 20 of 20 operators" in found.provenance["kernels"]
    assert found.provenance["threads_per_process"] == 1


def test_a_program_that_is_not_int8_fails_the_export(tmp_path, monkeypatch):
    import tiny_models

    done = Conversion(tiny_models.pte_bytes("portable"), exporting.representative().images[:4], np.zeros((4, 7)))
    monkeypatch.setattr(ExecutorchInt8, "_convert", lambda *_: done)
    with pytest.raises(ExportError, match="did not take the whole model") as caught:
        ExecutorchInt8().export(exporting.source(), tmp_path / "m.pte", representative=exporting.representative())
    assert "aten::convolution" in caught.value.found
    assert list(tmp_path.iterdir()) == []
