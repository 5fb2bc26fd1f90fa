"""The report as a person reads it: verdict first, then what got worse, for whom, and on which kernels. 80 columns."""

from __future__ import annotations

from rich import markup
from rich.console import Console
from rich.table import Table

from tinyedge.gate import Status, Verdict
from tinyedge.report.device import beside, rows
from tinyedge.report.kernels import KernelMatrix
from tinyedge.report.schema import BaselineComparison, ClassChange, NewlyWrong, Report
from tinyedge.report.words import LONGEST_NAME, LONGEST_TEXT, bounds_of, inert, limit_of, quantity, reasons

COLOR = {Status.PASS: "green", Status.FAIL: "red", Status.INCONCLUSIVE: "yellow"}
_SHOWN_CLASSES = 3
_SHOWN_EXAMPLES = 3
_GATE_WIDTH = 24
_LONGEST_TITLE = 2 * LONGEST_NAME
"""Of a gate, which may be a group's name and what of it is judged."""


def render(report: Report, console: Console) -> None:
    """Print ``report`` to ``console``."""
    _headline(report, console)
    print_reasons(report.verdict, console)
    _for_whom(report, console)
    print_gates(report.verdict, console)
    _metrics(report, console)
    _kernels(report, console)


def _headline(report: Report, console: Console) -> None:
    deployed, reference, data = report.deployed, report.reference, report.data
    status = report.verdict.status
    synthetic = "synthetic; " if data["synthetic"] else ""
    console.print(
        f"[bold {COLOR[status]}]{status}[/]  [bold]{escape(deployed.artifact['file'])}[/] on {report.run['target']}"
    )
    print_lines(
        console,
        ("deployed", _model(deployed.artifact)),
        ("reference", f"{_model(reference.artifact)}, on {report.run['reference_target']}"),
        (
            "data",
            f"{escape(data['name'])} {data['split']}, {synthetic}{data['images']:,} images, {data['classes']} classes",
        ),
    )
    console.print()


def print_lines(console: Console, *rows: tuple[str, str], style: str = "") -> None:
    """A word and a text a row; a text that wraps stays clear of the words."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style=style or "dim", width=9)
    grid.add_column(style=style)
    for row in rows:
        grid.add_row(*row)
    console.print(grid)


def _model(artifact: dict[str, object]) -> str:
    params = f", {artifact['params']:,} parameters" if artifact["params"] else ""
    return f"{escape(artifact['model'])}{params}, {artifact['size_bytes']:,} bytes"


def escape(text: object, longest: int = LONGEST_TEXT) -> str:
    """Text from a file: no markup of ours, no line break, no command to a CI system that reads the log."""
    return markup.escape(inert(text, longest))


def print_reasons(verdict: Verdict, console: Console) -> None:
    """One sentence for each gate that does not simply pass."""
    for reason in reasons(verdict):
        console.print(f"[{COLOR[reason.gate.status]}]{escape(reason.gate.title)}:[/] {escape(reason.text)}")


def print_gates(verdict: Verdict, console: Console) -> None:
    """A row a gate, and what was not judged below."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("gate", overflow="fold", max_width=_GATE_WIDTH)  # it gives way: the verdict and figures stay whole
    table.add_column("", no_wrap=True)
    table.add_column("found", justify="right", no_wrap=True)
    table.add_column(f"{verdict.confidence:.0%} bounds", justify="right", no_wrap=True)
    table.add_column("limit", justify="right", no_wrap=True)
    for gate in verdict.gates:
        warned = "[yellow] (warning)[/]" if gate.warning else ""
        table.add_row(
            escape(gate.title, _LONGEST_TITLE),
            f"[{COLOR[gate.status]}]{gate.status}[/]{warned}",
            quantity(gate.figure, gate.unit),
            bounds_of(gate),
            limit_of(gate).removeprefix("at most "),
        )
    console.print(table)
    if verdict.skipped:
        skipped = "; ".join(f"{escape(s.title)} ({escape(s.reason)})" for s in verdict.skipped)
        console.print(f"not judged: {skipped}", style="dim")
    console.print()


