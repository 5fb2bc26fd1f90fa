"""The parent's side of one child process that runs a target's native code."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from typing import Any

from numpy.typing import NDArray

from tinyedge.errors import TargetCrashed, TargetTimeout
from tinyedge.targets import native_log
from tinyedge.targets.wire import Message, error_from_json, receive, send

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_CLOSING_S = 2.0


class ChildError(Exception):
    """The traceback of an exception in the child, as the cause of the same exception here."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class Child:
    """A process that runs ``tinyedge.targets.worker``; it dies with this one, and leaves nothing behind when closed.

    On Linux it dies with the *thread* that made it: that is what the kernel offers. Use a session in the thread that
    opened it, or in one that ends earlier.

    Args:
        where: what errors say it was running, e.g. ``tflite-int8, model.tflite``.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the child
        # Here, not in the child: what is killed cleans nothing up.
        self._scratch = tempfile.TemporaryDirectory(prefix="tinyedge-", ignore_cleanup_errors=True)
        ours, theirs = socket.socketpair()
        self._connection = ours
        try:
            self._process = subprocess.Popen(
                # -P: what lies in the folder that tinyedge is run in must not be imported by the child.
                [sys.executable, "-P", "-m", "tinyedge.targets.worker", str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, **_ONE_THREAD, "TMPDIR": self._scratch.name},
                process_group=0,  # Ctrl-C is for the parent, which then ends its children
            )
        except BaseException:
            ours.close()
            self._log.close()
            self._scratch.cleanup()
            raise
        finally:
            theirs.close()

    def fileno(self) -> int:
        """For ``select``: readable once the child has answered or died."""
        return self._connection.fileno()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def send(self, header: dict[str, Any], array: NDArray[Any] | None = None, *, timeout_s: float) -> None:
        """Ask for something; ``receive`` gets the answer.

        Raises:
            TargetCrashed, TargetTimeout: where the child is dead, or does not read.
        """
        self._connection.settimeout(timeout_s)
        try:
            send(self._connection, header, array)
        except TimeoutError as error:
            raise self._late(timeout_s) from error
        except OSError as error:
            raise self._dead() from error

    def receive(self, *, timeout_s: float) -> Message:
        """The answer to what was sent last.

        Raises:
            TargetCrashed, TargetTimeout: where the child died, or did not answer in time.
            TinyedgeError: whatever the child raised, chained to its traceback.
            RuntimeError: for an exception in the child that tinyedge does not know: a bug.
        """
        self._connection.settimeout(max(timeout_s, 0.001))
        try:
            header, array = receive(self._connection)
        except TimeoutError as error:
            raise self._late(timeout_s) from error
        except (OSError, EOFError) as error:
            raise self._dead() from error
        if "error" in header:
            raise error_from_json(header["error"]) from ChildError(header["traceback"])
        if "bug" in header:
            raise RuntimeError(f"in the child of {self._where}: {header['bug']}")
        return header, array

    def close(self, *, kill: bool = False) -> None:
        """End the process and free what it held; at once with ``kill``, else by letting it finish by itself."""
        self._connection.close()  # the child reads the end of its input and exits
        if kill:
            self._process.kill()
        try:
            self._process.wait(_CLOSING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with suppress(ProcessLookupError, PermissionError):  # what it had started, and what that had started
            os.killpg(self._process.pid, signal.SIGKILL)
        self._log.close()
        self._scratch.cleanup()

    def _dead(self) -> TargetCrashed:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_CLOSING_S)
        code = self._process.poll()
        if code is None:
            found = "it closed its connection"
        elif code < 0:
            found = f"killed by {signal_name(-code)}"
        else:
            found = f"exit status {code}"
        fix = "check the model file: export it again, and compare its SHA-256"
        if code == -signal.SIGKILL:
            fix = "nothing in tinyedge sent that signal: the machine may be out of memory"
        return TargetCrashed(
            "the process that ran the model died",
            where=self._where,
            found=self._with_log(found),
            expected="an answer",
            fix=fix,
        )

    def _late(self, timeout_s: float) -> TargetTimeout:
        return TargetTimeout(
            "the target did not answer in time",
            where=self._where,
            found=self._with_log(f"no answer within {timeout_s:g} s"),
            fix="check that the machine is not overloaded; a broken model file can hang a runtime too: export it again",
        )

    def _with_log(self, found: str) -> str:
        size = os.fstat(self._log.fileno()).st_size
        text = os.pread(self._log.fileno(), 4000, max(size - 4000, 0)).decode(errors="replace")
        said = native_log.last_lines(text)
        return f"{found}; its last words: {said}" if said else found


def signal_name(number: int) -> str:
    """``SIGSEGV`` and the like, or the number where it has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
