"""Frames on a serial line, as ``firmware/uart.c`` has them: whole, or not frames at all.

On the line a frame is 0, header and payload in COBS (which leaves no other 0), 0. After noise, the next 0 is a new
start. A CRC-32 over everything says whether it is whole: of corrupted frames 1 in 2^32 would pass.

Reference: Cheshire and Baker, Consistent Overhead Byte Stuffing, https://doi.org/10.1109/90.769765
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

PROTOCOL = 1
"""What a board's HELLO must say."""
BITS_PER_BYTE = 10
"""On the line: with start and stop bit."""
MODEL_ID_BYTES = 16
_CHECKSUM = struct.Struct("<I")
_HEADER = struct.Struct("<IIIII")
HEADER_BYTES = _CHECKSUM.size + _HEADER.size
_BLOCK = 254


class Kind(IntEnum):
    """What a frame is: the host sends the first two, the board the others."""

    OPEN = 1
    IMAGE = 2
    HELLO = 0x81
    RESULT = 0x82
    AGAIN = 0x83


@dataclass(frozen=True)
class Frame:
    """One message.

    Args:
        kind: see ``firmware/uart.c``.
        session: the host's number for it; 0 from a board that knows none.
        sequence: the image's number in the session, from 1.
        image: the image's CRC-32; what a RESULT answers.
        payload: the image, the result, or what the firmware is.
    """

    kind: Kind
    session: int
    sequence: int = 0
    image: int = 0
    payload: bytes = b""


def model_id(sha256: str) -> bytes:
    """What firmware of the model file with this SHA-256 says that it has."""
    return bytes.fromhex(sha256)[:MODEL_ID_BYTES]


def encode(frame: Frame) -> bytes:
    """``frame`` as it goes over the line, from one 0 to the other."""
    header = _HEADER.pack(frame.kind, frame.session, frame.sequence, frame.image, len(frame.payload))
    body = header + frame.payload
    return b"\0" + stuff(_CHECKSUM.pack(zlib.crc32(body)) + body) + b"\0"


def decode(segment: bytes) -> Frame | None:
    """What lies between two 0 as a frame; ``None`` where it is not a whole one."""
    content = unstuff(segment)
    if content is None or len(content) < HEADER_BYTES:
        return None
    (checksum,), body = _CHECKSUM.unpack_from(content), content[_CHECKSUM.size :]
    kind, session, sequence, image, length = _HEADER.unpack_from(body)
    payload = body[_HEADER.size :]
    if zlib.crc32(body) != checksum or length != len(payload) or kind not in set(Kind):
        return None
    return Frame(Kind(kind), session, sequence, image, payload)


def stuff(content: bytes) -> bytes:
    r"""``content`` in COBS: without a 0, and at most one byte in 254 longer, and one.

    >>> stuff(b"\x11\x22\x00\x33").hex(" ")
    '03 11 22 02 33'
    """
    out = bytearray()
    for run in content.split(b"\0"):
        for at in range(0, len(run) - _BLOCK + 1, _BLOCK):
            out += b"\xff" + run[at : at + _BLOCK]
        rest = run[len(run) - len(run) % _BLOCK :]
        out += bytes([len(rest) + 1]) + rest
    return bytes(out)


def unstuff(segment: bytes) -> bytes | None:
    """What ``stuff`` was given; ``None`` for what it cannot have made."""
    out, at, code = bytearray(), 0, 0xFF
    while at < len(segment):
        if code != 0xFF:
            out.append(0)
        code = segment[at]
        block = segment[at + 1 : at + code]
        if code == 0 or len(block) != code - 1:
            return None
        out += block
        at += code
    return bytes(out)


class Splitter:
    """Cuts what comes over a line at every 0; holds at most ``limit`` bytes, however long none comes.

    Args:
        limit: bytes of the longest segment that can be a frame.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open = bytearray()

    @property
    def rest(self) -> bytes:
        """What came after the last 0."""
        return bytes(self._open)

    def feed(self, received: bytes) -> list[bytes]:
        """The segments that ``received`` completes, without the empty ones; the end of one that was too long."""
        segments = []
        *ended, rest = received.split(b"\0")
        for part in ended:
            self._add(part)
            if self._open:
                segments.append(bytes(self._open))
            self._open.clear()
        self._add(rest)
        return segments

    def _add(self, part: bytes) -> None:
        self._open += part
        del self._open[: -self._limit]
