import json
import subprocess
import sys

import pytest

from tinyedge import errors
from tinyedge.cli import main


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--version"], 0, "tinyedge 0."),
        (["family", "--params", "50k"], 0, "scalecnn-c6"),
        (["family", "--params", "118k"], 2, "a factor"),
        (["family", "scalecn"], 2, "did you mean scalecnn"),
        (["family", "--params", "many"], 2, "50k, 1.2M or 46570"),
        (["family", "--classes", "1"], 2, "--classes"),
        (["nonsense"], 2, "No such command"),
        (["validate", "--no-such-flag"], 2, "No such option"),
        (["validate", "--target", "tflite-int9", "--params", "50k"], 2, "did you mean tflite-int8"),
        (["validate"], 2, "which model?"),
        (["validate", "--params", "50k", "--data", "shapes", "--images", "0"], 2, "--images"),
        (["train", "--width", "5", "--data", "shapes"], 2, "4, 6, 8"),
        (["train", "--width", "6", "--data", "shapes", "--recipe", "quick"], 2, "paper or shapes"),
    ],
)
def test_exit_codes_and_messages(arguments, code, words, capsys):
    assert main.run(arguments) == code
    printed = capsys.readouterr()
    assert words in printed.out + printed.err
    assert "Traceback" not in printed.err
    if code:
        assert not printed.out, "stdout holds results alone"


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (errors.TargetCrashed("it died"), 4),
        (errors.DataError("bad data"), 2),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("a bug"), 70),
        (PermissionError(13, "Permission denied", "somewhere"), 2),
    ],
)
def test_no_exception_reads_as_a_failed_gate(raised, code, monkeypatch, capsys):
    def broken(**_):
        raise raised

    monkeypatch.setattr(main, "app", broken)
    assert main.run([]) == code
    assert capsys.readouterr().err


def test_json_is_the_whole_of_stdout(capsys):
    assert main.run(["family", "scalecnn", "--format", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [m["params"] for m in listed][:2] == [21_936, 46_570]


@pytest.mark.parametrize(
    ("arguments", "code"), [(["family"], 0), (["family", "--format", "json"], 0), (["--help"], 141)]
)
def test_a_reader_that_goes_away_does_not_read_as_a_failed_gate(arguments, code):
    program = f"from tinyedge.cli.main import main; main({arguments!r})"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    _, err = process.communicate()
    assert b"Traceback" not in err
    assert process.returncode == code
