"""Frozen dataclasses to JSON and back, read off their type hints; nothing is guessed, converted or left out.

A report comes from a file that anybody may have written: whatever is not exactly what the types say is refused, with
its place. Only lists become tuples, texts become their enumeration, and the texts that JSON has for integer keys become
integers again.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from tinyedge.errors import ReportError

ADDED_LATER = {"added_later": True}
"""Metadata of a field that earlier reports of the same schema lack: its default then stands for it."""
_LARGEST = 2**63
_WORDS = {str: "a text", int: "a whole number", float: "a finite number", bool: "true or false", type(None): "null"}


def parse(text: str, where: str) -> Any:
    """JSON as strictly as its standard: no NaN, no infinity, no key twice, no number that nothing can hold.

    Raises:
        ReportError: for anything else, and for a text that is cut off.
    """
    try:
        content = json.loads(
            text,
            parse_constant=_refused,
            parse_float=_finite,
            parse_int=_whole,
            object_pairs_hook=_without_repeats,
        )
        json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair is no text that can be printed
        return content
    except (ValueError, RecursionError) as error:
        raise ReportError(
            "the report is not JSON",
            where=where,
            found=error,
            expected="the run.json of tinyedge validate --report, whole",
            fix="copy it again from its source, or run tinyedge validate again",
        ) from error


def decode(kind: Any, value: Any, where: str) -> Any:
    """``value``, which is JSON's, as ``kind``: a dataclass, tuple, dict, union, enumeration or plain type.

    Raises:
        ReportError: where a part is missing, unknown or of another type, with its place.
    """
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, UnionType):
        (inner,) = (part for part in parts if part is not type(None))  # the schema has X | None and no other union
        return None if value is None else decode(inner, value, where)
    if origin is tuple:
        return _tuple(parts, value, where)
    if origin in (dict, Mapping):
        return _dict(parts, value, where)
    if is_dataclass(kind):
        return _dataclass(kind, value, where)
    if issubclass(kind, StrEnum):
        if value not in tuple(kind):
            raise _wrong(value, "one of " + ", ".join(kind), where)
        return kind(value)
    # An integer is a number too, and stays one; bool is a subclass of int and must not pass for it.
    if type(value) is kind or (kind is float and type(value) is int):
        if kind is float and not math.isfinite(value):
            raise _wrong(value, _WORDS[kind], where)
        return value
    raise _wrong(value, _WORDS[kind], where)


def encode(value: Any) -> Any:
    """The way there: dataclasses as objects, tuples as lists, keys as texts; everything else as it is."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): encode(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [encode(part) for part in value]
    if isinstance(value, float | StrEnum):  # numpy's float64 and an enumeration's member as the plain types
        return float(value) if isinstance(value, float) else str(value)
    return value


def _tuple(parts: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _wrong(value, "a list", where)
    if len(parts) == 2 and parts[1] is Ellipsis:
        return tuple(decode(parts[0], part, f"{where}[{i}]") for i, part in enumerate(value))
    if len(value) != len(parts):
        raise _wrong(value, f"a list of {len(parts)}", where)
    return tuple(decode(kind, part, f"{where}[{i}]") for i, (kind, part) in enumerate(zip(parts, value, strict=True)))


def _dict(parts: tuple[Any, ...], value: Any, where: str) -> dict[Any, Any]:
    key_kind, kind = parts
    if not isinstance(value, dict):
        raise _wrong(value, "an object", where)
    found = {}
    for key, part in value.items():
        if key_kind is int and not re.fullmatch("0|-?[1-9][0-9]{0,17}", key):
            raise _wrong(key, "a whole number as the key", where)
        found[key_kind(key)] = decode(kind, part, f"{where}.{key}" if key.isidentifier() else f"{where}[{_short(key)}]")
    return found


def _dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong(value, "an object", where)
    hints = _hints(kind)
    names = [f.name for f in fields(kind) if f.name in value or f.metadata != ADDED_LATER]
    unknown, missing = [n for n in value if n not in hints], [n for n in names if n not in value]
    if unknown:
        close = get_close_matches(unknown[0], missing or names, n=1)
        raise ReportError(
            "the report has a part that is not known",
            where=where,
            found=_short(unknown[0]),
            expected=f"{close[0]}?" if close else ", ".join(names),
        )
    if missing:
        raise ReportError("the report lacks a part", where=where, found="no " + ", ".join(missing))
    built = {name: decode(hints[name], value[name], f"{where}.{name}") for name in names}
    try:
        return kind(**built)
    except ReportError as error:
        raise ReportError(error.what, where=where, found=error.found, expected=error.expected) from error


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _wrong(value: Any, expected: str, where: str) -> ReportError:
    return ReportError("the report has a part of the wrong type", where=where, found=_short(value), expected=expected)


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant}, which JSON does not have")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"a number that is too large: {text[:20]}")
    return number


def _whole(text: str) -> int:
    number = int(text) if len(text) <= 20 else _LARGEST
    if not -_LARGEST <= number < _LARGEST:
        raise ValueError(f"a number that is too large: {text[:20]}...")
    return number


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {_short(next(key for key in keys if keys.count(key) > 1))} twice")
    return found
