from __future__ import annotations

from pathlib import Path

import pytest

from tinyedge.board import Npu, board_names, find_board, load_board
from tinyedge.errors import BoardError, UsageError
from tinyedge.registry import TARGETS

GOOD = """
title = "A board"
family = "A"
core = "cortex-m4"
target = "cortex-m4-int8"
clock_hz = 100_000_000
flash_bytes = 65536
ram_bytes = 8192
instructions_per_clock = 1
notes = ["small"]

[sources]
core = "data sheet"
clock_hz = "data sheet"
flash_bytes = "data sheet"
ram_bytes = "data sheet"
instructions_per_clock = "manual"
"""
WITH_NPU = (
    GOOD.replace(
        "[sources]",
        '[npu]\naccelerator = "ethos-u55-128"\nclock_hz = 1\nsystem_config = "S"\nmemory_mode = "M"\n[sources]',
    )
    + 'npu = "brief"\n'
)


def load(text: str):
    return load_board(text, name="mine", where="mine.toml")


def test_there_are_at_least_eight_boards_of_five_families():
    boards = [find_board(name) for name in board_names()]
    assert len(boards) >= 8
    assert len({board.family for board in boards}) >= 5
    assert {"STM32F4", "STM32F7", "STM32L4", "STM32H7", "RP2040", "Ethos-U55"} <= {board.family for board in boards}
    assert any(board.target is None for board in boards), "one whose core no target runs"


@pytest.mark.parametrize("name", board_names())
def test_a_board_that_ships_is_whole(name):
    board = find_board(name)
    assert board.name == name
    assert 20_000 <= board.ram_bytes < board.flash_bytes < 1 << 26
    assert all(len(source) > 10 for source in board.sources.values())
    assert board.title.isprintable()
    core = getattr(TARGETS[board.target].load(), "core", None) if board.target else None
    if core is not None:  # firmware: its instructions are the board's, or a subset of them
        assert board.instructions_per_clock is not None
        assert (core.cpu, board.core) in [(board.core, core.cpu), ("cortex-m4", "cortex-m33")]
    else:
        assert board.instructions_per_clock is None, "what nothing counts needs no bound"
    assert (board.npu is not None) == (board.family == "Ethos-U55")


def test_a_board_is_read_as_it_is_written():
    board = load(GOOD)
    assert (board.name, board.title, board.ram_bytes, board.notes) == ("mine", "A board", 8192, ("small",))
    assert board.instructions_per_s == 100_000_000
    assert board.npu is None
    assert load(WITH_NPU).npu == Npu("ethos-u55-128", 1, "S", "M")
    without = load(GOOD.replace("instructions_per_clock = 1\n", "").replace('instructions_per_clock = "manual"\n', ""))
    assert without.instructions_per_s is None


@pytest.mark.parametrize(
    ("old", "new", "what", "says"),
    [
        ("ram_bytes = 8192", "ram_byte = 8192", "unknown key", "did you mean ram_bytes?"),
        ("ram_bytes = 8192", "ram_bytes = -1", "not what it has to be", "-1"),
        ("ram_bytes = 8192", "ram_bytes = 0", "not what it has to be", "above 0"),
        ("ram_bytes = 8192", "ram_bytes = 8192.5", "not what it has to be", "8192.5"),
        ("ram_bytes = 8192", "ram_bytes = true", "not what it has to be", "True"),
        ("ram_bytes = 8192", 'ram_bytes = "8 KB"', "not what it has to be", "8 KB"),
        ("ram_bytes = 8192\n", "", "lacks a fact", "no ram_bytes"),
        ('title = "A board"', 'title = " "', "not what it has to be", "a text"),
        ('notes = ["small"]', 'notes = "small"', "not what it has to be", "an array"),
        ('notes = ["small"]', "notes = [1]", "not what it has to be", "[1]"),
        ('target = "cortex-m4-int8"', 'target = "cortex-m4-int9"', "unknown target", "did you mean cortex-m4-int8?"),
        ('ram_bytes = "data sheet"\n', "", "has no source", "ram_bytes"),
        ('ram_bytes = "data sheet"', 'ram_bytes = ""', "has no source", "ram_bytes"),
        ('ram_bytes = "data sheet"', 'ram_bytes = "x"\ntitle = "x"', "unknown fact with a source", "title"),
        ('core = "data sheet"', 'core = "data sheet"\nnpu = "x"', "unknown fact with a source", "npu"),
        ("[sources]", "[source]", "no [sources]", "[sources]"),
        ("[sources]", "[npu]\nclock_hz = 1\n[sources]", "lacks a fact", "accelerator"),
        ("[sources]", "[npu]\nfrequency_hz = 1\n[sources]", "unknown key", "[npu]"),
        ("notes = ", "npu = 3\nnotes = ", "no [npu]", "3"),
        ("notes = ", "title = ", "not TOML", "line 10"),
        ('title = "A board"', 'title = "A board', "not TOML", "line 2"),
    ],
)
def test_a_file_with_one_mistake_is_refused_with_its_place(old, new, what, says):
    assert old in GOOD
    with pytest.raises(BoardError) as caught:
        load(GOOD.replace(old, new, 1) if "data sheet" not in old else new.join(GOOD.rsplit(old, 1)))
    told = str(caught.value)
    assert what in told
    assert says in told
    assert "mine.toml" in told
    assert caught.value.exit_code == 2


def test_an_npu_needs_a_source_too():
    with pytest.raises(BoardError, match="has no source"):
        load(WITH_NPU.replace('npu = "brief"\n', ""))


@pytest.mark.parametrize("name", ["nucleo-f446", "NUCLEO_F446RE", "pico"])
def test_an_unknown_name_gets_the_nearest(name):
    with pytest.raises(UsageError) as caught:
        find_board(name)
    assert "tinyedge boards" in str(caught.value.expected)
    near = "raspberry-pi-pico" if name == "pico" else "nucleo-f446re"
    assert caught.value.fix == f"did you mean {near}?"


def test_a_name_that_is_like_none_gets_no_suggestion_and_the_place_is_the_callers():
    with pytest.raises(UsageError) as caught:
        find_board("nosuch", where="NAME")
    assert (caught.value.fix, caught.value.where) == ("tinyedge boards", "NAME")


def test_facts_that_were_not_looked_up_are_known():
    assert load(GOOD).unchecked == ()
    marked = load(GOOD.replace('flash_bytes = "data sheet"', 'flash_bytes = "data sheet [not looked up]"'))
    assert marked.unchecked == ("flash_bytes",)


def test_a_board_of_ones_own_is_a_path(tmp_path):
    path = tmp_path / "kitchen.toml"
    path.write_text(GOOD)
    assert find_board(str(path)).name == "kitchen"
    path.write_bytes(b"\xff\xfe")
    for unreadable in (path, tmp_path / "absent.toml", tmp_path):
        with pytest.raises((BoardError, UsageError)):
            find_board(str(unreadable))


def test_the_files_name_no_machine():
    import tinyedge.targets

    for path in (Path(tinyedge.targets.__file__).parent / "boards").glob("*.toml"):
        assert "/work" not in path.read_text()
        assert path.read_text().isascii()
