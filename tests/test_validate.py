import json
from dataclasses import replace

import numpy as np
import pytest

from tinyedge.data.dataset import Dataset
from tinyedge.errors import ClassCountMismatch, ImageSizeMismatch, TargetUnavailable, UsageError
from tinyedge.gate import DEFAULT_POLICY, Status
from tinyedge.gate.signed_gap import GapChangeRule
from tinyedge.registry import TARGETS
from tinyedge.tempered import at_temperature, identity
from tinyedge.validate import PARITY_TARGET, predict, validate


@pytest.fixture(scope="module")
def sample(shapes_test):
    return shapes_test.sample(600, seed=1)


def run(zoo_entry, data, **changes):
    settings = {
        "reference": zoo_entry.load("onnx-fp32"),
        "deployed": zoo_entry.load("tflite-int8"),
        "reference_target": "onnx-fp32",
        "target": "tflite-int8",
        "data": data,
        "policy": DEFAULT_POLICY,
        "parity_images": 50,
    }
    return validate(**(settings | changes))


@pytest.fixture(scope="module")
def report(zoo_entry, sample):
    return run(zoo_entry, sample)


def test_the_report_agrees_with_a_count_by_hand(report, zoo_entry, sample):
    before = predict("onnx-fp32", zoo_entry.load("onnx-fp32"), sample)
    after = predict("tflite-int8", zoo_entry.load("tflite-int8"), sample)
    wrong_before = {str(i) for i, ok in zip(before.ids, before.correct, strict=True) if not ok}
    wrong_after = {str(i) for i, ok in zip(after.ids, after.correct, strict=True) if not ok}
    assert report.reference.metrics["accuracy"] == 1 - len(wrong_before) / 600
    assert report.comparison["jaccard"] == pytest.approx(
        len(wrong_before & wrong_after) / len(wrong_before | wrong_after)
    )
    assert {e.id for e in report.newly_wrong} == wrong_after - wrong_before
    assert sum(c.newly_wrong for c in report.classes) == len(wrong_after - wrong_before)
    assert sum(c.newly_right for c in report.classes) == len(wrong_before - wrong_after)


def test_the_json_says_where_everything_came_from(report, zoo_entry, sample):
    content = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert content["schema"] == "tinyedge-report/2"
    assert content["verdict"]["exit_code"] == report.verdict.exit_code
    assert content["deployed"]["artifact"]["sha256"] == zoo_entry.files["tflite-int8"]["sha256"]
    assert content["deployed"]["artifact"]["origin"]["representative"]["split"] == "train"
    assert content["data"]["digest"] == sample.digest
    assert content["data"]["synthetic"] is True
    bins = content["deployed"]["reliability"]
    assert sum(b["count"] for b in bins) == 600
    assert sum(b["count"] * b["accuracy"] for b in bins if b["count"]) == pytest.approx(
        600 * report.deployed.metrics["accuracy"]
    )
    assert "no delegate" in content["deployed"]["target"]["kernels"]
    assert content["run"]["packages"]["numpy"] == np.__version__
    assert content["policy"]["digest"] == DEFAULT_POLICY.digest
    assert {g["name"] for g in content["verdict"]["gates"]} >= {"accuracy", "worst_class", "churn", "ties"}
    assert "/" not in content["deployed"]["artifact"]["file"], "a report names files, not paths of a machine"


def test_parity_runs_on_tflite_micro(report):
    assert report.parity.against == PARITY_TARGET
    assert report.parity.images == 50
    assert sum(report.parity.lsb_histogram.values()) == 50 * 100
    assert max(abs(step) for step in report.parity.lsb_histogram) <= 1
    assert report.parity.argmax_flips == 0
    assert report.parity.facts["arena_bytes"] > 0


