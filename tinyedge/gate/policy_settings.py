"""One section of a policy, read and written by what its dataclass declares (see ``tinyedge.gate.rule``).

A field is a limit (a number with a range), an optional limit (``None`` where it is not set), a switch, a text, an array
of names, or an array of tables, each with settings of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import MISSING, Field, fields
from difflib import get_close_matches
from typing import Any

from tinyedge.errors import PolicyError
from tinyedge.gate.policy_lines import Place, PolicyLines

_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text in quotes",
    tuple: 'an array of texts in quotes, such as ["a", "b"]',
}
_EXAMPLES = {"percent": 50.0, "pp": 5.0, "bytes": 65536.0, "instructions": 1e7}
"""What a limit that is not set is shown with, commented out, by its unit."""


def read_section(kind: type, values: dict[str, Any], place: Place, lines: PolicyLines) -> Any:
    """The settings of a section, or of a table in it.

    Args:
        kind: their dataclass.
        values: as tomllib gives them.
        place: the section, or the table's place in it.
        lines: of the file.

    Raises:
        PolicyError: for an unknown key, a wrong type, a value out of range, a missing key.
    """
    known = {f.name: f for f in fields(kind)}
    found = {}
    for key, value in values.items():
        if key not in known:
            raise unknown(f"key in {_header(place)}", key, known, lines.at(*place, key))
        found[key] = _read(known[key], value, (*place, key), lines)
    missing = [name for name, f in known.items() if f.default is MISSING and name not in found]
    if missing:
        raise PolicyError(
            f"a key is missing in {_header(place)}",
            where=lines.at(*place),
            found="no " + ", ".join(missing),
            expected=f"{missing[0]}: {known[missing[0]].metadata['says']}",
        )
    try:
        return kind(**found)
    except PolicyError as error:
        raise PolicyError(error.what, where=lines.at(*place), found=error.found, expected=error.expected) from error


def section_lines(settings: Any, section: str) -> list[str]:
    """The lines below a section's header, which ``read_section`` reads back to the same."""
    lines, tables = [], []
    for f in fields(settings):
        value, says = getattr(settings, f.name), f.metadata["says"]
        if "table" in f.metadata:
            tables += _table_lines(f, value, f"[[{section}.{f.name}]]")
        elif value is None or value == ():
            lines.append(f"# {f.name} = {_example(f)}  # {says}; not judged unless set")
        else:
            # JSON's strings, numbers, booleans and arrays are TOML's, but for one control character.
            written = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
            lines.append(f"{f.name} = {written}  # {says}")
    return lines + tables


def unknown(kind: str, name: str, known: Iterable[str], where: str) -> PolicyError:
    """The error for a section or key that there is not, with the nearest that there is."""
    close = get_close_matches(name, known, n=1, cutoff=0.4)
    return PolicyError(
        f"unknown {kind}",
        where=where,
        found=name if name.isprintable() else repr(name),
        expected="one of " + ", ".join(known),
        fix=f"did you mean {close[0]}?" if close else None,
    )


def _read(known: Field[Any], value: Any, place: Place, lines: PolicyLines) -> Any:
    if "table" in known.metadata:
        return _read_tables(known, value, place, lines)
    kind = _kind(known)
    # bool is a subclass of int: true must not pass for 1, nor 1 for true.
    fits = type(value) in (int, float) if kind is float else type(value) is (list if kind is tuple else kind)
    if not fits:
        raise PolicyError(
            "a value has the wrong type",
            where=_where(place, lines),
            found=_short(value),
            expected=f"{_WORDS[kind]}: {known.metadata['says']}",
            fix=_unquoted(value) if kind in (int, float) else None,
        )
    if value == "":
        raise PolicyError(
            "a text is empty", where=_where(place, lines), found='""', expected=f"a text: {known.metadata['says']}"
        )
    if kind is tuple:
        return _read_names(known, value, place, lines)
    if "low" in known.metadata:
        _check_range(known, value, place, lines)
    # An integer is fine where a float is due, but must not give another digest than the float of the same value.
    return float(value) if kind is float else value


