"""A run held against a board: what is known of the model, what the board has, and what the report says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tinyedge.artifact import Artifact
from tinyedge.board import Board
from tinyedge.errors import BoardError, UsageError
from tinyedge.registry import ESTIMATORS, TARGETS, lookup
from tinyedge.report.codec import encode
from tinyedge.report.schema import BoardUse

DEFAULT_TARGET = "tflite-int8"
"""What runs a model where nothing else is asked for."""
STAND_IN = "tflm-int8"
"""What runs for a board that no target stands for: the portable kernels of its usual runtime, and its arena."""
_MEASURED = ("flash_bytes", "ram_bytes", "stack_bytes", "instructions")
"""What a firmware target says of its firmware."""


_RATES = 1e-6, 1e9
"""Inferences a second that make sense to ask for."""


@dataclass(frozen=True)
class Aim:
    """A board and what it is to do.

    Args:
        board: that the model is to run on.
        fps: inferences a second, or ``None`` where no rate is asked for.

    Raises:
        UsageError: for a rate that is none.
    """

    board: Board
    fps: float | None = field(default=None)

    def __post_init__(self) -> None:
        slowest, fastest = _RATES
        if self.fps is not None and not slowest <= self.fps <= fastest:
            raise UsageError(
                "not a frame rate",
                where="--fps",
                found=f"{self.fps:g}",
                expected=f"inferences a second, {slowest:g} to {fastest:,.0f}",
            )


def choose_target(aim: Aim | None, asked: str | None) -> str:
    """The target to run on: the one asked for, or else the board's own.

    Raises:
        UsageError: for an unknown target, or where its firmware is for another core than the board's.
    """
    if asked is None:
        return DEFAULT_TARGET if aim is None else aim.board.target or STAND_IN
    kind = lookup(TARGETS, "target", asked)
    if aim is not None and asked != aim.board.target and hasattr(kind, "core"):
        board = aim.board
        raise UsageError(
            "the target's firmware is for another core than the board's",
            where=f"--board {board.name}, --target {asked}",
            found=f"firmware for {kind.core.cpu}; {board.title} has {board.core}",
            expected=f"{board.target or STAND_IN}, or a target without firmware, such as {DEFAULT_TARGET}",
            fix="leave --target out: the board names its own",
        )
    return asked


def estimated(aim: Aim | None, artifact: Artifact) -> dict[str, Any] | None:
    """What the NPU's compiler says of the model; ``None`` where the board has no NPU.

    Raises:
        BoardError: where the board's NPU has another clock than the compiler counts with.
        TargetError, ArtifactUnsupported: from the compiler.
    """
    if aim is None or aim.board.npu is None:
        return None
    found: dict[str, Any] = lookup(ESTIMATORS, "estimator", "vela")(artifact, aim.board.npu)
    if found["core_clock_hz"] != aim.board.npu.clock_hz:
        raise BoardError(
            "the NPU's clock is not the one that its compiler counts with",
            where=f"{aim.board.name}, [npu] clock_hz",
            found=f"{aim.board.npu.clock_hz:,}",
            expected=f"{found['core_clock_hz']:,}, as in {aim.board.npu.system_config}",
            fix="give the configuration of this system as config, or the clock of the one that is named",
        )
    return found


def known_facts(provenance: Mapping[str, Any], aim: Aim | None, estimate: Mapping[str, Any] | None) -> dict[str, float]:
    """What the budget gate judges by: the run's firmware, the NPU's estimate and the board, each where it is known.

    Args:
        provenance: what ran, as the target says.
        aim: the board, where there is one.
        estimate: as ``estimated`` gives it.
    """
    found: dict[str, float] = {name: provenance[name] for name in _MEASURED if provenance.get(name) is not None}
    if estimate is not None:
        found |= {f"npu_{name}": estimate[name] for name in ("flash_bytes", "sram_bytes", "cycles")}
        found["npu_cpu_operators"] = len(estimate["cpu_operators"])
    if aim is None:
        return found
    board = aim.board
    found |= {"board_flash_bytes": board.flash_bytes, "board_ram_bytes": board.ram_bytes}
    if board.npu is not None:
        found["board_npu_hz"] = board.npu.clock_hz
    if board.instructions_per_s is not None:
        found["board_instructions_per_s"] = board.instructions_per_s
    return found if aim.fps is None else found | {"fps": aim.fps}


def board_use(aim: Aim | None, facts: Mapping[str, float], estimate: dict[str, Any] | None) -> BoardUse | None:
    """What the report says of the board; ``facts`` as ``known_facts`` gives them."""
    if aim is None:
        return None
    board = aim.board
    told = encode(board) | {"unchecked": encode(board.unchecked)}
    return BoardUse(board.name, board.title, told, aim.fps, most_fps(facts), estimate)


def most_fps(facts: Mapping[str, float]) -> float | None:
    """Frames a second that the board cannot go beyond with this model; ``None`` where nothing counts its work."""
    for work, each_second in (("npu_cycles", "board_npu_hz"), ("instructions", "board_instructions_per_s")):
        if facts.get(work) and each_second in facts:
            return facts[each_second] / facts[work]
    return None
