import json

import numpy as np
import pytest

from tinyedge import artifact as module
from tinyedge.artifact import FAMILY_CONVENTION, InputConvention, TensorSpec, load_artifact, sidecar_path
from tinyedge.errors import ArtifactCorrupt, ArtifactHashMismatch, ArtifactNotFound, ArtifactUnsupported

INT8 = TensorSpec("input", (1, 2, 2, 3), "int8", "NHWC", 1 / 128, 0)


def test_family_input_is_pixel_minus_128_without_loss():
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    stored = INT8.quantize(FAMILY_CONVENTION.apply(pixels))
    assert stored.dtype == np.int8
    assert np.array_equal(stored.astype(int), pixels.astype(int) - 128)


def test_quantize_rounds_to_even_and_clips():
    spec = TensorSpec("x", (1, 1), "int8", "NK", 1.0, 0)
    assert spec.quantize(np.array([0.5, 1.5, 300.0, -300.0], np.float32)).tolist() == [0, 2, 127, -128]
    assert spec.dequantize(np.array([-128, 127], np.int8)).tolist() == [-128.0, 127.0]


def test_conventions_go_by_channel_and_color_order():
    pixels = np.array([[[[10, 20, 30]]]], np.uint8)
    convention = InputConvention((10.0, 20.0, 30.0), (1.0, 2.0, 4.0), "BGR")
    assert convention.apply(pixels).tolist() == [[[[20.0, 0.0, -5.0]]]]


@pytest.fixture
def model_file(tmp_path, zoo_entry):
    """A copy of a shipped model with its side-car."""
    source = module.load_artifact(zoo_entry.load("tflite-int8").path).path
    copy = tmp_path / source.name
    copy.write_bytes(source.read_bytes())
    sidecar_path(copy).write_bytes(sidecar_path(source).read_bytes())
    return copy


def test_missing_file(tmp_path):
    with pytest.raises(ArtifactNotFound, match="no such model file"):
        load_artifact(tmp_path / "none.tflite")


def test_a_changed_file_does_not_pass_for_the_recorded_one(model_file):
    content = bytearray(model_file.read_bytes())
    content[len(content) // 2] ^= 1
    model_file.write_bytes(content)
    with pytest.raises(ArtifactHashMismatch, match="side-car describes"):
        load_artifact(model_file)
    with pytest.raises(ArtifactHashMismatch, match="the index records"):
        load_artifact(model_file, expected_sha256="0" * 64)


def test_without_a_side_car_the_convention_must_be_said(model_file):
    sidecar_path(model_file).unlink()
    with pytest.raises(ArtifactUnsupported, match=r"--normalize"):
        load_artifact(model_file)
    assert load_artifact(model_file, convention=FAMILY_CONVENTION).convention == FAMILY_CONVENTION


@pytest.mark.parametrize(
    "change",
    [
        {"convention": {"mean": [128], "std": [0], "color": "RGB"}},
        {"convention": {"mean": [float("nan")], "std": [1], "color": "RGB"}},
        {"convention": {"mean": [1, 2], "std": [1], "color": "RGB"}},
        {"convention": {"mean": ["x"], "std": [1], "color": "RGB"}},
        {"convention": {"mean": [1], "std": [1], "color": "PURPLE"}},
        {"convention": None},
        {"convention": {}},
        {"params": "many"},
        {"model": 3},
        {"origin": []},
    ],
)
def test_a_side_car_that_says_nonsense_is_refused(model_file, change):
    sidecar = sidecar_path(model_file)
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | change))
    with pytest.raises(ArtifactCorrupt, match="side-car cannot be read"):
        load_artifact(model_file)


@pytest.mark.parametrize("content", ["{", "[]", "{}", json.dumps({"format": "other/1", "sha256": ""})])
def test_an_unreadable_side_car_is_said(model_file, content):
    sidecar_path(model_file).write_text(content)
    with pytest.raises(ArtifactCorrupt, match="side-car cannot be read"):
        load_artifact(model_file)


def test_the_file_wins_over_guesses(model_file):
    found = load_artifact(model_file)
    assert (found.format, found.precision, found.num_classes) == ("tflite", "int8", 100)
    assert found.image_shape == (32, 32, 3)
    assert found.output_kind == "logits"
    assert (found.input.scale, found.input.zero_point) == (1 / 128, 0)
