"""What ``ethos-u-vela``, Arm's compiler for Ethos-U, says of a model on an NPU: an estimate of a compiler, not a run.

Vela writes a table of its own estimates and the compiled model. Its network's cycles are those of the NPU and of its
memories; operators that it leaves to the CPU are not in them.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tinyedge.artifact import Artifact
from tinyedge.board import Npu
from tinyedge.errors import ArtifactUnsupported, TargetRefused, TargetTimeout, TargetUnavailable
from tinyedge.formats.tflite import operators
from tinyedge.machine import package_version
from tinyedge.targets import native_log

DISTRIBUTION = "ethos-u-vela"
INSTALL = "pip install 'tinyedge[npu]'"
TIMEOUT_S = 120.0
_KIB = 1024
_ON_NPU = "CUSTOM ethos-u"
_OWN_CONFIG = "Arm/vela.ini"
_FLASH = ("on_chip_flash_memory_used", "off_chip_flash_memory_used")


def estimate(artifact: Artifact, npu: Npu, *, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """Compile ``artifact`` for ``npu``, and return what vela says of the result, as JSON types.

    Args:
        artifact: a TFLite model.
        npu: with the names of vela's configuration.
        timeout_s: for vela.

    Returns:
        ``label``, ``accelerator``, ``system_config``, ``memory_mode``; ``cycles`` of an inference and the NPU's own
        among them (``npu_cycles``), at the ``core_clock_hz`` that vela counts with; ``sram_bytes``;
        ``weights_flash_bytes``, and ``flash_bytes`` of the whole compiled file; ``npu_operators`` as vela counts its
        own, and ``cpu_operators``, the names of those that are left.

    Raises:
        TargetUnavailable: where vela is not installed.
        ArtifactUnsupported: where the model is no TFLite file.
        TargetRefused: where vela rejects it, or nothing of it runs on the NPU.
        TargetTimeout: where vela does not end.
    """
    if find_spec("ethosu") is None:
        raise TargetUnavailable(f"{npu.accelerator} needs the package {DISTRIBUTION}, not installed here", fix=INSTALL)
    if artifact.format != "tflite":
        raise ArtifactUnsupported(
            "vela compiles TFLite models alone", where=artifact.path, found=artifact.format, expected="tflite"
        )
    with tempfile.TemporaryDirectory() as folder:
        said = _compile(artifact.path, npu, Path(folder), timeout_s)
        row, compiled = _results(Path(folder), said, artifact.path)
        left = [name for name in operators(compiled) if not name.startswith(_ON_NPU)]
        cycles = round(float(row["cycles_total"]))
        if cycles == 0:
            raise TargetRefused(
                f"nothing of the model runs on {npu.accelerator}",
                where=artifact.path,
                found="left to the CPU: " + ", ".join(dict.fromkeys(left)),
                expected="int8 operators that Ethos-U has",
                fix="give the int8 file: tinyedge export --to tflite-int8",
            )
        version = package_version(DISTRIBUTION)
        return {
            "label": f"estimated by {DISTRIBUTION} {version} (internal compiler estimates)",
            "accelerator": npu.accelerator,
            "system_config": npu.system_config,
            "memory_mode": npu.memory_mode,
            "core_clock_hz": round(float(row["core_clock"])),
            "cycles": cycles,
            "npu_cycles": round(float(row["cycles_npu"])),
            "sram_bytes": round(_KIB * float(row["sram_memory_used"])),
            "weights_flash_bytes": round(_KIB * sum(float(row[name]) for name in _FLASH)),
            "flash_bytes": compiled.stat().st_size,
            "cpu_operators": left,
        }


def _compile(model: Path, npu: Npu, folder: Path, timeout_s: float) -> str:
    """Run vela; what it printed."""
    config = _OWN_CONFIG
    if npu.config is not None:
        own = folder / "board.ini"
        own.write_text(npu.config)
        config = str(own)
    command = [
        sys.executable, "-m", "ethosu.vela", str(model.resolve()), "--output-dir", str(folder), "--config", config,
        "--accelerator-config", npu.accelerator, "--system-config", npu.system_config,
        "--memory-mode", npu.memory_mode,
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout_s, cwd=folder)
    except subprocess.TimeoutExpired as error:
        raise TargetTimeout(
            "vela does not end", where=model, found=f"nothing within {timeout_s:g} s", fix="try again"
        ) from error
    if done.returncode != 0:
        raise _refused(model, f"exit status {done.returncode}: {_last_words(done.stderr or done.stdout)}")
    return done.stderr + done.stdout


def _results(folder: Path, said: str, model: Path) -> tuple[dict[str, str], Path]:
    """Vela's table, which has one row, and the compiled model."""
    tables, compiled = list(folder.glob("*_summary_*.csv")), list(folder.glob("*_vela.tflite"))
    if len(tables) != 1 or len(compiled) != 1:
        raise _refused(model, f"no summary, no model: {_last_words(said)}")
    with tables[0].open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    needed = {"cycles_total", "cycles_npu", "core_clock", "sram_memory_used", *_FLASH}
    if len(rows) != 1 or not needed <= rows[0].keys():
        raise _refused(model, f"a summary of {len(rows)} rows without {', '.join(sorted(needed))}")
    return rows[0], compiled[0]


def _last_words(text: str) -> str:
    return native_log.last_lines(text)[-500:] or "it says nothing"


def _refused(model: Path, found: str) -> TargetRefused:
    return TargetRefused(
        "vela does not compile the model",
        where=model,
        found=found,
        expected="an int8 TFLite model, and a board whose [npu] vela knows",
        fix="look at the model with vela itself: python -m ethosu.vela MODEL",
    )
