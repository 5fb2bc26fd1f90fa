"""TensorFlow Lite Micro itself, built for this machine: the portable reference kernels that firmware links."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tinyedge.artifact import Artifact
from tinyedge.errors import ArtifactCorrupt, TargetRefused, UsageError
from tinyedge.formats.tflite import operators
from tinyedge.targets import native_log
from tinyedge.targets.arena import smallest, survives
from tinyedge.targets.base import Requirement, Target

_FIRST_ARENA, _LARGEST_ARENA, _SLACK = 1 << 20, 1 << 30, 1 << 16
_TOO_SMALL = re.compile(r"missing: \d+|arena size is too small|failed to (?:allocate|resize)", re.IGNORECASE)
_NO_OPERATOR = re.compile(r"Failed to get registration from op code (\w+)")
_USED = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")


class TflmInt8(Target):
    """``tflm-int8``.

    Args:
        arena_bytes: the tensor arena that the firmware has; found automatically if ``None``.
    """

    name = "tflm-int8"
    runtime = "TensorFlow Lite Micro"
    format = "tflite"
    precision = "int8"
    kernels = "TFLM reference, on this machine"
    microcontroller = True
    rounding = "within 1 LSB of LiteRT's reference kernels: a fully connected layer rounds twice here, once there"
    requirements: ClassVar = (
        Requirement("tflite-micro", "tflite_micro.python.tflite_micro.runtime", "pip install 'tinyedge[mcu]'"),
    )

    _interpreter: Any

    def __init__(self, arena_bytes: int | None = None) -> None:
        if arena_bytes is not None and arena_bytes < 1:
            raise UsageError("an arena needs bytes", found=arena_bytes, expected="1 or more")
        self._arena_bytes = arena_bytes

    def options(self) -> dict[str, Any]:
        """See ``Target.options``."""
        return {"arena_bytes": self._arena_bytes}

    def _open(self, artifact: Artifact, model: bytes) -> dict[str, Any]:
        self._artifact = artifact
        used = self._measure(model)
        needed = smallest(lambda size: self._fits(model, size), guess=used["total"], upper=2 * used["total"] + _SLACK)
        if self._arena_bytes is not None:
            if not self._fits(model, self._arena_bytes):
                raise TargetRefused(
                    "the tensor arena is too small for this model",
                    where=artifact.path,
                    found=f"an arena of {self._arena_bytes:,} bytes",
                    expected=f"{needed:,} bytes (on this 64-bit machine; a 32-bit one needs a little less)",
                    fix="give the firmware a larger arena, or take a narrower model: tinyedge family",
                )
            self._interpreter = self._load(model, self._arena_bytes)[0]
        return {
            "kernels": f"{self.kernels} ({len(operators(artifact.path))} operators)",
            "arena_bytes": needed,
            "arena_used_bytes": used["total"],
            "arena_head_bytes": used["head"],
            "arena_tail_bytes": used["tail"],
            "arena_limit_bytes": self._arena_bytes,
            "arena_note": "arena_bytes: the smallest that works, by trial, with this machine's 8-byte pointers; "
            "used, head (activations) and tail: the runtime's own count once it is prepared",
        }

    def _run(self, inputs: NDArray[Any]) -> NDArray[Any]:
        start = native_log.position()
        try:
            self._interpreter.set_input(inputs, 0)
            self._interpreter.invoke()
            output: NDArray[Any] = self._interpreter.get_output(0)
        except (RuntimeError, ValueError) as error:
            raise self._refused(error, native_log.since(start)) from error
        return output

    def _measure(self, model: bytes) -> dict[str, int]:
        """Open ``model`` in an arena that is large enough, and ask the runtime how much of it it uses."""
        size = max(_FIRST_ARENA, 10 * len(model))
        while True:
            self._interpreter, said = self._load(model, size)
            if self._interpreter is not None:
                break
            size *= 2
            if size > _LARGEST_ARENA:
                raise TargetRefused(
                    "the model needs a tensor arena of more than 1 GiB",
                    where=self._artifact.path,
                    found=native_log.last_lines(said, 1),
                    fix="check the model's tensor sizes: no microcontroller has that much memory",
                )
        start = native_log.position()
        self._interpreter.print_allocations()
        used = {part: int(count) for part, count in _USED.findall(native_log.since(start))}
        if used.keys() != {"total", "head", "tail"}:
            raise TargetRefused(
                "TensorFlow Lite Micro did not say how much of the arena it uses",
                found=native_log.last_lines(native_log.since(start)),
                fix="report this: another release of tflite-micro may print it differently",
            )
        return used

    def _fits(self, model: bytes, arena_bytes: int) -> bool:
        """Whether the model is prepared and runs once in that arena."""

        def trial() -> None:
            interpreter, said = self._load(model, arena_bytes)
            if interpreter is None:
                raise MemoryError(said)
            spec = self._artifact.input
            interpreter.set_input(np.zeros((1, *spec.shape[1:]), spec.dtype), 0)
            interpreter.invoke()

        return survives(trial)

    def _load(self, model: bytes, arena_bytes: int) -> tuple[Any, str]:
        """An interpreter, or ``None`` where the arena is too small, and what the runtime printed.

        Raises:
            ArtifactCorrupt, TargetRefused: where it is not about the arena.
        """
        from tflite_micro.python.tflite_micro.runtime import Interpreter

        start = native_log.position()
        try:
            return Interpreter.from_bytes(model, arena_size=arena_bytes), ""
        except RuntimeError as error:
            said = native_log.since(start)
            if _TOO_SMALL.search(said):
                return None, said
            raise self._refused(error, said) from error
        except Exception as error:  # its Python part parses the flatbuffer, and fails in any way
            raise ArtifactCorrupt(
                "TensorFlow Lite Micro cannot read the model",
                where=self._artifact.path,
                found=f"{type(error).__name__}: {error}",
                expected="a valid TFLite model",
                fix="export the model again",
            ) from error

    def _refused(self, error: Exception, said: str) -> TargetRefused:
        path = self._artifact.path
        lacking = _NO_OPERATOR.search(said)
        if lacking is None:
            return TargetRefused(
                "TensorFlow Lite Micro refuses the model",
                where=path,
                found=f"{error}: {native_log.last_lines(said)}",
                fix="export the model with operators and versions that TensorFlow Lite Micro has",
            )
        name = lacking[1] if lacking[1] != "CUSTOM" else next(n for n in operators(path) if n.startswith("CUSTOM"))
        return TargetRefused(
            "TensorFlow Lite Micro lacks an operator of this model",
            where=path,
            found=f"{name}, {operators(path).count(name)} times",
            expected="operators that TensorFlow Lite Micro implements",
            fix="replace the layer (an average pool in place of a mean, for example) and export again",
        )


class TflmInt16x8(TflmInt8):
    """``tflm-int16x8``: int16 activations, int8 weights, as firmware with TensorFlow Lite Micro would run them."""

    name = "tflm-int16x8"
    precision = "int16x8"
    rounding = "LiteRT's reference kernels, where compared (docs/precisions.md)"
