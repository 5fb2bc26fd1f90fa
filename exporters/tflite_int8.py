"""PyTorch to TFLite int8, through litert-torch and ai-edge-quantizer: the route that tinyedge ships with.

Weights per channel, activations per tensor, int8 in and out. Chosen by measurement (docs/converters.md).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import ExportError
from tinyedge.exporters.base import Conversion, Exporter, Job
from tinyedge.exporters.bias_correction import correct_biases
from tinyedge.exporters.expectations import NOT_ON_MICROCONTROLLERS, check_close, check_int8
from tinyedge.exporters.flatbuffer import for_microcontrollers
from tinyedge.exporters.ranges import (
    Ranges,
    convention_range,
    lowest_score_that_matters,
    names_of_scores,
    set_range,
)
from tinyedge.exporters.running import compared, run_tflite
from tinyedge.exporters.source import TorchSource
from tinyedge.exporters.torch_tflite import REQUIRES, float_tflite
from tinyedge.formats import read_model
from tinyedge.formats.tflite import Graph, read_graph

_COMPARED = 1000


class TfliteInt8(Exporter):
    """TFLite int8.

    Calibrations:
        minmax: the smallest and the largest value of each tensor over all the representative images, with two
            refinements: the bottom of the scores (``ranges``) and the biases (``bias_correction``).
        minmax-plain: without these two.
        moving-average: the quantizer's own default. It follows the last twenty images, cuts off what is rare,
            and with it the largest logits: here to show what a bad default does, not to be shipped.
    """

    name = "tflite-int8"
    suffix = ".tflite"
    requires = REQUIRES | {"ai_edge_quantizer": "ai-edge-quantizer"}
    quantized = True
    calibrations = ("minmax", "minmax-plain", "moving-average")

    def _convert(self, job: Job) -> Conversion:
        source: TorchSource = job.source
        images, scheme = job.images, self.calibration(job.options)
        content = float_tflite(source)
        graph, outputs = _float_graph(content, source, images)
        ranges = _observed(content, source, images, moving_average=scheme == "moving-average")
        if scheme != "moving-average":
            set_range(ranges, {graph.tensors[graph.inputs[0]].name}, *convention_range(source.convention))
        if scheme == "minmax" and graph.operators[-1].name != "SOFTMAX":
            low = lowest_score_that_matters(outputs)
            set_range(ranges, names_of_scores(graph), low, float(outputs.max()))
        quantized = _quantized(content, ranges)
        if scheme == "minmax":
            quantized = correct_biases(content, quantized, source.convention.apply(images))
        rewritten = for_microcontrollers(quantized)
        return Conversion(rewritten, images[:_COMPARED], outputs[:_COMPARED])

    def _verify(self, path: Path, converted: Conversion, job: Job) -> dict[str, Any]:
        source: TorchSource = job.source
        facts, where = read_model(path), f"{self.name}, {source.model}"
        forbid = NOT_ON_MICROCONTROLLERS if source.family_member else ()
        # The quantizer's default gets the input's range wrong too; all else holds.
        convention = None if self.calibration(job.options) == "moving-average" else source.convention
        check_int8(path, facts, convention=convention, forbid=forbid, where=where)
        stored = run_tflite(converted.content, facts, source.convention, converted.images)
        return compared(stored, converted.expected)


def _float_graph(content: bytes, source: TorchSource, images: NDArray[np.uint8]) -> tuple[Graph, NDArray[np.float32]]:
    """The float file's graph and its outputs on ``images``, once these are the module's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.tflite"
        path.write_bytes(content)
        graph, facts = read_graph(path), read_model(path)
    outputs = run_tflite(content, facts, source.convention, images)
    check_close(source.outputs(images), outputs, where=f"the float TFLite of {source.model}")
    return graph, outputs


def _recipe() -> Any:
    from ai_edge_quantizer import recipe, recipe_manager

    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(recipe.static_wi8_ai8())
    return manager


def _observed(content: bytes, source: TorchSource, images: NDArray[np.uint8], *, moving_average: bool) -> Ranges:
    """Range of each activation over the images, in order; the first image starts the moving average."""
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import calibrator
    from ai_edge_quantizer.utils import qsv_utils

    ((key, signature),) = Interpreter(model_content=content).get_signature_list().items()
    real = source.convention.apply(images)
    feed = [{signature["inputs"][0]: real[i : i + 1]} for i in range(len(real))]
    update = qsv_utils.moving_average_update if moving_average else qsv_utils.min_max_update
    observer = calibrator.Calibrator(content, num_threads=1, qsv_update_func=update)
    observer.calibrate({key: feed}, _recipe())
    ranges: Ranges = observer.get_model_qsvs()
    return ranges


def _quantized(content: bytes, ranges: Ranges) -> bytes:
    from ai_edge_quantizer import quantizer, recipe

    engine = quantizer.Quantizer(bytearray(content), recipe.static_wi8_ai8())
    result = engine.quantize(ranges, enable_progress_report=False).quantized_model
    if result is None:
        raise ExportError("the quantizer returned no model")
    return bytes(result)
