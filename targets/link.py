"""The host's end of a serial line to a board: asks, waits, asks again, and takes nothing but the answer it asked for.

An answer counts only if its frame is whole (CRC-32), of this session, of this image's number, and of an image with this
image's checksum. A board that was reset has forgotten the session and says so; it is asked who it is before it goes on.
"""

from __future__ import annotations

import secrets
import struct
import time
import zlib
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tinyedge.errors import TargetCrashed, TargetError, TargetRefused, TargetTimeout
from tinyedge.targets.firmware_result import HEADER, MAGIC, Result
from tinyedge.targets.frames import HEADER_BYTES, PROTOCOL, Frame, Kind, Splitter, decode, encode

_HELLO = struct.Struct("<II16s")
_MOST_TEXT = 1000
_WORDS = 200
_RESETS = 10
_FIRST_S, _LONGEST_S, _SOON_S = 0.5, 4.0, 0.05


class Port(Protocol):
    """A line's bytes; ``tinyedge.targets.serial_port`` has the real one."""

    def read(self) -> bytes:
        """What came, as soon as something does; empty after a few milliseconds without."""

    def write(self, content: bytes) -> None:
        """Send it; what the other side does not take within a while is lost."""


@dataclass
class Counts:
    """What happened on the line.

    Args:
        frames_sent: by this side, those that were sent again included.
        frames_resent: of these.
        frames_corrupted: what came and was no whole frame.
        frames_corrupted_there: what the board could not make out, as it says.
        frames_refused: whole frames that are not the answer that was asked for: late, or twice.
        resets: times that the board started anew.
    """

    frames_sent: int = 0
    frames_resent: int = 0
    frames_corrupted: int = 0
    frames_corrupted_there: int = 0
    frames_refused: int = 0
    resets: int = 0

    @property
    def frames_broken(self) -> int:
        """On either side."""
        return self.frames_corrupted + self.frames_corrupted_there


@dataclass(frozen=True)
class Hello:
    """What a board says that it is.

    Args:
        protocol: must be ``PROTOCOL``.
        clock_hz: of a result's ticks; 0 where they are no measure of time.
        model_id: the first 16 bytes of the model file's SHA-256.
        sizes: bytes of an input and of an output.
        arena_bytes: what the layers share.
        kernels: what computes, in words.
    """

    protocol: int
    clock_hz: int
    model_id: bytes
    sizes: tuple[int, int]
    arena_bytes: int
    kernels: str


class _Reset(Exception):
    """The board does not know the session."""


