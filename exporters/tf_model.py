"""What TensorFlow's converter starts from: a Keras model, a SavedModel or the Keras copy of a torch module, frozen."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import ExportError, ImageSizeMismatch
from tinyedge.exporters.keras_copy import keras_copy
from tinyedge.exporters.source import KerasSource, TorchSource

with suppress(ImportError):
    # Before TensorFlow: the other way round Triton's native library segfaults when it is imported (TensorFlow 2.21,
    # Triton 3.8), and with it a later export through litert-torch in the same process.
    import_module("triton")


def frozen_function(source: KerasSource | TorchSource, image_shape: tuple[int, ...] | None = None) -> Any:
    """A concrete function of one image, with its variables as constants.

    Args:
        source: the model; a PyTorch one goes in by its Keras copy.
        image_shape: ``(H, W, C)`` of the images that it is converted with; the model's own if ``None``.

    Raises:
        ExportError: where it cannot be read, or is not of one image and one output.
        ImageSizeMismatch: where the images are not of the model's size.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    call, taken = _callable(source)
    image_shape = tuple(taken) if image_shape is None else image_shape
    if len(image_shape) != 3 or None in image_shape:
        raise ExportError(
            "the model's input is not an image of fixed size",
            where=source.model,
            found=tuple(taken),
            expected="(H, W, C)",
            fix="build it with keras.Input((H, W, C)) and the same weights",
        )
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


def real_outputs(frozen: Any, real: NDArray[np.float32], source: KerasSource | TorchSource) -> NDArray[np.float32]:
    """What a frozen function puts out, float32 ``(N, K)``, for float32 ``(N, H, W, C)``.

    Raises:
        ExportError: where that is not a classifier's, or not finite.
    """
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
