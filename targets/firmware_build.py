"""A TFLite model to firmware: C by BakeNN, an ELF by GCC, and what its sections take."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyedge.errors import TargetRefused, TargetTimeout, TargetUnavailable
from tinyedge.targets import native_log
from tinyedge.targets.legalize import Legal
from tinyedge.targets.qemu import INSTALL, program_version, unavailable

COMPILER = "arm-none-eabi-gcc"
SIZE = "arm-none-eabi-size"
CMSIS_NN, PORTABLE = "cmsis-nn", "portable"
_SOURCES = Path(__file__).with_name("firmware")
_FLAGS = (
    "-mthumb", "-mfloat-abi=soft", "-std=c11", "-O2", "-ffunction-sections", "-fdata-sections", "-nostartfiles",
    "--specs=nano.specs", "--specs=nosys.specs", "-Wl,--gc-sections",
)  # fmt: skip
_COMPILE_S = 100.0
_OVERFLOW = re.compile(r"region [`']?(flash|ram)'? overflowed by (\d+) bytes")
_NO_STACK = "region ram has no room left for the stack"  # firmware.ld says so
_PLACE = re.compile(r"operator\[(\d+)\]")


@dataclass(frozen=True)
class Core:
    """A processor that firmware is built for, and what stands in for it.

    Args:
        cpu: GCC's name for it.
        profile: BakeNN's name for its instruction set.
        machine: QEMU's name for the board.
        emulated: the processor that QEMU emulates there.
        defines: for the firmware's own sources.
    """

    cpu: str
    profile: str
    machine: str
    emulated: str
    defines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Firmware:
    """What was built.

    Args:
        elf: for the emulator.
        sizes: bytes of an input and of an output.
        flash_bytes: text and data: code, weights, and what memory starts with.
        ram_bytes: data and bss: the arena, an image, its scores; without the stack.
        arena_bytes: of ``ram_bytes``, what the layers share.
        kernels: what computes each operator, in words.
    """

    elf: Path
    sizes: tuple[int, int]
    flash_bytes: int
    ram_bytes: int
    arena_bytes: int
    kernels: str


def build(legal: Legal, folder: Path, *, core: Core, kernels: str, where: Path) -> Firmware:
    """Write C into ``folder`` and compile it.

    Raises:
        TargetRefused: where BakeNN lacks an operator, the compiler rejects the code, or the board is too small.
        TargetUnavailable, TargetTimeout: where the compiler cannot be run, or does not end.
    """
    import bakenn

    policy = bakenn.KernelPolicy.PORTABLE if kernels == PORTABLE else bakenn.KernelPolicy.STATIC_PRIORITY
    options = bakenn.CBackendOptions(
        kernel_policy=policy, enable_cmsis_nn=kernels == CMSIS_NN, target=bakenn.resolve_target(core.profile)
    )
    try:
        compiled = bakenn.compile_tflite(legal.model, folder, name="model", backend_options=options)
    except (bakenn.BakeNNError, ValueError) as error:
        raise _not_taken(error, legal, where) from error
    written, memory = compiled.artifacts, compiled.artifacts.memory_report
    elf = folder / "firmware.elf"
    sources = (written.model_source, written.weights_source, written.kernels_source, *written.support_sources)
    includes = (folder, _SOURCES, *written.support_include_dirs)
    # BakeNN's own memcpy for CMSIS-NN: the C library's would differ from one toolchain to the next.
    defines = (*core.defines, *(("BAKENN_CMSIS_NN_BUILTIN_MEMORY",) if written.support_sources else ()))
    _compile(
        [
            COMPILER, f"-mcpu={core.cpu}", *_FLAGS, *(f"-D{name}" for name in defines),
            *(f"-I{path}" for path in includes), *(str(path) for path in sorted(_SOURCES.glob("*.c"))),
            *(str(path) for path in sources), "-T", str(_SOURCES / "firmware.ld"), "-o", str(elf),
        ],
        where,
    )  # fmt: skip
    text, data, bss = _sections(elf)
    return Firmware(
        elf=elf,
        sizes=(memory.input_bytes, memory.output_bytes),
        flash_bytes=text + data,
        ram_bytes=data + bss,
        arena_bytes=memory.arena_bytes,
        kernels=_kernels([step.kernel_id for step in memory.steps]),
    )


def compiler_version() -> str:
    """GCC's version, once its C library is there too.

    Raises:
        TargetUnavailable: where either is missing.
    """
    version = program_version([COMPILER, "-dumpfullversion"], r"(\S+)")
    if not Path(program_version([COMPILER, "-print-file-name=nano.specs"], r"(\S+)")).is_absolute():
        raise TargetUnavailable(f"{COMPILER} has no C library", found="no nano.specs", expected="newlib", fix=INSTALL)
    return version


def _compile(command: list[str], where: Path) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_S, errors="replace")
    except OSError as error:
        raise unavailable(error, COMPILER) from error
    except subprocess.TimeoutExpired as error:
        raise TargetTimeout(
            "the compiler does not end", where=where, found=f"no firmware within {_COMPILE_S:g} s", fix="try again"
        ) from error
    if done.returncode == 0:
        return
    said = native_log.last_lines(done.stderr)
    full = _OVERFLOW.search(done.stderr)
    if full or _NO_STACK in done.stderr:
        raise TargetRefused(
            "the model is too large for the emulated board",
            where=where,
            found=f"{full[1]} overflows by {int(full[2]):,} bytes" if full else "no room left for the stack",
            expected="4 MiB of flash, 4 MiB of RAM with 64 KiB of it for the stack",
            fix="take a smaller model: no microcontroller of this kind has more either",
        )
    if "nano.specs" in done.stderr:
        raise TargetUnavailable(f"{COMPILER} has no C library", found=said, expected="newlib", fix=INSTALL)
    raise TargetRefused(
        f"{COMPILER} does not compile the firmware",
        where=where,
        found=f"exit status {done.returncode}: {said or 'it says nothing'}",
        expected="an ELF",
        fix="report this with the model file; or run it on tflm-int8",
    )


def _sections(elf: Path) -> tuple[int, int, int]:
    """text, data and bss in bytes."""
    done = subprocess.run([SIZE, str(elf)], capture_output=True, text=True)
    found = re.search(r"^\s*(\d+)\s+(\d+)\s+(\d+)\s", done.stdout, re.MULTILINE)
    if found is None:
        raise TargetRefused(
            "there is no firmware to measure",
            found=native_log.last_lines(done.stderr) or f"{SIZE} says {done.stdout[:100]!r}",
            expected="the sections of an ELF",
            fix=f"check that {COMPILER} in $PATH is the one of {INSTALL}",
        )
    return int(found[1]), int(found[2]), int(found[3])


def _kernels(ids: list[str]) -> str:
    """``cmsis_nn.conv2d_s8.v4.0.0`` and the like, counted. A view copies nothing and runs nothing."""
    running = [name for name in ids if "_view" not in name]
    vendor = [name for name in running if name.startswith("cmsis_nn.")]
    views = len(ids) - len(running)
    parts = []
    if vendor:
        parts.append(f"CMSIS-NN {vendor[0].partition('.v')[2]} for {len(vendor)}")
    if portable := sum(name.startswith("portable.") for name in running):
        parts.append(f"portable C for {portable}")
    if other := len(running) - len(vendor) - sum(name.startswith("portable.") for name in running):
        parts.append(f"BakeNN's own for {other}")
    if views:
        parts.append(f"no code for {views}")
    return f"{', '.join(parts)} ({len(ids)} operators)"


def _not_taken(error: Any, legal: Legal, where: Path) -> TargetRefused:
    diagnostic = getattr(error, "diagnostic", None)
    place = _PLACE.search(str(getattr(diagnostic, "location", "")))
    reason = " ".join(str(getattr(diagnostic, "reason", error)).split())[:500]
    at = f"{legal.operators[int(place[1])]}: " if place else ""
    return TargetRefused(
        "BakeNN cannot make firmware of this model",
        where=where,
        found=at + reason,
        expected="convolutions, average and max pools, fully connected layers, additions, pads and reshapes, in int8",
        fix="run it on tflm-int8, which has more operators; or put a layer in its place that is in that list",
    )
