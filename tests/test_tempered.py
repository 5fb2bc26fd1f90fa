from dataclasses import replace

import numpy as np
import pytest

from tests.support.made_repair import candidate
from tinyedge.errors import ArtifactCorrupt
from tinyedge.metrics.temperature import HIGHEST, LOWEST
from tinyedge.predictions import Predictions
from tinyedge.tempered import at_temperature, held, identity, reference_temperature, temperature_of


def artifact(told):
    made = candidate("made").artifact
    return made if told is None else replace(made, origin={"temperature": told})


def predictions(outputs, kind):
    n = len(outputs)
    return Predictions(
        np.asarray(outputs, np.float32), np.zeros(n, np.int64), np.array([f"{i:016x}" for i in range(n)]), kind, None,
        None, {"target": "onnx-fp32"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("told", "own", "reference"),
    [
        (None, 1, 1),
        ({"folded": 1.25}, 1.25, 1),
        ({"folded": 1.25, "before": {"folded": 2.0, "reference": 1.9}}, 2.5, 1),
        ({"folded": 2.75, "reference": 1.1}, 2.75, 1.1),
    ],
    ids=["none", "folded", "folded twice", "the float model's own is known"],
)
def test_the_side_car_says_which_temperatures_belong_together(told, own, reference):
    assert temperature_of(artifact(told)) == own
    assert reference_temperature(artifact(told)) == reference


WRONG = [0, -1, 1e-300, 1e300, 0.98 * LOWEST, 1.02 * HIGHEST, float("nan"), float("inf"), 10**400, True, "2", None]


@pytest.mark.parametrize("told", [1.25, {}, [], *({"folded": wrong} for wrong in WRONG)])
def test_what_is_no_temperature_is_refused_by_name(told):
    for wrong in (told, {"folded": 1.0, "before": told}):
        with pytest.raises(ArtifactCorrupt, match="temperature cannot be read") as raised:
            temperature_of(artifact(wrong))
        assert raised.value.expected == "folded: a number from 0.01 to 100"


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_temperature_of_the_float_model_is_refused_too(wrong):
    made = artifact({"folded": 1.0, "reference": wrong})
    for asked in (reference_temperature, lambda made: held(made, reference=made)):
        with pytest.raises(ArtifactCorrupt) as raised:
            asked(made)
        assert raised.value.expected == "reference: a number from 0.01 to 100"


def test_the_bounds_of_a_fit_are_temperatures_and_folding_may_move_them():
    for told in (LOWEST, HIGHEST, 0.998 * LOWEST, 1.002 * HIGHEST):
        assert temperature_of(artifact({"folded": told})) == told


FITTED = {"images": 2000, "images_digest": "d" * 64}


def float_model(name, *, checkpoint=None, precision="fp32", file_format="onnx"):
    origin = {} if checkpoint is None else {"training": {"checkpoint_sha256": checkpoint}}
    made = replace(candidate(name).artifact, format=file_format, precision=precision, origin=origin)
    return replace(made, sha256=name.ljust(64, "0"))


def test_the_float_model_is_held_at_its_own_temperature_where_the_side_car_is_of_it():
    mine = float_model("mine")
    made = artifact({"folded": 1.3, "reference": 1.1, "fitted_on": FITTED} | identity(mine))
    found = held(made, reference=mine)
    assert (found.folded, found.reference) == (1.3, 1.1)
    assert found.basis == f"fitted on 2,000 images (digest {'d' * 16})"
    other = held(made, reference=float_model("other"))
    assert (other.folded, other.reference) == (1.3, 1)
    assert other.basis == "the one in the file's side-car is another float model's (mine000000000000)"


def test_a_checkpoint_and_its_exports_in_float_are_one_model_either_way_round():
    sha256 = "c".ljust(64, "0")
    checkpoint = float_model("c", file_format="checkpoint")
    same = [checkpoint, float_model("onnx", checkpoint=sha256), float_model("tflite", checkpoint=sha256)]
    others = [
        float_model("unknown"),
        float_model("onnx of another", checkpoint="e" * 64),
        float_model("another", file_format="checkpoint"),
        float_model("integers", checkpoint=sha256, precision="int8"),
        float_model("odd", checkpoint=3),
    ]
    for fitted in same:
        made = artifact({"folded": 1.3, "reference": 1.1} | identity(fitted))
        assert [held(made, reference=one).reference for one in same] == [1.1] * 3
        assert [held(made, reference=one).reference for one in others] == [1] * 5


def test_the_shipped_exports_name_their_checkpoint(zoo_entry):
    found = [identity(zoo_entry.load(name)) for name in ("onnx-fp32", "tflite-fp32")]
    assert found[0]["reference_sha256"] != found[1]["reference_sha256"]
    assert found[0]["reference_checkpoint_sha256"] == found[1]["reference_checkpoint_sha256"]
    assert found[0]["reference_checkpoint_sha256"] == identity(zoo_entry.load("checkpoint"))["reference_sha256"]


@pytest.mark.parametrize(
    ("told", "basis"),
    [
        ({}, "the file's side-car has none of the float model"),
        ({"reference": 1.1}, "the one in the file's side-car is another float model's (it does not say which)"),
        ({"reference": 1.1, "reference_sha256": [1]}, "the one in the file's side-car is another float model's ([1])"),
    ],
)
def test_a_temperature_that_is_of_no_model_leaves_the_float_model_as_trained(told, basis):
    found = held(artifact({"folded": 1.12} | told), reference=float_model("mine"))
    assert (found.folded, found.reference, found.basis) == (1.12, 1, basis)


def test_a_side_car_that_does_not_name_the_images_says_so():
    mine = float_model("mine")
    for images in (None, 7, {"images": "many", "images_digest": 3}):
        made = artifact({"folded": 1.3, "reference": 1.1, "fitted_on": images} | identity(mine))
        assert held(made, reference=mine).basis == "fitted on images that the side-car does not name"


def test_a_file_without_a_temperature_asks_nothing():
    found = held(artifact(None), reference=float_model("mine"))
    assert (found.folded, found.reference, found.basis) == (1, 1, "")


def test_logits_and_probabilities_of_one_model_agree_at_any_temperature():
    logits = np.random.default_rng(0).normal(0, 3, (50, 7))
    exp = np.exp(logits)
    shares = exp / exp.sum(axis=1, keepdims=True)
    first = at_temperature(predictions(logits, "logits"), 1.7)
    second = at_temperature(predictions(shares, "probabilities"), 1.7)
    by_hand = np.exp(logits / 1.7) / np.exp(logits / 1.7).sum(axis=1, keepdims=True)
    assert first.probabilities == pytest.approx(by_hand, abs=1e-6)
    assert second.probabilities == pytest.approx(by_hand, abs=1e-6)
    assert (first.predicted == predictions(logits, "logits").predicted).all()
    assert first.provenance["temperature"] == 1.7


def test_one_changes_nothing():
    given = predictions([[1.0, 2.0]], "logits")
    assert at_temperature(given, 1) is given
