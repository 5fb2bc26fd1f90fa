"""PyTorch to TFLite with int8 weights and float activations, through litert-torch and ai-edge-quantizer.

Dynamic-range quantization: no representative images, a quarter of the float file. The runtime rounds each layer's input
to 8 bits as it comes, which takes floats: not for microcontrollers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinyedge.errors import ExportError
from tinyedge.exporters.ai_edge import REQUIRES, float_graph, quantized
from tinyedge.exporters.base import Conversion, Exporter, Job
from tinyedge.exporters.expectations import check_images, relative_difference
from tinyedge.exporters.flatbuffer import compacted
from tinyedge.exporters.running import run_tflite
from tinyedge.exporters.source import TorchSource
from tinyedge.exporters.torch_tflite import float_tflite
from tinyedge.formats import read_model


class TfliteDynamic(Exporter):
    """TFLite dynamic-range: int8 weights per channel in every layer, float32 in, out and between."""

    name = "tflite-dynamic"
    suffix = ".tflite"
    requires = REQUIRES

    def _convert(self, job: Job) -> Conversion:
        source: TorchSource = job.source
        images, content = check_images(source.image_shape), float_tflite(source)
        _, outputs = float_graph(content, source, images)
        return Conversion(compacted(quantized(content, "dynamic_wi8_afp32", None)), images, outputs)

    def _verify(self, path: Path, converted: Conversion, job: Job) -> dict[str, Any]:
        source: TorchSource = job.source
        facts = read_model(path)
        if facts.precision != "dynamic":
            raise ExportError(
                "the quantizer left the weights as they were",
                where=f"{self.name}, {source.model}",
                found=facts.precision,
                expected="int8 weights under float activations",
            )
        found = run_tflite(converted.content, facts, source.convention, converted.images)
        return {
            "largest_difference": relative_difference(converted.expected, found),
            "images": len(converted.images),
        }
