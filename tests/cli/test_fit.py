"""``tinyedge fit``, ``tinyedge boards`` and ``tinyedge validate --board``, from arguments to exit code."""

import json
import re

import pytest

import tinyedge.fit
from tests.support.made_fit import made_validation
from tinyedge.board import board_names, find_board
from tinyedge.cli.main import run
from tinyedge.gate.catalogue import GATES
from tinyedge.targets import vela

SMALL = ["--data", "shapes", "--images", "60"]
BASE = ["validate", "--params", "50k", *SMALL, "--parity", "5"]


@pytest.fixture(autouse=True)
def no_cifar100(monkeypatch):
    monkeypatch.delenv("TINYEDGE_DATA", raising=False)


@pytest.fixture
def policy(tmp_path):
    """Budget alone: the other gates need more images than a test has."""
    path = tmp_path / "budget.toml"
    off = "".join(f"[{gate.name}]\nenabled = false\n" for gate in GATES if gate.name != "budget")
    path.write_text(f"[policy]\nmin_images = 10\n{off}")
    return str(path)


def test_the_boards_are_listed(capsys):
    assert run(["boards"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines[1:-3]]
    assert [row[0].removesuffix("*") for row in rows] == list(board_names())
    assert {row[0].removesuffix("*") for row in rows if row[0].endswith("*")} == {
        name for name in board_names() if find_board(name).unchecked
    }
    assert ["ethos-u55-128", "m55+u55-128", "25/500"] in [row[:3] for row in rows]
    assert lines[-2].startswith("* ")
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    assert run(["boards", "--format", "json"]) == 0
    assert [board["name"] for board in json.loads(capsys.readouterr().out)] == list(board_names())


def test_a_board_is_shown_with_its_sources(capsys):
    assert run(["boards", "nucleo-l476rg"]) == 0
    told = capsys.readouterr().out
    assert "98,304 bytes of RAM" in told
    assert "DS10198" in told
    assert run(["boards", "nucleo-l476rg", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["ram_bytes"] == 98_304
    assert run(["boards", "nucleo-l476"]) == 2
    told = capsys.readouterr().err
    assert "did you mean nucleo-l476rg?" in told
    assert "NAME" in told
    assert "--board" not in told


def test_a_board_without_firmware_is_judged_by_bounds_and_says_so(capsys, policy):
    assert run([*BASE, "--board", "esp32-s3-devkitc-1", "--policy", policy]) == 0
    out = capsys.readouterr().out
    assert out.startswith("PASS  scalecnn-c6-seed0-int8.tflite on tflm-int8")
    assert re.search(r"Budget: flash +PASS \(warning\) +58,656 bytes +model file +8,388,608", out)
    assert re.search(r"Budget: RAM +PASS \(warning\) +[\d,]+ bytes +estimate +341,760", out)
    assert max(map(len, out.splitlines())) <= 80


def test_a_model_too_large_for_the_board_fails_with_the_figure(tmp_path, capsys, policy):
    run(["boards", "nucleo-f446re", "--format", "json"])
    facts = json.loads(capsys.readouterr().out)
    board = tmp_path / "tiny.toml"
    sources = "".join(f'{name} = "{text}"\n' for name, text in facts["sources"].items())
    board.write_text(
        'title = "Tiny"\nfamily = "X"\ncore = "cortex-m4"\nclock_hz = 1000\nflash_bytes = 32768\nram_bytes = 4096\n'
        f"instructions_per_clock = 1\n[sources]\n{sources}"
    )
    assert run([*BASE, "--board", str(board), "--policy", policy, "--out", str(tmp_path / "out")]) == 1
    out = capsys.readouterr().out
    assert re.search(r"Budget: flash +FAIL +46,570 bytes +lower bound +32,768", out)
    assert re.search(r"Budget: RAM +INCONCLUSIVE", out)
    stored = json.loads((tmp_path / "out" / "run.json").read_text())
    assert (stored["board"]["name"], stored["board"]["facts"]["ram_bytes"]) == ("tiny", 4096)
    assert run(["report", str(tmp_path / "out" / "run.json"), "--report", "md", "--out", str(tmp_path)]) == 0


def test_an_npus_estimate_is_in_the_report(capsys, policy):
    arguments = [*BASE, "--board", "ethos-u55-128", "--fps", "1000", "--policy", policy, "--format", "json"]
    assert run(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["run"]["target"] == "tflite-int8-reference"
    assert report["board"]["estimate"]["label"].startswith("estimated by ethos-u-vela")
    gates = {gate["name"]: gate for gate in report["verdict"]["gates"]}
    assert gates["budget.cycles"]["figure"] == report["board"]["estimate"]["cycles"]
    assert {gates[f"budget.{key}"]["note"] for key in ("flash", "ram", "cycles")} == {"estimate"}


def test_without_vela_the_command_stops_with_exit_code_4(capsys, monkeypatch):
    monkeypatch.setattr(vela, "find_spec", lambda name: None)
    assert run([*BASE, "--board", "ethos-u55-128"]) == 4
    assert "pip install 'tinyedge[npu]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--board", "nucleo-f446"], "did you mean nucleo-f446re?"),
        (["--board", "absent.toml"], "the board's file cannot be read"),
        (["--board", "nucleo-f446re", "--fps", "0"], "not a frame rate"),
        (["--board", "nucleo-f446re", "--fps", "nan"], "not a frame rate"),
        (["--fps", "5"], "a frame rate of which board?"),
        (["--board", "nucleo-f446re", "--target", "cortex-m7-int8"], "another core"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(arguments, says, capsys):
    assert run([*BASE, *arguments]) == 2
    printed = capsys.readouterr()
    assert says in printed.err
    assert printed.out == ""
    if arguments[0] == "--board":
        assert run(["fit", *SMALL, *arguments]) == 2


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("tflite-fp32", "runs fp32 files"),
        ("serial-int8", "tinyedge validate --target serial-int8 --port ... --board nucleo-f446re"),
        ("command-int8", "tinyedge validate --target command-int8 --command ... --board nucleo-f446re"),
    ],
)
def test_fit_refuses_a_target_that_cannot_run_the_family(target, says, capsys):
    assert run(["fit", *SMALL, "--board", "nucleo-f446re", "--target", target]) == 2
    printed = capsys.readouterr()
    assert says in printed.err
    assert printed.out == ""


def test_firmware_is_held_against_the_boards_budget(arm_tools, capsys, policy):
    arguments = ["validate", "--params", "22k", "--data", "shapes", "--images", "20", "--parity", "0"]
    arguments += ["--board", "nucleo-f446re", "--policy", policy, "--format", "json"]
    assert run([*arguments, "--fps", "40"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["run"]["target"] == "cortex-m4-int8"
    facts = report["deployed"]["target"]
    gates = {gate["name"]: gate for gate in report["verdict"]["gates"]}
    assert gates["budget.flash"]["figure"] == facts["flash_bytes"]
    assert gates["budget.ram"]["figure"] == facts["ram_bytes"] + facts["stack_bytes"]
    assert gates["budget.instructions"]["figure"] == facts["instructions"]
    assert gates["budget.instructions"]["limit"] == 180_000_000 // 40
    assert report["board"]["max_fps"] == pytest.approx(180_000_000 / facts["instructions"])


def test_fit_prints_the_table_and_writes_it(tmp_path, capsys, policy):
    arguments = ["fit", "--board", "esp32-s3-devkitc-1", *SMALL, "--policy", policy, "--out", str(tmp_path / "f")]
    assert run(arguments) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].startswith("PASS  Espressif")
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("Largest that keeps budget and gates: scalecnn-c6") for line in lines)
    assert "1 of 2: scalecnn-c4 on tflm-int8" in printed.err
    assert json.loads((tmp_path / "f" / "fit.json").read_text())["largest"] == "scalecnn-c6"
    assert (tmp_path / "f" / "fit.svg").read_text().startswith("<svg xmlns=")
    assert "| c4 |" in (tmp_path / "f" / "fit.md").read_text()


def test_fit_exits_as_the_answer_is(tmp_path, capsys, policy, monkeypatch):
    monkeypatch.setattr(tinyedge.fit, "validate", made_validation)
    tight = tmp_path / "tight.toml"
    tight.write_text((tmp_path / "budget.toml").read_text() + "[budget]\nmax_flash_bytes = 40000\n")
    base = ["fit", "--board", "esp32-s3-devkitc-1", *SMALL, "--format", "json"]
    assert run([*base, "--policy", str(tight)]) == 0
    assert json.loads(capsys.readouterr().out)["largest"] == "scalecnn-c4"
    tight.write_text((tmp_path / "budget.toml").read_text() + "[budget]\nmax_flash_bytes = 4000\n")
    assert run([*base, "--policy", str(tight)]) == 1
    capsys.readouterr()
    assert run([*base, "--policy", policy, "--fps", "1"]) == 3
    assert run(["fit", *SMALL]) == 2
