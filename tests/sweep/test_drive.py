import dataclasses

import pytest

from tests.support.fake_sweep import BASIS, TRAINED, FakeRunner, contents, plan_of, sweep
from tinyedge.errors import SweepError, TargetCrashed, TrainingError, UsageError
from tinyedge.models.family import Member
from tinyedge.sweep import drive
from tinyedge.sweep import folder as folder_module
from tinyedge.sweep.folder import SweepFolder
from tinyedge.sweep.plan import Model, Unit
from tinyedge.sweep.runner import Event
from tinyedge.sweep.states import state_seeds


@pytest.fixture(autouse=True)
def hashes_as_checkpoints(monkeypatch):
    """A checkpoint whose record a kill prevented is looked into before it counts; here it is a hash."""
    monkeypatch.setattr(drive, "finished_facts", lambda model, basis, path: dict(TRAINED))


@pytest.fixture
def whole(tmp_path):
    """An uninterrupted sweep of two widths with three seeds."""
    folder = SweepFolder(tmp_path / "whole")
    summary = sweep(folder, plan_of(4, 6))
    assert (summary.left, summary.failed) == (0, {})
    return folder


def test_every_unit_is_done_once(whole):
    runner = FakeRunner()
    assert sweep(SweepFolder(whole.root), plan_of(4, 6), runner).finished == []
    assert runner.performed == []
    units = list(plan_of(4, 6).units())
    assert len(units) == 6 * (1 + 2 + 2)
    assert all(whole.done(unit, BASIS) for unit in units)
    assert not [p for p in whole.root.iterdir() if ".state." in p.name]


class Killed(BaseException):
    """As a SIGKILL: nothing catches it."""


def test_a_kill_at_any_write_loses_nothing_and_changes_nothing(tmp_path, monkeypatch):
    write = folder_module.write_atomic
    whole = SweepFolder(tmp_path / "whole")
    sweep(whole, plan_of(4), fuse=2)
    expected = contents(whole)
    for fatal in range(1, 200):
        writes = 0

        def dying(path, content, fatal=fatal):
            nonlocal writes
            writes += 1
            if writes == fatal:
                raise Killed
            write(path, content)

        folder = SweepFolder(tmp_path / f"cut{fatal}")
        monkeypatch.setattr(folder_module, "write_atomic", dying)
        try:
            sweep(folder, plan_of(4), fuse=2)
        except Killed:
            monkeypatch.setattr(folder_module, "write_atomic", write)
            sweep(SweepFolder(folder.root), plan_of(4), fuse=2)
            assert contents(folder) == expected, f"killed at write {fatal}"
        else:
            assert contents(folder) == expected
            assert fatal > 30, "the sweep has that many writes at least"
            return
    pytest.fail("the sweep never got to its end")


def test_what_was_finished_before_a_kill_is_not_done_again(whole, tmp_path, monkeypatch):
    write, records = folder_module.write_atomic, 0

    def dying(path, content):
        nonlocal records
        if path.parent.name == "records":
            records += 1
            if records == 9:
                raise Killed
        write(path, content)

    folder = SweepFolder(tmp_path / "cut")
    monkeypatch.setattr(folder_module, "write_atomic", dying)
    first = FakeRunner()
    with pytest.raises(Killed):
        sweep(folder, plan_of(4, 6), first)
    monkeypatch.setattr(folder_module, "write_atomic", write)
    second = FakeRunner()
    sweep(SweepFolder(folder.root), plan_of(4, 6), second)
    again = set(first.performed) & set(second.performed)
    assert len(again) == 1, "only what was under way"


def test_slices_by_budget_end_like_one_sweep(whole, tmp_path):
    folder = SweepFolder(tmp_path / "sliced")
    for _ in range(1000):
        runner = OneTask()
        if not sweep(folder, plan_of(4, 6), runner, budget_s=3600).left:
            break
    assert contents(folder) == contents(whole)


class OneTask(FakeRunner):
    """Takes one task, then no more: what a budget does, without a clock."""

    def free(self):
        return 0 if self.performed else super().free()


def test_a_spent_budget_starts_nothing(tmp_path):
    runner = FakeRunner()
    summary = sweep(SweepFolder(tmp_path), plan_of(4), runner, budget_s=-1)
    assert runner.performed == []
    assert summary.left == len(list(plan_of(4).units()))


def test_a_plan_that_grows_does_only_what_is_new(whole):
    runner = FakeRunner()
    sweep(whole, plan_of(4, 8, seeds=(0, 1, 2, 3)), runner)
    trained = [name for name in runner.performed if name.startswith("train")]
    assert trained == ["train scalecnn-c4 seed 3", "train scalecnn-c8 seeds 0, 1, 2", "train scalecnn-c8 seed 3"]
    added = [model.name for model in whole.read_manifest()[1].models if model.seed == 3]
    assert added == ["scalecnn-c4-seed3", "scalecnn-c8-seed3"]


