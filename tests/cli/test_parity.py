"""``tinyedge parity``: what it prints, at 80 columns and as JSON, and what it refuses."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
import numpy as np
import tiny_models

from tinyedge.cli.main import run
from tinyedge.registry import TARGETS
from tinyedge.report.codec import decode
from tinyedge.report.kernels import KernelMatrix
from tinyedge.targets.base import Availability

PATHS = "tflite-int8-reference,tflm-int8"


@pytest.fixture
def tiny(tmp_path):
    """A model and images that fit it."""
    (tmp_path / "tiny.tflite").write_bytes(tiny_models.tflite())
    batch = tiny_models.images(120)
    labels = np.arange(len(batch)) % tiny_models.CLASSES
    np.savez(tmp_path / "drawn.npz", x=batch, y=labels, class_names=np.array([f"c{i}" for i in range(7)]))
    return [
        "--deployed", str(tmp_path / "tiny.tflite"), "--data", str(tmp_path / "drawn.npz"), "--normalize", "128,128",
    ]  # fmt: skip


def test_text_says_who_agrees_and_where_they_part(tiny, capsys):
    assert run(["parity", *tiny, "--paths", PATHS, "--images", "100"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    for words in ("tiny.tflite, 100 images of drawn", "1  tflite-int8-reference", "of 100 images: above, those with"):
        assert words in text
    assert "1 and 2: " in text
    assert "of outputs differ, by 1 LSB at most" in text
    assert "from operator 3 of 3 on: FULLY_CONNECTED, 1x7 values" not in text, "the batch is no dimension of these"
    assert "from operator 3 of 3 on: FULLY_CONNECTED, 7 values" in text


def test_json_holds_the_same_and_reads_back(tiny, capsys):
    assert run(["parity", *tiny, "--paths", PATHS, "--images", "100", "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["schema"] == "tinyedge-parity/1"
    assert printed["artifact"]["file"] == "tiny.tflite"
    assert printed["data"]["images"] == 100
    matrix = decode(KernelMatrix, printed["kernels"], "kernels")
    assert [path.name for path in matrix.paths] == PATHS.split(",")
    (pair,) = matrix.pairs
    assert pair.parting.operator == "FULLY_CONNECTED"
    assert sum(pair.lsb_histogram.values()) == 100 * tiny_models.CLASSES


def test_the_zoo_is_found_by_size_and_equal_paths_are_told(capsys):
    assert run(["parity", "--params", "20k", "--data", "shapes", "--paths", PATHS, "--images", "20"]) == 0
    said = capsys.readouterr()
    assert "scalecnn-c4" in said.err
    assert "1, 2: byte for byte the same on all 20 images" in said.out


def test_a_path_that_is_not_installed_is_named(tiny, capsys, monkeypatch):
    kind = TARGETS["cortex-m4-int8"].load()
    monkeypatch.setattr(kind, "available", classmethod(lambda cls: Availability(False, "gcc-arm", "apt-get it")))
    assert run(["parity", *tiny, "--paths", f"{PATHS},cortex-m4-int8", "--images", "20", "--no-layers"]) == 0
    text = capsys.readouterr().out
    assert "not run: cortex-m4-int8:cmsis-nn: not installed: gcc-arm (apt-get it)" in " ".join(text.split())
    assert run(["parity", *tiny, "--paths", "tflm-int8,cortex-m4-int8", "--images", "20"]) == 4
    assert "fewer than two paths can run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "neither --params nor --deployed"),
        (["--params", "50k", "--deployed", "x.tflite"], "both --params and --deployed"),
        (["--params", "50k", "--paths", "tflm-int8"], "two paths or more"),
        (["--params", "50k", "--paths", "tflm-int8,tflite-int"], "did you mean tflite-int8"),
        (["--params", "50k", "--paths", PATHS, "--all-paths"], "which paths?"),
        (["--deployed", "nowhere.tflite", "--paths", PATHS], "no such model file"),
        (["--params", "50k", "--paths", PATHS, "--data", "nowhere"], "no such dataset"),
        (["--params", "50k", "--paths", "tflite-int8,tflite-int8-reference", "--arena-bytes", "9"], "no path takes"),
    ],
)
def test_bad_input_exits_2(arguments, words, capsys):
    assert run(["parity", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_float_model_is_refused(tiny, tmp_path, capsys):
    (tmp_path / "tiny.tflite").write_bytes(tiny_models.tflite("fp32"))
    assert run(["parity", *tiny, "--paths", PATHS]) == 2
    assert "parity is of int8 TFLite models" in capsys.readouterr().err
