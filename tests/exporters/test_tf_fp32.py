from __future__ import annotations

import numpy as np
import pytest

from tinyedge.artifact import InputConvention
from tinyedge.data import Dataset
from tinyedge.errors import ExportError
from tinyedge.exporters.quiet import quiet
from tinyedge.exporters.source import KerasSource
from tinyedge.exporters.tf_fp32 import TfFp32
from tinyedge.validate import predict

RAW = InputConvention((0.0,), (1.0,))


def network(size, ending="softmax"):
    with quiet("no Keras model", where="test"):
        import keras

        keras.utils.set_random_seed(0)
        return keras.Sequential(
            [
                keras.Input(size),
                keras.layers.Rescaling(1 / 255),
                keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(5, activation=ending),
            ]
        )


@pytest.mark.parametrize("kind", ["model", "keras", "saved_model"])
def test_the_file_computes_what_keras_does(kind, tmp_path):
    model = network((12, 12, 3))
    path = tmp_path / ("mine.keras" if kind == "keras" else "saved")
    if kind != "model":
        with quiet("cannot save", where="test"):
            model.save(path) if kind == "keras" else model.export(path, verbose=False)
    source = (
        KerasSource("mine", keras=model, convention=RAW) if kind == "model" else KerasSource("mine", path, None, RAW)
    )
    artifact = TfFp32().export(source, tmp_path / "mine.tflite")
    assert (artifact.precision, artifact.input.shape, artifact.input.dtype) == ("fp32", (1, 12, 12, 3), "float32")
    assert artifact.output_kind == "probabilities"
    assert artifact.convention == RAW
    pixels = np.random.default_rng(0).integers(0, 256, (10, 12, 12, 3), np.uint8)
    found = predict("tflite-fp32", artifact, Dataset("noise", "test", pixels, np.arange(10) % 5, tuple("abcde")))
    expected = model(pixels.astype(np.float32), training=False).numpy()
    np.testing.assert_allclose(found.outputs, expected, rtol=0, atol=1e-5)
    assert expected.std(axis=0).max() > 1e-3, "outputs that do not vary would prove nothing"


def test_a_model_of_any_size_is_asked_for_one(tmp_path):
    with pytest.raises(ExportError, match=r"(?s)not an image of fixed size.*None"):
        TfFp32().export(KerasSource("mine", keras=network((None, None, 3))), tmp_path / "m.tflite")
    assert list(tmp_path.iterdir()) == []
