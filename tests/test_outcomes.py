"""The compact file of what every image got: small, exact where counts are, refused where it is not what it seems."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinyedge import outcomes
from tinyedge.artifact import FAMILY_CONVENTION, load_artifact
from tinyedge.data.dataset import Dataset
from tinyedge.errors import PredictionsError
from tinyedge.gate import DEFAULT_POLICY, judge
from tinyedge.metrics import compare, evaluate
from tinyedge.metrics.calibration import bins_of, reliability, surprise
from tinyedge.models.family import Member
from tinyedge.outcomes import outcome, outcome_facts, outcomes_bytes, read_outcomes, write_outcomes
from tinyedge.predictions import Predictions
from tinyedge.validate import predict
from tinyedge.zoo import find

FACTS = {"artifact_sha256": "ab" * 32, "model": "toy"}
COUNTED = ("accuracy", "gini", "worst_class", "superclass_accuracy", "tie_rate", "saturation_rate", "bottom5")


def toy(n: int = 60, k: int = 7, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, 4, 4, 1)).astype(np.uint8)
    images[n // 2] = images[0]  # one image twice: equal ids
    labels = rng.integers(0, k, n)
    labels[n // 2] = labels[0]
    return Dataset(
        "toy", "test", images, labels, tuple(f"class {i}" for i in range(k)), tuple(i // 2 for i in range(k))
    )


def predictions(data: Dataset, seed: int = 1) -> Predictions:
    """Int8 logits that depend on the image alone, as a model's do."""
    table = np.random.default_rng(seed).normal(size=(256, data.num_classes))
    outputs = table[data.images[:, 0, 0, 0]] * 30
    outputs[np.arange(len(data)), data.labels] += 20
    stored = np.clip(outputs, -128, 127).astype(np.int8)
    facts = {"target": "toy-int8", "kernels": "none", "seconds": 1.25, "processes": 2}
    return Predictions(stored, data.labels, data.ids, "logits", 1 / 16, 0, facts)


@pytest.fixture
def written(tmp_path):
    data = toy()
    path = tmp_path / "toy.outcomes.npz"
    write_outcomes(path, predictions(data), data, FACTS)
    return path, data


def agrees(seen, again) -> None:
    """What the file promises of an outcome read back."""
    for name in ("labels", "predicted", "correct", "tied", "saturated"):
        np.testing.assert_array_equal(getattr(seen, name), getattr(again, name))
    assert np.abs(seen.confidence - again.confidence).max() <= 1 / 65535
    wrong = ~seen.correct
    nll, nll_again = surprise(seen.label_probability[wrong]), surprise(again.label_probability[wrong])
    np.testing.assert_allclose(nll_again, nll, rtol=5e-4)
    np.testing.assert_array_equal(again.label_probability[~wrong], again.confidence[~wrong])
    bins, bins_again = (reliability(bins_of(o.confidence, o.correct)) for o in (seen, again))
    assert [(b.count, b.accuracy) for b in bins] == [(b.count, b.accuracy) for b in bins_again]
    before, after = evaluate(seen), evaluate(again)
    assert set(before) - set(after) == {"brier"}
    for name in COUNTED:
        assert after.get(name) == before.get(name), name
    for name in ("ece", "ece_floor", "ece_debiased", "mean_confidence", "signed_gap"):
        assert after[name] == pytest.approx(before[name], abs=1e-5), name
    assert after["adaptive_ece"] == pytest.approx(before["adaptive_ece"], abs=1e-4)
    assert after["nll"] == pytest.approx(before["nll"], rel=1e-3)


def test_what_is_read_back_is_what_was_written(written):
    path, data = written
    agrees(outcome(predictions(data), data), read_outcomes(path, data).outcome)


def test_the_rows_find_their_images_in_data_of_another_order(written):
    path, data = written
    other = data.take(np.random.default_rng(3).permutation(len(data)))
    agrees(outcome(predictions(other), other), read_outcomes(path, other).outcome)


def test_the_bytes_are_a_function_of_the_results_alone(written):
    path, data = written
    again = predictions(data.take(np.random.default_rng(4).permutation(len(data))))
    again.provenance.update(seconds=9.5, processes=4)
    assert outcomes_bytes(again, data, FACTS) == path.read_bytes()
    assert outcomes_bytes(predictions(data, seed=2), data, FACTS) != path.read_bytes()


def test_the_header_says_what_it_is_of_and_nothing_that_varies(written):
    path, data = written
    header = read_outcomes(path, data).header
    assert header == {
        "format": "tinyedge-outcomes/1",
        "data": {"name": "toy", "split": "test", "digest": data.digest, "images": 60},
        "num_classes": 7,
        "quantized": True,
        "output_kind": "logits",
        "run": {"target": "toy-int8", "kernels": "none"},
        "facts": FACTS,
    }


