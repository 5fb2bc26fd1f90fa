"""Numbers and names beyond what a flag takes: one message and exit code 2, never an internal error."""

import pytest

from tinyedge.cli import main
from tinyedge.errors import BAD_INPUT

DIGITS = "9" * 23
TRAIN = ["train", "--width", "4", "--data", "shapes"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*TRAIN, "--device", "gpu"], "auto, cpu or cuda"),
        ([*TRAIN, "--seed", DIGITS], "--seed"),
        ([*TRAIN, "--threads", DIGITS], "--threads"),
        (["family", "--classes", DIGITS], "--classes"),
        (["family", "--params", "1" + "0" * 400], "50k, 1.2M or 46570"),
        (["validate", "--data", "shapes", "--params", "9" * 400 + "k"], "50k, 1.2M or 46570"),
        (["data", "info", "/dev/null"], "neither a folder nor an .npz file"),
    ],
)
def test_is_refused(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main.run(arguments) == BAD_INPUT
    printed = capsys.readouterr()
    assert words in printed.err
    assert "Traceback" not in printed.err
    assert not printed.out
    assert not list(tmp_path.iterdir())
