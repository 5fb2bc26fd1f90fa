"""Any executable as a runtime: it reads a file of images and writes a file of results (docs/command.md).

The way to a vendor's tool chain, a simulator or a robot with boards: a script around it is a target. What it writes is
taken only where it is whole, of this model, of this call, and of these images.
"""

from __future__ import annotations

import math
import os
import secrets
import shlex
import shutil
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tinyedge.artifact import Artifact
from tinyedge.errors import TargetCrashed, TargetTimeout, TargetUnavailable, UsageError
from tinyedge.formats.tflite import operators
from tinyedge.targets import native_log
from tinyedge.targets.base import Requirement, Target
from tinyedge.targets.child import signal_name
from tinyedge.targets.command_file import (
    LARGEST_FACTS,
    BadResults,
    Call,
    Expected,
    pack_images,
    read_facts,
    unpack_results,
)
from tinyedge.targets.orphan import die_with
from tinyedge.targets.session import Limits

TIMEOUT_S = 300.0
LARGEST_CALL = 256 << 20
"""Bytes of images that one start of the command gets at most."""
_MARGIN_S = 20.0
_LAST_WORDS = 4000
_CALLS = 1 << 32
_IDENTITY = ("runtime", "runtime_version", "kernels", "device")
_EXAMPLE = "--command 'python run.py'; docs/command.md has whole examples"


