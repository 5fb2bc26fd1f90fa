from __future__ import annotations

import exporting
import numpy as np
import pytest

from tinyedge.artifact import InputConvention
from tinyedge.errors import ClassCountMismatch, ExportError, ImageSizeMismatch
from tinyedge.exporters.quiet import quiet
from tinyedge.exporters.representative import Representative
from tinyedge.exporters.source import KerasSource
from tinyedge.exporters.tf_int8 import TfInt8
from tinyedge.formats.tflite import operators
from tinyedge.validate import predict

RAW = InputConvention((0.0,), (1.0,))
"""The model below rescales by itself, as Keras models often do."""


@pytest.fixture(scope="module")
def keras_model():
    with quiet("no Keras model", where="test"):
        import keras

        keras.utils.set_random_seed(0)
        return keras.Sequential(
            [
                keras.Input((12, 12, 3)),
                keras.layers.Rescaling(1 / 127.5, offset=-1),
                keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(5),
            ]
        )


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    wide = rng.integers(0, 256, (120, 1, 1, 3)) + rng.integers(-80, 80, (120, 12, 12, 3))
    return Representative(np.clip(wide, 0, 255).astype(np.uint8), 5, {"split": "train"})


def saved(keras_model, folder, kind):
    if kind == "model":
        return KerasSource("mine", keras=keras_model, convention=RAW)
    path = folder / ("mine.keras" if kind == "keras" else "saved")
    with quiet("cannot save", where="test"):
        keras_model.save(path) if kind == "keras" else keras_model.export(path, verbose=False)
    return KerasSource("mine", path, convention=RAW)


@pytest.mark.parametrize("kind", ["model", "keras", "saved_model"])
def test_keras_models_files_and_saved_models_go_in(kind, keras_model, images, tmp_path):
    source = saved(keras_model, tmp_path, kind)
    artifact = TfInt8().export(source, tmp_path / "mine.tflite", representative=images)
    assert (artifact.input.shape, artifact.input.dtype) == ((1, 12, 12, 3), "int8")
    assert (artifact.input.scale, artifact.input.zero_point) == (pytest.approx(1.0), -128)
    assert artifact.output.shape == (1, 5)
    assert artifact.origin["verified"]["same_top1"] > 0.8
    assert artifact.origin["versions"]["tensorflow"]


def test_a_family_member_goes_in_by_a_keras_copy():
    artifact = exporting.exported("tf-int8")
    assert (artifact.input.scale, artifact.input.zero_point) == (1 / 128, 0)
    assert set(operators(artifact.path)) == {"CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D", "RESHAPE"}
    data = exporting.noise("test", 40)
    micro, reference = (predict(t, artifact, data).outputs for t in ("tflm-int8", "tflite-int8-reference"))
    assert np.array_equal(micro, reference)


def test_images_of_another_size_are_refused(keras_model, tmp_path):
    given = Representative(np.zeros((100, 8, 8, 3), np.uint8), 5, {})
    with pytest.raises(ImageSizeMismatch, match=r"(?s)8, 8, 3.*12, 12, 3"):
        TfInt8().export(KerasSource("mine", keras=keras_model), tmp_path / "m.tflite", representative=given)


def test_images_of_other_classes_are_refused(keras_model, images, tmp_path):
    given = Representative(images.images, 7, {})
    with pytest.raises(ClassCountMismatch, match="7 classes"):
        TfInt8().export(KerasSource("mine", keras=keras_model), tmp_path / "m.tflite", representative=given)


def test_images_that_do_not_span_black_to_white_are_refused(keras_model, images, tmp_path):
    # TensorFlow offers no way to set the input's range: it would feed the firmware something else than pixel - 128.
    grey = Representative(images.images // 4 + 96, 5, {})
    source = KerasSource("mine", keras=keras_model, convention=RAW)
    with pytest.raises(ExportError, match=r"(?s)not quantized so that.*black to white"):
        TfInt8().export(source, tmp_path / "m.tflite", representative=grey)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_keras_model_is_refused(images, tmp_path):
    (tmp_path / "broken.keras").write_bytes(b"not a zip")
    source = KerasSource("mine", tmp_path / "broken.keras")
    with pytest.raises(ExportError, match="Keras model cannot be read"):
        TfInt8().export(source, tmp_path / "m.tflite", representative=images)


def test_a_folder_that_is_no_saved_model_is_refused(images, tmp_path):
    source = KerasSource("mine", tmp_path)
    with pytest.raises(ExportError, match="cannot be read"):
        TfInt8().export(source, tmp_path / "m.tflite", representative=images)
