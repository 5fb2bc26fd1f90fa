"""The table of ``tinyedge fit`` for a terminal of 80 columns, and the same as Markdown."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from tinyedge.gate import Status
from tinyedge.report.fit import Fit, Row, Taken
from tinyedge.report.terminal import COLOR, escape, print_lines

_KIB, _MILLION = 1024, 1e6
_MANY = 100_000
"""Images that nobody is told to collect."""
_SHORT = {Status.PASS: "PASS", Status.FAIL: "FAIL", Status.INCONCLUSIVE: "OPEN"}
"""OPEN: the images cannot settle it."""
_WORK = {"instructions": "Minstr", "cycles": "kcycle", None: "work"}
_RATE = {"instructions": "fps<=", "cycles": "fps~", None: "fps"}
_SCALE = {"instructions": _MILLION, "cycles": 1000.0, None: 1.0}
_MARK = {"firmware": "", "lower bound": ">", "model file": "~", "estimate": "~"}


def render(found: Fit, console: Console) -> None:
    """Print ``found`` to ``console``."""
    status = found.status
    console.print(f"[bold {COLOR[status]}]{status}[/]  [bold]{escape(found.board['title'])}[/]")
    print_lines(console, *((name, escape(text)) for name, text in _facts(found)))
    console.print()
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for title in _titles(found):
        table.add_column(title, justify="left" if title == "" else "right", no_wrap=True)
    for row in _rows(found):
        table.add_row(*(_colored(cell) for cell in row))
    console.print(table)
    console.print()
    for line in answer(found):
        console.print(escape(line))


def markdown(found: Fit) -> str:
    """The same as Markdown."""
    titles = ["member" if title == "" else title for title in _titles(found)]
    lines = [f"## {found.board['title']}: {found.status}", ""]
    lines += [f"- {name}: {text}" for name, text in _facts(found)]
    lines += ["", _cells(titles), _cells(["---"] + ["--:"] * (len(titles) - 1))]
    lines += [_cells(row) for row in _rows(found)]
    return "\n".join([*lines, "", *(f"{line}  " for line in answer(found))]) + "\n"


def answer(found: Fit) -> list[str]:
    """Which sizes keep budget and gates, in sentences, and what keeps the others from it."""
    passing = found.passing
    if len(passing) > 1:
        lines = [f"Largest that keeps budget and gates: {_told(passing[-1])}.", f"Smallest: {_told(passing[0])}."]
    elif passing:
        lines = [f"One member keeps budget and gates: {_told(passing[0])}."]
    elif found.status is Status.INCONCLUSIVE:
        lines = ["No trained member is shown to keep both budget and gates: these images cannot settle it."]
    else:
        lines = ["No trained member keeps both budget and gates."]
    lines += [f"{_short(row)}: {reason}." for row in found.rows if row.trained and (reason := _reason(row))]
    notes: dict[str, list[str]] = {}
    for row in found.rows:
        if not row.trained and row.note is not None:
            notes.setdefault(row.note, []).append(_short(row))
    return lines + [f"{', '.join(names)}, not trained: {note}." for note, names in notes.items()]


def _reason(row: Row) -> str:
    """What keeps a member from passing."""
    few = row.images_needed is not None and row.images_needed <= _MANY
    needed = f" (about {row.images_needed:,} images would do)" if few else ""
    parts = [row.note or "", f"fails {', '.join(row.failed)}" if row.failed else ""]
    parts.append(f"not settled: {', '.join(row.unsettled)}{needed}" if row.unsettled else "")
    return "; ".join(part for part in parts if part)


def _short(row: Row) -> str:
    """``c6`` of ``scalecnn-c6``: the family is said above."""
    return row.model.partition("-")[2] or row.model


def _told(row: Row) -> str:
    accuracy = "" if row.accuracy is None else f", {row.accuracy:.2%}"
    return f"{row.model} ({row.params:,} parameters{accuracy})"


def _facts(found: Fit) -> list[tuple[str, str]]:
    run, data = found.run, found.data
    rate = "no frame rate asked for" if found.fps is None else f"{found.fps:g} frames a second"
    synthetic = "synthetic; " if data["synthetic"] else ""
    lines = [
        ("run", f"{run['family']} on {run['target']}, {run['kernels']}"),
        ("data", f"{data['name']} {data['split']}, {synthetic}{data['images']:,} images, {data['classes']} classes"),
        ("judged by", f"policy {run['policy']!r}, {run['policy_digest'][:16]}; {rate}"),
        ("figures", "flash and RAM in KiB; > a lower bound, ~ an estimate; top-1 in %, with bounds; OPEN: not settled"),
    ]
    if found.unit == "instructions":
        lines.append(("fps", "a bound from the instructions, no promise: more than this cannot be"))
    elif found.unit == "cycles":
        lines.append(("fps", "the NPU's clock over the estimated cycles"))
    return lines if found.label is None else [*lines, ("npu", found.label)]


def _titles(found: Fit) -> list[str]:
    return ["", "params", "top-1", "bounds", "flash", "RAM", _WORK[found.unit], _RATE[found.unit], "budget", "gates"]


def _rows(found: Fit) -> list[list[str]]:
    """Cells, the limits first."""
    scale = _SCALE[found.unit]
    rate = "" if found.fps is None else f"{found.fps:g}"
    limits = [_number(found.limits.get(key), by) for key, by in (("flash", _KIB), ("ram", _KIB), ("work", scale))]
    rows = [["limit", "", "", "", *limits, rate, "", ""]]
    for row in found.rows:
        accuracy = "not trained" if not row.trained else "" if row.accuracy is None else f"{100 * row.accuracy:.2f}"
        bounds = "" if row.bounds is None else f"{100 * row.bounds[0]:.1f}-{100 * row.bounds[1]:.1f}"
        taken = [_taken(row.flash, _KIB), _taken(row.ram, _KIB), _taken(row.work, scale)]
        most = "" if row.max_fps is None else f"{row.max_fps:,.1f}" if row.max_fps < 1000 else f"{row.max_fps:,.0f}"
        judged = ["" if status is None else _SHORT[status] for status in (row.budget, row.gates)]
        rows.append([_short(row), _count(row.params), accuracy, bounds, *taken, most, *judged])
    return rows


def _count(params: int) -> str:
    return f"{params / 1000:,.0f}K" if params < _MILLION else f"{params / _MILLION:,.1f}M"


def _number(value: float | None, scale: float) -> str:
    return "" if value is None else f"{value / scale:,.1f}"


def _taken(figure: Taken | None, scale: float) -> str:
    return "" if figure is None else _MARK.get(figure.note, "") + _number(figure.value, scale)


def _colored(cell: str) -> str:
    status = next((status for status, short in _SHORT.items() if short == cell), None)
    return cell if status is None else f"[{COLOR[status]}]{cell}[/]"


def _cells(row: list[str]) -> str:
    return f"| {' | '.join(row)} |"
