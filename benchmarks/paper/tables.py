"""A table once, written twice: CSV with unrounded values for programs, Markdown for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

Cell = str | int | float | None
"""``None`` is "not known": empty in the CSV, a dash in Markdown."""
_CSV_DIGITS = 6


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        key: in the CSV's head, with the unit where there is one.
        title: in Markdown's.
        digits: after the point in Markdown; ``None`` for texts and whole numbers.
        percent: whether a share is shown in per cent there (the CSV keeps 0..1).
        signed: whether a plus is shown.
    """

    key: str
    title: str
    digits: int | None = None
    percent: bool = False
    signed: bool = False


@dataclass(frozen=True)
class Table:
    """What is written under one name.

    Args:
        name: of the files.
        title: what stands over it.
        columns: in order.
        rows: as many cells each as there are columns.
        note: what its figures are over, and what they are not.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            assert len(row) == len(self.columns), f"{self.name}: a row of {len(row)} for {len(self.columns)} columns"


def to_csv(table: Table) -> str:
    """RFC 4180, but with plain newlines; floats to six decimals, shares as they are.

    >>> print(to_csv(Table("t", "T", (Column("a", "A"), Column("b", "B", 1)), (("x", 0.25), ("y", None)))), end="")
    a,b
    x,0.25
    y,
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([column.key for column in table.columns])
    for row in table.rows:
        writer.writerow([f"{cell:.{_CSV_DIGITS}f}".rstrip("0").rstrip(".") if isinstance(cell, float) else cell
                         for cell in row])  # fmt: skip
    return stream.getvalue()


def to_markdown(table: Table) -> str:
    """Title, rows, note."""
    note = f"\n{table.note}\n" if table.note else ""
    return f"# {table.title}\n\n{grid(table)}{note}"


def grid(table: Table) -> str:
    """Only the rows, under their head.

    >>> columns = (Column("a", "A"), Column("b", "B %", 1, percent=True))
    >>> print(grid(Table("t", "T", columns, (("x", 0.25), ("y", None)))))
    | A | B % |
    |---|---|
    | x | 25.0 |
    | y | - |
    <BLANKLINE>
    """
    head = [_row([column.title for column in table.columns]), "|" + "---|" * len(table.columns)]
    body = [_row([_shown(cell, column) for cell, column in zip(row, table.columns, strict=True)]) for row in table.rows]
    return "\n".join(head + body) + "\n"


def _shown(cell: Cell, column: Column) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        assert column.digits is not None, f"{column.key}: how many digits?"
        value = 100 * cell if column.percent else cell
        text = f"{value:{'+' if column.signed else ''}.{column.digits}f}"
        # A rounded nothing has no sign: +0.0 and -0.0 would read as a direction.
        return text.lstrip("+-") if float(text) == 0 else text
    return f"{cell:,}" if isinstance(cell, int) else cell.replace("|", "\\|")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
