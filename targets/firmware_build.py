"""C to firmware: an ELF by GCC, and what its sections take."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tinyedge.errors import TargetRefused, TargetTimeout, TargetUnavailable
from tinyedge.targets import native_log
from tinyedge.targets.firmware_source import Source
from tinyedge.targets.qemu import INSTALL, program_version, unavailable

COMPILER = "arm-none-eabi-gcc"
SIZE, READ_ELF = "arm-none-eabi-size", "arm-none-eabi-readelf"
SOURCES = Path(__file__).with_name("firmware")
"""The firmware's own C, beside the model's."""
SEMIHOSTING, UART = "semihosting", "uart"
_TRANSPORTS = {SEMIHOSTING: ("semihosting",), UART: ("uart", "cmsdk_uart")}
_FLAGS = (
    "-mthumb", "-mfloat-abi=soft", "-std=c11", "-O2", "-ffunction-sections", "-fdata-sections", "-nostartfiles",
    "--specs=nano.specs", "--specs=nosys.specs", "-Wl,--gc-sections",
)  # fmt: skip
_COMPILE_S = 100.0
_OVERFLOW = re.compile(r"region [`']?(flash|ram)'? overflowed by (\d+) bytes")
_NO_STACK = "region ram has no room left for the stack"  # firmware.ld says so


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
        flash_bytes: text and data: code, weights, and what memory starts with.
        ram_bytes: data and bss: the arena, an image, its scores; without the stack.
        instruction_set: the least that runs it, as the linker makes out from all that it took, the C library too.
    """

    elf: Path
    flash_bytes: int
    ram_bytes: int
    instruction_set: str


def build(
    source: Source, elf: Path, *, core: Core, where: Path, transport: str = SEMIHOSTING, counting: bool = False
) -> Firmware:
    """Compile the model's C and the firmware's own.

    Args:
        source: the model.
        elf: the file to write.
        core: what to compile for.
        where: the model file, for errors.
        transport: ``semihosting`` or ``uart``: which of the firmware's sources carries the bytes.
        counting: whether each result is followed by the ticks at the end of each layer.

    Raises:
        TargetRefused: where the compiler rejects the code, or the board is too small.
        TargetUnavailable, TargetTimeout: where the compiler cannot be run, or does not end.
    """
    own = (SOURCES / f"{name}.c" for name in ("main", "startup", *_TRANSPORTS[transport]))
    files = (*own, source.counting() if counting else source.model, *source.others)
    defines = (*core.defines, *source.defines, *((f"LAYERS={source.steps}",) if counting else ()))
    _compile(
        [
            COMPILER, f"-mcpu={core.cpu}", *_FLAGS, *(f"-D{name}" for name in defines),
            *(f"-I{path}" for path in (*source.includes, SOURCES)), *(str(path) for path in files),
            "-T", str(SOURCES / "firmware.ld"), "-o", str(elf),
        ],
        where,
    )  # fmt: skip
    return _measure(elf)


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


def _measure(elf: Path) -> Firmware:
    sections = _asked([SIZE, str(elf)], r"^\s*(\d+)\s+(\d+)\s+(\d+)\s", "the sections of an ELF")
    text, data, bss = (int(size) for size in sections.groups())
    architecture = _asked([READ_ELF, "-A", str(elf)], r"Tag_CPU_arch: (\S+)", "the architecture that an ELF is for")
    return Firmware(elf, flash_bytes=text + data, ram_bytes=data + bss, instruction_set=f"Arm {architecture[1]}")


def _asked(command: list[str], pattern: str, expected: str) -> re.Match[str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise unavailable(error, command[0]) from error
    found = re.search(pattern, done.stdout, re.MULTILINE)
    if found is None:
        raise TargetRefused(
            "there is no firmware to measure",
            found=native_log.last_lines(done.stderr) or f"{command[0]} says {done.stdout[:100]!r}",
            expected=expected,
            fix=f"check that {COMPILER} in $PATH is the one of {INSTALL}",
        )
    return found
