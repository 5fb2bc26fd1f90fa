"""What ran, and what it takes of a device: the rows that every renderer lays out in its own way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinyedge.gate import GateResult, Status
from tinyedge.report.kernels import KernelMatrix, KernelPair
from tinyedge.report.schema import Report
from tinyedge.report.words import limit_of, quantity

BUDGET = "budget."
"""The gates on what a model takes begin with it."""
_MOST = 3
_LINE = (
    "baud", "frames_sent", "frames_resent", "frames_corrupted", "frames_corrupted_there", "frames_refused", "resets",
)  # fmt: skip
_FIRMWARE = ("flash_bytes", "ram_bytes", "stack_bytes", "instructions", "frames_sent")
"""Only what was built for a device has one of these."""
_RECORDED = (
    "kernels", "runtime", "runtime_version", "device", "compiler", "instruction_set", "emulator", "machine_emulated",
    "arena_bytes", *_FIRMWARE, *_LINE,
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A word or two, and a text."""

    title: str
    text: str


@dataclass(frozen=True)
class Layer:
    """What one layer of firmware takes.

    Args:
        name: operator and place, e.g. ``CONV_2D, operator 2 of 14``.
        kernel: what computes it.
        instructions: of one inference.
        share: of all layers' instructions.
    """

    name: str
    kernel: str
    instructions: int
    share: float


@dataclass(frozen=True)
class Beside:
    """Other kernels for the same file, against the run's.

    Args:
        name: the path's, e.g. ``tflite-int8-xnnpack``; both names where neither is the run.
        kernels: that ran.
        images: compared.
        equal: images whose every output is equal.
        differ: share of the outputs that are not.
        largest: difference, in LSB.
        flips: images that get another class.
        accuracy: on these images.
        parting: where the two part, in words; ``None`` where they do not or it was not looked for.
    """

    name: str
    kernels: str
    images: int
    equal: int
    differ: float
    largest: int
    flips: int
    accuracy: float
    parting: str | None


@dataclass(frozen=True)
class Use:
    """What the model takes of a board's flash, memory or time.

    Args:
        title: what it is of.
        status: of the gate that judged it.
        takes: the figure.
        note: where it is from, e.g. ``firmware`` or ``estimate``.
        limit: that it may take.
        has: what the board has in all; ``None`` where that is not a number of the board.
        share: taken, of the limit.
    """

    title: str
    status: Status
    takes: str
    note: str
    limit: str
    has: str | None
    share: float


def rows(report: Report) -> tuple[Row, ...]:
    """What ran and what it takes, for every kind of target; a row for each thing that is known."""
    facts = report.deployed.target
    found = {
        "Kernels": f"{facts['kernels']}, {facts['runtime']} {facts['runtime_version']}",
        "Scaled": _temperature(report),
        "Parity": _parity(report),
        **(_firmware(facts) if is_firmware(facts) else {"Arena": _arena(report)}),
        "Board": _board(report),
        "NPU": _npu(report),
    }
    return tuple(Row(title, text) for title, text in found.items() if text)


def recorded(report: Report) -> dict[str, Any]:
    """The same for machines: what the target recorded, under its own names."""
    facts, board = report.deployed.target, report.board
    found = {f"target.{name}": facts[name] for name in _RECORDED if facts.get(name) is not None}
    return found if board is None else found | {"board": board.name}


def is_firmware(facts: Mapping[str, Any]) -> bool:
    """Whether the run was on a device, or what stands for one, and says what it takes of it."""
    return any(facts.get(name) is not None for name in _FIRMWARE)


def layers(facts: Mapping[str, Any]) -> tuple[Layer, ...]:
    """Every layer of the run's firmware, in the model's order; empty where they were not counted."""
    counted = facts.get("layers") or []
    total = sum(layer["instructions"] for layer in counted) or 1
    return tuple(
        Layer(layer["name"], layer["kernel"], layer["instructions"], layer["instructions"] / total) for layer in counted
    )


def beside(matrix: KernelMatrix) -> tuple[Beside, ...]:
    """The other kernels that ran, in their order; the matrix's first path is the run."""
    return tuple(_beside(matrix, pair) for pair in matrix.pairs)


def uses(report: Report) -> tuple[Use, ...]:
    """What each gate on a budget found."""
    has = {} if report.board is None else report.board.facts
    return tuple(_use(gate, has) for gate in report.verdict.gates if gate.name.startswith(BUDGET))


def _temperature(report: Report) -> str:
    """What was folded into the deployed file's output, and what the one gate that depends on it was judged with."""
    found = report.scaled
    if found is None:
        return ""
    text = f"the file has a temperature in its output, logits / {found.folded:.4f}; "
    gate = found.as_trained
    if gate is None:
        return text + "the change of the confidence gap is not judged"
    if found.reference == 1:
        return f"{text}the change of the confidence gap is judged with the float model as trained: {found.basis}"
    figure = quantity(gate.figure, gate.unit)
    return (
        f"{text}the change of the confidence gap is judged with the float model at its own, logits / "
        f"{found.reference:.4f}, {found.basis}; to the float model as trained it is {figure}, which would be "
        f"{gate.status} ({limit_of(gate)}). All else is of the float model as trained"
    )


