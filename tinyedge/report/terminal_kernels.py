"""One file on several kernels, as a person reads it: who agrees, how far the others are off, where they part."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tinyedge.report.kernels import KernelMatrix, KernelPair, Parting, between, groups
from tinyedge.report.words import inert

_NEAR = 3


def render(matrix: KernelMatrix, console: Console) -> None:
    """Print ``matrix`` to ``console``; every two paths must be paired."""
    numbers = {path.name: i for i, path in enumerate(matrix.paths, 1)}
    _paths(matrix, numbers, console)
    for name, reason in matrix.left_out.items():
        console.print(f"not run: {_name(name)}: {_name(reason)}", style="yellow")
    console.print()
    _grid(matrix, numbers, console)
    console.print()
    sets = groups(matrix)
    for same in sets:
        if len(same) > 1:
            listed = ", ".join(str(numbers[name]) for name in same)
            console.print(f"{listed}: byte for byte the same on all {matrix.images:,} images")
    for pair in between(matrix, sets):
        _pair(pair, numbers, console)


def parted(parting: Parting) -> tuple[str, str]:
    """Where two paths part, and by how much there, in words."""
    shape = "x".join(map(str, parting.shape[1:]))
    return (
        f"from operator {parting.layer} of {parting.layers} on: {parting.operator}, {shape} values",
        f"{parting.elements_differ:.3%} of these differ, by {parting.largest} LSB at most, on "
        f"{parting.images_differ} of {parting.images} images looked at",
    )


def _paths(matrix: KernelMatrix, numbers: dict[str, int], console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column("path", no_wrap=True)
    for title in ("top-1", "ties"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("kernels")
    for path in matrix.paths:
        kernels = _name(str(path.facts.get("kernels", "")))
        table.add_row(str(numbers[path.name]), _name(path.name), f"{path.accuracy:.2%}", f"{path.ties:,}", kernels)
    console.print(table)


def _grid(matrix: KernelMatrix, numbers: dict[str, int], console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("")
    for number in numbers.values():
        table.add_column(str(number), justify="right", no_wrap=True)
    for row, i in numbers.items():
        cells = []
        for column, j in numbers.items():
            pair = matrix.pair(row, column) if i != j else None
            cells.append("" if pair is None else f"{pair.images_equal:,}" if j > i else f"{pair.argmax_flips:,}")
        table.add_row(str(i), *cells)
    console.print(f"of {matrix.images:,} images: above, those with every output equal; below, argmax flips")
    console.print(table)


def _pair(pair: KernelPair, numbers: dict[str, int], console: Console) -> None:
    console.print(
        f"{numbers[pair.first]} and {numbers[pair.second]}: {pair.elements_differ:.2%} of outputs differ, by "
        f"{pair.largest} LSB at most"
    )
    console.print(f"   {histogram(pair)}")
    if pair.parting is not None:
        for line in parted(pair.parting):
            console.print(f"   {line}")
        for reason in pair.parting.unseen:
            console.print(f"   not asked: {_name(reason)}")


def histogram(pair: KernelPair) -> str:
    """Counts by LSB, those far off together."""
    counts = pair.lsb_histogram
    near = [step for step in sorted(counts) if 0 < abs(step) <= _NEAR]
    far = sum(count for step, count in counts.items() if abs(step) > _NEAR)
    return ", ".join([*(f"{step:+d}: {counts[step]:,}" for step in near), *([f"further: {far:,}"] if far else [])])


def _name(text: str) -> str:
    return escape(inert(text))
