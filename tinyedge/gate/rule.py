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
