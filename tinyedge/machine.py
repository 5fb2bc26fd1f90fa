"""What this machine is, as far as results depend on it."""

from __future__ import annotations

import platform
from functools import cache
from importlib import metadata
from pathlib import Path

# The flags that change which kernels a runtime picks.
_X86 = ("avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_bf16", "amx_int8")
_ARM = ("neon", "asimd", "bf16")


@cache
def cpu_flags() -> tuple[str, ...]:
    """The instruction-set flags of this processor that runtimes choose kernels by; empty where they cannot be read."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ()
    found = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    have = set(found.partition(":")[2].split())
    return tuple(flag for flag in _X86 + _ARM if flag in have)


@cache
def cpu_model() -> str:
    """The processor's name, or the architecture's where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    found = next((line for line in lines if line.startswith("model name")), "")
    return found.partition(":")[2].strip() or platform.machine()


def has_bf16() -> bool:
    """Whether the processor multiplies bfloat16 natively; emulated, it is slower than float32."""
    return any(flag in cpu_flags() for flag in ("avx512_bf16", "amx_bf16", "bf16"))


def package_version(name: str) -> str | None:
    """The installed version of a distribution, or ``None``."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def memory_bytes() -> tuple[int, int] | None:
    """Memory in all and available now, in bytes; ``None`` where it cannot be read."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        return kib["MemTotal"] * 1024, kib["MemAvailable"] * 1024
    except (OSError, KeyError, ValueError, IndexError):
        return None
