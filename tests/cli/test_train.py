"""One training run from the command line, in a folder that a sweep may use too."""

import json

import pytest

from tests.support.toy import save_toy
from tinyedge.cli.main import run
from tinyedge.errors import SweepError
from tinyedge.sweep.folder import SweepFolder
from tinyedge.train import loop


@pytest.fixture(scope="module")
def toy_dir(tmp_path_factory):
    return save_toy(tmp_path_factory.mktemp("data") / "toy")


def arguments(toy_dir, out):
    fixed = ["--width", "4", "--epochs", "1", "--device", "cpu", "--precision", "fp32", "--threads", "1"]
    return ["train", "--data", str(toy_dir), "--out", str(out), *fixed]


def test_a_checkpoint_comes_out_of_a_locked_folder(toy_dir, tmp_path, monkeypatch, capsys):
    real, refused = loop.train, []

    def tried_by_another(*args, **options):
        with pytest.raises(SweepError) as caught, SweepFolder(options["folder"]).lock():
            pass
        refused.append(caught.value.what)
        return real(*args, **options)

    monkeypatch.setattr(loop, "train", tried_by_another)
    assert run([*arguments(toy_dir, tmp_path / "new"), "--format", "json"]) == 0
    assert refused == ["another sweep or training run is at work in this folder"]
    printed = json.loads(capsys.readouterr().out)
    assert printed["checkpoint"] == str(tmp_path / "new" / "scalecnn-c4-seed0.safetensors")
    assert printed["epochs"] == 1
    with SweepFolder(tmp_path / "new").lock():
        pass  # free again


def test_a_folder_where_a_sweep_is_at_work_is_refused(toy_dir, tmp_path, capsys):
    with SweepFolder(tmp_path).lock():
        assert run(arguments(toy_dir, tmp_path)) == 2
    printed = capsys.readouterr().err
    assert printed.count("error:") == 1
    assert "another sweep or training run is at work in this folder" in printed
    assert "its own --out" in printed
    assert [path.name for path in tmp_path.iterdir()] == [".lock"], "nothing was trained"
