import numpy as np
import pytest

from tinyedge.errors import PredictionsError
from tinyedge.predictions import Predictions, paired


def make(outputs, labels=None, ids=None, kind="logits", **quantization):
    outputs = np.asarray(outputs)
    n = len(outputs)
    labels = np.zeros(n, np.int64) if labels is None else np.asarray(labels, np.int64)
    ids = np.array([f"id{i}" for i in range(n)] if ids is None else ids)
    return Predictions(outputs, labels, ids, kind, provenance={"target": "toy"}, **quantization)


def test_int8_outputs_stay_as_they_are_and_read_as_reals():
    p = make(np.array([[-128, 127]], np.int8), scale=0.5, zero_point=-1)
    assert p.outputs.dtype == np.int8
    assert p.logits.tolist() == [[-63.5, 64.0]]


def test_ties_go_to_the_lowest_index():
    assert make(np.array([[3, 7, 7], [5, 5, 5]], np.int8), scale=1.0, zero_point=0).predicted.tolist() == [1, 0]


def test_softmax_is_stable_and_sums_to_one():
    p = make(np.array([[1000.0, 999.0], [-1000.0, -1000.0]], np.float32)).probabilities
    assert p[0, 0] == pytest.approx(1 / (1 + np.exp(-1)))
    assert p[1].tolist() == [0.5, 0.5]


def test_probabilities_are_not_put_through_softmax_again():
    p = make(np.array([[64, -128], [0, 0]], np.int8), kind="probabilities", scale=1 / 256, zero_point=-128)
    assert p.probabilities.tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_negative_probabilities_are_refused():
    with pytest.raises(PredictionsError, match="not probabilities"):
        _ = make(np.array([[1.5, -0.5]], np.float32), kind="probabilities").probabilities


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_is_refused_with_the_example(bad):
    with pytest.raises(PredictionsError, match=r"(?s)NaN or infinity.*id1 and 0 more, from toy"):
        make(np.array([[0.0, 1.0], [bad, 0.0]], np.float32))


def test_shapes_must_agree():
    with pytest.raises(PredictionsError, match="do not agree"):
        make(np.zeros((2, 3), np.float32), labels=[0])


def test_round_trip_without_pickle(tmp_path):
    p = make(np.array([[1, 2], [3, 4]], np.int8), labels=[0, 1], scale=0.25, zero_point=3)
    p.save(tmp_path / "p.npz")
    back = Predictions.load(tmp_path / "p.npz")
    assert np.array_equal(back.outputs, p.outputs)
    assert back.outputs.dtype == np.int8
    assert (back.scale, back.zero_point, back.output_kind, back.provenance) == (0.25, 3, "logits", {"target": "toy"})
    assert back.ids.tolist() == ["id0", "id1"]


@pytest.mark.parametrize("damage", ["missing", "truncated", "other"])
def test_unreadable_files_are_one_message(tmp_path, damage):
    path = tmp_path / "p.npz"
    make(np.zeros((2, 2), np.float32)).save(path)
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:50])
    else:
        np.savez(path, x=np.zeros(3))
    with pytest.raises(PredictionsError, match="cannot be read"):
        Predictions.load(path)


def test_pairing_follows_ids_not_order():
    a = make(np.array([[1, 0], [0, 1], [1, 0]], np.float32), ids=["x", "y", "z"])
    b = make(np.array([[0, 9], [9, 0], [0, 9]], np.float32), ids=["z", "x", "y"])
    left, right = paired(a, b)
    assert left is a
    assert right.ids.tolist() == ["x", "y", "z"]
    assert right.predicted.tolist() == [0, 1, 1]


def test_duplicates_pair_in_order_of_appearance():
    a = make(np.array([[1, 0], [0, 1], [1, 0]], np.float32), ids=["x", "x", "z"])
    b = make(np.array([[0, 9], [9, 0], [9, 0]], np.float32), ids=["z", "x", "x"])
    assert paired(a, b)[1].ids.tolist() == ["x", "x", "z"]


def test_other_examples_do_not_pair():
    a = make(np.zeros((2, 2), np.float32), ids=["x", "y"])
    b = make(np.zeros((2, 2), np.float32), ids=["x", "q"])
    with pytest.raises(PredictionsError, match="1 ids in common"):
        paired(a, b)
