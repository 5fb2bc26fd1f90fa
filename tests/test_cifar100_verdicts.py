"""The product's claims, on the shipped CIFAR-100 models and all 10,000 test images."""

import numpy as np
import pytest

from tinyedge.data import load_dataset
from tinyedge.exporters.base import Options
from tinyedge.exporters.representative import draw_representative
from tinyedge.exporters.source import from_checkpoint
from tinyedge.formats.tflite import operators
from tinyedge.gate import DEFAULT_POLICY, Status
from tinyedge.models.family import Member
from tinyedge.registry import EXPORTERS, lookup
from tinyedge.validate import predict, validate
from tinyedge.zoo import find

pytestmark = pytest.mark.usefixtures("cifar100_test")
WIDTHS = (4, 6, 8)


@pytest.fixture(scope="module", params=WIDTHS, ids=lambda w: f"c{w}")
def entry(request):
    return find(Member("scalecnn", request.param), "cifar100")


def judge(entry, data, **changes):
    settings = {
        "reference": entry.load("onnx-fp32"),
        "deployed": entry.load("tflite-int8"),
        "reference_target": "onnx-fp32",
        "target": "tflite-int8",
        "data": data,
        "policy": DEFAULT_POLICY,
        "parity_images": 1000,
    }
    return validate(**(settings | changes))


def test_int8_holds_the_bar(entry, cifar100_test):
    report = judge(entry, cifar100_test)
    assert abs(report.comparison["accuracy_drop"]) <= 0.005
    assert report.comparison["jaccard"] >= 0.93
    assert report.deployed.metrics["saturation_rate"] <= 0.01
    assert report.parity.argmax_flips == 0
    assert max(abs(step) for step in report.parity.lsb_histogram) <= 1
    assert not {"TRANSPOSE", "MEAN"} & set(operators(entry.load("tflite-int8").path))
    assert report.reference.metrics["accuracy"] == pytest.approx(entry.test_accuracy, abs=0.0005)


def test_kernels_that_pass_for_the_same_are_not(cifar100_test):
    int8 = find(Member("scalecnn", 6), "cifar100").load("tflite-int8")
    sample = cifar100_test.sample(2000, seed=0)
    names = ("tflite-int8-reference", "tflite-int8", "tflite-int8-xnnpack")
    reference, built_in, xnnpack = (predict(name, int8, sample) for name in names)
    near = built_in.outputs.astype(int) - reference.outputs
    far = xnnpack.outputs.astype(int) - reference.outputs
    assert abs(near).max() <= 1
    assert (near != 0).mean() < 0.01
    assert (far != 0).mean() > 0.1
    assert (xnnpack.predicted != reference.predicted).sum() > (built_in.predicted != reference.predicted).sum()


def test_the_quantizers_default_calibration_fails_and_the_collapsed_class_is_named(
    cifar100_test, cifar100_dir, tmp_path
):
    entry = find(Member("scalecnn", 6), "cifar100")
    training = load_dataset("cifar100", "train", data_dir=cifar100_dir)
    ruined = lookup(EXPORTERS, "exporter", "tflite-int8")().export(
        from_checkpoint(entry.load("checkpoint").path),
        tmp_path / "moving-average.tflite",
        representative=draw_representative(training, count=200),
        options=Options(calibration="moving-average"),
    )
    report = judge(entry, cifar100_test, deployed=ruined, parity_images=0)
    gates = {gate.name: gate for gate in report.verdict.gates}
    assert report.verdict.status is Status.FAIL
    assert gates["worst_class"].status is Status.FAIL
    assert gates["saturation"].status is Status.FAIL
    drops = {change.name: change.change for change in report.classes}
    assert gates["worst_class"].classes[0] == min(drops, key=lambda name: drops[name])
    assert min(drops.values()) <= -0.15


def test_data_in_any_order_gives_the_same_report(cifar100_test):
    entry = find(Member("scalecnn", 4), "cifar100")
    sample = cifar100_test.sample(1000, seed=3)
    shuffled = sample.take(np.random.default_rng(1).permutation(len(sample)))
    first, second = (judge(entry, data, parity_images=0) for data in (sample, shuffled))
    assert first.data["digest"] == second.data["digest"]
    assert first.comparison == pytest.approx(second.comparison)
    assert {e.id for e in first.newly_wrong} == {e.id for e in second.newly_wrong}