def _read_tables(known: Field[Any], value: Any, place: Place, lines: PolicyLines) -> tuple[Any, ...]:
    if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
        raise PolicyError(
            f"{_header(place)} is not a list of tables",
            where=_where(place, lines),
            found=str(value)[:60],
            expected=f"[{_header(place)}] on a line of its own for each, its settings below",
        )
    found = tuple(read_section(known.metadata["table"], table, (*place, i), lines) for i, table in enumerate(value))
    names = [table.name for table in found]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise PolicyError(
                f"two tables of {_header(place)} have one name",
                where=lines.at(*place, i, "name"),
                found=repr(name),
                expected="a name of its own for each, to be told apart in reports",
            )
    return found


def _read_names(known: Field[Any], value: list[Any], place: Place, lines: PolicyLines) -> tuple[str, ...]:
    odd = next((v for i, v in enumerate(value) if not isinstance(v, str) or not v or v in value[:i]), None)
    if odd is not None:
        raise PolicyError(
            "an array of names holds something else, or a name twice",
            where=_where(place, lines),
            found=_short(odd),
            expected=f"texts in quotes, each once: {known.metadata['says']}",
        )
    return tuple(value)


def _check_range(known: Field[Any], value: float, place: Place, lines: PolicyLines) -> None:
    low, high, says = known.metadata["low"], known.metadata["high"], known.metadata["says"]
    if not low <= value <= high:  # a NaN is neither
        percent = "fraction" in says and high < value <= 100
        raise PolicyError(
            "a value is out of range",
            where=_where(place, lines),
            found=f"{value!r}, which looks like a percentage" if percent else _short(value),
            expected=f"{low:g} to {high:g}: {says}",
            fix=f"did you mean {value / 100:g}?" if percent else None,
        )
    # A floor of less than 1 % holds nothing: whoever writes it means a fraction. A small ceiling is only strict.
    if known.name.startswith("min_") and known.name.endswith("_percent") and 0 < value < 1:
        raise PolicyError(
            "a percentage is due",
            where=_where(place, lines),
            found=f"{value!r}, which looks like a fraction",
            expected=f"0, or 1 to {high:g}: {says}",
            fix=f"did you mean {100 * value:g}?",
        )


def _unquoted(value: Any) -> str | None:
    """``"10 %"``: the number is all that is due, its unit being in the key's name."""
    try:
        number = float(value.strip().removesuffix("%").removesuffix("pp")) if isinstance(value, str) else None
    except ValueError:
        return None
    return None if number is None else f"write {number:g}, without quotes: the key's name has the unit"


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _kind(known: Field[Any]) -> type:
    kind = known.metadata.get("kind", str if known.default is MISSING else type(known.default))
    assert isinstance(kind, type)
    return kind


def _table_lines(known: Field[Any], tables: tuple[Any, ...], header: str) -> list[str]:
    """Each table; where there is none, one as an example, commented out."""
    if not tables:
        lines = [f"{f.name} = {_example(f)}  # {f.metadata['says']}" for f in fields(known.metadata["table"])]
        return ["", f"# {header}  # {known.metadata['says']}; as many as there are", *(f"# {line}" for line in lines)]
    found = []
    for table in tables:
        found += ["", f"{header}  # {known.metadata['says']}", *section_lines(table, header)]
    return found


def _example(known: Field[Any]) -> str:
    if _kind(known) is tuple:
        return f'["one of the {known.name}"]'
    return '"safety"' if _kind(known) is str else f"{_EXAMPLES.get(known.name.rpartition('_')[2], 1.0):g}"


def _header(place: Place) -> str:
    return f"[{'.'.join(part for part in place if isinstance(part, str))}]"


def _where(place: Place, lines: PolicyLines) -> str:
    return f"{lines.at(*place)}, {'.'.join(str(part) for part in place if isinstance(part, str))}"
