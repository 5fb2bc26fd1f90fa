"""Firmware for Arm Cortex-M, on an emulated board: the deployed model, compiled, on the device's instruction set."""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tinyedge.artifact import Artifact
from tinyedge.targets import qemu
from tinyedge.targets.base import Program, Requirement, Target
from tinyedge.targets.firmware_build import COMPILER, Core, build, compiler_version
from tinyedge.targets.firmware_result import Result
from tinyedge.targets.firmware_source import CMSIS_NN, PORTABLE, Source, generate
from tinyedge.targets.legalize import legalize

_COUNTED = 2
_NOTE = (
    "flash: text and data; ram: data and bss, with the arena, one image and its scores, without the stack; stack: the "
    f"deepest seen; instructions: of one inference, mean of {_COUNTED} random images, to {qemu.INSTRUCTIONS_PER_TICK} "
    "of them; layers: by a copy that reads the clock after each, so that they come to a little more; no measure of "
    "time. us_per_image is the emulator's"
)


class _CortexM(Target):
    """What the cores share; they differ in code, kernels and board.

    Args:
        kernels: ``cmsis-nn`` or ``portable``; the core's own default if ``None``.
    """

    runtime = "BakeNN"
    format = "tflite"
    precision = "int8"
    kernels = "CMSIS-NN, compiled for the core, in QEMU"
    microcontroller = True
    rounding = "LiteRT's reference kernels byte for byte; a fully connected layer rounds twice here, once there"
    requirements: ClassVar = (
        Requirement("bakenn", "bakenn", "pip install 'tinyedge[mcu]'"),
        Requirement("tflite", "tflite", "pip install 'tinyedge[mcu]'"),
    )
    programs: ClassVar = (
        Program(COMPILER, "gcc-arm-none-eabi", qemu.INSTALL),
        Program(qemu.PROGRAM, "qemu-system-arm", qemu.INSTALL),
    )
    builds = True
    default_images = 1000
    core: ClassVar[Core]
    kernel_sets: ClassVar[tuple[str, ...]] = (CMSIS_NN, PORTABLE)

    _emulator: qemu.Emulator

    def __init__(self, kernels: str | None = None) -> None:
        self._kernels = self._chosen_kernels(kernels)

    def options(self) -> dict[str, Any]:
        """See ``Target.options``."""
        return {"kernels": self._kernels}

    def _probe(self) -> None:
        compiler_version()
        qemu.version()

    def _clock(self) -> float:
        """The clock on the wall: the work is QEMU's, not this process's."""
        return time.monotonic()

    def _build(self, artifact: Artifact, model: bytes) -> tuple[dict[str, Any], NDArray[np.uint8]]:
        """The ELF, and what counting found."""
        legal = legalize(model, artifact.path)
        versions = {"compiler": f"{COMPILER} {compiler_version()}", "emulator": f"QEMU {qemu.version()}"}
        self._where = f"{self.name}, {artifact.path.name}"
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            source = generate(legal, folder, profile=self.core.profile, kernels=self._kernels, where=artifact.path)
            firmware = build(source, folder / "firmware.elf", core=self.core, where=artifact.path)
            counting = build(source, folder / "counting.elf", core=self.core, where=artifact.path, counting=True)
            facts = {
                "kernels": source.kernels,
                **versions,
                "instruction_set": firmware.instruction_set,
                "flash_bytes": firmware.flash_bytes,
                "ram_bytes": firmware.ram_bytes,
                "arena_bytes": source.arena_bytes,
                **self._count(firmware.elf, counting.elf, source),
                "rewritten": list(legal.steps),
                "firmware_note": _NOTE,
            }
            return facts, np.fromfile(firmware.elf, np.uint8)

    def _open(self, artifact: Artifact, model: bytes) -> dict[str, Any]:
        assert self._built is not None, "this target builds"
        self._legal = legalize(model, artifact.path)
        self._where = f"{self.name}, {artifact.path.name}"
        with tempfile.NamedTemporaryFile(suffix=".elf") as file:  # it has read the file once it is up
            file.write(self._built.tobytes())
            file.flush()
            self._emulator = self._start(Path(file.name), (math.prod(artifact.input.shape[1:]), artifact.num_classes))
        return {"machine_emulated": f"{self.core.machine} ({self.core.emulated})", "cpu": self.core.cpu}

    def _run(self, inputs: NDArray[Any]) -> NDArray[Any]:
        result = self._emulator.infer(self._legal.to_firmware(inputs).tobytes())
        return self._legal.from_firmware(result.scores[None])

    def _start(self, elf: Path, sizes: tuple[int, int], *, counting: bool = False, layers: int = 0) -> qemu.Emulator:
        return qemu.Emulator(elf, self.core.machine, sizes=sizes, where=self._where, counting=counting, layers=layers)

    def _count(self, elf: Path, by_layer: Path, source: Source) -> dict[str, Any]:
        """Instructions and stack of the firmware that ships; each layer's by a copy that reads the clock in between."""
        whole = self._infer(elf, source)
        ticks = np.array([result.layers for result in self._infer(by_layer, source, layers=source.steps)], np.float64)
        each = np.diff(ticks, axis=1, prepend=0).mean(axis=0) * qemu.INSTRUCTIONS_PER_TICK
        return {
            "stack_bytes": whole[-1].stack_bytes,
            "instructions": round(sum(result.ticks for result in whole) * qemu.INSTRUCTIONS_PER_TICK / _COUNTED),
            "layers": [
                {"name": layer.operator, "kernel": layer.kernel, "instructions": round(each[layer.place])}
                for layer in source.layers
            ],
        }

    def _infer(self, elf: Path, source: Source, layers: int = 0) -> list[Result]:
        """A few images that are the same every time, counted."""
        rng = np.random.default_rng(0)
        emulator = self._start(elf, source.sizes, counting=True, layers=layers)
        try:
            return [emulator.infer(rng.bytes(source.sizes[0])) for _ in range(_COUNTED)]
        finally:
            emulator.close()


class CortexM4Int8(_CortexM):
    """``cortex-m4-int8``."""

    name = "cortex-m4-int8"
    core = Core("cortex-m4", "cortex-m4", "mps2-an386", "Cortex-M4")


class CortexM7Int8(_CortexM):
    """``cortex-m7-int8``: BakeNN has no profile of its own for it; the DSP instructions are the M4's."""

    name = "cortex-m7-int8"
    core = Core("cortex-m7", "cortex-m4", "mps2-an500", "Cortex-M7")


class CortexM0PlusInt8(_CortexM):
    """``cortex-m0plus-int8``: its code, on a larger core: QEMU's one board with a Cortex-M0 has 16 KiB of memory.

    ARMv6-M code is ARMv7-M code too. Unaligned access is made to trap, as it does on an M0+.
    """

    name = "cortex-m0plus-int8"
    kernels = "BakeNN portable C, compiled for the core, in QEMU"
    kernel_sets = (PORTABLE,)
    core = Core(
        "cortex-m0plus", "cortex-m0plus", "mps2-an385", "Cortex-M3, which runs ARMv6-M code", ("STRICT_ALIGNMENT",)
    )