def test_numpy_reads_the_columns_without_tinyedge(written):
    path, data = written
    with np.load(path, allow_pickle=False) as columns:
        order = np.argsort(data.ids, kind="stable")
        np.testing.assert_array_equal(columns["predicted"], predictions(data).predicted[order])


@given(st.floats(0, 1))
@example(1.0)
@example(0.0)
@example(float(np.nextafter(1, 0)))
def test_a_stored_confidence_is_near_and_in_its_bin(confidence):
    check_confidences(np.array([confidence]))


def test_confidences_at_the_edges_of_bins_stay_in_their_bin():
    edges = np.concatenate([np.arange(16) / 15, np.arange(0, 65536) / 65535])
    near = [edges]
    for _ in range(4):
        near += [np.nextafter(near[-1], 0)]
    check_confidences(np.clip(np.concatenate([*near, np.nextafter(edges, 2)]), 0, 1))


def check_confidences(confidence):
    back = outcomes._from_steps(outcomes._to_steps(confidence))
    assert np.abs(back - confidence).max() <= 1 / 65535
    np.testing.assert_array_equal(
        np.minimum((back * 15).astype(int), 14), np.minimum((confidence * 15).astype(int), 14)
    )
    assert ((back == 1) == (confidence == 1)).all()


def test_many_classes_take_two_bytes(tmp_path):
    data = toy(n=400, k=300)
    write_outcomes(tmp_path / "o.npz", predictions(data), data, FACTS)
    agrees(outcome(predictions(data), data), read_outcomes(tmp_path / "o.npz", data).outcome)
    with np.load(tmp_path / "o.npz") as columns:
        assert columns["predicted"].dtype == np.uint16


def test_an_impossible_label_is_kept_as_the_smallest_probability(tmp_path):
    data = toy(n=2, k=2)
    wrong = 1 - data.labels
    outputs = np.full((2, 2), -128, np.int8)
    outputs[np.arange(2), wrong] = 127
    of = Predictions(outputs, data.labels, data.ids, "probabilities", 1 / 256, -128)
    write_outcomes(tmp_path / "o.npz", of, data, {})
    read = read_outcomes(tmp_path / "o.npz", data).outcome
    assert evaluate(read)["nll"] == pytest.approx(evaluate(outcome(of, data))["nll"], rel=1e-3)


def test_predictions_of_other_images_are_not_written(tmp_path):
    with pytest.raises(PredictionsError, match="not of this evaluation set"):
        write_outcomes(tmp_path / "o.npz", predictions(toy(seed=5)), toy(), FACTS)
    assert not list(tmp_path.iterdir())


def test_other_data_is_refused(written):
    path, data = written
    with pytest.raises(PredictionsError, match=r"(?s)another evaluation set.*toy \(test\), 60 images.*evaluate again"):
        read_outcomes(path, toy(seed=9))
    relabelled = Dataset("toy", "test", data.images, (data.labels + 1) % 7, data.class_names)
    with pytest.raises(PredictionsError, match="another evaluation set"):
        read_outcomes(path, relabelled)


@pytest.mark.parametrize("keep", [0, 10, 500, -1])
def test_a_truncated_file_is_refused(written, keep):
    path, data = written
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(PredictionsError, match="outcomes cannot be read"):
        read_outcomes(path, data)


def test_what_is_no_such_file_is_refused(written, tmp_path):
    path, data = written
    with pytest.raises(PredictionsError, match=r"(?s)cannot be read.*No such file"):
        read_outcomes(tmp_path / "none.npz", data)
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(PredictionsError, match=r"(?s)cannot be read.*tinyedge-outcomes/1"):
        read_outcomes(tmp_path / "other.npz", data)
    changed(path, header=lambda h: h | {"format": "tinyedge-outcomes/9"})
    with pytest.raises(PredictionsError, match="outcomes/9"):
        read_outcomes(path, data)


def test_a_flipped_byte_is_noticed(written):
    path, data = written
    content = bytearray(path.read_bytes())
    content[content.index(b"confidence.npy") + 100] ^= 1
    path.write_bytes(content)
    with pytest.raises(PredictionsError, match="cannot be read"):
        read_outcomes(path, data)


def test_a_flipped_bit_anywhere_is_noticed_or_changes_nothing(written):
    path, data = written
    content, seen = path.read_bytes(), outcome(predictions(data), data)
    noticed = 0
    for i in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[i] ^= 1 << (i % 8)
        path.write_bytes(damaged)
        try:
            agrees(seen, read_outcomes(path, data).outcome)  # dates and flags of the archive mean nothing here
        except PredictionsError:
            noticed += 1
    assert noticed > len(content) / 3 / 2


def test_an_encrypted_member_is_refused(written):
    path, data = written
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag in the archive's directory
    path.write_bytes(content)
    with pytest.raises(PredictionsError, match=r"(?s)cannot be read.*encrypted"):
        read_outcomes(path, data)


