"""Files without a side-car, and files whose side-car and flags disagree."""

import shutil

import numpy as np
import pytest

from tinyedge.artifact import FAMILY_CONVENTION, load_artifact, sidecar_path
from tinyedge.convention import Stated
from tinyedge.errors import ConventionUnknown, ImageSizeMismatch, UsageError
from tinyedge.evaluate import Model
from tinyedge.foreign import load, load_reference

FAMILY = ((128.0,), (128.0,))


def onnx(artifact):
    return Model("onnx-fp32", artifact)


@pytest.fixture
def bare(tmp_path, zoo_entry):
    source = zoo_entry.load("onnx-fp32").path
    return shutil.copy(source, tmp_path / source.name)


@pytest.fixture
def with_sidecar(bare, zoo_entry):
    shutil.copy(sidecar_path(zoo_entry.load("onnx-fp32").path), sidecar_path(bare))
    return bare


@pytest.fixture(scope="module")
def sample(shapes_test):
    return shapes_test.sample(200, seed=0)


def test_what_nobody_states_is_shown_and_not_chosen(bare, sample):
    with pytest.raises(ConventionUnknown, match="is not known") as caught:
        load(bare, Stated(), sample, onnx)
    rows = caught.value.found.splitlines()[1:]
    assert rows[0].split()[1:] == ["--normalize", "-1..1"]
    assert float(rows[0].split("%")[0]) > 50


def test_a_flag_states_it(bare, sample):
    assert load(bare, Stated(normalize=FAMILY), sample, onnx).convention == FAMILY_CONVENTION
    assert load_reference(bare, Stated(normalize=FAMILY), Stated(), sample, onnx).convention == FAMILY_CONVENTION


def test_a_flag_for_both_does_not_silently_replace_the_references_side_car(with_sidecar, sample):
    stated = Stated(normalize=((0.0,), (255.0,)))
    with pytest.raises(ConventionUnknown, match="disagree") as caught:
        load_reference(with_sidecar, stated, Stated(), sample, onnx)
    assert "--normalize 128,128; the flag: --normalize 0..1" in caught.value.found
    assert "--reference-normalize 128,128" in caught.value.fix
    own = load_reference(with_sidecar, stated, Stated(normalize=FAMILY), sample, onnx)
    assert own.convention == FAMILY_CONVENTION
    assert load(with_sidecar, stated, sample, onnx).convention.std == (255.0,), "a file's own flag is its user's word"


def test_side_car_and_flag_may_say_the_same(with_sidecar, sample):
    for stated in (Stated(), Stated(normalize=FAMILY)):
        assert load_reference(with_sidecar, stated, Stated(), sample, onnx).convention == FAMILY_CONVENTION


def test_another_size_needs_a_method(with_sidecar, sample):
    import dataclasses

    larger = dataclasses.replace(sample, images=sample.images.repeat(2, axis=1).repeat(2, axis=2))
    with pytest.raises(ImageSizeMismatch, match="--resize"):
        load(with_sidecar, Stated(), larger, onnx)
    artifact = load(with_sidecar, Stated(resize="area"), larger, onnx)
    assert artifact.preparation((64, 64, 3))[0] == "resized from 64x64 to 32x32, area, no antialiasing"
    np.testing.assert_array_equal(artifact.feed(larger.images[:3]), load_artifact(with_sidecar).feed(sample.images[:3]))


@pytest.mark.parametrize("stated", [Stated(color="GRAY"), Stated(normalize=FAMILY, color="GRAY")])
def test_grey_is_no_convention_of_a_model_of_three_channels(with_sidecar, sample, stated):
    with pytest.raises(UsageError, match="not one of this model's"):
        load(with_sidecar, stated, sample, onnx)
