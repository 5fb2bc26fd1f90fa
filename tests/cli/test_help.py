"""Help pages on a terminal of 80 columns: their examples can be pasted."""

import pytest
from typer.main import get_command

from tinyedge.cli import main


def _commands(command, path=()):
    if not hasattr(command, "commands"):
        return [path]
    return [found for name, sub in command.commands.items() for found in _commands(sub, (*path, name))]


@pytest.mark.parametrize("path", _commands(get_command(main.app)), ids=" ".join)
def test_examples_are_whole_lines(path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert main.run([*path, "--help"]) == 0
    printed = capsys.readouterr().out
    lines = printed.partition("Examples:")[2].partition("\u256d")[0].strip().splitlines()
    assert lines
    continued = False
    for line in map(str.rstrip, lines):
        starts = line.strip().startswith(f"tinyedge {' '.join(path)}")
        assert starts is not continued, f"wrapped: {line}"
        continued = line.endswith("\\")
    assert not continued
