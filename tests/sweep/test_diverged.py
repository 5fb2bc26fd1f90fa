"""A seed whose loss is no longer a number, in a group with others: on toy data, with weights that are made NaN."""

import math
import pickle

import pytest
import torch

from tinyedge.errors import TrainingDiverged
from tinyedge.models.family import Member
from tinyedge.sweep.drive import Sweep, Training
from tinyedge.sweep.folder import SweepFolder
from tinyedge.sweep.local import LocalRunner
from tinyedge.sweep.plan import Model, Plan, Unit
from tinyedge.sweep.runner import Resources
from tinyedge.sweep.work import TrainTask
from tinyedge.train import together
from tinyedge.train.checkpoint import RunKey, checkpoint_bytes, checkpoint_from_bytes
from tinyedge.train.together import train_together
from tinyedge.train.variant import Variant

BAD = 1
MODELS = tuple(Model(Member("scalecnn", 4, 10), seed) for seed in (0, BAD, 2))


@pytest.fixture
def diverging(monkeypatch):
    """Seed 1 is NaN from its second epoch on, wherever it trains; holds the groups that began an epoch with it."""
    epoch, groups = together.Group.epoch, []

    def broken(self, number, on_step):
        seeds = [key.seed for key in self.keys]
        if number >= 1 and BAD in seeds:
            groups.append(seeds)
            with torch.no_grad():
                for parameter in self._net.parameters.values():
                    self._net.of_seed(parameter, seeds.index(BAD)).fill_(math.nan)
        epoch(self, number, on_step)

    monkeypatch.setattr(together.Group, "epoch", broken)
    return groups


def layout(monkeypatch, name):
    monkeypatch.setattr(together, "choose", lambda keys, *_: Variant(name if len(keys) > 1 else "serial"))


def perform(basis, data, *, state_every_s=0.0):
    task = TrainTask(MODELS, basis, "cpu", 1, Resources(), state_every_s)
    return list(task.perform({}, data, seconds=None))


def goes_on(basis, data, seeds):
    """Checkpoints of ``seeds`` that went on together from the first epoch of all three, worked out without a task."""
    keys = [
        RunKey(model.member, basis.recipe, model.seed, "toy", basis.train_digest, basis.precision) for model in MODELS
    ]
    sets = data["train"], data["test"]
    first = next(train_together(keys, *sets, device=torch.device("cpu"))).checkpoints()
    states = [checkpoint_from_bytes(checkpoint_bytes(state), "state") for state in first if state.key.seed in seeds]
    *_, last = train_together([state.key for state in states], *sets, device=torch.device("cpu"), states=states)
    return {f"{c.key.name}.safetensors": checkpoint_bytes(c) for c in last.checkpoints()}


def test_the_other_seeds_go_on_together_from_the_last_state(data, basis, diverging, monkeypatch):
    layout(monkeypatch, "grouped")
    deliveries = perform(basis, data)
    finished = {name: content for d in deliveries if d.record for name, content in d.files.items()}
    assert finished == goes_on(basis, data, (0, 2))
    (split,) = [d for d in deliveries if d.note and "goes on" in d.note]
    assert "scalecnn-c4-seed1, epoch 2" in split.note
    assert "with 2 and 1 seeds a step" in split.note
    assert sorted(split.files) == ["scalecnn-c4-seed1.state.safetensors", "scalecnn-c4-seeds0.2.state.zip"]
    (failed,) = [d for d in deliveries if d.error]
    assert failed.unit == "scalecnn-c4-seed1 train"
    assert isinstance(failed.error, TrainingDiverged)
    assert failed.error.where.startswith("scalecnn-c4-seed1, epoch 2, up to step")
    assert diverging == [[0, 1, 2], [1]]


