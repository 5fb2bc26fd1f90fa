"""One release after another as a person reads it: verdict first, then which images and classes it costs. 80 columns."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tinyedge.report.releases import ReleaseStep
from tinyedge.report.schema import BaselineComparison, ClassChange, NewlyWrong, Release
from tinyedge.report.terminal import COLOR, print_gates, print_lines, print_reasons
from tinyedge.report.words import inert

_SHOWN = 5


def render(step: ReleaseStep, console: Console) -> None:
    """Print ``step`` to ``console``."""
    before, status = step.baseline.release, step.verdict.status
    console.print(
        f"[bold {COLOR[status]}]{status}[/]  [bold]{_name(step.now.artifact)}[/] after {_name(before.artifact)}"
    )
    print_lines(
        console,
        ("before", _release(before)),
        ("now", _release(step.now)),
        ("images", f"{step.baseline.images:,}, the same in both"),
    )
    if before.artifact_sha256 == step.now.artifact_sha256:
        console.print("[yellow]Both are the same model file: what differs is the run.[/]")
    console.print()
    print_reasons(step.verdict, console)
    print_gates(step.verdict, console)
    _figures(step.baseline, console)
    _for_whom(step.baseline, console)


def _release(release: Release) -> str:
    return (
        f"{_name(release.report)} of {_name(release.created[:10])}: {_name(release.model)} on {_name(release.target)}, "
        f"verdict {release.status}"
    )


def _figures(step: BaselineComparison, console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for title in ("", "top-1", "ECE", "confidence gap", "bytes"):
        table.add_column(title, justify="right" if title else "left", no_wrap=True)
    for title, found in (("before", step.before), ("now", step.now)):
        gap = f"{100 * found['signed_gap']:+.2f} pp"
        table.add_row(title, f"{found['accuracy']:.2%}", f"{found['ece']:.2%}", gap, f"{found['size_bytes']:,}")
    console.print(table)
    console.print()


def _for_whom(step: BaselineComparison, console: Console) -> None:
    lost, won, pair = step.negative_flips, step.positive_flips, step.comparison
    rows = [
        ("flips", f"{len(lost):,} negative, {len(won):,} positive; another class named on {pair['flips']:.2%}"),
    ]
    worst = [c for c in step.classes if c.newly_wrong and c.change < 0][:_SHOWN]
    rows += [("classes" if i == 0 else "", _class(c)) for i, c in enumerate(worst)]
    rows += [("examples" if i == 0 else "", _example(e)) for i, e in enumerate(lost[:_SHOWN])]
    print_lines(console, *rows)
    if len(lost) > _SHOWN:
        console.print(f"all {len(lost):,} negative flips are in --format json", style="dim")


def _class(change: ClassChange) -> str:
    return (
        f"{_name(change.name)} {change.reference:.0%} -> {change.deployed:.0%}, "
        f"{change.newly_wrong} lost and {change.newly_right} gained of {change.images}"
    )


def _example(example: NewlyWrong) -> str:
    named = f"{_name(example.label)} -> {_name(example.deployed)}"
    return f"{example.id} {named}, {example.confidence:.0%} confident"


def _name(text: str) -> str:
    """A name from a file: no markup, nothing that breaks the line."""
    return escape(inert(text))
