"""Policy files, from arguments to exit code."""

import json
import subprocess
import sys

import pytest

from tinyedge.cli.main import run
from tinyedge.gate import DEFAULT_POLICY, read_policy

GROUP = '[[floors.group]]\nname = "discs"\nclasses = ["disc-solid-warm"]\nmin_accuracy_percent = 50\n'


def test_a_started_policy_is_the_default_and_checks(tmp_path, capsys):
    path = tmp_path / "new" / "release.toml"
    assert run(["policy", "init", str(path)]) == 0
    assert "tinyedge policy check" in capsys.readouterr().out
    assert read_policy(path).name == "release"
    assert read_policy(path).digest == DEFAULT_POLICY.digest
    assert "# max_size_bytes = 65536  # largest model file" in path.read_text()
    assert run(["policy", "check", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "'release'" in printed
    assert DEFAULT_POLICY.digest[:12] in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_a_file_that_is_there_is_not_overwritten_unasked(tmp_path, capsys):
    path = tmp_path / "release.toml"
    path.write_text("[churn]\nmax_discordance_percent = 8\n")
    assert run(["policy", "init", str(path)]) == 2
    assert "--force" in capsys.readouterr().err
    assert path.read_text() == "[churn]\nmax_discordance_percent = 8\n"
    assert run(["policy", "init", str(path), "--force"]) == 0
    assert read_policy(path).digest == DEFAULT_POLICY.digest
    assert [p.name for p in tmp_path.iterdir()] == ["release.toml"]


def test_the_check_tells_what_the_policy_changes(tmp_path, capsys):
    path = tmp_path / "release.toml"
    path.write_text("[churn]\nmax_discordance_percent = 0.1\n[ties]\nenabled = false\n" + GROUP)
    assert run(["policy", "check", str(path), "--data", "shapes"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "churn.max_discordance_percent: 0.1 % (default 10 %)" in printed
    assert "off ties" in printed
    assert "discs: 1 classes, min_accuracy_percent 50 %" in printed
    assert "if 10 % was meant, write 10" in printed
    assert "shapes has every class" in printed


def test_the_check_as_json(tmp_path, capsys):
    path = tmp_path / "release.toml"
    path.write_text("[churn]\nmax_discordance_percent = 8\n")
    assert run(["policy", "check", str(path), "--format", "json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["changes"] == [{"section": "churn", "key": "max_discordance_percent", "value": 8.0, "default": 10.0}]
    assert content["digest"] == read_policy(path).digest
    assert content["settings"]["churn"]["max_discordance_percent"] == 8.0
    assert content["cautions"] == []


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("[chrun]\n", [], ["line 1", "did you mean churn?"]),
        ("[churn]\nmax_discordance_percent = nan\n", [], ["line 2", "out of range"]),
        (GROUP.replace("warm", "wram"), ["--data", "shapes"], ["line 3", "did you mean disc-solid-warm?"]),
        (GROUP, ["--data", "nowhere"], ["no such dataset"]),
        (None, [], ["cannot be read"]),
    ],
)
def test_a_bad_policy_exits_2_with_one_message(text, options, words, tmp_path, capsys):
    path = tmp_path / "release.toml"
    if text is not None:
        path.write_text(text)
    assert run(["policy", "check", str(path), *options]) == 2
    printed = capsys.readouterr()
    assert not printed.out
    for word in words:
        assert word in printed.err


def test_validate_refuses_a_class_that_the_data_do_not_have_before_it_runs(tmp_path, capsys):
    path = tmp_path / "release.toml"
    path.write_text(GROUP.replace("warm", "wram"))
    assert run(["validate", "--params", "50k", "--data", "shapes", "--policy", str(path)]) == 2
    printed = capsys.readouterr()
    assert "line 3" in printed.err
    assert "did you mean disc-solid-warm?" in printed.err
    assert not printed.out


def test_a_folder_is_no_file(tmp_path, capsys):
    assert run(["policy", "init", str(tmp_path), "--force"]) == 2
    assert "a folder" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["policy", "check", "p.toml"], ["policy", "init", "p.toml", "--force"]])
def test_neither_loads_a_framework(arguments, tmp_path):
    program = (
        "import sys; from tinyedge.cli.main import run; "
        f"run({arguments!r}); "
        "print([m for m in ('torch', 'tensorflow', 'onnxruntime', 'ai_edge_litert') if m in sys.modules])"
    )
    (tmp_path / "p.toml").write_text("")
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