def test_a_failed_unit_stops_only_what_needs_it(tmp_path):
    folder = SweepFolder(tmp_path)
    failing = {"scalecnn-c4-seed1 export tflite-int8": TargetCrashed("the converter died")}
    summary = sweep(folder, plan_of(4), FakeRunner(failing))
    assert list(summary.failed) == ["scalecnn-c4-seed1 export tflite-int8"]
    assert summary.left == 2, "itself and its prediction"
    assert sweep(folder, plan_of(4)).left == 0, "the next sweep tries it again"


def test_a_failed_training_fails_all_its_seeds(tmp_path):
    failing = {"train scalecnn-c4 seeds 0, 1, 2": TrainingError("the loss is no longer finite")}
    summary = sweep(SweepFolder(tmp_path), plan_of(4, 6), FakeRunner(failing))
    assert list(summary.failed) == [f"scalecnn-c4-seed{seed} train" for seed in range(3)]
    assert len(summary.finished) == 3 * 5


class DyingRunner(FakeRunner):
    """Loses the worker of each training task after the first delivery, ``times`` times."""

    def __init__(self, times):
        super().__init__()
        self.times = times
        self.delivered = False

    def wait(self):
        if self._task.name.startswith("train") and self.delivered and self.times:
            self.times -= 1
            task, self._task, self.delivered = self._task, None, False
            yield Event(task, lost=True)
            return
        self.delivered = True
        yield from super().wait()


def test_a_lost_worker_s_task_goes_on_from_the_newest_state(whole, tmp_path):
    folder, runner, notes = SweepFolder(tmp_path / "lost"), DyingRunner(2), []
    sweep(folder, plan_of(4, 6), runner, on_note=lambda task, line: notes.append(line))
    assert contents(folder) == contents(whole)
    assert runner.performed.count("train scalecnn-c4 seeds 0, 1, 2") == 3
    assert "its worker died; started again (2 of 3)" in notes


def test_a_task_whose_worker_always_dies_fails(tmp_path):
    runner = DyingRunner(1000)
    summary = sweep(SweepFolder(tmp_path), plan_of(4), runner)
    (error,) = set(summary.failed.values())
    assert isinstance(error, SweepError)
    assert "3 attempts" in str(error)
    # Each of two states and the first seed's checkpoint is something new; after that nothing is.
    assert runner.performed.count("train scalecnn-c4 seeds 0, 1, 2") == 3 + drive.ATTEMPTS - 1


def test_deaths_after_something_new_do_not_add_up(whole, tmp_path):
    folder, runner, notes = SweepFolder(tmp_path / "lost"), DyingRunner(drive.ATTEMPTS), []
    summary = sweep(folder, plan_of(4, 6), runner, on_note=lambda task, line: notes.append(line))
    assert summary.failed == {}
    assert runner.performed.count("train scalecnn-c4 seeds 0, 1, 2") == drive.ATTEMPTS + 1
    assert [line for line in notes if "worker died" in line] == ["its worker died; started again (2 of 3)"] * 3
    assert contents(folder) == contents(whole)


def test_a_seed_that_comes_along_is_kept(whole, tmp_path):
    folder = SweepFolder(tmp_path / "fewer")
    sweep(folder, plan_of(4, 6), OneEpoch())
    runner = FakeRunner()
    sweep(folder, plan_of(4, seeds=(0,)), runner)
    assert [name for name in runner.performed if name.startswith("train")] == ["train scalecnn-c4 seeds 0, 1, 2"]
    runner = FakeRunner()
    sweep(folder, plan_of(4, 6), runner)
    assert [name for name in runner.performed if name.startswith("train")] == ["train scalecnn-c6 seeds 0, 1, 2"]
    assert contents(folder) == contents(whole)


def test_other_grouping_of_seeds_is_only_another_schedule(tmp_path):
    folder = SweepFolder(tmp_path)
    runner = FakeRunner()
    sweep(folder, plan_of(4, seeds=(0, 1, 2, 3, 4)), runner, fuse=2)
    trained = [name for name in runner.performed if name.startswith("train")]
    assert trained == ["train scalecnn-c4 seeds 0, 1", "train scalecnn-c4 seeds 2, 3", "train scalecnn-c4 seed 4"]


def test_a_state_of_a_split_group_wins_over_the_older_whole(tmp_path):
    """As after an accelerator ran out of memory and a kill between the two halves' states."""
    folder = SweepFolder(tmp_path)
    runner = OneEpoch()
    sweep(folder, plan_of(4), runner)
    (state,) = tmp_path.glob("*.state.*")
    (tmp_path / "scalecnn-c4-seed0.state.safetensors").write_bytes(state.read_bytes())
    runner = FakeRunner()
    sweep(folder, plan_of(4), runner)
    trained = [name for name in runner.performed if name.startswith("train")]
    assert trained == ["train scalecnn-c4 seed 0", "train scalecnn-c4 seeds 1, 2"]
    assert not list(tmp_path.glob("*.state.*"))