def test_a_header_without_what_it_must_say_is_refused(written):
    path, data = written
    changed(path, header=lambda h: h | {"data": {"digest": "0"}})
    with pytest.raises(PredictionsError, match="cannot be read"):
        read_outcomes(path, data)
    changed(path, header=lambda h: [1])
    with pytest.raises(PredictionsError, match="cannot be read"):
        read_outcomes(path, data)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("predicted", lambda c: c[:-1], r"(?s)not what the evaluation set asks for.*predicted"),
        ("predicted", lambda c: c.astype(np.int32), "asks for"),
        ("confidence", lambda c: np.append(c, c), "asks for"),
        ("wrong_nll", lambda c: c[1:], "asks for"),
        ("tied", lambda c: None, "no such column"),
        ("correct", lambda c: ~c, r"(?s)contradict.*60 images whose label"),
        ("predicted", lambda c: (c + 1) % 7, "contradict"),
        ("predicted", lambda c: c + 100, "contradict"),
        ("wrong_nll", lambda c: -c, "contradict"),
        ("wrong_nll", lambda c: c * np.float16(np.nan), "contradict"),
    ],
)
def test_tampered_columns_are_refused(written, name, change, words):
    path, data = written
    changed(path, columns={name: change})
    with pytest.raises(PredictionsError, match=words):
        read_outcomes(path, data)


def test_python_objects_are_never_unpickled(written):
    path, data = written
    changed(path, columns={"predicted": lambda c: np.array([{}] * 60, object)})
    with pytest.raises(PredictionsError, match="cannot be read"):
        read_outcomes(path, data)


def changed(path, header=lambda h: h, columns=None):
    """The file at ``path`` with some of its content replaced."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["header.json"] = json.dumps(header(json.loads(members["header.json"]))).encode()
    for name, change in (columns or {}).items():
        column = change(np.load(io.BytesIO(members.pop(f"{name}.npy"))))
        if column is not None:
            buffer = io.BytesIO()
            np.save(buffer, column, allow_pickle=True)
            members[f"{name}.npy"] = buffer.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)


def test_a_real_model_is_judged_the_same_from_its_file(cifar100_test, tmp_path):
    entry = find(Member("scalecnn", 6), "cifar100")
    sample = cifar100_test.sample(500, seed=0)
    sides, stored = {}, {}
    for side, target in (("reference", "onnx-fp32"), ("deployed", "tflite-int8")):
        of = predict(target, entry.load(target), sample)
        write_outcomes(tmp_path / side, of, sample, {"model": "scalecnn-c6"})
        sides[side], stored[side] = outcome(of, sample), read_outcomes(tmp_path / side, sample).outcome
        agrees(sides[side], stored[side])
    assert (tmp_path / "deployed").stat().st_size < 1500 + 5 * 500  # header and archive, then the images
    assert compare(**stored) == pytest.approx(compare(**sides), abs=1e-5)
    exact, again = judge(**sides, policy=DEFAULT_POLICY), judge(**stored, policy=DEFAULT_POLICY)
    assert again.status is exact.status
    for gate, other in zip(exact.gates, again.gates, strict=True):
        assert (other.name, other.status, other.classes) == (gate.name, gate.status, gate.classes)
        assert other.figure == pytest.approx(gate.figure, abs=1e-3)  # in pp: confidence is kept to 1/65535


def test_facts_name_the_model_and_the_seed_where_it_is_known(zoo_entry, tmp_path):
    shipped, checkpoint = (zoo_entry.load(kind) for kind in ("tflite-int8", "checkpoint"))
    (tmp_path / "mine.tflite").write_bytes(shipped.path.read_bytes())
    foreign = load_artifact(tmp_path / "mine.tflite", convention=FAMILY_CONVENTION)
    found = [outcome_facts(artifact) for artifact in (shipped, checkpoint, foreign)]
    assert [(facts["model"], facts["seed"]) for facts in found] == [
        ("scalecnn-c6-seed0", 0),
        ("scalecnn-c6-seed0", 0),
        ("mine", None),
    ]
    assert [facts["artifact_bytes"] for facts in found] == [a.size_bytes for a in (shipped, checkpoint, shipped)]
    assert found[0]["artifact_sha256"] == found[2]["artifact_sha256"] != found[1]["artifact_sha256"]


def test_the_committed_outcomes_have_the_same_facts(zoo_entry, shapes_test):
    """A sweep's file of the zoo's int8 model, written by an earlier version: what is compared must stay the same."""
    path = Path(__file__).parents[1] / "benchmarks/results/shapes/outcomes/scalecnn-c6-seed0.tflite-int8.npz"
    assert read_outcomes(path, shapes_test).header["facts"] == outcome_facts(zoo_entry.load("tflite-int8"))
