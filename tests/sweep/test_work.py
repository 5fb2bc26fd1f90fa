"""The real tasks on toy data: training, export and prediction from bytes to bytes."""

import dataclasses
import time

import pytest

from tinyedge.artifact import sidecar_path
from tinyedge.errors import TrainingError, TrainingOutOfMemory
from tinyedge.models.family import Member
from tinyedge.outcomes import read_outcomes
from tinyedge.sweep import work
from tinyedge.sweep.plan import Model, Unit
from tinyedge.sweep.runner import Resources
from tinyedge.sweep.states import unpack_states
from tinyedge.sweep.work import ExportTask, PredictTask, TrainTask, finished_facts
from tinyedge.train import together
from tinyedge.train.recipe import PAPER


def task_of(basis, *seeds):
    models = tuple(Model(Member("scalecnn", 4, 10), seed) for seed in seeds)
    return TrainTask(models, basis, "cpu", 1, Resources(), state_every_s=0.0)


def files_of(deliveries):
    return {name: content for d in deliveries if d.record is not None for name, content in d.files.items()}


@pytest.fixture(scope="module")
def trained(data, basis):
    """Three seeds trained in one task, without a stop."""
    return [d for d in task_of(basis, 0, 1, 2).perform({}, data, seconds=None) if d.record is not None]


def test_one_checkpoint_a_seed_with_what_it_took(trained, basis):
    assert [d.unit for d in trained] == [f"scalecnn-c4-seed{seed} train" for seed in range(3)]
    assert [list(d.files) for d in trained] == [[f"scalecnn-c4-seed{seed}.safetensors"] for seed in range(3)]
    for delivery in trained:
        assert delivery.record["epochs"] == 3
        assert delivery.record["seconds"] > 0
        assert 0 <= delivery.record["test_accuracy"] <= 1
        assert delivery.record["fused"] in (1, 3)


def test_slices_from_state_to_state_end_in_the_same_bytes(data, basis, trained):
    task, inputs, slices = task_of(basis, 0, 1, 2), {}, 0
    while True:
        deliveries = list(task.perform(inputs, data, seconds=0.0))
        slices += 1
        if deliveries[-1].record is not None:
            break
        assert len(deliveries) == 1, "a slice without time ends at the first epoch's end"
        inputs = deliveries[0].files
        (path,) = inputs
        assert {s.epoch for s in unpack_states(path, inputs[path])} == {slices}
    assert slices == 3
    assert files_of(deliveries) == files_of(trained)


def test_a_state_of_another_run_is_refused(data, basis):
    (first, *_) = task_of(basis, 0).perform({}, data, seconds=0.0)
    other = dataclasses.replace(basis, recipe=PAPER.shortened(4))
    with pytest.raises(TrainingError, match="its recipe differs"):
        list(task_of(other, 0).perform(first.files, data, seconds=None))


def test_out_of_memory_goes_on_with_fewer_seeds(data, basis, monkeypatch):
    real, tried = together.train_together, []

    def small(keys, *args, **options):
        tried.append([key.seed for key in keys])
        if len(keys) > 2:
            raise TrainingOutOfMemory("the accelerator has too little memory for so many seeds at once")
        yield from real(keys, *args, **options)

    monkeypatch.setattr(together, "train_together", small)
    deliveries = list(task_of(basis, 0, 1, 2).perform({}, data, seconds=None))
    assert tried == [[0, 1, 2], [0], [1, 2]]
    assert "goes on with 1 and 2 seeds a step" in deliveries[0].note
    assert sorted(files_of(deliveries)) == [f"scalecnn-c4-seed{seed}.safetensors" for seed in range(3)]


def test_out_of_memory_in_mid_run_keeps_the_newest_state(data, basis, monkeypatch):
    real = together.train_together

    def later(keys, *args, **options):
        for stage in real(keys, *args, **options):
            yield stage
            if len(keys) > 2:
                raise TrainingOutOfMemory("too little memory")

    monkeypatch.setattr(together, "train_together", later)
    deliveries = list(task_of(basis, 0, 1, 2).perform({}, data, seconds=None))
    split = next(d for d in deliveries if d.note and "goes on" in d.note)
    assert sorted(split.files) == ["scalecnn-c4-seed0.state.safetensors", "scalecnn-c4-seeds1.2.state.zip"]
    assert {s.epoch for path, content in split.files.items() for s in unpack_states(path, content)} == {1}


