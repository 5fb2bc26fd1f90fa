"""PyTorch to TFLite with int16 activations and int8 weights, through litert-torch and ai-edge-quantizer.

For models whose int8 activations lose too much: 65,536 steps an activation instead of 256, in twice the memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinyedge.exporters.ai_edge import REQUIRES, float_graph, observed, quantized
from tinyedge.exporters.base import Conversion, Exporter, Job
from tinyedge.exporters.bias_correction import correct_biases
from tinyedge.exporters.expectations import NOT_ON_MICROCONTROLLERS, check_integer, lossless_input
from tinyedge.exporters.flatbuffer import compacted
from tinyedge.exporters.ranges import convention_range, set_range
from tinyedge.exporters.running import compared, run_tflite
from tinyedge.exporters.source import TorchSource
from tinyedge.exporters.torch_tflite import float_tflite
from tinyedge.formats import read_model

_RECIPE = "static_wi8_ai16"
_LARGEST = 32767
_COMPARED = 1000


class TfliteInt16x8(Exporter):
    """TFLite int16x8: int16 in and out, symmetric, int8 weights per channel, int64 biases.

    Calibrations:
        minmax: the largest absolute value of each tensor over the representative images; biases corrected.
        minmax-plain: without the correction.
    """

    name = "tflite-int16x8"
    suffix = ".tflite"
    requires = REQUIRES
    quantized = True
    calibrations = ("minmax", "minmax-plain")

    def _convert(self, job: Job) -> Conversion:
        source: TorchSource = job.source
        content = float_tflite(source)
        graph, outputs = float_graph(content, source, job.images)
        ranges = observed(content, _RECIPE, source, job.images)
        set_range(ranges, {graph.tensors[graph.inputs[0]].name}, *_input_range(source))
        model = quantized(content, _RECIPE, ranges)
        if self.calibration(job.options) == "minmax":
            model = correct_biases(content, model, source.convention.apply(job.images))
        return Conversion(compacted(model), job.images[:_COMPARED], outputs[:_COMPARED])

    def _verify(self, path: Path, converted: Conversion, job: Job) -> dict[str, Any]:
        source: TorchSource = job.source
        facts, where = read_model(path), f"{self.name}, {source.model}"
        forbid = NOT_ON_MICROCONTROLLERS if source.family_member else ()
        check_integer(path, facts, activations="int16", convention=source.convention, forbid=forbid, where=where)
        stored = run_tflite(converted.content, facts, source.convention, converted.images)
        return compared(stored, converted.expected)


def _input_range(source: TorchSource) -> tuple[float, float]:
    """The convention's; where pixel 128 is 0, the one whose step makes a stored value 256 * (pixel - 128)."""
    exact = lossless_input(source.convention, "int16")
    if exact is None:
        return convention_range(source.convention)
    return -_LARGEST * exact.scale, _LARGEST * exact.scale
