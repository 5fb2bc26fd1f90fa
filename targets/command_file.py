"""What a command is handed and what it hands back: two small binary files, described in docs/command.md.

Both are little endian: a header, a record an image (its index, then its values), and the CRC-32 of all that.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IMAGES, RESULTS = b"TEIN", b"TEOU"
VERSION = 1
DTYPES = {"int8": 1, "uint8": 2, "int16": 3, "float32": 4}
"""The codes of the types of values."""
NUMBERS = ("flash_bytes", "ram_bytes", "arena_bytes", "stack_bytes", "instructions")
TEXTS = ("runtime", "runtime_version", "kernels", "rounding", "device", "compiler")
LARGEST_FACTS = 1 << 16
_DIGITS = 18
_HEADER = struct.Struct("<4sIIII32sI")
_CRC = struct.Struct("<I")


class BadResults(Exception):
    """Not the results of these images.

    Args:
        what: what is wrong, in one clause.
        found: what was there.
        expected: what should have been there.
    """

    def __init__(self, what: str, found: object, expected: object) -> None:
        super().__init__(what)
        self.what, self.found, self.expected = what, str(found), str(expected)


@dataclass(frozen=True)
class Call:
    """One start of the command; a result for any other is an error.

    Args:
        number: of the call, drawn at random: a file that an earlier one left behind has another.
        sha256: of the model file, 64 hex digits.
        first: index of the first image.
        count: images; their indices follow each other.
    """

    number: int
    sha256: str
    first: int
    count: int


def pack_images(inputs: NDArray[Any], call: Call) -> bytes:
    """The file that the command reads.

    Args:
        inputs: ``(count, ...)`` of a type in ``DTYPES``, as the model takes them.
        call: which these are.
    """
    values = inputs.reshape(call.count, -1)
    records = np.empty(call.count, _record(inputs.dtype, values.shape[1]))
    records["index"], records["values"] = _indices(call), values
    header = _HEADER.pack(
        IMAGES, VERSION, DTYPES[inputs.dtype.name], call.count, values.shape[1], bytes.fromhex(call.sha256), call.number
    )
    content = header + records.tobytes()
    return content + _CRC.pack(zlib.crc32(content))


@dataclass(frozen=True)
class Expected:
    """What has to come back.

    Args:
        call: which images these are results of.
        dtype: of the values.
        values: of an image.
    """

    call: Call
    dtype: str
    values: int

    @property
    def record(self) -> np.dtype[Any]:
        """A result."""
        return _record(np.dtype(self.dtype), self.values)

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return _HEADER.size + self.call.count * self.record.itemsize + _CRC.size


def unpack_results(content: bytes, expected: Expected) -> NDArray[Any]:
    """What the command wrote: ``(count, values)``.

    Args:
        content: the file's bytes; where they are too many, the first of them will do.
        expected: which results these must be.

    Raises:
        BadResults: for anything else than a whole file with one result for each of these images, in their order.
    """
    call, size = expected.call, expected.size
    if len(content) < _HEADER.size:
        raise BadResults("the command's results are cut off", f"{len(content):,} bytes", f"{size:,} bytes")
    magic, version, code, count, values, sha256, number = _HEADER.unpack_from(content)
    if (magic, version) != (RESULTS, VERSION):
        start = RESULTS + VERSION.to_bytes(4, "little")
        raise BadResults("the command wrote something else than results", content[:8].hex(" "), start.hex(" "))
    _same("the command's results are of another call", number, call.number)
    _same("the command's results are of another model", sha256.hex(), call.sha256)
    _same("the command's results are of another type", _name(code), expected.dtype)
    _same("the command's results have another number of values for an image", values, expected.values)
    _same("the command has another number of results than images", count, call.count)
    if len(content) < size:
        raise BadResults("the command's results are cut off", f"{len(content):,} bytes", f"{size:,} bytes")
    if len(content) > size:
        raise BadResults("something stands behind the command's results", f"more than {size:,} bytes", f"{size:,}")
    (crc,) = _CRC.unpack_from(content, size - _CRC.size)
    right = zlib.crc32(content[: -_CRC.size])
    _same("the command's results are damaged: the CRC-32 is wrong", f"{crc:08x}", f"{right:08x}")
    records = np.frombuffer(content, expected.record, call.count, _HEADER.size)
    wrong = np.flatnonzero(records["index"] != _indices(call))
    if len(wrong):
        at = int(wrong[0])
        found = f"index {records['index'][at]} in place {at + 1}"
        raise BadResults("the command has a result for another image", found, f"index {call.first + at}")
    outputs: NDArray[Any] = records["values"].astype(expected.dtype)
    return outputs


def read_facts(content: bytes) -> dict[str, Any]:
    """What the command tells of what ran, from lines of ``name=value``.

    The names of ``NUMBERS`` and ``TEXTS`` become facts of the report, as other targets have them; all others are kept
    together under ``told``.

    Raises:
        BadResults: where it is something else.
    """
    if len(content) > LARGEST_FACTS:
        raise BadResults("the command's facts are too long", f"more than {LARGEST_FACTS:,} bytes", "a few lines")
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError as error:
        raise BadResults("the command's facts are no text", error, "UTF-8") from error
    facts: dict[str, Any] = {}
    told: dict[str, str] = {}
    for place, line in enumerate(lines, 1):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not line.strip():
            continue
        if not (name and equals and value) or name in facts or name in told:
            raise BadResults(
                "the command's facts cannot be read", f"line {place}: {line[:100]}", "name=value, each once"
            )
        if name in NUMBERS:
            facts[name] = _number(name, value)
        else:
            (facts if name in TEXTS else told)[name] = value
    return facts | ({"told": told} if told else {})


def _record(dtype: np.dtype[Any], values: int) -> np.dtype[Any]:
    return np.dtype([("index", "<u4"), ("values", dtype.newbyteorder("<"), (values,))])


def _indices(call: Call) -> NDArray[np.int64]:
    return np.arange(call.first, call.first + call.count)


def _name(code: int) -> str:
    return next((name for name, known in DTYPES.items() if known == code), f"code {code}")


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= _DIGITS):
        raise BadResults("the command's facts cannot be read", f"{name}={value[:100]}", f"{name}=a whole number")
    return int(value)


def _same(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise BadResults(what, found, expected)
