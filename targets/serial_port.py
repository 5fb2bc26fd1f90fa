"""A serial port through pyserial; whatever goes wrong with it is one clear error."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import serial

from tinyedge.errors import TargetCrashed, TargetUnavailable
from tinyedge.targets.frames import BITS_PER_BYTE

_READ_S = 0.02
_WRITE_S = 5.0


class SerialPort:
    """``path`` opened for this process alone, 8 data bits, no parity, 1 stop bit; ``close`` it.

    Args:
        path: e.g. ``/dev/ttyACM0``.
        baud: bits a second.

    Raises:
        TargetUnavailable: where it cannot be opened; says why.
    """

    def __init__(self, path: str, baud: int) -> None:
        self._path, self._baud = path, baud
        try:
            self._serial = serial.Serial(path, baud, timeout=_READ_S, exclusive=True)
            self._serial.reset_input_buffer()
        except (serial.SerialException, OSError, ValueError) as error:
            raise _unavailable(error, path, baud) from error

    def read(self) -> bytes:
        """What came, as soon as something does; empty after 20 ms without.

        Raises:
            TargetCrashed: where the port is gone.
        """
        try:
            return bytes(self._serial.read(max(self._serial.in_waiting, 1)))
        except (serial.SerialException, OSError) as error:
            raise self._gone(error) from error

    def write(self, content: bytes) -> None:
        """Send ``content``; what is not taken within 5 s, and twice the time that the line needs, is lost.

        Raises:
            TargetCrashed: where the port is gone.
        """
        try:
            self._serial.write_timeout = _WRITE_S + 2 * len(content) * BITS_PER_BYTE / self._baud
            self._serial.write(content)
        except serial.SerialTimeoutException:
            self._serial.reset_output_buffer()
        except (serial.SerialException, OSError) as error:
            raise self._gone(error) from error

    def close(self) -> None:
        """Let others have it."""
        self._serial.close()

    def _gone(self, error: Exception) -> TargetCrashed:
        return TargetCrashed(
            "the serial port is gone",
            where=self._path,
            found=_reason(error),
            expected="a port that stays open",
            fix="check the cable and the supply; plug it in again and see whether the port has another name now",
        )


def _unavailable(error: Exception, path: str, baud: int) -> TargetUnavailable:
    number, found = _number(error), _reason(error)
    expected, fix = "a serial port", "ls /dev/serial/by-id names the ports with a board"
    if number == errno.ENOENT:
        what = "there is no such serial port"
    elif number in (errno.EACCES, errno.EPERM):
        what, expected = "the serial port may not be opened", f"{os.environ.get('USER', 'you')} in the port's group"
        fix = f"sudo usermod -aG {_group(path)} $USER, and log in again"
    elif number in (errno.EBUSY, errno.EAGAIN):
        what, expected = "the serial port is in use", "a port that no other program has open"
        fix = f"close the terminal or the debugger that has it: fuser -v {path}"
    elif number in (errno.ENOTTY, errno.EISDIR, errno.EINVAL):
        what, found = "that is no serial port", _kind(path) or found
    else:
        what, fix = "the serial port cannot be opened", f"check the port, and that it can run at {baud} baud"
    return TargetUnavailable(what, where=path, found=found, expected=expected, fix=fix)


def _number(error: Exception) -> int | None:
    """The system's number, where pyserial says it in words: ``Could not configure port: (25, 'Inappropriate ...')``."""
    first = error.args[0] if error.args else None
    if isinstance(first, int):
        return first
    cause = error.__context__
    return _number(cause) if isinstance(cause, Exception) else None


def _reason(error: Exception) -> str:
    """In the system's words: pyserial's hold the path and the number, some of them twice."""
    number = _number(error)
    return str(error) if number is None else os.strerror(number)


def _kind(path: str) -> str | None:
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return None
    return "a regular file" if stat.S_ISREG(mode) else "a folder" if stat.S_ISDIR(mode) else None


def _group(path: str) -> str:
    try:
        return Path(path).group()
    except (OSError, KeyError):
        return "dialout"
