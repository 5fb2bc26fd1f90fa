"""The main command, from arguments to exit code, on shipped models and the embedded data."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from tinyedge.artifact import sidecar_path
from tinyedge.cli.main import run
from tinyedge.cli.validate import sampled

BASE = ["validate", "--params", "50k", "--data", "shapes", "--images", "2000", "--parity", "20"]


@pytest.fixture(autouse=True)
def no_cifar100(monkeypatch):
    monkeypatch.delenv("TINYEDGE_DATA", raising=False)


FILES = ("--reference", "{onnx}", "--deployed", "{int8}")


def write(path, text):
    path.write_text(text)
    return str(path)


def test_a_pass_leads_with_the_verdict_and_exits_0(capsys):
    assert run(BASE[:5]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].startswith("PASS  scalecnn-c6-seed0-int8.tflite on tflite-int8")
    assert "synthetic" in printed.out
    assert max(map(len, lines)) <= 80
    assert "46,570, 0.93 times" in printed.err


def test_a_failed_gate_exits_1(tmp_path, capsys):
    policy = write(tmp_path / "strict.toml", '[policy]\nname = "strict"\n[churn]\nmax_discordance_percent = 0.01\n')
    assert run([*BASE, "--policy", policy]) == 1
    assert capsys.readouterr().out.startswith("FAIL")


def test_too_few_images_exit_3(capsys):
    assert run([*BASE[:5], "--images", "5", "--parity", "0"]) == 3
    assert capsys.readouterr().out.startswith("INCONCLUSIVE")


def test_json_on_stdout_and_report_in_a_file_say_the_same(tmp_path, capsys):
    code = run([*BASE, "--format", "json", "--out", str(tmp_path / "new")])
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "new" / "run.json").read_text())
    assert printed["verdict"]["exit_code"] == code
    assert "2,000 of 10,000 images drawn with seed 0" in printed["data"]["source"]


def test_the_reports_asked_for_are_written(tmp_path, capsys):
    assert run([*BASE[:5], "--images", "200", "--parity", "0", "--report", "junit,md", "--out", str(tmp_path)]) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["junit.xml", "report.md", "run.json"]
    assert "INCONCLUSIVE" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    "target", ["tflite-int8-reference", "tflite-int8-xnnpack", "tflm-int8", "tflite-fp32", "onnx-fp32"]
)
def test_every_target_of_the_zoo_ends_in_a_verdict(target, capsys):
    assert run([*BASE[:5], "--images", "200", "--parity", "10", "--target", target]) in (0, 1, 3)
    assert f" on {target}" in capsys.readouterr().out.splitlines()[0]


def test_the_last_release_is_not_overwritten(tmp_path, capsys):
    report = tmp_path / "run.json"
    report.write_text("the last release")
    assert run([*BASE[:5], "--images", "200", "--baseline", str(report), "--out", str(tmp_path)]) == 2
    assert "would replace the last release's" in capsys.readouterr().err
    assert report.read_text() == "the last release"


def test_the_printed_policy_is_the_policy(tmp_path, capsys):
    assert run(["validate", "--print-policy"]) == 0
    text = capsys.readouterr().out
    assert run(["validate", "--print-policy", "--policy", write(tmp_path / "p.toml", text)]) == 0
    assert capsys.readouterr().out == text


def foreign(zoo_entry, folder):
    """Copies of the shipped models without their side-cars: what somebody else's files look like."""
    copies = []
    for kind in ("onnx-fp32", "tflite-int8"):
        source = zoo_entry.load(kind).path
        copies.append(shutil.copy(source, folder / source.name))
    return [str(c) for c in copies]


def test_foreign_files_with_a_stated_convention_on_an_npz(tmp_path, zoo_entry, shapes_test, capsys):
    reference, deployed = foreign(zoo_entry, tmp_path)
    names = np.array(shapes_test.class_names)
    np.savez(tmp_path / "own.npz", x=shapes_test.images[::20], y=shapes_test.labels[::20], class_names=names)
    files = ["--reference", reference, "--deployed", deployed, "--normalize", "128,128"]
    assert run(["validate", *files, "--data", str(tmp_path / "own.npz"), "--parity", "0"]) in (0, 3)
    assert "500 images, 100 classes" in capsys.readouterr().out


