"""``tinyedge targets``: what a model can be run on, and what is available here."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table

from tinyedge.cli.options import Format, FormatOption, print_json, stdout
from tinyedge.registry import TARGETS, Entry


@dataclass(frozen=True)
class TargetRow:
    """One target as the table and the JSON show it; ``missing`` and ``install`` are ``None`` where it is available."""

    name: str
    available: bool
    missing: str | None
    install: str | None
    takes: str
    summary: str
    runtime: str
    runtime_version: str | None
    kernels: str
    rounding: str | None
    microcontroller: bool


def targets(format: FormatOption = Format.TEXT) -> None:
    """List the targets: what each takes, which kernels it runs, and whether it can run here.

    Looks at which packages are installed and starts nothing; tinyedge doctor tries each one.

    \b
    Examples:
      tinyedge targets
      tinyedge targets --format json
    """
    rows = target_rows()
    if format is Format.JSON:
        print_json([vars(row) for row in rows])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("target", no_wrap=True)
    table.add_column("here", no_wrap=True)
    table.add_column("takes", no_wrap=True)
    table.add_column("what runs")
    for row in rows:
        version = f" ({row.runtime} {row.runtime_version})" if row.runtime_version else ""
        kernels = f"kernels: {row.kernels}{version}"
        table.add_row(row.name, "yes" if row.available else "no", row.takes, f"{row.summary}\n[dim]{kernels}[/dim]")
    console = stdout()
    console.print(table)
    for row in rows:
        if not row.available:
            console.print(f"{row.name} needs {row.missing}: {row.install}", markup=False)


def target_rows() -> list[TargetRow]:
    """Every registered target, in the registry's order."""
    return [_row(name, entry) for name, entry in TARGETS.items()]


def _row(name: str, entry: Entry) -> TargetRow:
    target = entry.load()
    here = target.available()
    return TargetRow(
        name=name,
        available=here.ok,
        missing=here.missing,
        install=here.install,
        takes=f"{target.precision} {target.format}",
        summary=entry.summary,
        runtime=target.runtime,
        runtime_version=target.requirements[0].version,
        kernels=target.kernels,
        rounding=target.rounding,
        microcontroller=target.microcontroller,
    )