def test_in_a_dense_layout_only_the_seed_that_is_to_blame_fails(data, basis, diverging, monkeypatch):
    """There NaN times the zeros between the seeds is NaN: all three show it."""
    layout(monkeypatch, "dense")
    deliveries = perform(basis, data)
    finished = {name: content for d in deliveries if d.record for name, content in d.files.items()}
    expected = goes_on(basis, data, (0,)) | goes_on(basis, data, (2,))
    assert finished == expected
    assert [d.unit for d in deliveries if d.error] == ["scalecnn-c4-seed1 train"]
    assert diverging == [[0, 1, 2], [1]]


def test_before_the_first_state_the_others_start_again(data, basis, diverging, monkeypatch):
    layout(monkeypatch, "grouped")
    deliveries = perform(basis, data, state_every_s=1000.0)
    assert [d.unit for d in deliveries if d.record] == ["scalecnn-c4-seed0 train", "scalecnn-c4-seed2 train"]
    assert [d.unit for d in deliveries if d.error] == ["scalecnn-c4-seed1 train"]
    assert [d.files for d in deliveries if d.note and "goes on" in d.note] == [{}]


def sweep(folder, basis, data, plan):
    """The summary, and what was started."""
    training, notes = Training("cpu", 1, lambda model: 3, lambda model: Resources(), state_every_s=0.0), []
    with folder.lock():
        folder.write_manifest(basis, plan)
        runner = LocalRunner(data)
        summary = Sweep(folder, basis, plan, runner, training, on_note=lambda *note: notes.append(note)).run()
    return summary, [task for task, line in notes if line == "starts" and task.startswith("train")], notes


def test_a_sweep_says_it_and_tries_that_seed_alone_the_next_time(data, basis, diverging, monkeypatch, tmp_path):
    folder, plan = SweepFolder(tmp_path), Plan(MODELS, ())
    layout(monkeypatch, "grouped")
    for started in ("train scalecnn-c4 seeds 0, 1, 2", "train scalecnn-c4 seed 1"):
        summary, starts, notes = sweep(folder, basis, data, plan)
        assert starts == [started]
        assert list(summary.failed) == ["scalecnn-c4-seed1 train"]
        assert summary.left == 1
        assert ("scalecnn-c4-seed1 train", "failed: the loss is no longer finite") in notes
    assert all(folder.done(Unit(model, "train"), basis) for model in MODELS[::2])
    assert [p.name for p in tmp_path.glob("*.state.*")] == ["scalecnn-c4-seed1.state.safetensors"]
    monkeypatch.undo()
    summary, starts, _ = sweep(folder, basis, data, plan)
    assert (starts, summary.failed, summary.left) == (["train scalecnn-c4 seed 1"], {}, 0)


def test_a_kill_after_the_seed_was_left_behind_does_not_bring_it_back(data, basis, diverging, monkeypatch, tmp_path):
    class Killed(BaseException):
        pass

    class Dies(LocalRunner):
        """Ends the process, as it were, as soon as the group goes on without the seed."""

        def wait(self):
            for event in super().wait():
                yield event
                if event.delivery and event.delivery.note and "goes on" in event.delivery.note:
                    raise Killed

    folder, plan = SweepFolder(tmp_path), Plan(MODELS, ())
    layout(monkeypatch, "grouped")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setitem(globals(), "LocalRunner", Dies)
        sweep(folder, basis, data, plan)
    summary, starts, _ = sweep(folder, basis, data, plan)
    assert sorted(starts) == ["train scalecnn-c4 seed 1", "train scalecnn-c4 seeds 0, 2"]
    assert (list(summary.failed), summary.left) == (["scalecnn-c4-seed1 train"], 1)
    assert diverging == [[0, 1, 2], [1]]


def test_what_is_delivered_does_not_hold_the_tensors(data, basis, diverging):
    *_, failed = TrainTask(MODELS[1:2], basis, "cpu", 1, Resources()).perform({}, data, seconds=None)
    assert isinstance(failed.error, TrainingDiverged)
    assert failed.error.__traceback__ is None
    assert pickle.loads(pickle.dumps(failed.error)).seeds == (BAD,), "as it comes from a worker of a cluster"
