"""PyTorch to TFLite int8, through litert-torch and ai-edge-quantizer: the route that tinyedge ships with.

Weights per channel, activations per tensor, int8 in and out. Chosen by measurement (docs/converters.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinyedge.exporters.ai_edge import REQUIRES, float_graph, observed, quantized
from tinyedge.exporters.base import Conversion, Exporter, Job
from tinyedge.exporters.bias_correction import correct_biases
from tinyedge.exporters.expectations import NOT_ON_MICROCONTROLLERS, check_integer
from tinyedge.exporters.flatbuffer import for_microcontrollers
from tinyedge.exporters.range_estimators import ESTIMATORS, hidden_ranges
from tinyedge.exporters.ranges import (
    convention_range,
    lowest_score_that_matters,
    names_of_scores,
    set_range,
)
from tinyedge.exporters.running import compared, run_tflite
from tinyedge.exporters.source import TorchSource
from tinyedge.exporters.torch_tflite import float_tflite
from tinyedge.formats import read_model

_RECIPE = "static_wi8_ai8"
_COMPARED = 1000


class TfliteInt8(Exporter):
    """TFLite int8.

    Calibrations:
        minmax: the smallest and the largest value of each tensor over all the representative images, with two
            refinements: the bottom of the scores (``ranges``) and the biases (``bias_correction``).
        minmax-plain: without these two.
        percentile: as ``minmax``, and hidden activations by the middle 99.99 % of their values (``range_estimators``).
        mse: as ``minmax``, and hidden activations by the least squared error of their int8 values.
        moving-average: the quantizer's own default. It follows the last twenty images, cuts off what is rare,
            and with it the largest logits: here to show what a bad default does, not to be shipped.
    """

    name = "tflite-int8"
    suffix = ".tflite"
    requires = REQUIRES
    quantized = True
    calibrations = ("minmax", "minmax-plain", *ESTIMATORS, "moving-average")

    def _convert(self, job: Job) -> Conversion:
        source: TorchSource = job.source
        images, scheme = job.images, self.calibration(job.options)
        content = float_tflite(source)
        graph, outputs = float_graph(content, source, images)
        ranges = observed(content, _RECIPE, source, images, moving_average=scheme == "moving-average")
        ends = {graph.tensors[graph.inputs[0]].name}, names_of_scores(graph)
        refined = scheme == "minmax" or scheme in ESTIMATORS
        if scheme != "moving-average":
            set_range(ranges, ends[0], *convention_range(source.convention))
        if refined and graph.operators[-1].name != "SOFTMAX":
            low = lowest_score_that_matters(outputs)
            set_range(ranges, ends[1], low, float(outputs.max()))
        if scheme in ESTIMATORS:
            real = source.convention.apply(images)
            for name, bounds in hidden_ranges(content, graph, ranges, real, ends[0] | ends[1], scheme).items():
                set_range(ranges, {name}, *bounds)
        model = quantized(content, _RECIPE, ranges)
        if refined:
            model = correct_biases(content, model, source.convention.apply(images))
        rewritten = for_microcontrollers(model)
        return Conversion(rewritten, images[:_COMPARED], outputs[:_COMPARED])

    def _verify(self, path: Path, converted: Conversion, job: Job) -> dict[str, Any]:
        source: TorchSource = job.source
        facts, where = read_model(path), f"{self.name}, {source.model}"
        forbid = NOT_ON_MICROCONTROLLERS if source.family_member else ()
        # The quantizer's default gets the input's range wrong too; all else holds.
        convention = None if self.calibration(job.options) == "moving-average" else source.convention
        check_integer(path, facts, convention=convention, forbid=forbid, where=where)
        stored = run_tflite(converted.content, facts, source.convention, converted.images)
        return compared(stored, converted.expected)
