"""A shipped file that training left too sure of itself, on real images."""

import pytest

from tinyedge.evaluate import Model
from tinyedge.gate import Status, load_policy
from tinyedge.models.family import Member
from tinyedge.repair import Job, chosen, repair
from tinyedge.zoo import find

POLICY = "".join(f"[{name}]\nmin_images_per_class = 2\n" for name in ("worst_class", "bottom5", "inequality"))


@pytest.fixture(scope="module")
def found(cifar100_test, tmp_path_factory):
    entry = find(Member("scalecnn", 12), "cifar100")
    out = tmp_path_factory.mktemp("out")
    return out, repair(
        Job(
            deployed=entry.load("tflite-int8"),
            reference=Model("onnx-fp32", entry.load("onnx-fp32")),
            target="tflite-int8",
            data=cifar100_test.sample(3000, seed=0),
            policy=load_policy(POLICY),
            steps=chosen(["temperature"]),
            parity_images=0,
            out=out,
        )
    )


def statuses(trial):
    return {gate.name: gate.status for gate in trial.nominal.gates}


def test_a_temperature_alone_mends_what_training_left(found):
    before, after = (statuses(trial) for trial in found[1].trials)
    assert (before["signed_gap"], after["signed_gap"]) == (Status.FAIL, Status.PASS)
    assert (before["gap_change"], after["gap_change"]) == (Status.PASS, Status.PASS)
    assert found[1].trials[1].as_trained.status is Status.FAIL, "the float as trained is 6 pp too sure of itself"
    same = [name for name in before if name not in ("signed_gap", "ece", "gap_change")]
    assert all(before[name] == after[name] for name in same), "no prediction changes"


def test_it_costs_nothing_on_the_device(found):
    first, second = (trial.cost for trial in found[1].trials)
    assert first == second
    assert (found[0] / found[1].repaired).stat().st_size == first.size_bytes
