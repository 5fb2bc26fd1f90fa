"""``tinyedge validate`` on files of which nothing is known but what the flags say."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import tiny_models

from tinyedge.cli.main import run

NAMES = ("ant", "bee", "cow", "dog", "elk", "fox", "gnu")


@pytest.fixture(autouse=True)
def no_cifar100(monkeypatch):
    monkeypatch.delenv("TINYEDGE_DATA", raising=False)


@pytest.fixture
def toy(tmp_path):
    """Images that the tiny model is nearly always right on, and arguments that name them."""
    pixels = tiny_models.images(700, seed=4)
    labels = tiny_models.expected_logits(pixels).argmax(axis=1)
    labels[::10] = (labels[::10] + 1) % 7
    np.savez(tmp_path / "toy.npz", x=pixels, y=labels, class_names=np.array(NAMES))
    return ["--data", str(tmp_path / "toy.npz"), "--parity", "0", "--format", "json"]


def files(folder, *, reference=None, deployed=None):
    (folder / "float.tflite").write_bytes(reference or tiny_models.tflite("fp32"))
    (folder / "int8.tflite").write_bytes(deployed or tiny_models.tflite())
    return ["--reference", str(folder / "float.tflite"), "--deployed", str(folder / "int8.tflite")]


def report(arguments, capsys):
    code = run(["validate", *arguments])
    printed = capsys.readouterr()
    assert code in (0, 1, 3), printed.err
    return json.loads(printed.out), printed.err


def test_files_and_flags_are_enough(tmp_path, toy, capsys):
    found, said = report([*files(tmp_path), *toy, "--normalize", "128,128"], capsys)
    assert found["reference"]["metrics"]["accuracy"] == pytest.approx(0.9)
    assert "(pixel - 128) / 128; stored as int8, scale 0.0078125, zero point 0; logits out" in said


def test_softmax_uint8_and_a_dynamic_batch_go_in_and_are_said(tmp_path, toy, capsys):
    given = files(
        tmp_path,
        reference=tiny_models.tflite("fp32", ending="SOFTMAX", batch=-1),
        deployed=tiny_models.tflite(io="uint8", batch=-1),
    )
    found, said = report([*given, *toy, "--normalize", "128,128"], capsys)
    assert found["reference"]["artifact"]["output_kind"] == "probabilities"
    assert found["deployed"]["artifact"]["input"]["dtype"] == "uint8"
    assert said.count("the batch is dynamic in the file: fixed to 1 here") == 2
    assert "fixed to 1" in found["deployed"]["target"]["preparation"][-1]
    assert found["reference"]["metrics"]["accuracy"] == pytest.approx(0.9)


def test_without_a_convention_the_candidates_are_listed_and_none_is_taken(tmp_path, toy, capsys):
    assert run(["validate", *files(tmp_path), *toy]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "tinyedge does not choose" in printed.err
    assert printed.err.count("--normalize") >= 8


def test_the_order_of_the_outputs_comes_from_the_label_file(tmp_path, toy, capsys):
    order = np.random.default_rng(0).permutation(7)  # the data's numbering is another than the model's
    with np.load(tmp_path / "toy.npz") as stored:
        pixels, labels = stored["x"], stored["y"]
    np.savez(tmp_path / "toy.npz", x=pixels, y=np.argsort(order)[labels], class_names=np.array(NAMES)[order])
    given = [*files(tmp_path), *toy, "--normalize", "128,128"]
    assert run(["validate", *given]) == 2
    assert "check the labels' order (--labels)" in capsys.readouterr().err
    (tmp_path / "labels.txt").write_text("\n".join(NAMES))
    found, _ = report([*given, "--labels", str(tmp_path / "labels.txt")], capsys)
    assert found["reference"]["metrics"]["accuracy"] == pytest.approx(0.9)
    assert "order of a label file" in found["data"]["source"]


def test_labels_without_meaning_are_judged_where_the_probe_is_off(tmp_path, toy, capsys):
    with np.load(tmp_path / "toy.npz") as stored:
        np.savez(tmp_path / "toy.npz", x=stored["x"], y=np.random.default_rng(0).permutation(stored["y"]))
    given = [*files(tmp_path), *toy, "--normalize", "128,128"]
    assert run(["validate", *given]) == 2
    assert "no better than chance" in capsys.readouterr().err
    found, _ = report([*given, "--no-probe"], capsys)
    assert found["verdict"]["exit_code"] == 3


def test_the_reference_may_take_its_pixels_in_another_way(tmp_path, toy, capsys):
    given = [*files(tmp_path), *toy]
    found, _ = report([*given, "--normalize", "128,128", "--reference-normalize", "-1..1"], capsys)
    assert found["reference"]["artifact"]["convention"]["mean"] == [127.5]
    assert found["deployed"]["artifact"]["convention"]["mean"] == [128.0]


def test_images_of_another_size_go_in_by_a_stated_method_only(tmp_path, toy, capsys):
    with np.load(tmp_path / "toy.npz") as stored:
        large = stored["x"].repeat(3, axis=1).repeat(3, axis=2)
        np.savez(tmp_path / "toy.npz", x=large, y=stored["y"], class_names=np.array(NAMES))
    given = [*files(tmp_path), *toy, "--normalize", "128,128"]
    assert run(["validate", *given]) == 2
    assert "--resize bilinear or nearest or area" in capsys.readouterr().err
    found, said = report([*given, "--resize", "area"], capsys)
    assert found["reference"]["metrics"]["accuracy"] == pytest.approx(0.9)
    assert "resized from 24x24 to 8x8, area, no antialiasing" in said


def test_data_from_a_function_of_ones_own(tmp_path, toy, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(tmp_path / "toy.npz", tmp_path / "kept.npz")
    (tmp_path / "own_validate_data.py").write_text(
        "import numpy as np\n\ndef load(split):\n"
        "    stored = np.load('kept.npz')\n    return stored['x'], stored['y'], stored['class_names'].tolist()\n"
    )
    given = [*files(tmp_path), *toy, "--normalize", "128,128", "--data", "own_validate_data:load"]
    found, _ = report(given, capsys)
    sys.modules.pop("own_validate_data")
    assert found["data"]["source"] == "own_validate_data:load (Python function)"
    assert found["reference"]["metrics"]["accuracy"] == pytest.approx(0.9)
