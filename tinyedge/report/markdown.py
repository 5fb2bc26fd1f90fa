"""The verdict as Markdown for a pull request's comment or a job summary.

Text from files reaches a page that others read and a log that a CI system reads for commands. It is therefore written
in character references: Markdown gives them no meaning, HTML cannot be closed by them, no ``::error::`` and no
``@mention`` stands in the file.
"""

from __future__ import annotations

import re

from tinyedge.gate import GateResult, Status
from tinyedge.report import device
from tinyedge.report.changes import Group, by_class
from tinyedge.report.schema import Report
from tinyedge.report.words import LONGEST_NAME, bounds_of, headline, limit_of, quantity, reasons, visible

LIMIT = 65_536
"""Characters that a comment on GitHub holds."""
_MARKS = {Status.PASS: "✅", Status.FAIL: "❌", Status.INCONCLUSIVE: "❔"}
# A point or a colon between words can make a link, a colon beside a colon a command, a hyphen or a percent sign before
# a word a reference: GH-1, TICKET-1, %1.
_MEANS_SOMETHING = re.compile(
    r"""[^\w\s,;:()%+='"/.-]|_|(?<=[^\W\d])\.(?=[^\W\d])|:(?=[^\s\d])|(?<=:):|-(?=-)|(?<=[^\W\d])-(?=\d)|%(?=[\w"])"""
)
_BEGINS_A_REFERENCE = "@#!~$&^%-"
"""On GitHub or GitLab, before a name or a number: a person, an issue, a merge request, a label, a milestone."""
_HEADLESS = ("| | |", "|---|---|")
_SHOWN_CLASSES = 10
_SHOWN_EXAMPLES = 20


def render(report: Report) -> str:
    """Verdict, reasons, gates; classes, images and provenance folded. What would not fit is left out, and said."""
    parts = [_head(report), _gates(report), _device(report), _classes(report), _examples(report), _provenance(report)]
    text = ""
    for i, part in enumerate(parts):
        note = "\nThe rest does not fit here: see the whole report.\n"
        if len(text) + len(part) + len(note) > LIMIT:
            return text + note if i else _cut(part, LIMIT - len(note)) + note
        text += part
    return text


def escaped(text: object, longest: int = 1000) -> str:
    r"""Text from a file: visible, and with a character reference for every character that could mean something.

    A mention or an issue's number is broken by a zero-width space, since a forge looks for them in what a reader sees.

    >>> escaped("<b>x|`y`::error::@z\n")
    '&#60;b&#62;x&#124;&#96;y&#96;&#58;&#58;error&#58;&#58;&#64;&#8203;z&#92;n'
    """
    return _MEANS_SOMETHING.sub(_reference, visible(text, longest))


def _reference(match: re.Match[str]) -> str:
    character = match[0]
    if not character.isascii() and character.isprintable():
        return character
    return f"&#{ord(character)};" + ("&#8203;" if character in _BEGINS_A_REFERENCE else "")


def name(text: object) -> str:
    """A class's or a file's name."""
    return f"<code>{escaped(text, LONGEST_NAME)}</code>"


def _cut(text: str, room: int) -> str:
    """Whole lines only: half a reference would be text of its own."""
    return text[:room].rpartition("\n")[0] + "\n"


def _head(report: Report) -> str:
    deployed, data, verdict = report.deployed, report.data, report.verdict
    file, target = name(deployed.artifact["file"]), escaped(report.run["target"])
    lines = [
        f"## {_MARKS[verdict.status]} {verdict.status}: {file} on {target}",
        "",
        f"**{escaped(headline(verdict))}**",
        "",
        *(f"- **{escaped(reason.gate.title)}:** {escaped(reason.text)}" for reason in reasons(verdict)),
        "",
        f"Accuracy {report.reference.metrics['accuracy']:.2%} float, {deployed.metrics['accuracy']:.2%} deployed, on "
        f"{data['images']:,} {'synthetic ' if data['synthetic'] else ''}images of {name(data['name'])} "
        f"({escaped(data['split'])}).",
        "",
    ]
    return "\n".join(lines) + "\n"


def _gates(report: Report) -> str:
    verdict = report.verdict
    lines = [
        f"| gate | verdict | found | {verdict.confidence:.0%} bounds | limit |",
        "|---|---|--:|--:|--:|",
        *(_gate(gate) for gate in verdict.gates),
        "",
    ]
    if verdict.skipped:
        skipped = "; ".join(f"{escaped(gate.title)} ({escaped(gate.reason)})" for gate in verdict.skipped)
        lines += [f"Not judged: {skipped}.", ""]
    return "\n".join(lines) + "\n"