def _firmware(facts: Mapping[str, Any]) -> dict[str, str]:
    built = [facts.get("compiler"), facts.get("instruction_set") and f"for {facts['instruction_set']}"]
    runs = [facts.get(name) for name in ("device", "emulator", "machine_emulated")]
    most = sorted(layers(facts), key=lambda layer: -layer.instructions)[:_MOST]
    counted = ", counted in an emulator" if facts.get("emulator") else ""
    work = facts.get("instructions")
    return {
        "Memory": _memory(facts),
        "Work": "" if work is None else f"{work:,} instructions an inference{counted}",
        "Most work": "; ".join(f"{layer.name}: {layer.share:.0%}" for layer in most),
        "Built by": " ".join(filter(None, built)),
        "Run on": ", ".join(filter(None, runs)),
        "Line": _line(facts),
    }


def _line(facts: Mapping[str, Any]) -> str:
    """What happened between host and board."""
    if facts.get("port") is None or any(facts.get(name) is None for name in _LINE):
        return ""
    return (
        "{port}, {baud:,} baud; {frames_sent:,} frames sent, {frames_resent:,} of them again; broken: "
        "{frames_corrupted:,} here, {frames_corrupted_there:,} there; {frames_refused:,} refused; {resets:,} resets"
    ).format_map(facts)


def _memory(facts: Mapping[str, Any]) -> str:
    flash, ram, arena, stack = (facts.get(f"{name}_bytes") for name in ("flash", "ram", "arena", "stack"))
    parts = [] if flash is None else [f"{flash:,} bytes of flash"]
    if ram is not None:
        parts.append(f"{ram:,} bytes of RAM" + ("" if arena is None else f", {arena:,} of them the arena"))
    elif arena is not None:
        parts.append(f"{arena:,} bytes of arena")
    if stack is not None:
        parts.append(f"{stack:,} bytes of stack")
    return "; ".join(parts)


def _arena(report: Report) -> str:
    """TensorFlow Lite Micro's, of the run itself or of the images that it ran beside."""
    micro = {} if report.parity is None else report.parity.facts
    arena = report.deployed.target.get("arena_bytes") or micro.get("arena_bytes")
    return "" if arena is None else f"{arena:,} bytes in TensorFlow Lite Micro on this machine"


def _parity(report: Report) -> str:
    parity = report.parity
    if parity is None:
        return report.parity_note or ""
    histogram = sorted(parity.lsb_histogram.items())
    steps = ", ".join(f"{step:+d}: {count:,}" if step else f"0: {count:,}" for step, count in histogram)
    return (
        f"{parity.images:,} images on {parity.against} too: {parity.argmax_flips} argmax flips, "
        f"{parity.elements_differ:.2%} of outputs differ (LSB {steps})"
    )


def _board(report: Report) -> str:
    board = report.board
    if board is None:
        return ""
    facts = board.facts
    npu = facts.get("npu")
    clocks = f"{facts['clock_hz'] / 1e6:g} MHz" + ("" if npu is None else f", NPU {npu['clock_hz'] / 1e6:g} MHz")
    parts = [
        f"{board.title}: {facts['core']}, {clocks}, {facts['flash_bytes']:,} bytes of flash, "
        f"{facts['ram_bytes']:,} of RAM"
    ]
    if board.fps is not None:
        parts.append(f"{board.fps:g} inferences a second asked for")
    if board.max_fps is not None:
        most = f"{board.max_fps:,.0f}" if board.max_fps >= 100 else f"{board.max_fps:.3g}"
        by_npu = board.estimate is not None
        parts.append(
            f"about {most} a second by the NPU's estimate" if by_npu else f"no more than {most} a second can be"
        )
    if open_facts := facts.get("unchecked"):
        parts.append("not looked up: " + ", ".join(open_facts))
    return "; ".join(parts)


def _npu(report: Report) -> str:
    estimate = None if report.board is None else report.board.estimate
    if estimate is None:
        return ""
    left = ", ".join(dict.fromkeys(estimate["cpu_operators"]))
    return (
        f"{estimate['accelerator']}, {estimate['label']}: {estimate['cycles']:,} cycles an inference, "
        f"{estimate['sram_bytes']:,} bytes of SRAM, {estimate['flash_bytes']:,} of flash"
        + (f"; left to the CPU: {left}" if left else "")
    )


def _beside(matrix: KernelMatrix, pair: KernelPair) -> Beside:
    run = matrix.paths[0].name
    other = pair.first if pair.second == run else pair.second
    path = next(path for path in matrix.paths if path.name == other)
    part = pair.parting
    return Beside(
        name=other if run in (pair.first, pair.second) else f"{pair.first}, {pair.second}",
        kernels=str(path.facts["kernels"]),
        images=pair.images,
        equal=pair.images_equal,
        differ=pair.elements_differ,
        largest=pair.largest,
        flips=pair.argmax_flips,
        accuracy=path.accuracy,
        parting=None if part is None else f"{part.operator}, operator {part.layer} of {part.layers}",
    )


def _use(gate: GateResult, has: Mapping[str, Any]) -> Use:
    whole = has.get(f"{gate.name.removeprefix(BUDGET)}_bytes")
    return Use(
        title=gate.title.rpartition(": ")[2],
        status=gate.status,
        takes=quantity(gate.figure, gate.unit),
        note=gate.note or "",
        limit=limit_of(gate).removeprefix("at most "),
        has=None if whole is None else quantity(whole, "bytes"),
        share=min(gate.figure / gate.limit, 1.0) if gate.limit else 1.0,
    )
