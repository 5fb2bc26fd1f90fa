"""PyTorch to ONNX float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinyedge.errors import ExportError
from tinyedge.exporters.base import Conversion, Exporter, Job
from tinyedge.exporters.expectations import check_close, check_images
from tinyedge.exporters.source import TorchSource
from tinyedge.exporters.torch_onnx import OPSET, REQUIRES, float_onnx, run_onnx


class OnnxFp32(Exporter):
    """ONNX float32, NCHW, static batch 1 or a dynamic one."""

    name = "onnx-fp32"
    suffix = ".onnx"
    requires = REQUIRES
    batches = ("1", "dynamic")

    def _convert(self, job: Job) -> Conversion:
        source: TorchSource = job.source
        images = check_images(source.image_shape)
        return Conversion(float_onnx(source, job.options.batch), images, source.outputs(images))

    def _verify(self, path: Path, converted: Conversion, job: Job) -> dict[str, Any]:
        source: TorchSource = job.source
        import onnx

        where = f"{self.name}, {source.model}"
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        opset = {entry.domain: entry.version for entry in model.opset_import}
        if opset.get("") != OPSET:
            raise ExportError("the exported file has another opset", where=where, found=opset, expected=OPSET)
        step = len(converted.images) if job.options.batch == "dynamic" else 1
        found = run_onnx(converted.content, source, converted.images, step)
        difference = check_close(converted.expected, found, where=where)
        return {"largest_difference": difference, "images": len(found), "opset": OPSET}
