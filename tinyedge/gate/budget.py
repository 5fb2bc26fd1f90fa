"""Gate: what the model takes of a device, against what the board has or a policy allows; PASS or FAIL to the byte.

What is known is not always all. Firmware is measured: its sections, its deepest stack, its instructions. Without
firmware the model's file stands for flash, and TensorFlow Lite Micro's arena for RAM: within the limit they pass with a
warning, as more comes on top; beyond it they settle nothing: a compiled model takes less than its file, and a device's
arena is smaller than this machine's. Only weights beyond the limit fail. On an NPU both are its compiler's, and fail.
Instructions bound the frame rate from above: a core that cannot complete so many cannot keep it; one that can may not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor

from tinyedge.gate.result import Case, GateResult, Status
from tinyedge.gate.rule import Rule, optional

NAME, TITLE = "budget", "Budget"
NOTHING = "no board was named, and the policy sets no budget"
_LARGEST = 1e15
_MOST_PERCENT = 1000
"""More than all of it is for whoever uses a second bank of memory, or a second core."""


@dataclass(frozen=True)
class BudgetRule(Rule):
    """Settings of the budget gate; ``None`` is not judged, but for what a board has."""

    max_flash_bytes: float | None = optional(says="most flash: code, weights, initial memory", low=1, high=_LARGEST)
    max_flash_percent: float | None = optional(says="largest share of the board's flash", low=0, high=_MOST_PERCENT)
    reserve_flash_bytes: float | None = optional(
        says="of the board's flash, kept for what is not the model", low=0, high=_LARGEST
    )
    max_ram_bytes: float | None = optional(says="most RAM: data, arena and stack", low=1, high=_LARGEST)
    max_ram_percent: float | None = optional(says="largest share of the board's RAM", low=0, high=_MOST_PERCENT)
    reserve_ram_bytes: float | None = optional(
        says="of the board's RAM, kept for what is not the model", low=0, high=_LARGEST
    )
    max_instructions: float | None = optional(says="most instructions of an inference", low=1, high=_LARGEST)
    max_load_percent: float | None = optional(
        says="largest share of the processor that inference at --fps may take", low=0, high=_MOST_PERCENT
    )


def judge_budget(case: Case, rule: BudgetRule) -> tuple[GateResult, ...] | str:
    """``budget.flash`` and ``budget.ram``, and ``budget.instructions`` or ``budget.cycles`` where there is a limit."""
    known = case.facts
    flash = _limit(
        known.get("board_flash_bytes"), rule.max_flash_percent, rule.reserve_flash_bytes, rule.max_flash_bytes
    )
    ram = _limit(known.get("board_ram_bytes"), rule.max_ram_percent, rule.reserve_ram_bytes, rule.max_ram_bytes)
    found = [] if flash is None else [_flash(known, flash)]
    found += [] if ram is None else [_ram(known, ram)]
    found += _work(known, rule)
    return tuple(found) or NOTHING


def _limit(has: float | None, percent: float | None, reserve: float | None, most: float | None) -> float | None:
    """The least of what the board leaves and the policy allows, in bytes; ``None`` where neither says anything."""
    left = None if has is None else floor(has * (100 if percent is None else percent) / 100) - (reserve or 0)
    limits = [limit for limit in (left, most) if limit is not None]
    return max(min(limits), 0.0) if limits else None


@dataclass(frozen=True)
class _Figure:
    """A figure and how far it goes.

    Args:
        value: in the gate's unit.
        says: a sentence.
        note: one or two words.
        lacks: what is not in it; ``None`` where it is all.
        may_be_less: why the device may take less; ``None`` where it cannot, and a figure beyond the limit fails.
    """

    value: float
    says: str
    note: str
    lacks: str | None = None
    may_be_less: str | None = None


def _flash(known: Mapping[str, float], limit: float) -> GateResult:
    figure = None
    if "npu_flash_bytes" in known:
        size = known["npu_flash_bytes"]
        figure = _Figure(size, f"The model as compiled for the NPU has {size:,.0f} bytes.", "estimate", _NO_CODE)
    elif "flash_bytes" in known:
        size = known["flash_bytes"]
        figure = _Figure(size, f"The firmware's code and data have {size:,.0f} bytes.", "firmware")
    elif "size_bytes" in known:
        size = known["size_bytes"]
        less = "compiled into firmware a model takes less than its file: a firmware target measures it"
        says, weights = f"The model's file has {size:,.0f} bytes.", known.get("weight_bytes", 0)
        if weights > limit:
            figure = _Figure(weights, f"The weights alone have {weights:,.0f} bytes.", "lower bound")
        else:
            figure = _Figure(size, says, "model file", _NO_CODE, less)
    return _result("flash", "bytes", figure, limit, "The run says nothing of the model's size.")


_NO_CODE = "the code that runs it comes on top"


def _ram(known: Mapping[str, float], limit: float) -> GateResult:
    figure = None
    if "npu_sram_bytes" in known:
        size = known["npu_sram_bytes"]
        says = f"The NPU's tensors take {size:,.0f} bytes of SRAM."
        figure = _Figure(size, says, "estimate", "the runtime's own data and the stack come on top")
    elif "ram_bytes" in known:
        data, stack = known["ram_bytes"], known.get("stack_bytes", 0)
        says = f"The firmware takes {data:,.0f} bytes of data, arena and buffers, and {stack:,.0f} of stack."
        figure = _Figure(data + stack, says, "firmware")
    elif "arena_bytes" in known:
        size = known["arena_bytes"]
        figure = _Figure(
            size,
            f"The arena takes {size:,.0f} bytes, on this machine or as the target says.",
            "estimate",
            "stack and other data come on top",
            "a device's pointers are smaller than this machine's: a firmware target measures it",
        )
    return _result("ram", "bytes", figure, limit, "The run says nothing of memory: tflm-int8 or firmware does.")


def _work(known: Mapping[str, float], rule: BudgetRule) -> list[GateResult]:
    """Cycles on an NPU, instructions on a core, for a frame rate; instructions for the policy's own limit too."""
    fps, load = known.get("fps"), (100 if rule.max_load_percent is None else rule.max_load_percent) / 100
    found = []
    if fps is not None and "board_npu_hz" in known:
        limit = floor(load * known["board_npu_hz"] / fps)
        found.append(_result("cycles", "cycles", _cycles(known, fps, limit), limit, "No cycles were estimated."))
    each_second, a_frame = known.get("board_instructions_per_s"), None
    if fps is not None and "board_npu_hz" not in known:
        if each_second is None:  # a core that no target counts for: there is no limit to hold a figure against
            return [_result("instructions", "instructions", None, 0, "No target counts instructions of this core.")]
        a_frame = floor(load * each_second / fps)
    limits = [limit for limit in (a_frame, rule.max_instructions) if limit is not None]
    if not limits:
        return found
    figure, most = None, min(limits)
    if "instructions" in known:
        says = f"An inference takes {known['instructions']:,.0f} instructions."
        if most == a_frame:
            says += f" At {fps:g} a second the core cannot complete more than {most:,.0f} for each."
        figure = _Figure(known["instructions"], says, "necessary" if most == a_frame else "firmware")
    unknown = "The run counts no instructions: a firmware target does."
    return [*found, _result("instructions", "instructions", figure, most, unknown)]


