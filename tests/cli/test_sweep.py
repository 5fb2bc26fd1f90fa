"""The sweep command on a small data set of its own: real training, exports and runs."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import count
from types import SimpleNamespace

import pytest
import torch

from tests.support.toy import save_toy
from tinyedge.cli.main import run
from tinyedge.errors import TargetUnavailable, TrainingError, UsageError
from tinyedge.machine import has_bf16
from tinyedge.sweep import drive, on_ray, work
from tinyedge.sweep.folder import SweepFolder
from tinyedge.sweep.local import LocalRunner


@pytest.fixture(scope="session")
def toy_dir(tmp_path_factory):
    """A folder with train.npz and test.npz of ten easy classes."""
    return save_toy(tmp_path_factory.mktemp("toy") / "toy")


def arguments(toy_dir, out, *more):
    fixed = ["--data", str(toy_dir), "--out", str(out), "--widths", "4", "--seeds", "0-1", "--targets", "onnx-fp32"]
    # One seed a step: then slices with other seeds beside each other round alike.
    return ["sweep", *fixed, "--epochs", "3", "--precision", "fp32", "--device", "cpu", "--fuse", "1", *more]


def results(folder):
    """What two equal sweeps have in common, byte for byte; records only say what was done and how long it took."""
    files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    kept = {name: content for name, content in files.items() if not name.startswith("records") and name != ".lock"}
    done = {name: json.loads(content) for name, content in files.items() if name.startswith("records")}
    return kept, {name: (record["key"], record["files"]) for name, record in done.items()}


@pytest.fixture(scope="module")
def whole(toy_dir, tmp_path_factory):
    out = tmp_path_factory.mktemp("sweep") / "whole"
    assert run(arguments(toy_dir, out)) == 0
    return out


def test_a_sweep_ends_with_a_table(whole, capsys):
    assert run(["sweep", "--status", "--out", str(whole)]) == 0
    printed = capsys.readouterr().out
    assert "scalecnn-c4-seed0" in printed
    assert "scalecnn-c4-seed1" in printed
    assert "recipe paper-3ep" in printed, "a shortened recipe says so"
    assert "0 of 6 units left" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_status_as_json(whole, capsys):
    assert run(["sweep", "--status", "--out", str(whole), "--format", "json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["left"] == 0
    assert [row["state"] for row in content["models"]] == ["trained", "trained"]
    assert content["models"][0]["training"]["epochs"] == 3
    assert 0 <= content["models"][0]["accuracy"]["onnx-fp32"] <= 1


def test_a_second_sweep_does_nothing(whole, toy_dir, capsys):
    before = results(whole)
    assert run(arguments(toy_dir, whole)) == 0
    assert "0 not done yet" in capsys.readouterr().err
    assert results(whole) == before


def test_budgets_slice_it_to_the_same_bytes(whole, toy_dir, tmp_path, monkeypatch, capsys):
    clock = SimpleNamespace(
        monotonic=count().__next__
    )  # a second a look: where slices end does not hang on the machine
    monkeypatch.setattr(drive, "time", clock)
    monkeypatch.setattr(work, "time", clock)
    codes, stopped_in_training = [], False
    while not codes or codes[-1] == 3:
        codes.append(run(arguments(toy_dir, tmp_path / "sliced", "--budget", "3s")))
        assert len(codes) < 50
        stopped_in_training |= any(".state." in path.name for path in (tmp_path / "sliced").iterdir())
        if codes[-1] == 3:
            assert "run the same command again" in capsys.readouterr().err
    assert codes[0] == 3
    assert codes[-1] == 0
    assert stopped_in_training
    assert results(tmp_path / "sliced") == results(whole)


def test_killed_sweeps_end_in_the_same_bytes(whole, toy_dir, tmp_path):
    out = tmp_path / "killed"
    every_epoch = "from tinyedge.sweep import work; work.STATE_EVERY_S = 0.0\nfrom tinyedge.cli.main import main\n"
    command = [sys.executable, "-c", f"{every_epoch}main({arguments(toy_dir, out)!r})"]
    seen = [".state.", "seed1.safetensors", ".onnx"]  # in training, after it, between export and prediction
    for suffix in seen:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + 120
        while process.poll() is None and not any(suffix in p.name for p in out.rglob("*") if ".tmp-" not in p.name):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was at work"
    subprocess.run(command, check=True, capture_output=True)
    assert results(out) == results(whole)


def test_slices_of_two_folders_merge(whole, toy_dir, tmp_path, capsys):
    halves = [tmp_path / "a", tmp_path / "b"]
    for seed, out in enumerate(halves):
        assert run(arguments(toy_dir, out, "--seeds", str(seed))) == 0
    joined = tmp_path / "joined"
    merges = [word for half in halves for word in ("--merge", str(half))]
    assert run(["sweep", "--status", "--out", str(joined), *merges]) == 0
    assert capsys.readouterr().err.count("3 units taken") == 2
    assert results(joined) == results(whole)
    assert run(arguments(toy_dir, joined)) == 0
    assert "0 not done yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--families", "scalecn"], "did you mean scalecnn?"),
        (["--widths", "5"], "scalecnn: 4, 6, 8"),
        (["--widths", "four"], "numbers such as"),
        (["--seeds", "3-1"], "e.g. 0-4 or 0,2"),
        (["--targets", "tflite-in8"], "did you mean tflite-int8?"),
        (["--budget", "25"], "a number with s, m or h"),
        (["--budget", "0m"], "a number with s, m or h"),
        (["--recipe", "fast"], "paper or shapes"),
        (["--device", "tpu"], "auto, cpu or cuda"),
        (["--precision", "fp8"], "auto, bf16 or fp32"),
        (["--merge", "nowhere"], "no such folder to merge"),
        (["--stem-stride", "3", "--widths", "0.25"], "1 or 2"),
        (["--seeds", ","], "an empty list"),
    ],
)
def test_bad_input_is_one_clear_message(toy_dir, tmp_path, capsys, more, words):
    assert run(arguments(toy_dir, tmp_path / "out", *more)) == 2
    printed = capsys.readouterr().err
    assert words in printed
    assert printed.count("error:") == 1
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--epochs", "4"], "differs in its recipe"),
        (["--precision", "bf16"], "differs in its precision"),
    ],
)
def test_another_recipe_in_the_same_folder_is_refused(whole, toy_dir, capsys, more, words):
    before = results(whole)
    assert run(arguments(toy_dir, whole, *more)) == 2
    assert words in capsys.readouterr().err
    assert results(whole) == before


def test_a_manifest_of_another_code_or_data_version_is_refused(whole, toy_dir, tmp_path, capsys):
    manifest = json.loads((whole / "sweep.json").read_text())
    for field, words in (("results_version", "results version"), ("train_digest", "train digest")):
        changed = {**manifest, "basis": {**manifest["basis"], field: 99 if field == "results_version" else "other"}}
        (tmp_path / "sweep.json").write_text(json.dumps(changed))
        assert run(arguments(toy_dir, tmp_path)) == 2
        assert words in capsys.readouterr().err


def test_a_foreign_checkpoint_in_a_seed_s_place_is_refused(whole, toy_dir, tmp_path, capsys):
    foreign = (whole / "scalecnn-c4-seed0.safetensors").read_bytes()
    (tmp_path / "scalecnn-c4-seed1.safetensors").write_bytes(foreign)
    assert run(arguments(toy_dir, tmp_path)) == 2
    assert "its seed differs" in capsys.readouterr().err
    assert (tmp_path / "scalecnn-c4-seed1.safetensors").read_bytes() == foreign


def test_status_of_nothing_is_said(tmp_path, capsys):
    assert run(["sweep", "--status", "--out", str(tmp_path)]) == 2
    assert "there is no sweep in this folder" in capsys.readouterr().err


def test_a_merge_into_a_folder_at_work_is_refused(whole, tmp_path, capsys):
    folder = SweepFolder(tmp_path)
    with folder.lock():
        assert run(["sweep", "--status", "--out", str(tmp_path), "--merge", str(whole)]) == 2
    assert "another sweep or training run is at work" in capsys.readouterr().err
    assert not (tmp_path / "sweep.json").exists()


def test_a_task_s_error_is_printed_once_with_the_seeds_that_it_failed(toy_dir, tmp_path, capsys, monkeypatch):
    def fails(task, inputs, data, *, seconds):
        yield from ()
        raise TrainingError("the disk of this node is broken", where="/scratch")

    monkeypatch.setattr(work.TrainTask, "perform", fails)
    assert run(arguments(toy_dir, tmp_path, "--fuse", "2")) == 2
    printed = capsys.readouterr().err
    assert "scalecnn-c4-seed0 train, scalecnn-c4-seed1 train failed:\nthe disk of this node is broken" in printed
    assert printed.count("/scratch") == 1


class Cluster(LocalRunner):
    """Ray in name only: a cluster of nodes with GPUs or without, that takes no task."""

    def __init__(self, gpus):
        super().__init__({})
        self.cluster_gpus, self.task = gpus, None

    def gpus(self):
        return self.cluster_gpus

    def submit(self, task, inputs, *, seconds):
        self.task = task
        raise TargetUnavailable("this cluster takes no task")


@pytest.mark.parametrize(
    ("device", "cluster", "here", "expected"),
    [("auto", 2.0, False, "cuda"), ("auto", 0.0, True, "cpu"), ("cuda", 0.0, False, "cuda"), ("cpu", 2.0, True, "cpu")],
)
def test_on_a_cluster_its_gpus_decide(toy_dir, tmp_path, capsys, monkeypatch, device, cluster, here, expected):
    """Not those of the command's machine; ``cuda`` where no node has one is for the runner to refuse."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: here)
    runner = Cluster(cluster)
    monkeypatch.setattr(on_ray, "RayRunner", lambda sets, address: runner)
    selection = ["--widths", "12", "--seeds", "0-2", "--targets", "none", "--device", device]
    assert run(["sweep", "--data", str(toy_dir), "--out", str(tmp_path), *selection, "--ray"]) == 4
    assert "takes no task" in capsys.readouterr().err
    task, gpu = runner.task, expected == "cuda"
    assert task.device == expected
    assert (task.resources.gpus > 0) is gpu
    assert len(task.models) == (3 if gpu else 1), "at this width seeds share a step on a GPU alone"
    assert task.basis.precision == ("bf16" if gpu or has_bf16() else "fp32")


def test_a_wrong_name_is_said_before_a_cluster_is_joined(toy_dir, tmp_path, capsys):
    assert run(arguments(toy_dir, tmp_path / "out", "--ray", "127.0.0.1:1", "--families", "scalecn")) == 2
    assert "did you mean scalecnn?" in capsys.readouterr().err


def test_a_bare_ray_takes_no_other_option_for_its_address(toy_dir, tmp_path, capsys, monkeypatch):
    addresses = []

    def refuse(sets, address):
        addresses.append(address)
        raise UsageError("no Ray in this test")

    monkeypatch.setattr(on_ray, "RayRunner", refuse)
    for more in (["--ray"], ["--ray", "--budget", "1m"], ["--ray", "head:6379"]):
        assert run(arguments(toy_dir, tmp_path / "out", *more)) == 2
    assert addresses == [None, None, "head:6379"]
