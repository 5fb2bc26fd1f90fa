"""Keras, SavedModel or (by a Keras copy) PyTorch to TFLite int8, through TensorFlow's ``tf.lite.TFLiteConverter``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import ClassCountMismatch, ExportError, ImageSizeMismatch
from tinyedge.exporters.base import Conversion, Exporter, Job
from tinyedge.exporters.expectations import NOT_ON_MICROCONTROLLERS, check_close, check_int8
from tinyedge.exporters.flatbuffer import for_microcontrollers
from tinyedge.exporters.keras_copy import keras_copy
from tinyedge.exporters.running import compared, run_tflite
from tinyedge.exporters.source import KerasSource, TorchSource
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
        frozen = _frozen(source, images.shape[1:])
        real = source.convention.apply(images)
        outputs = _outputs(frozen, real[:_COMPARED], source)
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
        check_int8(path, facts, convention=source.convention, forbid=forbid, where=where)
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


def _frozen(source: KerasSource | TorchSource, image_shape: tuple[int, ...]) -> Any:
    """A concrete function of one image, with its variables as constants."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    call, taken = _callable(source)
    if tuple(taken) != tuple(image_shape):
        raise ImageSizeMismatch(
            "the representative images are not of the model's size",
            where=source.model,
            found=tuple(image_shape),
            expected=tuple(taken),
        )
    specification = tf.TensorSpec((1, *image_shape), tf.float32, name="image")
    return convert_variables_to_constants_v2(tf.function(call).get_concrete_function(specification))


def _callable(source: KerasSource | TorchSource) -> tuple[Any, tuple[int, ...]]:
    """A function of a batch of images, and the ``(H, W, C)`` that it takes."""
    import keras
    import tensorflow as tf

    if isinstance(source, KerasSource) and source.location is not None and source.location.is_dir():
        try:
            loaded = tf.saved_model.load(str(source.location))
        except (OSError, ValueError) as error:
            raise _not_a_model(source, error, "a SavedModel folder, with saved_model.pb") from error
        if "serving_default" not in loaded.signatures:
            raise _not_a_model(source, f"signatures {sorted(loaded.signatures)}", "a SavedModel with serving_default")
        signature = loaded.signatures["serving_default"]
        arguments = signature.structured_input_signature[1]
        if len(arguments) != 1 or len(signature.structured_outputs) != 1:
            raise _not_a_model(source, f"inputs {sorted(arguments)}", "one input and one output")
        ((name, taken),) = arguments.items()
        (result,) = signature.structured_outputs

        def serve(image: Any) -> Any:
            return signature(**{name: image})[result]

        serve.keep = loaded  # type: ignore[attr-defined]  # its variables live as long as this object
        return serve, tuple(taken.shape[1:])
    if isinstance(source, TorchSource):
        model = keras_copy(source)
    elif source.keras is not None:
        model = source.keras
    else:
        try:
            model = keras.saving.load_model(source.location, compile=False)
        except (ValueError, OSError, TypeError) as error:
            raise _not_a_model(source, error, "a .keras or .h5 file, or a SavedModel folder") from error
    return (lambda image: model(image, training=False)), tuple(model.input_shape[1:])


def _outputs(frozen: Any, real: NDArray[np.float32], source: KerasSource | TorchSource) -> NDArray[np.float32]:
    import tensorflow as tf

    found = np.concatenate([frozen(tf.constant(real[i : i + 1]))[0].numpy() for i in range(len(real))])
    if found.ndim != 2 or not np.isfinite(found).all():
        raise ExportError(
            "the model's output is not a classifier's",
            where=source.model,
            found=f"shape {found.shape}{'' if np.isfinite(found).all() else ', with NaN'}",
            expected="finite (N, K)",
        )
    return np.asarray(found, np.float32)


def _not_a_model(source: KerasSource, found: object, expected: str) -> ExportError:
    return ExportError("the Keras model cannot be read", where=source.location, found=found, expected=expected)
