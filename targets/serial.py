"""Firmware on a board at a serial port: hardware in the loop."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from typing import Any, ClassVar

from numpy.typing import NDArray

from tinyedge.artifact import Artifact
from tinyedge.errors import UsageError
from tinyedge.targets.base import Requirement, Target
from tinyedge.targets.frames import BITS_PER_BYTE, PROTOCOL, model_id
from tinyedge.targets.legalize import legalize
from tinyedge.targets.link import Link
from tinyedge.targets.session import Limits

BAUD = 115_200


class SerialInt8(Target):
    """``serial-int8``: the board computes; ``tinyedge firmware`` writes the code that it runs.

    Attributes:
        start_s: how long a board may take to answer at all; it may be starting.
        answer_s: for how long an image is sent again and again, beside the time that the line takes.

    Args:
        port: e.g. ``/dev/ttyACM0``; needed to run, not to ask what the target is.
        baud: bits a second; a port over USB does not care.
    """

    name = "serial-int8"
    runtime = "firmware, over pyserial"
    format = "tflite"
    precision = "int8"
    kernels = "the board's own, as it says"
    microcontroller = True
    requirements: ClassVar = (Requirement("pyserial", "serial", "pip install 'tinyedge[mcu]'"),)
    default_images = 1000
    max_processes = 1
    start_s: ClassVar[float] = 20.0
    answer_s: ClassVar[float] = 60.0

    def __init__(self, port: str | None = None, baud: int = BAUD) -> None:
        if baud < 1:
            raise UsageError(
                "no line runs at that rate", where="--baud", found=baud, expected=f"bits a second, e.g. {BAUD}"
            )
        self._port, self._baud = port, baud

    def options(self) -> dict[str, Any]:
        """See ``Target.options``."""
        return {"port": self._port, "baud": self._baud}

    def limits(self) -> Limits:
        """The line has its own; these are for when it hangs."""
        return Limits(chunk_s=900.0)

    def check_options(self) -> None:
        """See ``Target.check_options``."""
        if self._port is None:
            raise UsageError(
                f"{self.name} needs a port",
                where="--port",
                found="none",
                expected="e.g. --port /dev/ttyACM0",
                fix="ls /dev/serial/by-id names the ports with a board",
            )

    def _clock(self) -> float:
        """The clock on the wall: the work is the board's, and the line's."""
        return time.monotonic()

    def _open(self, artifact: Artifact, model: bytes) -> dict[str, Any]:
        from tinyedge.targets.serial_port import SerialPort  # needs pyserial

        assert self._port is not None, "checked"
        self._legal = legalize(model, artifact.path)
        self._link = Link(
            SerialPort(self._port, self._baud),
            model_id=model_id(artifact.sha256),
            sizes=(math.prod(artifact.input.shape[1:]), artifact.num_classes),
            where=f"{self.name}, {artifact.path.name}, {self._port}",
            bytes_per_s=self._baud / BITS_PER_BYTE,
            limit_s=self.answer_s,
        )
        hello = self._link.open(self.start_s)
        self._clock_hz, self._images, self._ticks, self._stack_bytes = hello.clock_hz, 0, 0, 0
        return {
            "runtime_version": f"protocol {PROTOCOL}",
            "kernels": hello.kernels,
            "port": self._port,
            "baud": self._baud,
            "model_id": hello.model_id.hex(),
            "arena_bytes": hello.arena_bytes,
            "rewritten": list(self._legal.steps),
        }

    def _run(self, inputs: NDArray[Any]) -> NDArray[Any]:
        answer = self._link.infer(self._legal.to_firmware(inputs).tobytes())
        self._images += 1
        self._ticks += answer.ticks
        self._stack_bytes = answer.stack_bytes
        return self._legal.from_firmware(answer.scores[None])

    def _run_facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = asdict(self._link.counts)
        if self._stack_bytes:
            facts["stack_bytes"] = self._stack_bytes
        if self._clock_hz:
            facts["device_us_per_image"] = round(self._ticks / self._images / self._clock_hz * 1e6, 1)
        return facts
