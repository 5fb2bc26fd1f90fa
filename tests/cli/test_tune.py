"""A finished checkpoint, a few epochs on, from the command line."""

import json

import pytest

from tests.support.toy import save_toy
from tinyedge.cli.main import run
from tinyedge.train.checkpoint import load_checkpoint


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A toy dataset, and a c = 4 that saw it for an epoch."""
    folder = tmp_path_factory.mktemp("tune")
    toy = save_toy(folder / "toy")
    fixed = ["--epochs", "1", "--device", "cpu", "--precision", "fp32", "--threads", "1"]
    assert run(["train", "--width", "4", "--data", str(toy), "--out", str(folder), *fixed]) == 0
    return toy, folder / "scalecnn-c4-seed0.safetensors"


def tune(trained, *more):
    toy, checkpoint = trained
    return run(
        ["tune", str(checkpoint), "--data", str(toy), "--epochs", "1", "--device", "cpu", "--threads", "1", *more]
    )


def test_quantization_aware_training_writes_beside_the_start(trained, capsys):
    assert tune(trained, "--method", "qat", "--format", "json") == 0
    printed = json.loads(capsys.readouterr().out)
    path = trained[1].with_name("scalecnn-c4-seed0-qat-1ep.safetensors")
    assert printed["checkpoint"] == str(path)
    assert printed["recipe"] == "qat-1ep"
    assert load_checkpoint(path).key.tuned.method == "qat"
    assert tune(trained, "--method", "qat") == 0
    assert "already finished" in capsys.readouterr().err


def test_distillation_takes_a_teacher(trained, tmp_path, capsys):
    assert tune(trained, "--method", "distill", "--teacher", str(trained[1]), "--out", str(tmp_path)) == 0
    (made,) = tmp_path.glob("*.safetensors")
    assert load_checkpoint(made).key.tuned.teacher == load_checkpoint(made).key.tuned.start
    assert "test images of toy right, after 1 epochs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--method", "prune"], "unknown method of tuning"),
        (["--method", "distill"], "a teacher goes with distillation"),
        (["--method", "qat", "--teacher", "none.safetensors"], "there is no such checkpoint"),
        (["--method", "plain", "--learning-rate", "0"], "out of range"),
        (["--method", "plain", "--data", "shapes"], "the checkpoint was trained on other data"),
    ],
)
def test_bad_input(trained, capsys, more, said):
    assert tune(trained, *more) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert "Traceback" not in printed
