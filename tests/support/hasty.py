"""``serial-int8`` for boards that are flashed by the test itself, or that never answer."""

from __future__ import annotations

from contextlib import suppress

from boards import Emulated, firmware

from tinyedge.errors import TinyedgeError
from tinyedge.targets.serial import SerialInt8


class Hasty(SerialInt8):
    """Does not wait long for a board to start."""

    start_s = 1.0


class Impatient(SerialInt8):
    """Does not wait long for an answer."""

    answer_s = 2.0


class Flashed(SerialInt8):
    """The board gets the firmware of whatever is to be opened, as one would flash it before; ``unplug`` it in the end.

    The first board stays, for the session that many tests share; any other goes when the next comes: each of them keeps
    a processor busy. A file that no firmware can be made of leaves the last board as it was.
    """

    def __init__(self, port=None, baud=115_200):
        super().__init__(port, baud)
        self._boards = []

    def open(self, artifact, **options):
        if self.available().ok:
            with suppress(TinyedgeError, OSError):
                elf = firmware(artifact.path, artifact.sha256)
                self._unplug(self._boards[1:])
                self._boards.append(Emulated(elf))
        self._port = self._boards[-1].port if self._boards else "/dev/null"
        return super().open(artifact, **options)

    def unplug(self):
        self._unplug(self._boards[:])

    def _unplug(self, boards):
        for board in boards:
            board.close()
            self._boards.remove(board)
