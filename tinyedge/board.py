"""A board: what one application can use of it, each fact with its source. One TOML file in ``targets/boards`` each.

A figure that is misread judges the wrong device, so nothing is guessed: an unknown or missing key, a wrong type, a
figure that is not positive or a fact without a source is refused.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, get_type_hints

from tinyedge.errors import BoardError, UsageError
from tinyedge.registry import TARGETS

SUFFIX = ".toml"
NOT_LOOKED_UP = "[not looked up]"
"""In a source: the fact is stated from knowledge of a document that was not at hand."""
_WORDS = {tuple: "an array of texts in quotes", int: "a whole number above 0", str: "a text in quotes"}
_SOURCED = ("core", "clock_hz", "flash_bytes", "ram_bytes", "instructions_per_clock", "npu")
"""Facts that need a source, where they are given."""
_CLOSE = 0.6
"""How alike a name has to be to be suggested: less is no typing error."""


@dataclass(frozen=True)
class Npu:
    """A neural processing unit, as ``ethos-u-vela`` names it.

    Args:
        accelerator: e.g. ``ethos-u55-128``: the NPU and its multiply-accumulate units.
        clock_hz: of the NPU.
        system_config: the section of vela's configuration that describes the memories.
        memory_mode: the section that says what lies in which.
        config: the text of the vendor's configuration; vela's own ``Arm/vela.ini`` if ``None``.
    """

    accelerator: str
    clock_hz: int
    system_config: str
    memory_mode: str
    config: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Board:
    """What a board has.

    Args:
        name: its file's.
        title: for a reader.
        family: of the device on it.
        core: GCC's name for the processor.
        clock_hz: the highest that the data sheet allows.
        flash_bytes: that code and weights can lie in.
        ram_bytes: the largest range of addresses without a gap that data, arena and stack can share.
        sources: the document of each fact.
        target: the tinyedge target that stands for it; ``None`` where none does.
        instructions_per_clock: more the core never completes; ``None`` where no target counts its instructions.
        npu: where it has one.
        notes: what a reader of the figures should know.
    """

    name: str
    title: str
    family: str
    core: str
    clock_hz: int
    flash_bytes: int
    ram_bytes: int
    sources: Mapping[str, str] = field(repr=False)
    target: str | None = None
    instructions_per_clock: int | None = None
    npu: Npu | None = None
    notes: tuple[str, ...] = field(default=(), repr=False)

    @property
    def instructions_per_s(self) -> int | None:
        """More instructions a second one core never completes; ``None`` where that is not known."""
        return None if self.instructions_per_clock is None else self.clock_hz * self.instructions_per_clock

    @property
    def unchecked(self) -> tuple[str, ...]:
        """Facts that were not compared with their source, as the source says."""
        return tuple(name for name, source in self.sources.items() if NOT_LOOKED_UP in source)


def board_names() -> tuple[str, ...]:
    """Of all boards that ship with tinyedge, in the order of the alphabet."""
    found = (entry.name for entry in _folder().iterdir())
    return tuple(sorted(name.removesuffix(SUFFIX) for name in found if name.endswith(SUFFIX)))


def find_board(name: str, *, where: str = "--board") -> Board:
    """The board called ``name``, or the one in the file ``name`` where that ends in ``.toml``.

    Args:
        name: as above.
        where: it was asked for, for messages.

    Raises:
        UsageError: for an unknown name, with the close one.
        BoardError: where its file cannot be read, or as ``load_board``.
    """
    if name.endswith(SUFFIX):
        path = Path(name)
        try:
            text = path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BoardError(
                "the board's file cannot be read", where=path, found=error, expected="a TOML file in UTF-8"
            ) from error
        return load_board(text, name=path.stem, where=str(path))
    known = board_names()
    if name not in known:
        asked = name.lower().replace("_", "-")
        close = [one for one in known if asked in one] or get_close_matches(asked, known, n=1, cutoff=_CLOSE)
        raise UsageError(
            "unknown board",
            where=where,
            found=name,
            expected=f"one of the {len(known)} that tinyedge boards lists, or the path of a .toml file",
            fix=f"did you mean {close[0]}?" if close else "tinyedge boards",
        )
    file = name + SUFFIX
    return load_board((_folder() / file).read_text("utf-8"), name=name, where=file)


def load_board(text: str, *, name: str, where: str) -> Board:
    """The board in a TOML text.

    Args:
        text: TOML.
        name: what it is called.
        where: the file's name, for messages.

    Raises:
        BoardError: for anything but the known keys, each with a value of the right type, and a source a fact.
    """
    try:
        content = tomllib.loads(text + "\n")
    except (ValueError, RecursionError) as error:
        raise BoardError(
            "the board's file is not TOML, or says something twice", where=where, found=error, expected="key = value"
        ) from error
    npu = None if "npu" not in content else Npu(**_read(Npu, _table(content, "npu", where), f"{where}, [npu]"))
    sources = _table(content, "sources", where)
    plain = {key: value for key, value in content.items() if key not in ("npu", "sources")}
    found = _read(Board, plain, where, beside=("name", "npu", "sources"))
    board = Board(name=name, npu=npu, sources=sources, **found)
    _check_sources(board, where)
    if board.target is not None and board.target not in TARGETS:
        raise _unknown("target", board.target, TARGETS, where)
    return board


def _read(kind: type, values: Mapping[str, Any], where: str, *, beside: tuple[str, ...] = ()) -> dict[str, Any]:
    """``values`` as the fields of ``kind``, but for those ``beside``, which are read elsewhere."""
    hints = get_type_hints(kind)
    known = {f.name: f for f in fields(kind) if f.name not in beside}
    for key, value in values.items():
        if key not in known:
            raise _unknown("key", key, (*known, *(name for name in beside if name != "name")), where)
        expected = next(word for word in _WORDS if word.__name__ in str(hints[key]))
        if not _fits(value, expected):
            raise BoardError(
                "a value of the board is not what it has to be",
                where=f"{where}, {key}",
                found=repr(value)[:60],
                expected=_WORDS[expected],
            )
    missing = [name for name, f in known.items() if f.default is MISSING and name not in values]
    if missing:
        raise BoardError("the board lacks a fact", where=where, found="no " + ", ".join(missing), expected=missing[0])
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _fits(value: Any, expected: type) -> bool:
    if expected is tuple:
        return isinstance(value, list) and all(_fits(part, str) for part in value)
    if expected is str:
        return isinstance(value, str) and bool(value.strip())
    return type(value) is int and value > 0  # bool is a subclass of int


def _table(content: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    value = content.get(key)
    if not isinstance(value, dict):
        raise BoardError(
            f"the board has no [{key}]", where=where, found=repr(value)[:60], expected=f"[{key}] on a line of its own"
        )
    return value


def _check_sources(board: Board, where: str) -> None:
    """A source for each fact that is there, and for nothing else."""
    given = [name for name in _SOURCED if getattr(board, name) is not None]
    place = f"{where}, [sources]"
    for name in board.sources:
        if name not in given:
            raise _unknown("fact with a source", name, given, place)
    missing = [name for name in given if not _fits(board.sources.get(name), str)]
    if missing:
        raise BoardError(
            "a fact of the board has no source",
            where=place,
            found="none for " + ", ".join(missing),
            expected=f'{missing[0]} = "document, section"',
        )


def _unknown(what: str, name: str, known: Iterable[str], where: str) -> BoardError:
    close = get_close_matches(name, known, n=1, cutoff=_CLOSE)
    return BoardError(
        f"the board has an unknown {what}",
        where=where,
        found=name if name.isprintable() else repr(name),
        expected="one of " + ", ".join(known),
        fix=f"did you mean {close[0]}?" if close else None,
    )


def _folder() -> Any:
    """Named, not imported: it holds text alone."""
    return files("tinyedge.targets") / "boards"
