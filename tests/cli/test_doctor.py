import json
import shutil
from importlib import metadata

import pytest

from tinyedge import zoo
from tinyedge.cli import doctor, main
from tinyedge.errors import TargetUnavailable
from tinyedge.registry import TARGETS
from tinyedge.targets import base, session

REQUIRES = [
    "numpy>=2.0",
    "ai-edge-litert>=2.1",
    "onnxruntime>=1.24",
    'torch>=2.11; extra == "train"',
    'no-such-distribution>=3; extra == "export"',
    'numpy>=99; extra == "mcu"',
]


@pytest.fixture(autouse=True)
def _stated(monkeypatch):
    monkeypatch.setattr(metadata, "requires", lambda name: REQUIRES)


@pytest.fixture
def no_probe(monkeypatch):
    monkeypatch.setattr(session, "probe", lambda target: None)


def checks(capsys, code=0):
    assert main.run(["doctor", "--format", "json"]) == code
    content = json.loads(capsys.readouterr().out)
    assert content["works"] is (code == 0)
    return {check["name"]: check for check in content["checks"]}


def test_everything_is_looked_at(capsys):
    found = checks(capsys)  # really starts each target
    assert {"python", "packages: run time", "processor", "memory", "cifar100", "shipped models"} <= set(found)
    for name, entry in TARGETS.items():
        if all(shutil.which(program.name) for program in entry.load().programs):
            assert found[name]["state"] == "ok", found[name]


def test_missing_programs_are_absent_and_say_how_to_get_them(capsys, monkeypatch, no_probe):
    monkeypatch.setattr(base.shutil, "which", lambda name: None)
    found = checks(capsys)
    assert found["cortex-m4-int8"]["state"] == "absent"
    assert found["cortex-m4-int8"]["found"] == "needs gcc-arm-none-eabi"
    assert found["cortex-m4-int8"]["fix"].startswith("apt-get install")
    assert "libnewlib-arm-none-eabi" in found["cortex-m4-int8"]["fix"]
    assert found["tflm-int8"]["state"] == "ok"


def test_packages_are_held_against_what_each_extra_needs(capsys, no_probe):
    found = checks(capsys)
    assert "ai-edge-litert 2." in found["packages: run time"]["found"]
    assert "torch" not in found["packages: run time"]["found"]
    assert found["packages: train"]["state"] == "ok"
    assert found["packages: train"]["found"].startswith("torch 2.")
    assert found["packages: export"]["state"] == "absent"
    assert "no-such-distribution>=3 (not installed)" in found["packages: export"]["found"]
    assert found["packages: export"]["fix"] == "pip install 'tinyedge[export]'"
    assert found["packages: mcu"]["found"].startswith("missing numpy>=99 (2.")


def test_a_run_time_target_that_is_missing_costs_the_exit_code(capsys, monkeypatch, no_probe):
    monkeypatch.setattr(base, "find_spec", lambda name: None if name == "ai_edge_litert" else object())
    found = checks(capsys, code=4)
    assert found["tflite-int8"]["state"] == "broken"
    assert found["tflite-int8"]["fix"] == "pip install ai-edge-litert"


def test_an_optional_target_that_is_missing_does_not(capsys, monkeypatch, no_probe):
    monkeypatch.setattr(base, "find_spec", lambda name: None if name == "tflite_micro" else object())
    found = checks(capsys)
    assert found["tflm-int8"]["state"] == "absent"
    assert found["tflm-int8"]["fix"] == "pip install 'tinyedge[mcu]'"


def test_a_target_that_is_installed_and_does_not_start_is_broken(capsys, monkeypatch):
    def fails(target):
        raise TargetUnavailable("a package cannot be imported here", found="libfoo.so is missing")

    monkeypatch.setattr(session, "probe", fails)
    found = checks(capsys, code=4)
    assert "libfoo.so" in found["onnx-fp32"]["found"]
    assert found["onnx-fp32"]["fix"] == "pip install onnxruntime"


def test_the_data_folder_is_judged(capsys, monkeypatch, no_probe, tmp_path):
    monkeypatch.setenv("TINYEDGE_DATA", str(tmp_path))
    assert checks(capsys)["cifar100"]["state"] == "absent"
    monkeypatch.delenv("TINYEDGE_DATA")
    found = checks(capsys)["cifar100"]
    assert "is not set" in found["found"]
    assert "export TINYEDGE_DATA=" in found["fix"]


def test_a_damaged_zoo_is_broken(capsys, monkeypatch, no_probe, tmp_path):
    monkeypatch.setattr(zoo, "INDEX", tmp_path / "index.json")
    zoo.entries.cache_clear()
    found = checks(capsys, code=4)["shipped models"]
    assert (found["state"], found["fix"]) == ("broken", "reinstall tinyedge")
    assert main.run(["doctor"]) == 4
    assert capsys.readouterr().out.splitlines()[-1] == "tinyedge validate would fail here: see the broken lines"


def test_text_fits_80_columns_and_ends_in_the_verdict(capsys, no_probe):
    assert main.run(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "the run-time targets work"


def test_memory_that_cannot_be_read_is_no_error(monkeypatch):
    monkeypatch.setattr(doctor, "memory_bytes", lambda: None)
    assert doctor._memory().state == "ok"
    monkeypatch.setattr(doctor, "memory_bytes", lambda: (8 << 30, 100 << 20))
    assert doctor._memory().state == "absent"


def test_help_shows_an_example(capsys):
    assert main.run(["doctor", "--help"]) == 0
    assert "tinyedge doctor --format json" in capsys.readouterr().out