def test_foreign_files_on_an_image_folder(tmp_path, zoo_entry, shapes_test, capsys):
    reference, deployed = foreign(zoo_entry, tmp_path)
    for i in range(0, 10_000, 50):  # two images of each class
        folder = tmp_path / "photos" / f"{shapes_test.labels[i]:03d}"  # folder names sort as the labels do
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(shapes_test.images[i]).save(folder / f"{i}.png")
    files = ["--reference", reference, "--deployed", deployed, "--normalize", "128,128"]
    assert run(["validate", *files, "--data", str(tmp_path / "photos"), "--parity", "0", "--format", "json"]) in (0, 3)
    report = json.loads(capsys.readouterr().out)
    assert report["data"]["images"] == 200
    assert report["reference"]["metrics"]["accuracy"] > 0.5, "the labels are the folders' order"


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (["--deployed", "{tmp}/none.tflite"], 2, "no such model file"),
        (["--deployed", "{tmp}"], 2, "no such model file"),
        (["--deployed", "{truncated}"], 2, "truncated.tflite"),
        (["--deployed", "{text}"], 2, "text.tflite"),
        (["--deployed", "{onnx}"], 2, "tflite-int8 runs tflite files"),
        (["--deployed", "{bare}"], 2, "--normalize"),
        (["--deployed", "{bare}", "--normalize", "128"], 2, "MEAN,STD"),
        (["--deployed", "{bare}", "--normalize", "0.5,0.5"], 2, "in units of 0..1"),
        (["--deployed", "{bare}", "--normalize", "0..255"], 2, "clearly better under another convention"),
        (["--deployed", "{bare}", "--normalize", "128,128", "--layout", "NCHW"], 2, "stated layout does not fit"),
        (["--reference-normalize", "0..1"], 2, "--reference-normalize"),
        (["--reference-normalize", "0..7", "--data", "shapes", *FILES], 2, "--reference-normalize"),
        (["--labels", "{tmp}/none.txt"], 2, "no such label file"),
        (["--labels", "{policy}"], 2, "name different classes"),
        (["--deployed", "{bare}", "--normalize", "128,0"], 2, "MEAN,STD"),
        (["--deployed", "{changed}"], 2, "side-car describes"),
        (["--deployed", "{fp32}"], 2, "runs int8 models"),
        (["--target", "tflite-fp32", "--deployed", "{bare}", "--normalize", "128,128"], 2, "runs fp32 models"),
        (["--target", "tflite-int9"], 2, "did you mean"),
        (["--target", "tflm-int8", "--arena-bytes", "100"], 4, "arena is too small"),
        (["--arena-bytes", "100", "--parity", "0"], 2, "--arena-bytes"),
        (["--all"], 2, "all images, or how many?"),
        (["--kernels", "portable"], 2, "has no such option"),
        (["--target", "cortex-m0plus-int8", "--kernels", "cmsis-nn"], 2, "has no such kernels"),
        (["--policy", "{tmp}/none.toml"], 2, "none.toml"),
        (["--policy", "{policy}"], 2, "did you mean max_drop_pp"),
        (["--data", "{tmp}/nowhere"], 2, "no such dataset"),
        (["--data", "{empty}"], 2, "empty"),
        (["--data", "{two_classes}"], 2, "has no scalecnn-c6 trained on two"),
        (["--data", "{small}", *FILES], 2, "32x32x3"),
        (["--data", "{two_classes}", *FILES], 2, "2 classes in the data"),
        (["--report", "run.json"], 2, "report format"),
        (["--report", ","], 2, "no report format"),
        (["--out", "{text}"], 2, "text.tflite"),
        (["--params", "3"], 2, "factor"),
        (["--params", "50k", *FILES], 2, "--params and both files"),
        (["--reference", "{onnx}"], 2, "which model?"),
    ],
)
def test_bad_input_is_one_message_with_the_right_code(change, code, words, tmp_path, zoo_entry, shapes_test, capsys):
    int8, onnx = zoo_entry.load("tflite-int8").path, zoo_entry.load("onnx-fp32").path
    places = {"tmp": tmp_path, "onnx": onnx, "int8": int8, "fp32": zoo_entry.load("tflite-fp32").path}
    for name in ("truncated", "text", "bare", "changed"):
        places[name] = tmp_path / f"{name}.tflite"
    places["truncated"].write_bytes(int8.read_bytes()[:20_000])
    places["text"].write_text("not a model")
    places["bare"].write_bytes(int8.read_bytes())
    places["changed"].write_bytes(int8.read_bytes()[:-1] + b"x")
    shutil.copy(sidecar_path(int8), sidecar_path(places["changed"]))
    places["policy"] = tmp_path / "policy.toml"
    places["policy"].write_text("[accuracy]\nmax_drop = 1\n")
    places["empty"] = tmp_path / "empty"
    places["empty"].mkdir()
    places["two_classes"], places["small"] = tmp_path / "two.npz", tmp_path / "small.npz"
    np.savez(places["two_classes"], x=shapes_test.images[:4], y=np.array([0, 1, 0, 1]))
    np.savez(places["small"], x=shapes_test.images[:100, ::2, ::2], y=np.arange(100))
    before = set(tmp_path.iterdir())
    base = ["validate"] if "--reference" in change else BASE
    assert run([*base, *(part.format(**places) for part in change)]) == code
    printed = capsys.readouterr()
    assert words in printed.err
    assert "Traceback" not in printed.err
    assert not printed.out
    assert set(tmp_path.iterdir()) == before, "no half-written file"


def test_firmware_says_what_it_takes_and_by_default_runs_1000_images(arm_tools, capsys):
    assert run([*BASE[:5], "--target", "cortex-m4-int8", "--parity", "0", "--format", "json"]) in (0, 3)
    printed = capsys.readouterr()
    content = json.loads(printed.out)
    assert content["data"]["images"] == 1000
    assert "1,000 of 10,000 images, drawn with seed 0; all of them with --all" in printed.err
    facts = content["deployed"]["target"]
    assert facts["kernels"].startswith("CMSIS-NN")
    for name in ("flash_bytes", "ram_bytes", "arena_bytes", "stack_bytes", "instructions"):
        assert facts[name] > 0, name


@pytest.mark.parametrize(
    ("asked", "images"),
    [
        ({}, 100),
        ({"whole": True}, 10_000),
        ({"images": 7}, 7),
        ({"enough": None}, 10_000),
        ({"enough": 10_000}, 10_000),
    ],
)
def test_as_many_images_as_asked_for_or_as_are_enough(shapes_test, asked, images):
    chosen = {"images": None, "whole": False, "enough": 100, "seed": 0, "notes": Console(quiet=True), **asked}
    assert len(sampled(shapes_test, **chosen)) == images


def test_a_target_that_is_not_installed_exits_4(monkeypatch, capsys):
    from tinyedge.registry import TARGETS
    from tinyedge.targets.base import Availability

    target = TARGETS["tflm-int8"].load()
    monkeypatch.setattr(
        target, "available", classmethod(lambda cls: Availability(False, "tflite-micro", "pip install 'tinyedge[mcu]'"))
    )
    assert run([*BASE, "--target", "tflm-int8"]) == 4
    assert "pip install 'tinyedge[mcu]'" in capsys.readouterr().err
