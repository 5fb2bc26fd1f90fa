"""``tinyedge boards``: what the boards have that a model can be held against."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from tinyedge.board import Board, board_names, find_board
from tinyedge.board_use import STAND_IN
from tinyedge.cli.options import Format, FormatOption, print_json, stdout
from tinyedge.report.codec import encode
from tinyedge.report.terminal import escape, print_lines


def boards(
    name: Annotated[
        str | None,
        typer.Argument(help="Of one board, or a .toml file: every fact with its source.", show_default=False),
    ] = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """List the boards: core, clock, flash, RAM, and what stands for each.

    \b
    Examples:
      tinyedge boards
      tinyedge boards nucleo-f446re
    """
    if name is not None:
        board = find_board(name, where="NAME")
        if format is Format.JSON:
            print_json(encode(board))
        else:
            _print_one(board)
        return
    found = [find_board(name) for name in board_names()]
    if format is Format.JSON:
        print_json([encode(board) for board in found])
        return
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for title in ("board", "core", "MHz", "flash", "RAM", "runs on"):
        table.add_column(title, justify="right" if title in ("MHz", "flash", "RAM") else "left", no_wrap=True)
    for board in found:
        npu = board.npu
        sizes = (f"{size / 1024:,.0f}" for size in (board.flash_bytes, board.ram_bytes))
        table.add_row(
            board.name + ("*" if board.unchecked else ""),
            board.core.removeprefix("cortex-") + (f"+{npu.accelerator.removeprefix('ethos-')}" if npu else ""),
            f"{board.clock_hz / 1e6:.0f}" + (f"/{npu.clock_hz / 1e6:.0f}" if npu else ""),
            *sizes,
            board.target or f"{STAND_IN} stands in",
        )
    console = stdout()
    console.print(table)
    console.print("MHz: the CPU's; with an NPU the CPU's/the NPU's. Flash and RAM in KiB.")
    if any(board.unchecked for board in found):
        console.print("* Some facts were not looked up in their source.")
    console.print("tinyedge boards NAME has every fact with its source.")


def _print_one(board: Board) -> None:
    console = stdout()
    console.print(f"[bold]{escape(board.title)}[/]")
    per_clock = board.instructions_per_clock
    facts = {
        "core": board.core,
        "clock_hz": f"{board.clock_hz:,} Hz",
        "flash_bytes": f"{board.flash_bytes:,} bytes of flash",
        "ram_bytes": f"{board.ram_bytes:,} bytes of RAM",
        "instructions_per_clock": None if per_clock is None else f"at most {per_clock} an instruction clock",
        "npu": None if board.npu is None else f"{board.npu.accelerator}, {board.npu.clock_hz:,} Hz",
    }
    rows = [(f"{text}", board.sources[key]) for key, text in facts.items() if text is not None]
    print_lines(console, ("runs on", board.target or f"nothing of its own; {STAND_IN} stands in"))
    for text, source in rows:
        console.print(f"{escape(text)}\n  [dim]{escape(source)}[/dim]")
    for note in board.notes:
        console.print(f"note: {escape(note)}")
