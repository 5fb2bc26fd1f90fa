"""PyTorch to TFLite float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinyedge.exporters.base import Conversion, Exporter, Job
from tinyedge.exporters.expectations import NOT_ON_MICROCONTROLLERS, check_close, check_images, check_operators
from tinyedge.exporters.running import run_tflite
from tinyedge.exporters.source import TorchSource
from tinyedge.exporters.torch_tflite import REQUIRES, float_tflite
from tinyedge.formats import read_model
from tinyedge.formats.tflite import read_graph


class TfliteFp32(Exporter):
    """TFLite float32, NHWC, static batch 1."""

    name = "tflite-fp32"
    suffix = ".tflite"
    requires = REQUIRES

    def _convert(self, job: Job) -> Conversion:
        source: TorchSource = job.source
        images = check_images(source.image_shape)
        return Conversion(float_tflite(source), images, source.outputs(images))

    def _verify(self, path: Path, converted: Conversion, job: Job) -> dict[str, Any]:
        source: TorchSource = job.source
        where = f"{self.name}, {source.model}"
        if source.family_member:
            check_operators(read_graph(path), NOT_ON_MICROCONTROLLERS, where)
        found = run_tflite(converted.content, read_model(path), source.convention, converted.images)
        return {
            "largest_difference": check_close(converted.expected, found, where=where),
            "images": len(converted.images),
        }
