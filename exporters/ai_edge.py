"""A float TFLite through ai-edge-quantizer, by one of its recipes; what its exporters share."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import ExportError
from tinyedge.exporters.expectations import check_close
from tinyedge.exporters.ranges import Ranges
from tinyedge.exporters.running import run_tflite
from tinyedge.exporters.source import TorchSource
from tinyedge.exporters.torch_tflite import REQUIRES as FLOAT_REQUIRES
from tinyedge.formats import read_model
from tinyedge.formats.tflite import Graph, read_graph

REQUIRES = FLOAT_REQUIRES | {"ai_edge_quantizer": "ai-edge-quantizer"}


def float_graph(content: bytes, source: TorchSource, images: NDArray[np.uint8]) -> tuple[Graph, NDArray[np.float32]]:
    """The float file's graph and its outputs on ``images``, once these are the module's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.tflite"
        path.write_bytes(content)
        graph, facts = read_graph(path), read_model(path)
    outputs = run_tflite(content, facts, source.convention, images)
    check_close(source.outputs(images), outputs, where=f"the float TFLite of {source.model}")
    return graph, outputs


def observed(
    content: bytes, recipe: str, source: TorchSource, images: NDArray[np.uint8], *, moving_average: bool = False
) -> Ranges:
    """Range of each activation over the images, in order; the first image starts the moving average."""
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import calibrator, recipe_manager
    from ai_edge_quantizer.utils import qsv_utils

    ((key, signature),) = Interpreter(model_content=content).get_signature_list().items()
    real = source.convention.apply(images)
    feed = [{signature["inputs"][0]: real[i : i + 1]} for i in range(len(real))]
    update = qsv_utils.moving_average_update if moving_average else qsv_utils.min_max_update
    observer = calibrator.Calibrator(content, num_threads=1, qsv_update_func=update)
    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(_recipe(recipe))
    observer.calibrate({key: feed}, manager)
    ranges: Ranges = observer.get_model_qsvs()
    return ranges


def quantized(content: bytes, recipe: str, ranges: Ranges | None) -> bytes:
    """The model by ``recipe``, the name of a function in ``ai_edge_quantizer.recipe``."""
    from ai_edge_quantizer import quantizer

    engine = quantizer.Quantizer(bytearray(content), _recipe(recipe))
    result = engine.quantize(ranges, enable_progress_report=False).quantized_model
    if result is None:
        raise ExportError("the quantizer returned no model")
    return bytes(result)


def _recipe(name: str) -> Any:
    from ai_edge_quantizer import recipe

    return getattr(recipe, name)()
