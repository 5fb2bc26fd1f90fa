"""What so many images can tell, from arguments to exit code."""

import json

import pytest

from tinyedge.cli.main import run
from tinyedge.gate import DEFAULT_POLICY
from tinyedge.gate.power import images_for, power_table


def test_the_table_has_a_row_a_gate_and_fits_80_columns(capsys):
    assert run(["power", "--images", "2000", "--classes", "10"]) == 0
    printed = capsys.readouterr().out
    assert "2,000 images of 10 classes, discordance 5.0%" in printed
    assert max(map(len, printed.splitlines())) <= 80
    for row in power_table(images=2000, classes=10, discordance=0.05, policy=DEFAULT_POLICY):
        assert any(line.startswith(f"{row.title}  ") for line in printed.splitlines())
        assert f"{row.title}: " in printed


def test_json_is_the_table(capsys):
    given = {"images": 500, "classes": 4, "discordance": 0.03}
    flags = [part for key, value in given.items() for part in (f"--{key}", str(value))]
    assert run(["power", *flags, "--drop", "0.5pp", "--format", "json"]) == 0
    content = json.loads(capsys.readouterr().out)
    rows = power_table(**given, policy=DEFAULT_POLICY)
    assert [(r["gate"], r["detects"], r["passes"], r["images_for_limit"]) for r in content["rows"]] == [
        (r.gate, r.detects, r.passes, r.images_for_limit) for r in rows
    ]
    assert {key: content[key] for key in given} == given
    needed = images_for(gate="accuracy", figure=0.5, classes=4, discordance=0.03, policy=DEFAULT_POLICY)
    assert content["asked"] == {"gate": "accuracy", "figure": 0.5, "unit": "pp", "images": needed}


@pytest.mark.parametrize(
    ("gate", "text", "figure", "unit"),
    [("worst_class", "15pp", 15.0, "pp"), ("ties", "4 %", 4.0, "%"), ("inequality", "0.05", 0.05, "score")],
)
def test_any_gate_can_be_asked(gate, text, figure, unit, capsys):
    ask = ["power", "--classes", "10", "--drop", text, "--gate", gate]
    assert run([*ask, "--format", "json"]) == 0
    needed = images_for(gate=gate, figure=figure, classes=10, discordance=0.05, policy=DEFAULT_POLICY)
    found = json.loads(capsys.readouterr().out)["asked"]
    assert found == {"gate": gate, "figure": figure, "unit": unit, "images": needed}
    assert run(ask) == 0
    assert f"About {needed:,} images settle" in " ".join(capsys.readouterr().out.split())


def test_a_drop_at_the_limit_is_settled_by_no_number(capsys):
    assert run(["power", "--drop", "1", "--images", "100"]) == 0
    assert "No practical number of images settles" in capsys.readouterr().out


def test_the_policy_sets_the_limits(tmp_path, capsys):
    path = tmp_path / "p.toml"
    path.write_text('[policy]\nname = "x\\n::error::"\n[accuracy]\nmax_drop_pp = 3\n[ties]\nenabled = false\n')
    assert run(["power", "--policy", str(path), "--images", "1000", "--classes", "10", "--drop", "0.5 pp"]) == 0
    printed = capsys.readouterr().out
    assert "where 3.00 pp is allowed" in " ".join(printed.split())
    assert "Ties" not in printed
    assert "::error" not in printed


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--images", "0"], "--images"),
        (["--classes", "1"], "--classes"),
        (["--discordance", "5"], "--discordance"),
        (["--discordance", "nan"], "discordance"),
        (["--drop", "1%"], "percentage points"),
        (["--drop", "1pp", "--gate", "ties"], "per cent of the images"),
        (["--drop", "5", "--gate", "inequality"], "plain number"),
        (["--drop", "1", "--gate", "floors.accuracy"], "one of accuracy, worst_class"),
        (["--gate", "ties"], "--drop"),
        (["--drop", "nan"], "percentage points"),
        (["--drop", "much"], "percentage points"),
        (["--drop", "101pp"], "percentage points"),
        (["--policy", "absent.toml"], "cannot be read"),
    ],
)
def test_bad_arguments_exit_2_with_one_message(flags, words, capsys):
    assert run(["power", *flags]) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert "Traceback" not in printed.err
    assert not printed.out


def test_without_the_accuracy_gate_there_is_no_answer_for_a_drop(tmp_path, capsys):
    path = tmp_path / "p.toml"
    path.write_text("[accuracy]\nenabled = false\n")
    assert run(["power", "--policy", str(path), "--drop", "0.5"]) == 2
    assert "accuracy" in capsys.readouterr().err
