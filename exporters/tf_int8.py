"""Keras, SavedModel or (by a Keras copy) PyTorch to TFLite int8, through TensorFlow's ``tf.lite.TFLiteConverter``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import ClassCountMismatch
from tinyedge.exporters.base import Conversion, Exporter, Job
from tinyedge.exporters.expectations import NOT_ON_MICROCONTROLLERS, check_close, check_integer
from tinyedge.exporters.flatbuffer import for_microcontrollers
from tinyedge.exporters.running import compared, run_tflite
from tinyedge.exporters.source import KerasSource, TorchSource
from tinyedge.exporters.tf_model import frozen_function, real_outputs
from tinyedge.formats import read_model

_COMPARED = 1000


class TfInt8(Exporter):
    """TFLite int8 by TensorFlow: full integer, int8 in and out; ranges by its own min and max."""

    name = "tf-int8"
    suffix = ".tflite"
    requires = {"tensorflow": "tensorflow", "keras": "keras", "ai_edge_litert": "ai-edge-litert"}  # noqa: RUF012
    takes = (KerasSource, TorchSource)
    quantized = True
    calibrations = ("minmax",)

    def _convert(self, job: Job) -> Conversion:
        source: KerasSource | TorchSource = job.source
        images = job.images
        frozen = frozen_function(source, images.shape[1:])
        real = source.convention.apply(images)
        outputs = real_outputs(frozen, real[:_COMPARED], source)
        if isinstance(source, TorchSource):
            expected = source.outputs(images[:_COMPARED])
            check_close(expected, outputs, where=f"the Keras copy of {source.model}")
        elif job.representative is not None and outputs.shape[1] != job.representative.num_classes:
            raise ClassCountMismatch(
                "the representative images are of a dataset with other classes",
                where=source.model,
                found=f"{job.representative.num_classes} classes",
                expected=f"{outputs.shape[1]}, the model's",
            )
        return Conversion(for_microcontrollers(_converted(frozen, real)), images[:_COMPARED], outputs)

    def _verify(self, path: Path, converted: Conversion, job: Job) -> dict[str, Any]:
        source: KerasSource | TorchSource = job.source
        facts, where = read_model(path), f"{self.name}, {source.model}"
        family = isinstance(source, TorchSource) and source.family_member
        forbid = NOT_ON_MICROCONTROLLERS if family else ()
        check_integer(path, facts, convention=source.convention, forbid=forbid, where=where)
        stored = run_tflite(converted.content, facts, source.convention, converted.images)
        return compared(stored, converted.expected)


def _converted(frozen: Any, real: NDArray[np.float32]) -> bytes:
    import tensorflow as tf

    def feed() -> Iterator[list[NDArray[np.float32]]]:
        for i in range(len(real)):
            yield [real[i : i + 1]]

    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = feed
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())
