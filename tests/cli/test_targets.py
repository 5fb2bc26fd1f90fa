import json

from tinyedge.cli import main
from tinyedge.registry import TARGETS
from tinyedge.targets import base


def test_every_target_is_listed_in_80_columns(capsys):
    assert main.run(["targets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    for name in TARGETS:
        assert any(line.startswith(f"{name} ") for line in lines), name
    assert "XNNPACK" in " ".join(lines)


def test_json_has_what_the_table_has(capsys):
    assert main.run(["targets", "--format", "json"]) == 0
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(listed) == list(TARGETS)
    row = listed["tflm-int8"]
    assert row["available"] is True
    assert row["takes"] == "int8 tflite"
    assert row["microcontroller"] is True
    assert row["runtime_version"]


def test_what_is_missing_comes_with_its_command(capsys, monkeypatch):
    monkeypatch.setattr(base, "find_spec", lambda name: None if name in ("tflite_micro", "torch") else object())
    assert main.run(["targets"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "tflm-int8 needs tflite-micro: pip install 'tinyedge[mcu]'" in printed
    assert "torch-fp32 needs torch: pip install 'tinyedge[train]'" in printed
    assert "onnx-fp32 needs" not in printed


def test_help_shows_an_example(capsys):
    assert main.run(["targets", "--help"]) == 0
    assert "tinyedge targets --format json" in capsys.readouterr().out
