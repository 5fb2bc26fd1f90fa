"""Firmware in QEMU: int8 images go in and results come out by pipes, which the firmware opens by semihosting."""

from __future__ import annotations

import os
import re
import select
import shutil
import struct
import subprocess
import time
from functools import partial
from pathlib import Path

import numpy as np

from tinyedge.errors import TargetCrashed, TargetTimeout, TargetUnavailable, TinyedgeError
from tinyedge.targets import native_log
from tinyedge.targets.child import signal_name
from tinyedge.targets.firmware_result import HEADER, MAGIC, Result
from tinyedge.targets.orphan import die_with

PROGRAM = "qemu-system-arm"
INSTALL = "apt-get install -y --no-install-recommends gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"
"""The Debian packages of the compiler, its C library and the emulator."""
INSTRUCTIONS_PER_TICK = 40
"""With ``-icount shift=0`` an instruction takes 1 ns of emulated time, and these boards' SysTick runs at 25 MHz."""
_BOOT_S = 30.0
_ENDING_S = 2.0


class Emulator:
    """One QEMU with firmware that has started; ``close`` it.

    Args:
        elf: the firmware; not needed any more once this has returned.
        machine: QEMU's name for the board.
        sizes: bytes of an input and of an output that the firmware must have been built for.
        where: for errors.
        image_s: how long an inference may take.
        counting: whether the emulated clock counts instructions; slower.
        layers: how many layers' ticks follow each result.

    Raises:
        TargetUnavailable: where QEMU cannot be run.
        TargetCrashed, TargetTimeout: where the firmware does not come up.
    """

    def __init__(
        self,
        elf: Path,
        machine: str,
        *,
        sizes: tuple[int, int],
        where: str,
        image_s: float = 60.0,
        counting: bool = False,
        layers: int = 0,
    ) -> None:
        self._where, self._image_s, self._sizes = where, image_s, sizes
        self._layers = struct.Struct(f"<{layers}Q")
        self._sequence = 0
        self._said_from = native_log.position()
        try:
            self._process = subprocess.Popen(
                [
                    PROGRAM, "-M", machine, "-display", "none", "-monitor", "none", "-serial", "none",
                    "-semihosting-config", "enable=on,target=native", *(["-icount", "shift=0"] if counting else []),
                    "-kernel", str(elf),
                ],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
                preexec_fn=partial(die_with, os.getpid()),  # this process has one thread
            )  # fmt: skip
        except OSError as error:
            raise unavailable(error) from error
        assert self._process.stdin is not None, "piped"
        assert self._process.stdout is not None, "piped"
        self._to, self._from = self._process.stdin, self._process.stdout
        os.set_blocking(self._to.fileno(), False)
        os.set_blocking(self._from.fileno(), False)
        try:
            self._answer(b"", _BOOT_S)
        except TinyedgeError:
            self.close()
            raise

    def infer(self, image: bytes) -> Result:
        """Run one image.

        Raises:
            TargetTimeout: where no answer comes.
            TargetCrashed: where the firmware faults, ends, or answers with something else than a result.
        """
        self._sequence += 1
        return self._answer(image, self._image_s)

    def close(self) -> None:
        """End QEMU: the firmware by the end of its input, and by force where it does not heed that."""
        self._to.close()
        try:
            self._process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._from.close()

    def _answer(self, image: bytes, limit_s: float) -> Result:
        """Send ``image`` and take the next result, both at once: neither side's pipe may fill up."""
        expected = HEADER.size + (self._sizes[1] + self._layers.size if self._sequence else 0)
        deadline = time.monotonic() + limit_s
        answer, left = b"", memoryview(image)
        while len(answer) < expected:
            readable, writable, _ = select.select(
                [self._from], [self._to] if left else [], [], max(deadline - time.monotonic(), 0)
            )
            if not readable and not writable:
                raise self._late(limit_s, len(answer), expected)
            if readable:
                part = self._from.read(expected - len(answer))
                if not part:
                    raise self._dead(len(answer), expected)
                answer += part
                self._check_start(answer)
            elif writable:
                try:
                    left = left[self._to.write(left) or 0 :]
                except BrokenPipeError:
                    left = left[:0]  # it is dead, and reading says how
        _, _, _, _, ticks, stack_bytes, _ = HEADER.unpack_from(answer)
        if not self._sequence:
            return Result(np.empty(0, np.int8), ticks, stack_bytes)
        scores = np.frombuffer(answer, np.int8, self._sizes[1], offset=HEADER.size)
        return Result(scores, ticks, stack_bytes, self._layers.unpack_from(answer, expected - self._layers.size))

    def _check_start(self, answer: bytes) -> None:
        """As soon as the header is there: who waits for the rest of garbage waits for ever."""
        if len(answer) < HEADER.size:
            return
        found = HEADER.unpack_from(answer)[:4]
        expected = (MAGIC, self._sequence, *self._sizes)
        if found != expected:
            raise TargetCrashed(
                "the firmware answers with something else than the result",
                where=self._where,
                found=self._with_words(f"bytes {answer[:16].hex(' ')}"),
                expected=f"{struct.pack('<IIII', *expected).hex(' ')}: result {self._sequence}, "
                f"{self._sizes[0]} bytes in, {self._sizes[1]} out",
                fix="report this: it is not the firmware that was built",
            )

    def _dead(self, received: int, expected: int) -> TargetCrashed:
        try:
            code = self._process.wait(_ENDING_S)
            how = f"killed by {signal_name(-code)}" if code < 0 else f"exit status {code}"
        except subprocess.TimeoutExpired:
            how = "it closed its output"
        return TargetCrashed(
            "the firmware stopped" if self._sequence else "the firmware did not start",
            where=self._where,
            found=self._with_words(f"{how} after {received} of the result's {expected} bytes"),
            expected=f"result {self._sequence}" if self._sequence else "a sign of life",
            fix="run the same file on tflm-int8: where that works, report this",
        )

    def _late(self, limit_s: float, received: int, expected: int) -> TargetTimeout:
        return TargetTimeout(
            "the firmware does not answer",
            where=self._where,
            found=self._with_words(f"{received} of the result's {expected} bytes within {limit_s:g} s"),
            expected=f"result {self._sequence}" if self._sequence else "a sign of life",
            fix="check that the machine is not overloaded; a very large model can take longer: run it on tflm-int8",
        )

    def _with_words(self, found: str) -> str:
        said = native_log.last_lines(native_log.since(self._said_from))
        return f"{found}; its last words: {said}" if said else found


def version() -> str:
    """QEMU's version.

    Raises:
        TargetUnavailable: where it cannot be run.
    """
    return program_version([PROGRAM, "--version"], r"version (\S+)")


def program_version(command: list[str], pattern: str) -> str:
    """What ``pattern`` finds in the output of ``command``.

    Raises:
        TargetUnavailable: where the program is missing, fails, or says something else.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_BOOT_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise unavailable(error, command[0]) from error
    found = re.search(pattern, done.stdout)
    if found is None:
        raise unavailable(f"it says {done.stdout[:100]!r}", command[0])
    return found[1]


def unavailable(found: object, program: str = PROGRAM) -> TargetUnavailable:
    """The error where ``program`` cannot be run; QEMU unless named."""
    return TargetUnavailable(
        f"{program} cannot be run",
        where=shutil.which(program) or "not in $PATH",
        found=" ".join(str(found).split())[:500],
        expected=f"{program} --version to work",
        fix=INSTALL,
    )