class OneEpoch(FakeRunner):
    """One task, which stops after an epoch."""

    def free(self):
        return 0 if self.performed else super().free()

    def submit(self, task, inputs, *, seconds):
        super().submit(task, inputs, seconds=0.0)


def test_a_state_that_a_kill_left_behind_goes(whole):
    (whole.root / "scalecnn-c4-seed1.state.safetensors").write_bytes(b"old")
    expected = contents(whole)
    del expected["scalecnn-c4-seed1.state.safetensors"]
    sweep(SweepFolder(whole.root), plan_of(4, 6))
    assert contents(whole) == expected


def test_a_full_disk_stops_the_sweep_and_loses_nothing(whole, tmp_path, monkeypatch):
    folder = SweepFolder(tmp_path / "full")
    write, room = folder_module.write_atomic, [20]

    def full(path, content):
        if not room[0]:
            raise UsageError("the file cannot be written", where=path, found="No space left on device")
        room[0] -= 1
        write(path, content)

    monkeypatch.setattr(folder_module, "write_atomic", full)
    with pytest.raises(UsageError, match="No space left"):
        sweep(folder, plan_of(4, 6))
    monkeypatch.setattr(folder_module, "write_atomic", write)
    sweep(SweepFolder(folder.root), plan_of(4, 6))
    assert contents(folder) == contents(whole)


def test_a_checkpoint_that_changed_is_never_overwritten(whole):
    path = whole.root / "scalecnn-c4-seed0.safetensors"
    path.write_bytes(b"other")
    with pytest.raises(SweepError, match="not the one that its record describes") as caught:
        sweep(SweepFolder(whole.root), plan_of(4, 6))
    assert "train it again" in str(caught.value)
    assert path.read_bytes() == b"other"


def test_a_changed_model_file_is_made_again(whole):
    expected = contents(whole)
    (whole.root / "models/scalecnn-c4-seed0.export.tflite-int8").write_bytes(b"other")
    runner = FakeRunner()
    sweep(SweepFolder(whole.root), plan_of(4, 6), runner)
    assert runner.performed[0] == "scalecnn-c4-seed0 export tflite-int8"
    assert contents(whole) == expected


def test_checkpoints_and_models_may_be_kept_elsewhere(whole):
    for path in [*whole.root.glob("*.safetensors"), *(whole.root / "models").iterdir()]:
        path.unlink()
    runner = FakeRunner()
    summary = sweep(SweepFolder(whole.root), plan_of(4, 6), runner)
    assert (runner.performed, summary.left, summary.failed) == ([], 0, {})


def test_a_model_that_is_needed_again_is_exported_again(whole):
    expected = contents(whole)
    (whole.root / "models/scalecnn-c4-seed0.export.tflite-int8").unlink()
    (whole.root / "outcomes/scalecnn-c4-seed0.predict.tflite-int8").unlink()
    runner = FakeRunner()
    sweep(SweepFolder(whole.root), plan_of(4, 6), runner)
    assert runner.performed == ["scalecnn-c4-seed0 export tflite-int8", "scalecnn-c4-seed0 predict tflite-int8"]
    assert contents(whole) == expected


def test_a_checkpoint_that_is_needed_and_kept_elsewhere_is_said(whole):
    (whole.root / "scalecnn-c4-seed0.safetensors").unlink()
    (whole.root / "models/scalecnn-c4-seed0.export.tflite-int8").unlink()
    runner = FakeRunner()
    summary = sweep(SweepFolder(whole.root), plan_of(4, targets=("onnx-fp32", "tflm-int8")), runner)
    ((name, error),) = summary.failed.items()
    assert name == "scalecnn-c4-seed0 predict tflm-int8"
    assert "kept elsewhere" in str(error)
    assert "--merge the folder that has it" in str(error)
    assert runner.performed == [f"scalecnn-c4-seed{seed} predict tflm-int8" for seed in (1, 2)], "nothing is trained"


def test_results_of_other_data_do_not_count(whole):
    other = dataclasses.replace(BASIS, test_digest="another test set")
    unit = Unit(Model(Member("scalecnn", 4), 0), "predict", "onnx-fp32")
    assert whole.done(unit, BASIS)
    assert SweepFolder(whole.root).done(unit, other) is None


def test_seeds_of_a_state_file_are_read_off_its_name():
    assert state_seeds("scalecnn-c4-seed12.state.safetensors", "scalecnn-c4") == (12,)
    assert state_seeds("scalecnn-c48-seed1.state.safetensors", "scalecnn-c4") == ()
    assert state_seeds("scalecnn-c4-seed1.safetensors", "scalecnn-c4") == ()
