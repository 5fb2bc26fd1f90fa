"""The words and figures that all renderers share, so that a verdict reads the same wherever it is read."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from tinyedge.gate import GateResult, Status, Verdict

LONGEST_TEXT, LONGEST_NAME = 1000, 64
"""Characters: what is longer is cut."""
_COUNTED = ("images", "instructions", "cycles")
"""Units that the gate's title names."""


def visible(text: object, longest: int = LONGEST_TEXT) -> str:
    r"""Text from a file, fit for one line: what would break, hide or turn the line is written as an escape.

    That is control and format characters (Unicode's categories C), and line and paragraph separators. What is longer
    than ``longest`` characters is cut.

    >>> visible("x\n::error::")
    'x\\n::error::'
    """
    whole = str(text)
    cut = whole if len(whole) <= longest else whole[: longest - 1] + "…"
    return "".join(_escaped(c) if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029" else c for c in cut)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def inert(text: object, longest: int = LONGEST_TEXT) -> str:
    r"""``visible``, and nothing that a CI system takes for a command when it reads a log.

    GitHub reads ``::error::`` at the start of a line and ``##[error]`` anywhere; where a terminal breaks a long line
    cannot be foreseen.

    >>> inert("x\n::error::")
    'x\\n:\\:error:\\:'
    """
    return re.sub("(?<=:)(?=:)|(?<=#)(?=#)", r"\\", visible(text, longest))


def quantity(value: float, unit: str) -> str:
    """A figure with its unit: differences signed, counts whole.

    >>> quantity(0.154, "pp"), quantity(10000, "images"), quantity(58656, "bytes")
    ('+0.15 pp', '10,000', '58,656 bytes')
    """
    if unit in _COUNTED:
        return f"{value:,.0f}"
    if unit == "bytes":
        return f"{value:,.0f} bytes"
    return f"{value:+.2f} pp" if unit == "pp" else f"{value:.3f}" if unit == "score" else f"{value:.2f} {unit}"


def bounds_of(gate: GateResult) -> str:
    """The interval, or what decided in its place."""
    if gate.note is not None:
        return gate.note
    if gate.interval is None:
        return ""
    low, high = gate.interval
    form = _form(gate.unit)
    return f"{low:{form}} to {high:{form}}"


def limit_of(gate: GateResult) -> str:
    """The limit and its side, without its unit: the figure beside it has it."""
    form = _form(gate.unit)
    return f"{'at least' if is_floor(gate) else 'at most'} {gate.limit:{form}}"


def _form(unit: str) -> str:
    return ",.0f" if unit in ("bytes", *_COUNTED) else ".3f" if unit == "score" else ".2f"


def is_floor(gate: GateResult) -> bool:
    """Whether its figure has to be at least the limit: so many images, or what the policy demands."""
    return gate.at_least or gate.unit == "images"


@dataclass(frozen=True)
class Reason:
    """Why a verdict is what it is: one gate that does not simply pass.

    Args:
        gate: its result.
        text: a sentence or two.
    """

    gate: GateResult
    text: str


def reasons(verdict: Verdict) -> list[Reason]:
    """The gates that fail, then those that are not settled, then the warnings."""
    order = (Status.FAIL, Status.INCONCLUSIVE, Status.PASS)
    gates = sorted(verdict.gates, key=lambda gate: order.index(gate.status))
    return [Reason(gate, reason_of(gate)) for gate in gates if gate.status is not Status.PASS or gate.warning]


def reason_of(gate: GateResult) -> str:
    """Why a gate is worth a word: what it found or warns of, and what would settle it."""
    told = str(gate.warning) if gate.status is Status.PASS else gate.detail
    told = told[:1].upper() + told[1:] + ("" if told.endswith((".", "!", "?")) else ".")
    return f"{told} About {gate.images_needed:,} images would settle it." if gate.images_needed else told


def headline(verdict: Verdict) -> str:
    """What to do, in one line."""
    if verdict.status is Status.PASS:
        warned = sum(gate.warning is not None for gate in verdict.gates)
        but = f"; {_number(warned, 'warning')} to look at" if warned else ""
        return f"Ship. All {len(verdict.gates)} gates are met{but}."
    named = [gate.title for gate in verdict.gates if gate.status is verdict.status]
    gates = f"{len(named)} of {_number(len(verdict.gates), 'gate')}"
    if verdict.status is Status.FAIL:
        return f"Do not ship. {gates} failed: {_list(named)}."
    if not named:
        return "Do not ship yet. No gate judged the model."
    return f"Do not ship yet. The data cannot settle {gates}: {_list(named)}."


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
