from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import exporting

from tinyedge.artifact import load_artifact, sidecar_path
from tinyedge.cli.main import run
from tinyedge.errors import BAD_INPUT, PASS, TARGET_FAILED


@pytest.fixture
def noise(monkeypatch):
    """The tests' own data in place of a real set."""
    monkeypatch.setattr("tinyedge.data.load_dataset", lambda name, split, **_: exporting.noise(split))
    monkeypatch.setattr("tinyedge.data.load.dataset_splits", lambda name: ("train", "test"))


def test_a_checkpoint_becomes_an_artifact_with_one_result_on_stdout(tmp_path, noise, capsys):
    out = tmp_path / "m.tflite"
    arguments = ["--checkpoint", str(exporting.checkpoint()), "--to", "tflite-int8", "--representative", "120"]
    code = run(["export", *arguments, "--representative-seed", "3", "--out", str(out), "--format", "json"])
    printed = capsys.readouterr()
    assert code == PASS, printed.err
    facts = json.loads(printed.out)
    artifact = load_artifact(out)
    assert facts["sha256"] == artifact.sha256
    assert facts["sidecar"] == str(sidecar_path(out))
    assert facts["input"]["scale"] == 1 / 128
    assert facts["origin"]["representative"]["count"] == 120
    assert facts["origin"]["representative"]["seed"] == 3
    assert "120 representative training images of noise" in printed.err


def test_a_balanced_draw_and_an_estimator_are_recorded(tmp_path, noise, capsys):
    out = tmp_path / "m.tflite"
    arguments = ["--checkpoint", str(exporting.checkpoint()), "--to", "tflite-int8", "--representative", "120"]
    assert run(["export", *arguments, "--representative-balanced", "--calibration", "mse", "--out", str(out)]) == PASS
    assert "seed 0, as many of each class" in " ".join(capsys.readouterr().err.split())
    origin = load_artifact(out).origin
    assert origin["representative"]["balanced"] is True
    assert origin["options"]["calibration"] == "mse"


def test_what_makes_a_file_doubtful_is_said_and_recorded(tmp_path, noise, monkeypatch, capsys):
    monkeypatch.setattr("tinyedge.data.load.dataset_splits", lambda name: ())
    monkeypatch.setattr("tinyedge.data.load_dataset", lambda name, split, **_: exporting.noise(split, 150))
    out = tmp_path / "m.tflite"
    arguments = ["--checkpoint", str(exporting.checkpoint()), "--to", "tflite-int8", "--calibration", "moving-average"]
    assert run(["export", *arguments, "--representative", "110", "--out", str(out)]) == PASS
    said = " ".join(capsys.readouterr().err.split())
    assert "trained on noise, but the ranges are those of noise" in said, "another digest under the same name"
    assert "that these are no test images is on your word" in said
    assert "110 representative images leave the ranges to luck" in said
    assert "the largest logit is cut off on" in said
    assert load_artifact(out).origin["representative"]["split"] == "none stated"


def test_the_text_says_what_was_written_and_how_it_did(tmp_path, capsys):
    out = tmp_path / "m.onnx"
    arguments = ["--checkpoint", str(exporting.checkpoint()), "--to", "onnx-fp32", "--batch", "dynamic"]
    assert run(["export", *arguments, "--out", str(out)]) == PASS
    printed = capsys.readouterr().out
    assert printed.startswith(f"{out}: scalecnn-c4, onnx fp32, ")
    assert "differs from the float module by" in printed


def test_a_module_of_ones_own_becomes_an_artifact(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_cli_net.py").write_text(
        "from torch import nn\n\ndef make():\n    return nn.Sequential(nn.Flatten(), nn.Linear(48, 4))\n"
    )
    arguments = ["--to", "onnx-fp32", "--from", "own_cli_net:make", "--input-shape", "4,4,3"]
    assert run(["export", *arguments, "--normalize", "-1..1", "--color", "BGR"]) == PASS, capsys.readouterr().err
    sys.modules.pop("own_cli_net")
    artifact = load_artifact(tmp_path / "make-onnx-fp32.onnx")
    assert artifact.convention.flags == "--normalize -1..1 --color BGR"
    assert artifact.image_shape == (4, 4, 3)