class _Command(Target):
    """What the precisions share.

    Args:
        command: what is started, as one would type it; three paths are put behind it: model, images, results.
        timeout_s: how long one start of it may take.
    """

    runtime = "command"
    format = "tflite"
    kernels = "whatever the command runs"
    # No package: the wire to the command is tinyedge's own, whose version this is.
    requirements: ClassVar = (Requirement("tinyedge", "tinyedge", "pip install tinyedge"),)
    any_number = True
    chunk_s = 30.0
    chunk_images = 1000
    max_processes = 1  # there may be one board, or one licence
    memory_bytes = None  # the command's, which may be a Java tool that reserves what it never uses

    def __init__(self, command: str | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self._command, self._timeout_s = command, timeout_s
        try:
            self._arguments = shlex.split(command or "")
        except ValueError as error:
            raise UsageError(
                "the command cannot be read",
                where="--command",
                found=f"{error}: {command}",
                expected="quotes in pairs, as in a shell",
            ) from error
        if command is not None and not self._arguments:
            raise UsageError("the command is empty", where="--command", found=repr(command), fix=_EXAMPLE)
        if not 0 < timeout_s < math.inf:
            raise UsageError("no time for the command", where="--timeout-s", found=timeout_s, expected="seconds over 0")
        self._done = 0
        self._facts: dict[str, Any] = {}

    def options(self) -> dict[str, Any]:
        """See ``Target.options``."""
        return {"command": self._command, "timeout_s": self._timeout_s}

    def check_options(self) -> None:
        """See ``Target.check_options``."""
        if self._command is None:
            raise UsageError(f"{self.name} runs a command, and none is given", where="--command", fix=_EXAMPLE)

    def limits(self) -> Limits:
        """The command's own limit ends it first, and says more."""
        return Limits(chunk_s=self._timeout_s + _MARGIN_S)

    def _clock(self) -> float:
        """The clock on the wall: the work is another process's, maybe another machine's."""
        return time.monotonic()

    def _open(self, artifact: Artifact, model: bytes) -> dict[str, Any]:
        program = self._arguments[0]
        if shutil.which(program) is None:
            path = Path(program)
            found = "no such program" if not path.exists() else "a folder" if path.is_dir() else "it is not executable"
            raise TargetUnavailable(
                "the command cannot be started",
                where=f"--command {self._command}",
                found=f"{program}: {found}",
                expected="a program in $PATH, or the path of one",
                fix=f"chmod +x {shlex.quote(program)}" if path.is_file() else "check the path",
            )
        self._artifact = artifact
        self._folder = Path(tempfile.mkdtemp())  # in this process's own folder, which goes with it
        # A copy: these are the bytes of the hash, whatever happens to the file.
        self._model = self._folder / f"model{artifact.path.suffix}"
        self._model.write_bytes(model)
        name = " ".join(Path(part).name if "/" in part else part for part in self._arguments)
        return {
            "command": name,
            "runtime_version": "unknown",
            "kernels": f"not told by the command ({len(operators(artifact.path))} operators)",
            "threads_per_process": "the command's own",
            "command_note": "us_per_image has the command's starts in it",
        }

    def _run(self, inputs: NDArray[Any]) -> NDArray[Any]:
        count = max(LARGEST_CALL // inputs[0].nbytes, 1)
        return np.concatenate([self._call(inputs[at : at + count]) for at in range(0, len(inputs), count)])

    def _call(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """One start of the command: the results of ``inputs``, ``(N, K)``."""
        artifact = self._artifact
        call = Call(secrets.randbelow(_CALLS), artifact.sha256, self._done, len(inputs))
        self._where = f"{self.name}, {artifact.path.name}, images {call.first} to {call.first + call.count - 1}"
        self._said_from = native_log.position()
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            images, results = Path(folder, "images.bin"), Path(folder, "results.bin")
            images.write_bytes(pack_images(inputs, call))
            self._start([*self._arguments, str(self._model), str(images), str(results)])
            try:
                expected = Expected(call, artifact.output.dtype, artifact.num_classes)
                outputs = unpack_results(_read(results, expected.size + 1), expected)
                told = Path(f"{results}.facts")
                facts = read_facts(_read(told, LARGEST_FACTS + 1)) if told.exists() else {}
                self._check_same(facts)
            except BadResults as error:
                raise self._failed(error.what, error.found, error.expected) from error
        self._facts = facts
        self._done += len(inputs)
        return outputs

    def _run_facts(self) -> dict[str, Any]:
        return self._facts

    def _start(self, command: list[str]) -> None:
        """Run it to its end.

        Raises:
            TargetUnavailable, TargetTimeout, TargetCrashed: where it cannot be started, has no end, or fails.
        """
        try:
            # What it prints goes where this process's own words go. This process has one thread.
            process = subprocess.Popen(command, preexec_fn=partial(die_with, os.getpid()))
        except OSError as error:
            raise TargetUnavailable(
                "the command cannot be started",
                where=f"--command {self._command}",
                found=error,
                expected="a program, or a script with #! in its first line",
            ) from error
        try:
            status = process.wait(self._timeout_s)
        except subprocess.TimeoutExpired as error:
            process.kill()  # what it has started itself, the session ends
            process.wait()
            raise TargetTimeout(
                "the command does not end",
                where=self._where,
                found=self._with_words(f"still running after {self._timeout_s:g} s"),
                fix="--timeout-s, where it needs longer",
            ) from error
        if status:
            how = f"killed by {signal_name(-status)}" if status < 0 else f"exit status {status}"
            raise self._failed("the command failed", how, "exit status 0")

    def _check_same(self, facts: dict[str, Any]) -> None:
        """One report is of one runtime."""
        for name in _IDENTITY:
            if self._done and facts.get(name) != self._facts.get(name):
                raise BadResults(
                    f"the command tells of other {name} than before", facts.get(name), self._facts.get(name)
                )

    def _failed(self, what: str, found: str, expected: str) -> TargetCrashed:
        return TargetCrashed(
            what,
            where=self._where,
            found=self._with_words(found),
            expected=expected,
            fix="run the command by itself; docs/command.md says what it reads and writes",
        )

    def _with_words(self, found: str) -> str:
        start = max(self._said_from, native_log.position() - _LAST_WORDS)
        said = native_log.last_lines(native_log.since(start))
        return f"{found}; its last words: {said}" if said else found


class CommandInt8(_Command):
    """``command-int8``."""

    name = "command-int8"
    precision = "int8"


class CommandFp32(_Command):
    """``command-fp32``."""

    name = "command-fp32"
    precision = "fp32"


def _read(path: Path, most: int) -> bytes:
    """The first bytes of a file that the command wrote.

    Raises:
        BadResults: where it wrote none.
    """
    if not path.is_file():  # a pipe would never end
        found = "something that is no file" if path.exists() else "nothing"
        raise BadResults(f"the command did not write {path.name}", found, "a file")
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise BadResults(f"the command's {path.name} cannot be read", error.strerror, "a file to read") from error
