"""PyTorch to ONNX float32, through the TorchScript-based exporter.

The newer one (``dynamo=True``) was tried: the same operators, but a file larger by an eighth, with the shape of every
intermediate value and notes on the exporting code in each node, in 1.3 to 5 s where this one takes 0.1 s. What is
checked below would hold for either, so that a change of mind costs one argument.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tinyedge.errors import ExportError
from tinyedge.exporters.base import Conversion, Exporter, Job
from tinyedge.exporters.expectations import check_close, check_images
from tinyedge.exporters.source import TorchSource

OPSET = 17


class OnnxFp32(Exporter):
    """ONNX float32, NCHW, static batch 1 or a dynamic one."""

    name = "onnx-fp32"
    suffix = ".onnx"
    requires = {"torch": "torch", "onnx": "onnx", "onnxruntime": "onnxruntime"}  # noqa: RUF012  # never changed
    batches = ("1", "dynamic")

    def _convert(self, job: Job) -> Conversion:
        source: TorchSource = job.source
        import torch

        dynamic = {"image": {0: "batch"}, "scores": {0: "batch"}} if job.options.batch == "dynamic" else None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            torch.onnx.export(
                source.module,
                (source.example(nhwc=False),),
                path,
                input_names=["image"],
                output_names=["scores"],
                opset_version=OPSET,
                dynamic_axes=dynamic,
                dynamo=False,
            )
            content = path.read_bytes()
        images = check_images(source.image_shape)
        return Conversion(content, images, source.outputs(images))

    def _verify(self, path: Path, converted: Conversion, job: Job) -> dict[str, Any]:
        source: TorchSource = job.source
        import onnx
        import onnxruntime

        where = f"{self.name}, {source.model}"
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        opset = {entry.domain: entry.version for entry in model.opset_import}
        if opset.get("") != OPSET:
            raise ExportError("the exported file has another opset", where=where, found=opset, expected=OPSET)
        real = np.ascontiguousarray(source.convention.apply(converted.images).transpose(0, 3, 1, 2))
        session = onnxruntime.InferenceSession(converted.content, providers=["CPUExecutionProvider"])
        step = len(real) if job.options.batch == "dynamic" else 1
        found = np.concatenate([session.run(None, {"image": real[i : i + step]})[0] for i in range(0, len(real), step)])
        difference = check_close(converted.expected, found, where=where)
        return {"largest_difference": difference, "images": len(real), "opset": OPSET}