def test_help_shows_an_example(capsys):
    assert run(["export", "--help"]) == PASS
    assert "tinyedge export --to tflite-int8 --data shapes" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "tflite-int9", "--checkpoint", "c.safetensors"], "did you mean tflite-int8"),
        (["--to", "onnx-fp32"], "neither --checkpoint nor --from"),
        (["--to", "onnx-fp32", "--checkpoint", "a", "--from", "b"], "both --checkpoint and --from"),
        (["--to", "tf-int8", "--from", "FOLDER"], "not stated"),
        (
            ["--to", "tf-fp32", "--from", "FOLDER", "--normalize", "0..1", "--input-shape", "8,8,3"],
            "states its own size",
        ),
        (["--to", "onnx-fp32", "--from", "no_such:net", "--normalize", "0..1"], "--input-shape"),
        (["--to", "onnx-fp32", "--from", "no_such:net", "--input-shape", "8,8,3"], "not stated"),
        (
            ["--to", "onnx-fp32", "--from", "no_such:net", "--normalize", "0..1", "--input-shape", "8,8,3"],
            "no such module",
        ),
        (
            ["--to", "onnx-fp32", "--from", "no_such:net", "--normalize", "0..1", "--input-shape", "8,8,4"],
            "1 or 3 channels",
        ),
        (["--to", "onnx-fp32", "--checkpoint", "CHECKPOINT", "--color", "BGR"], "fixes its input"),
        (["--to", "onnx-fp32", "--checkpoint", "absent.safetensors"], "no such checkpoint"),
        (["--to", "tf-int8", "--from", "absent.keras"], "no such model"),
        (["--to", "onnx-fp32", "--checkpoint", "CHECKPOINT", "--representative", "200"], "does not quantize"),
        (["--to", "onnx-fp32", "--checkpoint", "CHECKPOINT", "--representative-balanced"], "does not quantize"),
        (["--to", "onnx-fp32", "--checkpoint", "CHECKPOINT", "--batch", "3"], "1 or dynamic"),
        (["--to", "onnx-fp32", "--checkpoint", "CHECKPOINT", "--normalize", "0,1"], "fixes its own normalization"),
        (["--to", "tf-int8", "--from", "FOLDER", "--normalize", "0"], "MEAN,STD in pixel units"),
        (["--to", "tf-int8", "--from", "FOLDER", "--normalize", "0,0"], "MEAN,STD in pixel units"),
        (["--to", "tflite-int8", "--checkpoint", "CHECKPOINT", "--representative", "20"], "too few"),
        (["--to", "tflite-int8", "--checkpoint", "CHECKPOINT", "--calibration", "best"], "minmax or minmax-plain"),
    ],
)
def test_bad_usage_is_one_message_and_exit_code_2(arguments, words, tmp_path, noise, capsys):
    known = {"CHECKPOINT": str(exporting.checkpoint()), "FOLDER": str(tmp_path)}
    given = [known.get(a, a) for a in arguments]
    if "--calibration" in given:
        given += ["--representative", "120"]
    out = tmp_path / ("m.onnx" if "onnx-fp32" in given else "m.tflite")
    assert run(["export", *given, "--out", str(out)]) == (BAD_INPUT)
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_exit_code_4_with_the_command(monkeypatch, capsys):
    monkeypatch.setattr("tinyedge.exporters.onnx_fp32.OnnxFp32.requires", {"no_such_module": "no-such-package"})
    assert run(["export", "--to", "onnx-fp32", "--checkpoint", str(exporting.checkpoint())]) == TARGET_FAILED
    assert "pip install 'tinyedge[export]'" in capsys.readouterr().err
