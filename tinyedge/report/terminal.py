"""The report as a person reads it: verdict first, then what got worse, for whom, and on which kernels. 80 columns."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tinyedge.gate import GateResult, Verdict
from tinyedge.metrics import METRICS
from tinyedge.report.schema import ClassChange, NewlyWrong, Parity, Report

_COLOR = {"PASS": "green", "FAIL": "red", "INCONCLUSIVE": "yellow", "OFF": "dim"}
_SHOWN_METRICS = ("accuracy", "bottom5", "gini", "ece", "signed_gap", "nll")
_SHOWN_CLASSES = 3
_SHOWN_EXAMPLES = 3


def render(report: Report, console: Console) -> None:
    """Print ``report`` to ``console``."""
    _headline(report, console)
    _gates(report.verdict, console)
    _for_whom(report, console)
    _metrics(report, console)
    _kernels(report, console)


def _headline(report: Report, console: Console) -> None:
    verdict, deployed, reference = report.verdict, report.deployed, report.reference
    status = verdict.status
    size = f"{deployed.artifact['params']:,} parameters, " if deployed.artifact["params"] else ""
    console.print(
        f"[bold {_COLOR[status]}]{status}[/]  [bold]{escape(deployed.artifact['file'])}[/] on {report.run['target']}"
    )
    console.print(
        f"{escape(deployed.artifact['model'])}: {size}{deployed.artifact['size_bytes']:,} bytes; "
        f"float reference on {report.run['reference_target']}"
    )
    synthetic = " SYNTHETIC (generated shapes)," if report.data["synthetic"] else ""
    console.print(
        f"{escape(report.data['name'])} {report.data['split']}:{synthetic} {report.data['images']:,} images, "
        f"{report.data['classes']} classes; wrong before {_wrong(reference.metrics)}, now {_wrong(deployed.metrics)}"
    )


def _wrong(metrics: dict[str, float]) -> str:
    return f"{1 - metrics['accuracy']:.2%}"


def _gates(verdict: Verdict, console: Console) -> None:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for gate in gates:
        detail = escape(gate.detail) + (f" [yellow]{escape(gate.warning)}[/]" if gate.warning else "")
        table.add_row(f"[{_COLOR[gate.status]}]{gate.status}[/]", escape(gate.name), detail)
    console.print(table)


def _for_whom(report: Report, console: Console) -> None:
    pair, lost = report.comparison, report.newly_wrong
    console.print(
        f"newly wrong {len(lost):,}, newly right {sum(c.newly_right for c in report.classes):,}; "
        f"Jaccard {pair['jaccard']:.3f} (nested {pair['jaccard_nested']:.3f}, "
        f"independent {pair['jaccard_independent']:.3f})"
    )
    worst = [c for c in report.classes if c.change < 0][:_SHOWN_CLASSES]
    if worst:
        console.print("  classes:  " + ", ".join(_class(c) for c in worst))
    if lost:
        console.print("  examples: " + ", ".join(_example(e) for e in lost[:_SHOWN_EXAMPLES]))


def _class(change: ClassChange) -> str:
    return f"{escape(change.name)} {change.reference:.0%} -> {change.deployed:.0%}"


def _example(example: NewlyWrong) -> str:
    return f"{example.id[:8]} {escape(example.label)} -> {escape(example.deployed)}"


def _metrics(report: Report, console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
    table.add_column("")
    before, after = report.reference.metrics, report.deployed.metrics
    for name in _SHOWN_METRICS:
        table.add_column(METRICS[name].title, justify="right")
    for title, values in (("float", before), ("deployed", after)):
        table.add_row(title, *(f"{values[name]:.4f}" for name in _SHOWN_METRICS))
    console.print(table)


def _kernels(report: Report, console: Console) -> None:
    facts = report.deployed.target
    console.print(f"kernels: {escape(str(facts['kernels']))} ({facts['runtime']} {facts['runtime_version']})", style="dim")
    if report.parity is not None:
        console.print(_parity_line(report.parity), style="dim")
    elif report.parity_note is not None:
        console.print(f"parity: {escape(report.parity_note)}", style="dim")


def _parity_line(parity: Parity) -> str:
    largest = max((abs(step) for step in parity.lsb_histogram), default=0)
    return (
        f"parity with {parity.against}: {parity.images:,} images, {parity.elements_differ:.2%} of outputs differ "
        f"(at most {largest} LSB), {parity.argmax_flips} argmax flips"
    )