def _gate(gate: GateResult) -> str:
    warned = ", warning" if gate.warning else ""
    cells = (
        escaped(gate.title),
        f"{_MARKS[gate.status]} {gate.status}{warned}",
        quantity(gate.figure, gate.unit),
        escaped(bounds_of(gate)),
        limit_of(gate),
    )
    return f"| {' | '.join(cells)} |"


def _folded(title: str, lines: list[str]) -> str:
    return "\n".join([f"<details><summary>{title}</summary>", "", *lines, "", "</details>", "", ""])


def _classes(report: Report) -> str:
    worse = [group for group in by_class(report.examples) if group.change < 0]
    if not worse:
        return "No class lost accuracy.\n\n"
    shown = worse[:_SHOWN_CLASSES]
    lines = ["| class | images | float | deployed | change | newly wrong |", "|---|--:|--:|--:|--:|--:|"]
    lines += [_class(group) for group in shown]
    rest = f" (the {len(shown)} that lost most)" if len(shown) < len(worse) else ""
    return _folded(f"{len(worse):,} of {report.data['classes']:,} classes lost accuracy{rest}", lines)


def _class(group: Group) -> str:
    return (
        f"| {name(group.name)} | {group.images:,} | {group.reference:.0%} | {group.deployed:.0%} | "
        f"{100 * group.change:+.0f} pp | {group.newly_wrong:,} |"
    )


def _examples(report: Report) -> str:
    seen = report.examples
    wrong = report.newly_wrong
    if not wrong:
        return "No image is newly wrong.\n\n"
    shown = [example.index for example in wrong[:_SHOWN_EXAMPLES]]
    lines = ["| image | true and float | deployed | confidence |", "|---|---|---|--:|"]
    for i in shown:
        label, now = seen.class_names[seen.labels[i]], seen.class_names[seen.deployed[i]]
        lines.append(f"| <code>{seen.ids[i]}</code> | {name(label)} | {name(now)} | {seen.confidence[i]:.0%} |")
    rest = f" (the {len(shown)} most confident)" if len(shown) < len(wrong) else ""
    return _folded(f"{len(wrong):,} images are newly wrong{rest}", lines)


def _device(report: Report) -> str:
    lines = [*_HEADLESS, *(f"| {row.title} | {escaped(row.text)} |" for row in device.rows(report))]
    found = _folded("What ran, and what it takes", lines)
    if uses := device.uses(report):
        lines = ["| of the board | takes | | may take | has |", "|---|--:|---|--:|--:|"]
        found += _folded("What it takes of the board", lines + [_use(use) for use in uses])
    if layers := device.layers(report.deployed.target):
        lines = ["| layer | kernel | instructions | share |", "|---|---|--:|--:|"]
        found += _folded(f"Instructions of {len(layers)} layers", lines + [_layer(layer) for layer in layers])
    if report.kernels is not None:
        lines = ["| kernels | equal | outputs differ | by LSB | flips | top-1 |", "|---|--:|--:|--:|--:|--:|"]
        lines += [_beside(other) for other in device.beside(report.kernels)]
        lines += ["", *(f"Not run: {name(path)} ({escaped(why)})." for path, why in report.kernels.left_out.items())]
        found += _folded(f"Other kernels on {report.kernels.images:,} of the images", lines)
    return found


def _use(use: device.Use) -> str:
    takes = f"{_MARKS[use.status]} {use.takes}"
    return f"| {escaped(use.title)} | {takes} | {escaped(use.note)} | {use.limit} | {use.has or ''} |"


def _layer(layer: device.Layer) -> str:
    return f"| {escaped(layer.name)} | {name(layer.kernel)} | {layer.instructions:,} | {layer.share:.1%} |"


def _beside(other: device.Beside) -> str:
    cells = name(other.name), f"{other.equal:,}", f"{other.differ:.2%}", f"{other.largest}", f"{other.flips:,}"
    return f"| {' | '.join(cells)} | {other.accuracy:.2%} |"


def _provenance(report: Report) -> str:
    run = report.run
    rows = {
        "deployed": f"{name(report.deployed.artifact['file'])} {name(report.deployed.artifact['sha256'])}",
        "float": f"{name(report.reference.artifact['file'])} {name(report.reference.artifact['sha256'])}",
        "data": name(report.data["digest"]),
        "policy": f"{escaped(report.policy['name'])} {name(report.policy['digest'])}",
        "run": escaped(f"{run['created']}, tinyedge {run['tinyedge']}"),
    }
    return _folded("Provenance", [*_HEADLESS, *(f"| {key} | {value} |" for key, value in rows.items())])