def _cycles(known: Mapping[str, float], fps: float, limit: float) -> _Figure | None:
    if "npu_cycles" not in known:
        return None
    says = (
        f"The NPU's compiler estimates {known['npu_cycles']:,.0f} cycles an inference; at {fps:g} a second there are "
        f"{limit:,.0f} for each."
    )
    on_cpu = known.get("npu_cpu_operators", 0)
    return _Figure(known["npu_cycles"], says, "estimate", f"{on_cpu:,.0f} operators run on the CPU" if on_cpu else None)


def _result(key: str, unit: str, figure: _Figure | None, limit: float, unknown: str) -> GateResult:
    """PASS at the limit and below, FAIL above; a figure that is not all passes with a warning, none is inconclusive."""
    name, title = f"{NAME}.{key}", f"{TITLE}: {_TITLES[key]}"
    if figure is None:
        return GateResult(name, title, Status.INCONCLUSIVE, 0.0, unit, None, limit, unknown)
    status = Status.PASS if figure.value <= limit else Status.INCONCLUSIVE if figure.may_be_less else Status.FAIL
    caution = figure.may_be_less if status is Status.INCONCLUSIVE else figure.lacks
    says = figure.says + (f" But {caution}." if caution else "")
    warning = f"{figure.note}: {figure.lacks}" if status is Status.PASS and figure.lacks else None
    return GateResult(
        name, title, status, float(figure.value), unit, None, limit, says, warning=warning, note=figure.note
    )


_TITLES = {"flash": "flash", "ram": "RAM", "instructions": "instructions", "cycles": "NPU cycles"}
