"""``tinyedge doctor``: whether tinyedge can do its work here, and the command that mends what it cannot."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import typer
from packaging.requirements import Requirement
from rich.markup import escape
from rich.table import Table

from tinyedge import __version__
from tinyedge.cli.options import Format, FormatOption, print_json, stderr, stdout
from tinyedge.errors import PASS, TARGET_FAILED, TinyedgeError
from tinyedge.machine import cpu_flags, cpu_model, has_bf16, memory_bytes, package_version
from tinyedge.registry import TARGETS

_EXTRAS = ("train", "export", "mcu", "npu", "executorch")
_OK, _ABSENT, _BROKEN = "ok", "absent", "broken"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Args:
        name: what it is.
        state: ``ok``; ``absent``, which costs only what needs it; ``broken``, which keeps tinyedge from its main job.
        found: what was found.
        fix: the command that mends it, where it is not ``ok``.
    """

    name: str
    state: str
    found: str
    fix: str | None = None


def doctor(format: FormatOption = Format.TEXT) -> None:
    """Check Python, packages, processor, memory, data, the shipped models, and try every target.

    Exit code: 0 where the run-time targets and the shipped models work, 4 where one of them does not. What only
    training, export, TFLite Micro or firmware would need is reported as absent.

    \b
    Examples:
      tinyedge doctor
      tinyedge doctor --format json
    """
    with stderr().status("starting each target once"):
        checks = list(all_checks())
    works = all(check.state != _BROKEN for check in checks)
    if format is Format.JSON:
        print_json({"tinyedge": __version__, "works": works, "checks": [asdict(check) for check in checks]})
        raise typer.Exit(PASS if works else TARGET_FAILED)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for check in checks:
        table.add_row(check.state, check.name, escape(check.found))
        if check.fix:
            table.add_row("", "", escape(f"to do: {check.fix}"))
    console = stdout()
    console.print(table)
    console.print("the run-time targets work" if works else "tinyedge validate would fail here: see the broken lines")
    if absent := [check.name for check in checks if check.state == _ABSENT and check.name in TARGETS]:
        console.print(f"{len(absent)} of {len(TARGETS)} targets are absent: {', '.join(absent)}")
    raise typer.Exit(PASS if works else TARGET_FAILED)


def all_checks() -> Iterator[Check]:
    """Everything that is looked at, in the order in which it is shown."""
    yield Check("python", _OK, f"{platform.python_version()}, tinyedge {__version__}, {platform.platform(terse=True)}")
    yield package_check(None)
    for extra in _EXTRAS:
        yield package_check(extra)
    yield Check("processor", _OK, f"{cpu_model()}, {os.cpu_count()} processors; {_flags()}")
    yield _memory()
    yield _data()
    yield _zoo()
    for name in TARGETS:
        yield target_check(name)


def package_check(extra: str | None) -> Check:
    """Whether the packages of an extra, or of tinyedge itself, are installed in versions that it takes."""
    name = f"packages: {extra or 'run time'}"
    have, lack = [], []
    for requirement in _requirements(extra):
        version = package_version(requirement.name)
        if version is not None and requirement.specifier.contains(version, prereleases=True):
            have.append(f"{requirement.name} {version}")
        else:
            lack.append(f"{requirement.name}{requirement.specifier} ({version or 'not installed'})")
    if lack:
        target = "tinyedge" if extra is None else f"'tinyedge[{extra}]'"
        state = _BROKEN if extra is None else _ABSENT
        return Check(name, state, "missing " + ", ".join(lack), f"pip install {target}")
    return Check(name, _OK, ", ".join(have) or "none needed")


def target_check(name: str) -> Check:
    """Whether a target's packages are there, and whether a child process can import them."""
    from tinyedge.targets.session import probe  # only here: the rest of this module knows no target

    target = TARGETS[name].load()()
    here = target.available()
    run_time = {requirement.name for requirement in _requirements(None)}
    needed = all(requirement.distribution in run_time for requirement in target.requirements)
    state = _BROKEN if needed else _ABSENT
    if not here.ok:
        return Check(name, state, f"needs {here.missing}", here.install)
    try:
        probe(target)
    except TinyedgeError as error:
        return Check(name, _BROKEN, f"{error.what}: {error.found}", error.fix or target.requirements[0].install)
    return Check(name, _OK, f"{target.runtime} {target.requirements[0].version}, {target.kernels}")


def _requirements(extra: str | None) -> list[Requirement]:
    """What tinyedge's own metadata asks for: always, or with ``extra`` and not without it."""
    try:
        stated = [Requirement(text) for text in metadata.requires("tinyedge") or []]
    except metadata.PackageNotFoundError:  # run from the source folder
        return []

    def applies(requirement: Requirement, with_extra: str) -> bool:
        return requirement.marker is None or requirement.marker.evaluate({"extra": with_extra})

    return [r for r in stated if applies(r, extra or "") and (extra is None or not applies(r, ""))]


def _flags() -> str:
    flags = cpu_flags()
    follows = ["training in bf16" if has_bf16() else "training in float32: no native bf16"]
    if {"avx512_vnni", "avx_vnni"} & set(flags):
        follows.append("XNNPACK with VNNI: its int8 outputs may differ on a processor without")
    if platform.machine() in ("aarch64", "arm64"):
        follows.append(
            "LiteRT's built-in kernels are NEON here: tflite-int8-reference is the microcontroller's arithmetic"
        )
    return f"{', '.join(flags) or 'no telling flags'}; {'; '.join(follows)}"


def _memory() -> Check:
    memory = memory_bytes()
    if memory is None:
        return Check("memory", _OK, "not readable on this system")
    total, free = (f"{value / 2**30:.1f} GiB" for value in memory)
    if memory[1] < 1 << 30:
        return Check("memory", _ABSENT, f"{free} available of {total}", "close something: a run needs about 1 GiB")
    return Check("memory", _OK, f"{free} available of {total}")


def _data() -> Check:
    from tinyedge.data.cifar100 import find_cifar100
    from tinyedge.data.official import DATA_VARIABLE

    folder = os.environ.get(DATA_VARIABLE)
    if not folder:
        return Check(
            "cifar100", _ABSENT, f"{DATA_VARIABLE} is not set; shapes, which is built in, works without",
            f"export {DATA_VARIABLE}=FOLDER (that holds CIFAR-100)",
        )  # fmt: skip
    try:
        return Check("cifar100", _OK, f"{DATA_VARIABLE}={folder}: found {find_cifar100(Path(folder)).name}")
    except TinyedgeError as error:
        return Check("cifar100", _ABSENT, f"{DATA_VARIABLE}={folder}: {error.what}", error.fix)


def _zoo() -> Check:
    from tinyedge.zoo import entries

    try:
        found = entries()
    except TinyedgeError as error:
        return Check("shipped models", _BROKEN, error.what, error.fix)  # the main job reads them
    return Check("shipped models", _OK, ", ".join(f"{entry.model} ({entry.data})" for entry in found) or "none")
