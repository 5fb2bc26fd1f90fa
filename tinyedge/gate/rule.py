"""How a gate declares its settings: a frozen dataclass whose fields carry default, range and a line of explanation.

The policy file's parser, its default text and its error messages are all read off these declarations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Rule:
    """Settings of a gate: one section of a policy."""

    enabled: bool = field(default=True, metadata={"says": "false switches the gate off; the report says so"})


def setting(default: Any, *, says: str, low: float, high: float) -> Any:
    """A field of a rule; the name ends in its unit.

    Args:
        default: an int for a count, a float for anything else.
        says: one line, for the commented default policy and error messages.
        low: smallest value allowed.
        high: largest value allowed.
    """
    return field(default=default, metadata={"says": says, "low": low, "high": high})


def optional(*, says: str, low: float, high: float) -> Any:
    """A float setting that is ``None``, not judged, unless a policy sets it; the arguments are those of ``setting``."""
    return field(default=None, metadata={"says": says, "low": low, "high": high, "kind": float})


def names(*, says: str) -> Any:
    """A tuple of names, empty unless a policy gives an array of texts."""
    return field(default=(), metadata={"says": says, "kind": tuple})


def tables(kind: type, *, says: str) -> Any:
    """A tuple of frozen dataclasses: one for each ``[[section.key]]`` of a policy, none by default.

    Args:
        kind: the dataclass; a field of it that has no default has to be given.
        says: one line, for the commented default policy and error messages.
    """
    return field(default=(), metadata={"says": says, "table": kind})
