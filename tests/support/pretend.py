"""A board in Python: it speaks the protocol of ``firmware/uart.c``, and lies where it is told to."""

from __future__ import annotations

import os
import pty
import select
import struct
import threading
import tty
import zlib
from collections.abc import Callable
from dataclasses import replace

from tinyedge.targets.frames import Frame, Kind, Splitter, decode, encode

MAGIC = 0x45474454
MODEL_ID = bytes(range(16))
Say = Callable[[Frame], "Frame | bytes | None"]


def whole(frame: Frame) -> Frame:
    """No lie."""
    return frame


def scores_of(image: bytes, count: int) -> bytes:
    """Other scores for every image."""
    return (struct.pack("<I", zlib.adler32(image)) * count)[:count]


class Pretended:
    """A board behind ``hear``; ``say`` changes what it answers, into other frames, bytes or nothing.

    Args:
        sizes: bytes of an image and of its scores.
        say: see above.
        model_id: of the model that it says it has.
        banner: what it prints when it starts.
        protocol: that it says it speaks.
    """

    def __init__(
        self,
        sizes: tuple[int, int] = (48, 8),
        say: Say = whole,
        model_id: bytes = MODEL_ID,
        banner: bytes = b"",
        protocol: int = 1,
    ) -> None:
        self.sizes, self.say, self.model_id, self.banner, self.protocol = sizes, say, model_id, banner, protocol
        self.starts = self.computed = 0
        self.reset()

    def reset(self) -> None:
        self.starts += 1
        self._splitter = Splitter(100_000)
        self._session = self._sequence = 0
        self._result = Frame(Kind.HELLO, 0)
        self._out = self.banner + self._line(self._hello())

    def hear(self, content: bytes) -> bytes:
        """What it answers."""
        for segment in self._splitter.feed(content):
            self._out += self._line(self._answer(decode(segment)))
        out, self._out = self._out, b""
        return out

    def _answer(self, frame: Frame | None) -> Frame:
        if frame is None or len(frame.payload) > self.sizes[0]:
            return Frame(Kind.AGAIN, self._session)
        if frame.kind is Kind.OPEN:
            self._session, self._sequence = frame.session, 0
            return self._hello()
        known = frame.session == self._session != 0 and len(frame.payload) == self.sizes[0]
        if frame.kind is not Kind.IMAGE or not known:
            return self._hello()
        if frame.sequence != self._sequence:
            self._sequence = frame.sequence
            self.computed += 1
            head = struct.pack("<IIIIQII", MAGIC, self.computed, *self.sizes, 1000, 500, 4096)
            scores = scores_of(frame.payload, self.sizes[1])
            image = zlib.crc32(frame.payload)
            self._result = Frame(Kind.RESULT, self._session, frame.sequence, image, head + scores)
        return self._result

    def _hello(self) -> Frame:
        facts = struct.pack("<II16s", self.protocol, 1_000_000, self.model_id)
        head = struct.pack("<IIIIQII", MAGIC, 0, *self.sizes, 0, 500, 4096)
        return Frame(Kind.HELLO, self._session, payload=facts + head + b"kernels (3 operators)")

    def _line(self, frame: Frame) -> bytes:
        said = self.say(frame)
        return b"" if said is None else said if isinstance(said, bytes) else encode(said)


def changed(kind: Kind, /, **changes: object) -> Say:
    """A lie about frames of one kind."""
    return lambda frame: replace(frame, **changes) if frame.kind is kind else frame


class Terminal:
    """A pseudo-terminal at ``port`` with a board in a thread behind it; ``close`` it."""

    def __init__(self, board: Pretended) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._board, self._open = board, True
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._open = False
        self._thread.join()
        os.close(self._slave)
        os.close(self._master)

    def _serve(self) -> None:
        while self._open:
            if select.select([self._master], [], [], 0.02)[0]:
                os.write(self._master, self._board.hear(os.read(self._master, 4096)))
