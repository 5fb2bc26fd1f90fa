"""The ladder of ``tinyedge repair`` for a terminal of 80 columns, and the same as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tinyedge.gate import Status
from tinyedge.report.markdown import escaped
from tinyedge.report.repair import Repair
from tinyedge.report.repair_rows import Cell, facts, legend, lines, remarks, state, titles, worse
from tinyedge.report.terminal import COLOR, escape, print_lines

_MARKS = {Status.FAIL: "❌ ", Status.INCONCLUSIVE: "❔ "}
_ACROSS = 5
"""Files beside ``before`` that 80 columns hold."""


def render(found: Repair, console: Console) -> None:
    """Print ``found`` to ``console``."""
    was, status = found.before.verdict.status, found.status
    console.print(
        f"[{COLOR[was]}]{was}[/] -> [bold {COLOR[status]}]{status}[/]  [bold]{escape(found.run['file'])}[/] "
        f"on {found.run['target']}",
        soft_wrap=True,
    )
    print_lines(console, *((name, escape(text)) for name, text in facts(found)))
    console.print()
    _print_steps(found, console)
    columns = list(range(1, len(found.trials)))
    for start in range(0, max(len(columns), 1), _ACROSS):
        _print_table(found, [0, *columns[start : start + _ACROSS]], console)
    console.print(legend(), style="dim")
    told = remarks(found)
    if told:
        console.print()
    for line in told:
        console.print(escape(line))


def markdown(found: Repair) -> str:
    """The same as Markdown."""
    was, status = found.before.verdict.status, found.status
    text = [f"## Repair: {was} -> {status}: {escaped(found.run['file'])} on {escaped(found.run['target'])}", ""]
    text += [f"- {name}: {escaped(said)}" for name, said in facts(found)]
    text += ["", "| | step | what it did | what became of it |", "|--:|---|---|---|"]
    for i, trial in enumerate(found.trials[1:], 1):
        harm = f" **Worse:** {escaped(worse(trial))}." if trial.harms else ""
        text.append(_cells([str(i), trial.step, escaped(trial.says), escaped(state(found, i)) + harm]))
    text += [_cells(["", one.step, "", f"not tried: {escaped(one.reason)}"]) for one in found.untried]
    every = list(range(len(found.trials)))
    text += ["", _cells(["gate", "limit", *titles(found, every)]), _cells(["---", "--:"] + ["--:"] * len(every))]
    for line in lines(found, every):
        text.append(_cells([escaped(line.title), line.limit, *(_marked(cell) for cell in line.cells)]))
    text += [
        "",
        legend("❌", "❔", "*passes alone*:", "*worse*:") + ".",
        "",
    ]
    return "\n".join([*text, *(f"- {escaped(line)}" for line in remarks(found))]) + "\n"


def _print_steps(found: Repair, console: Console) -> None:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for i, trial in enumerate(found.trials[1:], 1):
        grid.add_row(f"{i} {trial.step}", escape(f"{trial.says}: {state(found, i)}"))
        if trial.harms:
            grid.add_row("", f"[red]worse: {escape(worse(trial))}[/]")
    for one in found.untried:
        grid.add_row(f"- {one.step}", escape(f"not tried: {one.reason}"), style="dim")
    if grid.row_count:
        console.print(grid)
        console.print()


def _print_table(found: Repair, at: Sequence[int], console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("", overflow="fold", max_width=25)
    table.add_column("limit", justify="right", no_wrap=True)
    for title in titles(found, at):
        table.add_column(title, justify="right", no_wrap=True)
    for line in lines(found, at):
        table.add_row(escape(line.title), line.limit, *(_colored(cell) for cell in line.cells))
    console.print(table)
    console.print()


def _colored(cell: Cell) -> str:
    return cell.marked if cell.status is None else f"[{COLOR[cell.status]}]{cell.marked}[/]"


def _marked(cell: Cell) -> str:
    """What does not pass stands out, and what the marks of the terminal say is in words."""
    mark = _MARKS.get(cell.status, "") if cell.status else ""
    words = [word for word, said in (("passes alone", cell.strict), ("worse", cell.worse)) if said]
    return f"{mark}{cell.text}" + (f" ({', '.join(words)})" if words else "")


def _cells(row: Sequence[str]) -> str:
    return f"| {' | '.join(row)} |"
