from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyedge.errors import PredictionsError
from tinyedge.metrics import Outcome, check_pair, evaluate, outcome_of


def make(stored_outputs: object, true_labels: object, **changed: Any) -> Outcome:
    stored = np.asarray(stored_outputs)
    real = np.exp(stored.astype(np.float64) / 32)
    given: dict[str, Any] = {
        "outputs": stored,
        "labels": np.asarray(true_labels, np.int64),
        "probabilities": real / real.sum(axis=1, keepdims=True),
        "class_names": tuple("abcdefgh"[: stored.shape[1]]),
    }
    return outcome_of(**(given | changed))


def test_ties_and_saturation_by_hand() -> None:
    stored = np.array([[5, 5, 1], [127, 0, 0], [127, 127, 127], [-3, -9, -3], [1, 2, 3]], np.int8)
    found = make(stored, [0, 0, 2, 2, 2])
    assert found.predicted.tolist() == [0, 0, 0, 0, 2]  # the lowest index of those that tie
    assert found.correct.tolist() == [True, True, False, False, True]
    assert found.tied.tolist() == [True, False, True, True, False]
    assert found.saturated.tolist() == [False, True, True, False, False]
    assert evaluate(found)["tie_rate"] == 0.6
    assert evaluate(found)["saturation_rate"] == 0.4
    odds = np.exp(stored / 32)
    p = odds / odds.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.confidence, p.max(axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.label_probability, p[np.arange(5), found.labels], rtol=1e-12)


def test_scores_by_hand() -> None:
    p = np.array([[0.5, 0.5], [0.25, 0.75]])
    found = make([[3, 3], [1, 2]], [0, 0], probabilities=p)
    assert found.confidence.tolist() == [0.5, 0.75]
    assert found.label_probability.tolist() == [0.5, 0.25]
    assert found.brier is not None
    assert found.brier.tolist() == [0.5, 1.125]


def test_ties_agree_with_counting_the_largest_value_row_by_row() -> None:
    stored = np.random.default_rng(0).integers(-10, 11, (300, 6)).astype(np.int8)
    found = make(stored, np.zeros(300))
    assert found.tied.tolist() == [list(row).count(max(row)) > 1 for row in stored.tolist()]


def test_only_integer_logits_saturate() -> None:
    top = np.array([[127.0, 0.0]], np.float32)
    assert not make(top, [0]).saturated.any()
    assert not make(top, [0]).quantized
    assert make(top.astype(np.uint8) + 128, [0]).saturated.all()
    # 127 of an int8 softmax is "certain", not cut off.
    assert not make(top.astype(np.int8), [0], output_kind="probabilities").saturated.any()
    assert make(top.astype(np.int8), [0], output_kind="probabilities").output_kind == "probabilities"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"labels": np.array([0, 9])}, "0 to 2"),
        ({"labels": np.array([0, -1])}, "not a class index"),
        ({"class_names": ("a", "b")}, "do not agree"),
        ({"superclasses": (0, 1)}, "superclasses do not cover"),
        ({"probabilities": np.full((2, 3), 0.5)}, "rows summing to 1"),
        ({"probabilities": np.array([[1.5, -0.5, 0.0], [1.0, 0.0, 0.0]])}, "no negative value"),
        ({"probabilities": np.array([[np.nan, 0.5, 0.5], [1.0, 0.0, 0.0]])}, "not probabilities"),
        ({"outputs": np.array([[np.nan, 0, 0], [1, 0, 0]])}, "NaN or infinite"),
        ({"outputs": np.array([[np.inf, 0, 0], [1, 0, 0]])}, "NaN or infinite"),
    ],
)
def test_bad_input_is_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(PredictionsError, match=words):
        make([[1, 0, 0], [0, 1, 0]], [0, 1], **changed)


def test_no_examples_are_refused() -> None:
    with pytest.raises(PredictionsError, match="no predictions"):
        make(np.zeros((0, 3)), [])


def test_pairs_must_be_of_the_same_examples() -> None:
    first = make([[1, 0, 0], [0, 1, 0]], [0, 1])
    check_pair(first, make([[1, 0, 3], [0, 5, 0]], [0, 1]))
    with pytest.raises(PredictionsError, match="same examples in the same order"):
        check_pair(first, make([[1, 0, 0], [0, 1, 0]], [1, 0]))
    with pytest.raises(PredictionsError, match="same examples"):
        check_pair(first, make([[1, 0], [0, 1]], [0, 1]))