def test_a_single_seed_without_memory_is_an_error(data, basis, monkeypatch):
    def never(keys, *args, **options):
        raise TrainingOutOfMemory("too little memory")

    monkeypatch.setattr(together, "train_together", never)
    with pytest.raises(TrainingOutOfMemory):
        list(task_of(basis, 0).perform({}, data, seconds=None))


def test_a_model_is_exported_and_run_from_bytes(data, basis, trained, tmp_path):
    model = Model(Member("scalecnn", 4, 10), 0)
    (exported,) = ExportTask(Unit(model, "export", "onnx-fp32")).perform(trained[0].files, data, seconds=None)
    path = f"models/{model.name}-onnx-fp32.onnx"
    assert list(exported.files) == [path, str(sidecar_path(work.Path(path)))]
    assert exported.record["bytes"] == len(exported.files[path])
    (again,) = ExportTask(Unit(model, "export", "onnx-fp32")).perform(trained[0].files, data, seconds=None)
    assert again.files == exported.files, "a pure function of its inputs"
    (ran,) = PredictTask(Unit(model, "predict", "onnx-fp32")).perform(exported.files, data, seconds=None)
    (name,) = ran.files
    stored = tmp_path / "outcomes.npz"
    stored.write_bytes(ran.files[name])
    outcome = read_outcomes(stored, data["test"]).outcome
    assert ran.record["accuracy"] == outcome.correct.mean()
    assert abs(ran.record["accuracy"] - trained[0].record["test_accuracy"]) <= 0.01, "one image, by rounding"
    time.sleep(0.01)
    (again,) = PredictTask(Unit(model, "predict", "onnx-fp32")).perform(exported.files, data, seconds=None)
    assert again.files == ran.files


def test_a_checkpoint_runs_without_an_export(data, trained):
    model = Model(Member("scalecnn", 4, 10), 0)
    (ran,) = PredictTask(Unit(model, "predict", "torch-fp32")).perform(trained[0].files, data, seconds=None)
    assert ran.record["accuracy"] == trained[0].record["test_accuracy"]


def test_an_unfinished_checkpoint_in_a_finished_one_s_place_is_refused(data, basis, tmp_path):
    (state,) = next(iter(task_of(basis, 0).perform({}, data, seconds=0.0))).files.values()
    path = tmp_path / "scalecnn-c4-seed0.safetensors"
    path.write_bytes(state)
    with pytest.raises(TrainingError, match="is not finished") as caught:
        finished_facts(Model(Member("scalecnn", 4, 10), 0), basis, path)
    assert "1 epochs" in str(caught.value)


def test_a_state_under_another_seed_s_name_is_refused(data, basis):
    (state,) = next(iter(task_of(basis, 0).perform({}, data, seconds=0.0))).files.values()
    with pytest.raises(TrainingError, match="other seeds than its name says"):
        list(task_of(basis, 1).perform({"scalecnn-c4-seed1.state.safetensors": state}, data, seconds=None))


def test_a_checkpoint_that_does_not_match_its_key_is_said(basis, trained, tmp_path):
    path = tmp_path / "scalecnn-c4-seed1.safetensors"
    path.write_bytes(trained[0].files["scalecnn-c4-seed0.safetensors"])
    with pytest.raises(TrainingError, match="its seed differs") as caught:
        finished_facts(Model(Member("scalecnn", 4, 10), 1), basis, path)
    assert str(path) in str(caught.value)
    facts = finished_facts(Model(Member("scalecnn", 4, 10), 0), basis, path)
    assert facts["test_accuracy"] == trained[0].record["test_accuracy"]
    assert facts["seconds"] is None, "a finished file does not know"
