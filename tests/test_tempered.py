from dataclasses import replace

import numpy as np
import pytest

from tests.support.made_repair import candidate
from tinyedge.errors import ArtifactCorrupt
from tinyedge.predictions import Predictions
from tinyedge.tempered import at_temperature, reference_temperature, temperature_of


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
        ({"folded": 1.25}, 1.25, 1.25),
        ({"folded": 1.25, "before": {"folded": 2.0}}, 2.5, 2.5),
        ({"folded": 2.75, "reference": 1.1}, 2.75, 1.1),
    ],
    ids=["none", "folded", "folded twice", "the float model's own is known"],
)
def test_the_side_car_says_which_temperatures_belong_together(told, own, reference):
    assert temperature_of(artifact(told)) == own
    assert reference_temperature(artifact(told)) == reference


@pytest.mark.parametrize("told", [1.25, {}, {"folded": 0}, {"folded": -1}, {"folded": float("nan")}, {"folded": True}])
def test_what_is_no_temperature_is_refused(told):
    with pytest.raises(ArtifactCorrupt, match="temperature cannot be read"):
        temperature_of(artifact(told))


def test_a_wrong_temperature_of_the_float_model_is_refused_too():
    with pytest.raises(ArtifactCorrupt):
        reference_temperature(artifact({"folded": 1.0, "reference": "2"}))


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