def test_a_run_for_a_microcontroller_is_held_against_the_other_kernels(report):
    matrix = report.kernels
    assert (matrix.images, matrix.classes, matrix.left_out) == (50, 100, {})
    assert [path.name for path in matrix.paths] == [
        "tflite-int8", "tflite-int8-reference", "tflite-int8-xnnpack", "tflm-int8",
    ]  # fmt: skip
    assert {pair.first for pair in matrix.pairs} == {"tflite-int8"}
    reference, delegate, micro = matrix.pairs
    assert reference.largest <= 1
    assert micro.lsb_histogram == report.parity.lsb_histogram, "the same images"
    assert delegate.images_equal < reference.images_equal, "XNNPACK is another arithmetic"


def test_other_kernels_are_for_microcontrollers_and_can_be_switched_off(zoo_entry, sample, monkeypatch):
    def fails(*arguments, **options):
        pytest.fail("not asked for")

    monkeypatch.setattr("tinyedge.validate.kernels_beside", fails)
    assert run(zoo_entry, sample, parity_images=0).kernels is None
    assert run(zoo_entry, sample, target="tflite-int8-xnnpack").kernels is None


def test_order_does_not_matter(report, zoo_entry, sample):
    shuffled = sample.take(np.random.default_rng(0).permutation(len(sample)))
    again = run(zoo_entry, shuffled, parity_images=0)
    assert again.comparison == pytest.approx(report.comparison)
    assert {e.id for e in again.newly_wrong} == {e.id for e in report.newly_wrong}
    assert again.data["digest"] == report.data["digest"]


def test_without_tflite_micro_the_report_says_so(zoo_entry, sample, monkeypatch):
    def missing(self, artifact, **options):
        raise TargetUnavailable("tflm-int8 needs tflite-micro", fix="pip install 'tinyedge[mcu]'")

    monkeypatch.setattr(TARGETS[PARITY_TARGET].load(), "open", missing)
    report = run(zoo_entry, sample)
    assert report.parity is None
    assert "pip install" in report.parity_note
    assert "pip install" in report.kernels.left_out["tflm-int8"]
    assert "Kernel parity" in {s.title for s in report.verdict.skipped}


def test_a_model_compared_with_itself_is_refused(zoo_entry, sample):
    same = zoo_entry.load("tflite-int8")
    with pytest.raises(UsageError, match="nothing to compare"):
        run(zoo_entry, sample, reference=same, reference_target="tflite-int8")


def test_data_that_does_not_fit_is_refused(zoo_entry, sample):
    small = Dataset("toy", "test", sample.images[:, ::2, ::2].copy(), sample.labels, sample.class_names)
    with pytest.raises(ImageSizeMismatch, match="32x32x3"):
        run(zoo_entry, small)
    more = Dataset("toy", "test", sample.images, sample.labels, (*sample.class_names, "one more"))
    with pytest.raises(ClassCountMismatch, match="101 classes in the data"):
        run(zoo_entry, more)


def test_labels_that_mean_something_else_are_inconclusive_not_a_pass(zoo_entry, sample):
    wrong = Dataset("toy", "test", sample.images, (sample.labels + 37) % 100, sample.class_names)
    report = run(zoo_entry, wrong, parity_images=0)
    assert report.verdict.status is Status.INCONCLUSIVE
    evidence = next(g for g in report.verdict.gates if g.name == "evidence")
    assert evidence.status is Status.INCONCLUSIVE
    assert "label order" in evidence.detail


def test_what_the_quantizer_saw_is_said_to_be_unknown_of_int8_models_only(zoo_entry, sample, monkeypatch):
    monkeypatch.setattr("tinyedge.validate.overlapping", lambda artifact, data: None)
    unknown = "representative images are among these is not known"
    int8 = run(zoo_entry, sample, parity_images=0)
    assert unknown in int8.verdict.gates[0].detail
    as_float = run(zoo_entry, sample, deployed=zoo_entry.load("tflite-fp32"), target="tflite-fp32")
    assert unknown not in as_float.verdict.gates[0].detail


def test_the_power_table_is_of_the_gates_that_were_judged(report):
    rows = {row.gate: row for row in report.power}
    gates = {gate.name: gate for gate in report.verdict.gates}
    assert {"accuracy", "ties", "saturation"} <= set(rows) <= set(gates)
    assert f"{gates['ties'].figure:.2g} %, measured here" in rows["ties"].note
    assert "50 images" in rows["parity"].note


