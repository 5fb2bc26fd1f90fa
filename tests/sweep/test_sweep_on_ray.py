"""A whole sweep on Ray with a worker killed in the middle, next to one in this process."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.support.toy import toy
from tinyedge.sweep.drive import Sweep, Training
from tinyedge.sweep.folder import SweepFolder
from tinyedge.sweep.local import LocalRunner
from tinyedge.sweep.on_ray import RayRunner
from tinyedge.sweep.plan import Selection
from tinyedge.sweep.runner import Resources
from tinyedge.sweep.settle import Asked, settle

SELECTION = Selection(widths=(4,), seeds=(0, 1), targets=("onnx-fp32",))


@pytest.fixture(scope="module")
def sets():
    return {split: toy(split) for split in ("train", "test")}


def sweep(root, sets, runner):
    folder, notes = SweepFolder(root), []
    training = Training("cpu", 1, lambda model: 1, lambda model: Resources(), state_every_s=0.0)
    with folder.lock():
        basis, plan = settle(folder, sets["train"], sets["test"], Asked(SELECTION, epochs=4, precision="fp32"), "cpu")
        note = lambda task, line: notes.append((task, line))  # noqa: E731
        summary = Sweep(folder, basis, plan, runner, training, on_note=note).run()
    assert (summary.failed, summary.left) == ({}, 0)
    return summary, notes


def results(root):
    """Every file's bytes, and what the records say was made from what."""
    files = {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file() and p.name != ".lock"}
    records = {n: json.loads(files.pop(n)) for n in list(files) if n.startswith("records")}
    return files, {name: (record["key"], record["files"]) for name, record in records.items()}


class Killing(RayRunner):
    """Kills the worker of the first training that has delivered a state."""

    killed = 0

    def wait(self):
        for event in super().wait():
            yield event
            if not self.killed and event.delivery and event.delivery.note == "epoch 2 of 4":
                for process in Path("/proc").glob("[0-9]*"):
                    if (process / "cmdline").read_bytes().startswith(b"ray::" + event.task.name.encode()):
                        os.kill(int(process.name), signal.SIGKILL)
                        self.killed = int(process.name)


def test_ray_with_a_killed_worker_gives_the_bytes_of_one_uninterrupted_sweep(local_ray, sets, tmp_path):
    sweep(tmp_path / "local", sets, LocalRunner(sets))
    runner = Killing(sets)
    summary, notes = sweep(tmp_path / "ray", sets, runner)
    runner.close()
    assert runner.killed
    assert [line for _, line in notes if "worker died" in line] == ["its worker died; started again (2 of 3)"]
    assert len(summary.finished) == len(set(summary.finished)) == 2 * 3, "nothing is done twice"
    assert results(tmp_path / "ray") == results(tmp_path / "local")
