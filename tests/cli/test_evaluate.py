"""One model's figures from the command line: in pieces, saved, and refused."""

import json

import numpy as np
import pytest

from tinyedge.cli.main import run
from tinyedge.metrics import evaluate
from tinyedge.outcomes import outcome, read_outcomes
from tinyedge.validate import predict


@pytest.fixture(scope="module")
def sample(shapes_test):
    return shapes_test.sample(300, seed=4)


@pytest.fixture
def base(zoo_entry, sample, tmp_path):
    np.savez(tmp_path / "drawn.npz", x=sample.images, y=sample.labels, class_names=np.array(sample.class_names))
    return ["evaluate", "--model", str(zoo_entry.load("tflite-int8").path), "--data", str(tmp_path / "drawn.npz")]


@pytest.fixture(scope="module")
def expected(zoo_entry, sample):
    found = evaluate(outcome(predict("tflite-int8", zoo_entry.load("tflite-int8"), sample), sample))
    del found["superclass_accuracy"]  # an .npz has no superclasses
    return found


def test_in_pieces_the_figures_are_those_in_memory(base, expected, capsys):
    assert run([*base, "--piece", "80", "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    in_pieces = {name: value for name, value in expected.items() if name != "adaptive_ece"}
    assert printed["metrics"] == in_pieces
    assert printed["data"]["images"] == 300
    assert (printed["data"]["name"], printed["schema"]) == ("drawn", "tinyedge-evaluation/1")
    assert "no delegate" in printed["target"]["kernels"]
    assert "/" not in printed["artifact"]["file"]


def test_saved_outcomes_are_those_of_the_run(base, expected, sample, tmp_path, capsys):
    path = tmp_path / "new" / "o.npz"
    assert run([*base, "--save", str(path), "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["metrics"] == expected
    stored = read_outcomes(path, sample)
    artifact = printed["artifact"]
    assert stored.header["facts"] == {
        "model": "scalecnn-c6-seed0",
        "params": artifact["params"],
        "seed": 0,
        "artifact_sha256": artifact["sha256"],
        "artifact_bytes": artifact["size_bytes"],
    }
    assert evaluate(stored.outcome)["accuracy"] == expected["accuracy"]


def test_text_names_model_kernels_and_data(base, expected, capsys):
    assert run(base) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("scalecnn-c6-seed0-int8.tflite on tflite-int8")
    assert any(line == "300 images of drawn (test)" for line in lines)
    assert any(line.startswith("Top-1 accuracy") and line.endswith(f"{expected['accuracy']:.2%}") for line in lines)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (["--target", "tflite-int9"], "unknown target"),
        (["--data", "nowhere"], "no such dataset"),
        (["--model", "nothing.tflite"], "no such model file"),
        (["--split", "validation"], "no such split"),
    ],
)
def test_bad_input_exits_2(base, changed, words, capsys):
    assert run([*base, *changed]) == 2
    assert words in capsys.readouterr().err