def test_float_models_are_judged_without_the_gates_of_integers(zoo_entry, sample):
    report = run(zoo_entry, sample, deployed=zoo_entry.load("tflite-fp32"), target="tflite-fp32")
    assert report.parity is None
    assert {s.name for s in report.verdict.skipped} >= {"saturation", "parity"}
    assert report.comparison["flips"] < 0.005


@pytest.fixture
def scaled(zoo_entry, tmp_path):
    """The shipped int8 file with a temperature that moves its gap by more than the limit; the side-car as asked."""
    from tinyedge.exporters.temperature import fold_temperature

    made = fold_temperature(zoo_entry.load("tflite-int8"), 1.25, tmp_path / "scaled.tflite")
    return lambda **told: replace(made, origin=made.origin | {"temperature": made.origin["temperature"] | told})


def gap_change(report):
    return next(gate for gate in report.verdict.gates if gate.name == "gap_change")


def test_a_wrong_temperature_does_not_bend_the_float_model_along(report, zoo_entry, sample, scaled):
    found = run(zoo_entry, sample, deployed=scaled(), parity_images=0)
    gate = gap_change(found)
    assert gate.status is Status.FAIL
    assert abs(gate.figure - gap_change(report).figure) > 1.5
    assert found.reference.metrics == report.reference.metrics
    assert found.scaled.as_trained == gate
    assert (found.scaled.reference, found.scaled.folded) == (1, pytest.approx(1.25, rel=0.002))
    assert found.scaled.basis == "the file's side-car has none of the float model"
    another = identity(zoo_entry.load("tflite-int8"))
    found = run(zoo_entry, sample, deployed=scaled(reference=1.25, **another), parity_images=0)
    assert gap_change(found) == gate
    assert "another float model's" in found.scaled.basis
    assert report.scaled is None


def test_only_the_change_of_the_gap_is_judged_at_the_float_models_own_temperature(report, zoo_entry, sample, scaled):
    reference = zoo_entry.load("onnx-fp32")
    fitted = {"reference": 1.25, **identity(reference), "fitted_on": {"images": 2000, "images_digest": "d" * 64}}
    found = run(zoo_entry, sample, deployed=scaled(**fitted), parity_images=0)
    bare = run(zoo_entry, sample, deployed=scaled(), parity_images=0)
    assert [gate for gate in found.verdict.gates if gate.name != "gap_change"] == [
        gate for gate in bare.verdict.gates if gate.name != "gap_change"
    ]
    assert (found.reference.metrics, found.reference.reliability) == (
        report.reference.metrics,
        report.reference.reliability,
    )
    assert found.comparison == bare.comparison
    own, as_trained = gap_change(found), found.scaled.as_trained
    before, after = (
        at_temperature(predict(target, zoo_entry.load(target), sample), 1.25) for target in ("onnx-fp32", "tflite-int8")
    )
    by_hand = [(side.probabilities.max(axis=1) - side.correct).mean() for side in (before, after)]
    assert own.figure == pytest.approx(100 * (by_hand[1] - by_hand[0]), abs=0.01)
    assert own.detail.endswith("The float model is at its own temperature: logits / 1.2500.")
    assert as_trained == gap_change(bare)
    assert as_trained.figure == pytest.approx(100 * found.comparison["signed_gap_change"])
    assert found.scaled.basis.startswith("fitted on 2,000 images")


def test_a_policy_without_the_gate_has_nothing_to_judge_at_a_temperature(zoo_entry, sample, scaled):
    off = replace(DEFAULT_POLICY, rules=DEFAULT_POLICY.rules | {"gap_change": GapChangeRule(enabled=False)})
    mine = identity(zoo_entry.load("onnx-fp32"))
    found = run(zoo_entry, sample, deployed=scaled(reference=1.25, **mine), parity_images=0, policy=off)
    assert "gap_change" in {gate.name for gate in found.verdict.skipped}
    assert found.scaled.as_trained is None
