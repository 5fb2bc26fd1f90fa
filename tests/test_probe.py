"""The probe on models whose right convention is known, because they are built by hand."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

import tiny_models

from tinyedge import probe
from tinyedge.artifact import FAMILY_CONVENTION, load_artifact
from tinyedge.convention import InputConvention
from tinyedge.data.dataset import Dataset
from tinyedge.errors import ConventionUnknown
from tinyedge.evaluate import Model
from tinyedge.probe import Score, check, conventions, near_chance, unknown

NAMES = tuple(f"class {k}" for k in range(tiny_models.CLASSES))


def images(count=300):
    """Of several predicted classes, each image of one colour: what a colour order matters to."""
    rng = np.random.default_rng(3)
    plain = rng.integers(0, 256, (count, 1, 1, 3)) + rng.integers(-20, 20, (count, 8, 8, 3))
    return plain.clip(0, 255).astype(np.uint8)


def dataset(labels, pixels):
    return Dataset("toy", "test", pixels, np.asarray(labels, np.int64), NAMES)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe")
    (folder / "float.tflite").write_bytes(tiny_models.tflite("fp32"))
    (folder / "int8.tflite").write_bytes(tiny_models.tflite())

    def make(name, target, **convention):
        artifact = load_artifact(folder / name, convention=dataclasses.replace(FAMILY_CONVENTION, **convention))
        return Model(target, artifact)

    return {
        "reference": make("float.tflite", "tflite-fp32"),
        "deployed": make("int8.tflite", "tflite-int8"),
    }


def fed(model, **convention):
    changed = dataclasses.replace(model.artifact.convention, **convention)
    return Model(model.target, dataclasses.replace(model.artifact, convention=changed))


@pytest.fixture(scope="module")
def right():
    """Labels that the float model gives itself under (pixel - 128)/128: it is always right."""
    pixels = images()
    return dataset(tiny_models.expected_logits(pixels).argmax(axis=1), pixels)


def test_the_right_convention_passes_in_silence(models, right):
    assert check(**models, data=right) is None


@pytest.mark.parametrize("wrong", [{"mean": (0.0,), "std": (1.0,)}, {"color": "BGR"}])
def test_a_reference_that_does_better_otherwise_stops_the_run_with_the_table(models, right, wrong):
    with pytest.raises(ConventionUnknown) as caught:
        check(reference=fed(models["reference"], **wrong), deployed=models["deployed"], data=right)
    assert "reference" in caught.value.what
    assert "float.tflite on tflite-fp32, 200 images of toy drawn with seed 0" in caught.value.where
    rows = caught.value.found.splitlines()
    assert "--normalize -1..1" in rows[1], "(pixel - 127.5)/127.5 is as good as what the labels were made with"
    assert sum("(stated)" in row for row in rows) == 1
    accuracies = [float(row.split("%")[0]) for row in rows[1:]]
    assert accuracies == sorted(accuracies, reverse=True)
    assert "--normalize -1..1" in caught.value.fix
    assert "--no-probe" in caught.value.fix
    assert caught.value.exit_code == 2


def test_a_deployed_model_that_is_fed_wrongly_is_found_too(models, right):
    wrong = fed(models["deployed"], mean=(0.0,), std=(255.0,), color="BGR")
    with pytest.raises(ConventionUnknown, match="the deployed model does clearly better") as caught:
        check(reference=models["reference"], deployed=wrong, data=right)
    assert "int8.tflite on tflite-int8" in caught.value.where


def test_a_deployed_model_that_is_simply_bad_is_left_to_the_gates(models, right, monkeypatch):
    real = probe._score

    def bad(session, drawn, convention):
        score = real(session, drawn, convention)
        if session._target.name == "tflite-int8":
            score = dataclasses.replace(score, correct=score.correct & (np.arange(len(drawn)) % 2 == 0))
        return score

    monkeypatch.setattr(probe, "_score", bad)
    assert check(**models, data=right) is None


def test_labels_that_have_nothing_to_do_with_the_images_are_near_chance(models, right):
    shuffled = dataset(np.random.default_rng(0).permutation(right.labels), right.images)
    with pytest.raises(ConventionUnknown, match="no better than chance") as caught:
        check(**models, data=shuffled)
    assert "--labels" in caught.value.fix


def test_too_few_images_say_nothing(models, right):
    few = right.take(np.arange(49))
    shuffled = dataset((few.labels + 1) % 7, few.images)
    assert check(**models, data=shuffled) is None


def test_nothing_is_chosen_where_nothing_is_stated(models, right):
    error = unknown(models["reference"], right)
    rows = error.found.splitlines()[1:]
    assert len(rows) == 8, "four normalizations, two colour orders"
    assert all("--normalize" in row for row in rows)
    assert "tinyedge does not choose" in error.expected


def test_what_is_tried_follows_the_model_and_the_data():
    sized = InputConvention((1.0,), (2.0,), "GRAY", "area")
    assert {c.color for c in conventions(sized, 1, 3)} == {"GRAY"}
    assert {c.resize for c in conventions(sized, 1, 3)} == {"area"}
    assert len(conventions(sized, 1, 3)) == 3, "ImageNet's three numbers need three channels"
    assert len(conventions(InputConvention((1.0,), (2.0,)), 3, 1)) == 4, "grey has no colour order"


def score(predicted, labels):
    return Score(FAMILY_CONVENTION, np.asarray(predicted), np.asarray(predicted) == np.asarray(labels))


def test_chance_is_what_the_frequencies_give():
    labels = np.array([0] * 190 + [1] * 10)
    data = dataset(labels, np.zeros((200, 8, 8, 3), np.uint8))
    assert near_chance(score(np.zeros(200, np.int64), labels), data), "always the commonest class: 95 % and no use"
    assert not near_chance(score(labels, labels), data)
    balanced = np.arange(210) % 7
    data = dataset(balanced, np.zeros((210, 8, 8, 3), np.uint8))
    assert near_chance(score(np.roll(balanced, 1), balanced), data)
    some = np.where(np.arange(210) % 3 == 0, balanced, (balanced + 1) % 7)
    assert not near_chance(score(some, balanced), data), "one in three right, where chance is one in seven"
