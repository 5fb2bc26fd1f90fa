"""Where in a policy file something stands: tomllib reads values and does not keep their lines."""

from __future__ import annotations

import re
from functools import cached_property

_PART = r"(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')"
_KEY = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_KEY})\s*\]")
_ENTRY = re.compile(rf"\s*({_KEY})\s*=(.*)")
_INLINE = re.compile(rf"[{{,]\s*({_KEY})\s*=")

Place = tuple[str | int, ...]
"""Keys from the outermost on; the number of a table among those of ``[[...]]`` follows their key, from 0."""


class PolicyLines:
    """The lines of a TOML text that tomllib has accepted.

    Args:
        text: the TOML.
        where: the file's name, for messages.
    """

    def __init__(self, text: str, where: str) -> None:
        self._text = text
        self.where = where

    def at(self, *place: str | int) -> str:
        """The file and the line of a section, key or table, or of what it is in, as far as that can be told."""
        for length in range(len(place), 0, -1):
            for found, line in self._places.items():  # in the order of the lines
                if found[:length] == place[:length]:
                    return f"{self.where}, line {line}"
        return self.where

    @cached_property
    def _places(self) -> dict[Place, int]:
        places: dict[Place, int] = {}
        tables: dict[Place, int] = {}
        current: Place = ()
        for number, line in enumerate(self._text.splitlines(), start=1):
            if header := _HEADER.match(line):
                current = _parts(header[2])
                if header[1] == "[[":
                    tables[current] = tables.get(current, -1) + 1
                    current = (*current, tables[current])
                places.setdefault(current, number)
            elif entry := _ENTRY.match(line):
                key = (*current, *_parts(entry[1]))
                places.setdefault(key, number)
                for inline in _INLINE.finditer(entry[2]):
                    places.setdefault((*key, *_parts(inline[1])), number)
        return places


def _parts(key: str) -> Place:
    return tuple(part.strip("\"'") for part in re.findall(_PART, key))
