"""Keras, SavedModel or (by a Keras copy) PyTorch to TFLite float32, through TensorFlow's ``tf.lite.TFLiteConverter``.

For a Keras user the float reference that ``tinyedge validate`` holds the int8 file against.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinyedge.exporters.base import Conversion, Exporter, Job
from tinyedge.exporters.expectations import check_close, check_images
from tinyedge.exporters.running import run_tflite
from tinyedge.exporters.source import KerasSource, TorchSource
from tinyedge.exporters.tf_model import frozen_function, real_outputs
from tinyedge.formats import read_model


class TfFp32(Exporter):
    """TFLite float32 by TensorFlow: NHWC, static batch 1."""

    name = "tf-fp32"
    suffix = ".tflite"
    requires = {"tensorflow": "tensorflow", "keras": "keras", "ai_edge_litert": "ai-edge-litert"}  # noqa: RUF012
    takes = (KerasSource, TorchSource)

    def _convert(self, job: Job) -> Conversion:
        import tensorflow as tf

        source: KerasSource | TorchSource = job.source
        frozen = frozen_function(source)
        images = check_images(tuple(frozen.inputs[0].shape[1:]))
        outputs = real_outputs(frozen, source.convention.apply(images), source)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
        return Conversion(bytes(converter.convert()), images, outputs)

    def _verify(self, path: Path, converted: Conversion, job: Job) -> dict[str, Any]:
        source: KerasSource | TorchSource = job.source
        found = run_tflite(converted.content, read_model(path), source.convention, converted.images)
        where = f"{self.name}, {source.model}"
        return {
            "largest_difference": check_close(converted.expected, found, where=where),
            "images": len(converted.images),
        }
