"""Flatbuffers by slot number, for formats whose generated readers would take the runtime itself to install."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import flatbuffers.encode
import flatbuffers.number_types as types
import flatbuffers.table

BROKEN = (struct.error, IndexError, ValueError, TypeError, OverflowError, KeyError, AttributeError, MemoryError)
"""What reading bytes that are no flatbuffer raises, beside what the readers raise themselves."""

INT8, INT16, INT32 = types.Int8Flags, types.Int16Flags, types.Int32Flags
UINT8, UINT32, UINT64 = types.Uint8Flags, types.Uint32Flags, types.Uint64Flags


class Table:
    """A table at ``position`` of ``data``; a field is named by its place in the schema, counted from 0.

    A union takes two places: its type, then its value.
    """

    def __init__(self, data: bytes, position: int) -> None:
        if not 0 <= position <= len(data) - 4:
            raise ValueError(f"a table at {position} of {len(data)} bytes")
        self._data = data
        self._table = flatbuffers.table.Table(data, position)

    def number(self, slot: int, kind: Any, default: int = 0) -> int:
        """An integer of ``kind``."""
        offset = self._offset(slot)
        return int(self._table.Get(kind, offset + self._table.Pos)) if offset else default

    def real(self, slot: int) -> float:
        """A float."""
        offset = self._offset(slot)
        return float(self._table.Get(types.Float32Flags, offset + self._table.Pos)) if offset else 0.0

    def table(self, slot: int) -> Table | None:
        """A table, or a union's value; ``None`` where it is not set."""
        offset = self._offset(slot)
        return Table(self._data, self._table.Indirect(offset + self._table.Pos)) if offset else None

    def tables(self, slot: int) -> Iterator[Table]:
        """A vector of tables."""
        start, count = self._vector(slot, 4)
        for i in range(count):
            yield Table(self._data, self._table.Indirect(start + 4 * i))

    def numbers(self, slot: int, kind: Any) -> tuple[int, ...]:
        """A vector of integers."""
        start, count = self._vector(slot, kind.bytewidth)
        return tuple(int(self._table.Get(kind, start + kind.bytewidth * i)) for i in range(count))

    def bytes(self, slot: int) -> bytes:
        """A vector of bytes, or a string's."""
        start, count = self._vector(slot, 1)
        return self._data[start : start + count]

    def _offset(self, slot: int) -> int:
        return int(self._table.Offset(4 + 2 * slot))

    def _vector(self, slot: int, width: int) -> tuple[int, int]:
        offset = self._offset(slot)
        if not offset:
            return 0, 0
        start, count = int(self._table.Vector(offset)), int(self._table.VectorLen(offset))
        if not 0 <= start <= start + width * count <= len(self._data):
            raise ValueError(f"a vector of {count} elements at {start} of {len(self._data)} bytes")
        return start, count


def root(data: bytes, identifier: bytes) -> Table:
    """The root table of a buffer whose file identifier begins with ``identifier``.

    Raises:
        ValueError: where it is another.
    """
    if data[4 : 4 + len(identifier)] != identifier:
        raise ValueError(f"identifier {data[4:8]!r}")
    return Table(data, int(flatbuffers.encode.Get(types.UOffsetTFlags.packer_type, data, 0)))
