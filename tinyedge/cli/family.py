"""``tinyedge family``: what each member costs, and which one a budget means."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from tinyedge.cli.options import Format, FormatOption, print_json, stdout
from tinyedge.models.family import FAMILIES, Member, members, nearest, parse_count


def family(
    name: Annotated[str | None, typer.Argument(help="scalecnn or mobilenetv2; both when left out.")] = None,
    params: Annotated[str | None, typer.Option(help="Show only the member nearest to this count, e.g. 50k.")] = None,
    num_classes: Annotated[int, typer.Option("--classes", min=2, max=100_000, help="Classes of the last layer.")] = 100,
    stem_stride: Annotated[int, typer.Option(help="MobileNetV2's first stride: 1 or 2.")] = 1,
    format: FormatOption = Format.TEXT,
) -> None:
    """Print widths, parameters, multiply-accumulates and int8 bytes of the families.

    \b
    Examples:
      tinyedge family
      tinyedge family scalecnn --params 50k
    """
    names = [name] if name else list(FAMILIES)
    if params is not None:
        found = nearest(parse_count(params), name or "scalecnn", num_classes=num_classes)
        listed, note = [found.member], f"{found.factor:.2f} times the {found.asked:,} asked for"
    else:
        listed = [m for n in names for m in members(n, num_classes=num_classes, stem_stride=stem_stride)]
        note = ""
    if format is Format.JSON:
        print_json([_facts(m) for m in listed])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("member", "width", "parameters", "MMAC", "int8 bytes"):
        table.add_column(title, justify="left" if title == "member" else "right")
    for m in listed:
        plan = m.plan
        table.add_row(m.name, f"{m.width:g}", f"{plan.params:,}", f"{plan.macs / 1e6:.2f}", f"{plan.int8_bytes:,}")
    console = stdout()
    console.print(table)
    console.print(note or "At 32x32. int8 bytes: weights, biases and scales; a file adds the graph, a few KB.")


def _facts(member: Member) -> dict[str, object]:
    plan = member.plan
    return {
        "member": member.name,
        "family": member.family,
        "width": member.width,
        "classes": member.num_classes,
        "params": plan.params,
        "macs": plan.macs,
        "int8_bytes": plan.int8_bytes,
    }
