"""``tinyedge scaling`` from the command line: on the committed outcomes, and on folders that are not what it takes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.support.spoil_sweep import drop, edit_json, edit_outcomes
from tinyedge.cli.main import run

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
C6 = "scalecnn-c6-seed0"


@pytest.fixture
def runs(tmp_path):
    return Path(shutil.copytree(RESULTS / "shapes", tmp_path / "runs"))


def test_the_embedded_datas_sweep_is_two_widths_and_no_law(capsys):
    assert run(["scaling", str(RESULTS / "shapes")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("scalecnn on tflm-int8 against onnx-fp32")
    assert max(len(line) for line in printed.splitlines()) <= 80
    assert "2 widths are too few" in printed
    assert "synthetic" in printed


def test_json_is_the_whole_result(capsys):
    code = run(["scaling", str(RESULTS / "shapes"), "--target", "tflite-int8-xnnpack", "--format", "json"])
    found = json.loads(capsys.readouterr().out)
    assert (code, found["schema"]) == (0, "tinyedge-scaling/1")
    assert found["deployed"]["setting"]["target"] == "tflite-int8-xnnpack"
    assert found["deployed"]["law"] is None
    assert found["pair"]["cost"]["widths"][0]["label"] == "c4"


def test_a_target_that_is_its_own_reference_has_no_comparison(capsys):
    assert run(["scaling", str(RESULTS / "shapes"), "--reference", "tflm-int8", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["pair"] is None


def test_a_reference_that_is_not_float_is_not_called_float(capsys):
    assert run(["scaling", str(RESULTS / "shapes"), "--reference", "tflite-int8-xnnpack"]) == 0
    printed = capsys.readouterr().out
    assert "float" not in printed
    assert "deployed less tflite-int8-xnnpack" in printed
    assert max(len(line) for line in printed.splitlines()) <= 80


def test_an_empty_reference_is_bad_usage(capsys):
    assert run(["scaling", str(RESULTS / "shapes"), "--reference", ""]) == 2
    assert "an empty reference" in capsys.readouterr().err


def test_the_trained_family_has_a_law(capsys, cifar100_dir):
    code = run(["scaling", str(RESULTS / "cifar100"), "--data-dir", str(cifar100_dir), "--format", "json"])
    found = json.loads(capsys.readouterr().out)
    assert code == 0
    for side in ("deployed", "reference"):
        law = found[side]["law"]
        quoted = law["alpha"]["intervals"][0]
        assert quoted["low"] < law["alpha"]["value"] < quoted["high"]
        assert [e["between"][0] for e in law["local"]] == [p["label"] for p in law["points"][:-1]]
        ends = found[side]["overlaps"]["ends"]
        assert ends["independent"] < ends["jaccard"]["value"] < ends["nested"]
    assert len(found["deployed"]["given_up"]["superclasses"]) == 20


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--target", "cortex-m4-int8"], "tflm-int8 (2 models)"),
        (["--reference", "torch-fp32"], "no model of scalecnn has outcomes on torch-fp32"),
        (["--target", "tflm-int9"], "no model of scalecnn has outcomes on tflm-int9"),
        (["--family", "mobilenetv2"], "the sweep plans scalecnn"),
        (["--family", "scalecn"], "did you mean scalecnn?"),
    ],
)
def test_what_the_sweep_does_not_have_is_bad_input(capsys, arguments, said):
    assert run(["scaling", str(RESULTS / "shapes"), *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_that_is_no_sweep_is_bad_input(capsys, tmp_path):
    assert run(["scaling", str(tmp_path / "none")]) == 2
    assert run(["scaling", str(tmp_path)]) == 2
    assert "this is no sweep's folder" in capsys.readouterr().err


def test_other_images_than_the_sweeps_are_bad_input(capsys, tmp_path, shapes_test):
    other = shapes_test.sample(200, seed=0)
    np.savez(tmp_path / "other.npz", x=other.images, y=other.labels)
    assert run(["scaling", str(RESULTS / "shapes"), "--data", str(tmp_path / "other.npz")]) == 2
    assert "another evaluation set" in capsys.readouterr().err


def test_one_member_is_bad_input(capsys, runs):
    for target in ("tflm-int8", "onnx-fp32"):
        drop(runs, C6, target)
    assert run(["scaling", str(runs)]) == 2
    assert "one member is no family" in capsys.readouterr().err


def test_mixed_runtimes_need_mixed_and_are_then_said(capsys, runs):
    edit_outcomes(runs, C6, "tflm-int8", lambda h: h["run"].update(runtime_version="0.dev2025"))
    assert run(["scaling", str(runs)]) == 2
    assert "--mixed" in capsys.readouterr().err
    assert run(["scaling", str(runs), "--mixed", "--reference", "none"]) == 0
    assert "mixed on tflm-int8: runtime_version" in capsys.readouterr().out


def test_mixed_recipes_are_refused_even_so(capsys, runs):
    edit_json(runs / "sweep.json", lambda m: m["basis"]["recipe"].update(epochs=200))
    assert run(["scaling", str(runs), "--mixed"]) == 2
    assert "30 epochs" in capsys.readouterr().err


def test_a_damaged_manifest_or_record_is_bad_input(capsys, runs):
    (runs / "records" / f"{C6}.train.json").write_text("{")
    assert run(["scaling", str(runs)]) == 2
    (runs / "sweep.json").write_text("[]")
    assert run(["scaling", str(runs)]) == 2
    assert "Traceback" not in capsys.readouterr().err