def _for_whom(report: Report, console: Console) -> None:
    pair, lost = report.comparison, report.newly_wrong
    won = sum(c.newly_right for c in report.classes)
    baselines = f"nested {pair['jaccard_nested']:.3f}, independent {pair['jaccard_independent']:.3f}"
    rows = [
        ("images", f"{len(lost):,} newly wrong, {won:,} newly right; another class named on {pair['flips']:.2%}"),
        ("errors", f"Jaccard {pair['jaccard']:.3f} with the reference's ({baselines})"),
    ]
    worst = [c for c in report.classes if c.change < 0][:_SHOWN_CLASSES]
    if worst:
        rows.append(("classes", ", ".join(_class(c) for c in worst)))
    if lost:
        rows.append(("examples", ", ".join(_example(e) for e in lost[:_SHOWN_EXAMPLES])))
    if report.baseline is not None:
        rows.append(("release", _since(report.baseline)))
    print_lines(console, *rows)
    console.print()


def _since(step: BaselineComparison) -> str:
    worst = [c for c in step.classes if c.newly_wrong and c.change < 0][:_SHOWN_CLASSES]
    classes = f", most in the classes {', '.join(_class(c) for c in worst)}" if worst else ""
    return f"since the last release: {len(step.negative_flips):,} newly wrong{classes}"


def _class(change: ClassChange) -> str:
    return f"{escape(change.name, LONGEST_NAME)} {change.reference:.0%} -> {change.deployed:.0%}"


def _example(example: NewlyWrong) -> str:
    return f"{example.id[:8]} {escape(example.label, LONGEST_NAME)} -> {escape(example.deployed, LONGEST_NAME)}"


def _metrics(report: Report, console: Console) -> None:
    """Plug-in figures beside their corrected ones: the first alone flatter or frighten at small sizes."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    columns = ("", "top-1", "bottom-5/shrunk", "Gini/corrected", "ECE/debiased", "NLL", "Brier")
    for title in columns:
        table.add_column(title, justify="right" if title else "left", no_wrap=True)
    for title, side in (("float", report.reference), ("deployed", report.deployed)):
        found = side.metrics
        table.add_row(
            title,
            f"{found['accuracy']:.2%}",
            _pair(found, "bottom5", "bottom5_shrunk", ".1%"),
            _pair(found, "gini", "gini_corrected", ".3f"),
            _pair(found, "ece", "ece_debiased", ".2%"),
            f"{found['nll']:.3f}",
            f"{found['brier']:.3f}",
        )
    console.print(table)
    console.print(
        f"a perfectly calibrated model would show an ECE of {report.deployed.metrics['ece_floor']:.2%} here",
        style="dim",
    )
    console.print()


def _pair(found: dict[str, float], plain: str, corrected: str, form: str) -> str:
    """Both figures; fewer where the data have too few classes for them."""
    return " / ".join(f"{found[name]:{form}}" for name in (plain, corrected) if name in found) or "-"


def _kernels(report: Report, console: Console) -> None:
    print_lines(console, *((row.title.lower(), escape(row.text)) for row in rows(report)))
    if report.kernels is not None:
        console.print()
        _beside(report.kernels, console)


def _beside(matrix: KernelMatrix, console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column(f"other kernels, {matrix.images:,} images", no_wrap=True)
    for title in ("equal", "outputs differ", "by LSB", "flips", "top-1"):
        table.add_column(title, justify="right", no_wrap=True)
    for other in beside(matrix):
        figures = f"{other.equal:,}", f"{other.differ:.2%}", f"{other.largest}", f"{other.flips:,}"
        table.add_row(escape(other.name, LONGEST_NAME), *figures, f"{other.accuracy:.2%}")
    console.print(table)
    for name, reason in matrix.left_out.items():
        console.print(f"not run: {escape(name, LONGEST_NAME)} ({escape(reason)})", style="dim")