class Link:
    """A line to a board with firmware; ``open`` it first.

    Args:
        port: the line.
        model_id: of the model that the board must have.
        sizes: bytes of its input and of its output.
        where: for errors.
        bytes_per_s: that the line carries.
        tries: how often the same is asked.
        limit_s: for how long, beside the time that the line takes.
    """

    def __init__(
        self,
        port: Port,
        *,
        model_id: bytes,
        sizes: tuple[int, int],
        where: str,
        bytes_per_s: float,
        tries: int = 100,
        limit_s: float = 60.0,
    ) -> None:
        self.counts = Counts()
        self._port, self._model_id, self._sizes, self._where = port, model_id, sizes, where
        self._bytes_per_s, self._tries, self._limit_s = bytes_per_s, tries, limit_s
        self._splitter = Splitter(2 * (HEADER_BYTES + HEADER.size + sizes[1] + _MOST_TEXT))
        self._segments: deque[bytes] = deque()
        self._words = b""
        self._session = self._sequence = 0
        self._usual_s = 0.0
        self._heard = False

    def open(self, limit_s: float = 20.0) -> Hello:
        """Start a session.

        Args:
            limit_s: for how long it is tried: a board may be starting.

        Raises:
            TargetTimeout, TargetCrashed: where nothing comes, or nothing that makes sense.
            TargetRefused: where the board has another model, or speaks another protocol.
        """
        self._session = secrets.randbits(32) | 1  # 0 is a board's that knows none
        hello = self._hello(self._ask(Frame(Kind.OPEN, self._session), Kind.HELLO, limit_s))
        expected, found = self._model_id.hex(), hello.model_id.hex()
        if found != expected or hello.sizes != self._sizes:
            raise TargetRefused(
                "the board has another model",
                where=self._where,
                found=f"model {found}, {hello.sizes[0]} bytes in, {hello.sizes[1]} out",
                expected=f"model {expected} (the start of the file's SHA-256), {self._sizes[0]} bytes in, "
                f"{self._sizes[1]} out",
                fix="tinyedge firmware MODEL --out FOLDER writes this one's code: build it, and flash the board",
            )
        return hello

    def infer(self, image: bytes) -> Result:
        """Run one image.

        Raises:
            TargetTimeout, TargetCrashed: where the board does not answer, keeps starting anew, or answers wrongly.
            TargetRefused: where it was reset, and now has another model.
        """
        self._sequence += 1
        checksum = zlib.crc32(image)
        for _ in range(_RESETS):
            try:
                request = Frame(Kind.IMAGE, self._session, self._sequence, checksum, image)
                return self._answer(self._ask(request, Kind.RESULT, self._limit_s), checksum)
            except _Reset:
                self.counts.resets += 1
                self.open()
        raise TargetCrashed(
            "the board starts anew whenever it is given an image",
            where=f"{self._where}, image {self._sequence} of the session",
            found=self._with_words(f"{_RESETS} resets"),
            expected="a result",
            fix="look for a watchdog that is not fed, a stack that is too small, or a supply that gives in",
        )

    def _ask(self, request: Frame, kind: Kind, limit_s: float) -> Frame:
        """Send ``request`` until an answer of this ``kind`` comes."""
        line = encode(request)
        wire_s = (len(line) + HEADER.size + self._sizes[1] + _MOST_TEXT) / self._bytes_per_s
        started, broken = time.monotonic(), self.counts.frames_broken
        silent = tries = 0
        while tries < self._tries and time.monotonic() - started < limit_s + 10 * wire_s:
            self._port.write(line)
            sent = time.monotonic()
            self.counts.frames_sent += 1
            self.counts.frames_resent += tries > 0
            tries += 1
            patience_s = min(_FIRST_S * 2**silent, _LONGEST_S) + 2 * self._usual_s + wire_s
            reply = self._await(request, kind, sent + patience_s)
            if reply is not None:
                if kind is Kind.RESULT and self.counts.frames_broken == broken:  # slow, if it was asked again
                    self._usual_s = time.monotonic() - started
                return reply
            silent += time.monotonic() >= sent + patience_s
        raise self._unanswered(kind, tries, time.monotonic() - started)

    def _await(self, request: Frame, kind: Kind, deadline: float) -> Frame | None:
        """The answer to ``request``, or ``None``: at the deadline, or soon after something that was no whole frame."""
        while time.monotonic() < deadline:
            if not self._segments:
                self._segments.extend(self._splitter.feed(self._port.read()))
                continue
            segment = self._segments.popleft()
            frame = decode(segment)
            self._heard |= frame is not None
            if frame is None or frame.kind is Kind.AGAIN:
                self._note_broken(segment, frame)
                # Not at once: if it was not the answer that broke, the board is at work, and may hear nothing.
                deadline = min(deadline, time.monotonic() + _SOON_S + 2 * self._usual_s)
            elif (frame.kind, frame.session, frame.sequence) == (kind, request.session, request.sequence):
                return frame
            elif frame.kind is Kind.HELLO and request.kind is Kind.IMAGE and frame.session != request.session:
                raise _Reset
            else:
                self.counts.frames_refused += 1
        return None

    def _note_broken(self, segment: bytes, frame: Frame | None) -> None:
        if frame is None:
            self.counts.frames_corrupted += 1
            self._words = segment[-_WORDS:]
        else:
            self.counts.frames_corrupted_there += 1

    def _hello(self, frame: Frame) -> Hello:
        whole = len(frame.payload) >= _HELLO.size + HEADER.size
        protocol = int.from_bytes(frame.payload[:4], "little")
        if not whole or protocol != PROTOCOL:
            raise TargetRefused(
                "the board's firmware speaks another protocol",
                where=self._where,
                found=f"protocol {protocol}, {len(frame.payload)} bytes",
                expected=f"protocol {PROTOCOL}",
                fix="tinyedge firmware MODEL --out FOLDER writes code that speaks this one: build it, flash the board",
            )
        _, clock_hz, model_id = _HELLO.unpack_from(frame.payload)
        _, _, inputs, outputs, _, _, arena = HEADER.unpack_from(frame.payload, _HELLO.size)
        text = frame.payload[_HELLO.size + HEADER.size :].decode(errors="replace")
        return Hello(protocol, clock_hz, model_id, (inputs, outputs), arena, text)

    def _answer(self, frame: Frame, checksum: int) -> Result:
        """A whole frame that says something else than it should is no noise: it ends the run."""
        expected = MAGIC, *self._sizes, HEADER.size + self._sizes[1], f"{checksum:08x}"
        found = 0, 0, 0, len(frame.payload), f"{frame.image:08x}"
        if len(frame.payload) >= HEADER.size:
            magic, _, inputs, outputs, ticks, stack_bytes, _ = HEADER.unpack_from(frame.payload)
            found = magic, inputs, outputs, *found[3:]
            if found == expected:
                return Result(np.frombuffer(frame.payload, np.int8, offset=HEADER.size), ticks, stack_bytes)
        other = found[:-1] == expected[:-1]
        raise TargetCrashed(
            "the board answers for another image" if other else "the board's result is not one of this model",
            where=f"{self._where}, image {self._sequence} of the session",
            found=f"{found[3]} bytes, for an image with CRC-32 {found[-1]}",
            expected=f"{expected[3]} bytes, for an image with CRC-32 {expected[-1]}",
            fix="the frame is whole, so this is no noise: check the firmware's buffers, and that it is built from what "
            "tinyedge firmware writes",
        )

    def _unanswered(self, kind: Kind, tries: int, seconds: float) -> TargetError:
        words = self._with_words("")
        error: type[TargetError] = TargetCrashed if words else TargetTimeout
        what = "the board does not answer"
        fix = "check the cable, the port and the baud rate, and that the board has power and runs the firmware"
        if kind is Kind.RESULT:
            what, fix = "the board does not answer any more", "reset the board; a fault's place is in its last words"
        elif words and not self._heard:
            what = "what comes from the board is no answer"
            fix = "check the baud rate, and that the board runs firmware from tinyedge firmware and nothing else prints"
        return error(
            what,
            where=f"{self._where}, image {self._sequence} of the session" if self._sequence else self._where,
            found=f"tried {tries} times in {seconds:.1f} s; {self._summary()}{words}",
            expected="a result" if kind is Kind.RESULT else "a sign of life",
            fix=fix,
        )

    def _summary(self) -> str:
        counts = self.counts
        return (
            f"{counts.frames_corrupted} broken frames came, the board saw {counts.frames_corrupted_there}, "
            f"{counts.resets} resets"
        )

    def _with_words(self, found: str) -> str:
        """What came last and is no frame: a fault's message, another program's output, noise."""
        said = self._splitter.rest[-_WORDS:] or self._words
        if not said:
            return found
        readable = sum(32 <= byte < 127 or byte in b"\r\n\t" for byte in said) > 0.8 * len(said)
        return f"{found}; its last words: {_text(said) if readable else 'bytes ' + said[-32:].hex(' ')}"


def _text(said: bytes) -> str:
    """What can be read of it, in one line; a line that comes again and again, as a banner does, stands there once."""
    text = "".join(chr(byte) if 32 <= byte < 127 or byte in b"\r\n" else " " for byte in said)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    if len(said) == _WORDS and any(line.endswith(lines[0]) for line in lines[1:]):
        del lines[0]  # cut off in front, and whole further on
    last_first = dict.fromkeys(reversed(lines))
    return " ".join(line for line in reversed(last_first) if line)
