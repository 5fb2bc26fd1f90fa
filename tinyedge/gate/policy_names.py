"""The classes that a policy names, against those that there are: a policy is written before it meets the data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinyedge.errors import PolicyError
from tinyedge.gate.floors import NAME, FloorsRule
from tinyedge.gate.policy import Policy
from tinyedge.gate.policy_lines import Place, PolicyLines
from tinyedge.gate.policy_settings import unknown

_LISTED = 20


def check_names(
    policy: Policy, *, class_names: Sequence[str], superclass_names: Sequence[str], file: Path | None = None
) -> None:
    """Refuse a policy whose groups name what the data do not have: before a run, and with the line.

    Args:
        policy: whose ``[[floors.group]]`` name classes.
        class_names: of the data.
        superclass_names: likewise; empty where there are none.
        file: that the policy was read from, for the message.

    Raises:
        PolicyError: for an unknown class or superclass, with the nearest that there is.
    """
    rule = policy.rules[NAME]
    assert isinstance(rule, FloorsRule)
    for i, group in enumerate(rule.group):
        for key, known in (("classes", class_names), ("superclasses", superclass_names)):
            for name in getattr(group, key):
                if name not in known:
                    raise _unknown(name, known, (NAME, "group", i, key), group.name, file)


def _unknown(name: str, known: Sequence[str], place: Place, group: str, file: Path | None) -> PolicyError:
    where = f"[[{NAME}.group]] {group!r}"
    if file is not None:
        where = f"{PolicyLines(file.read_text('utf-8'), str(file)).at(*place)}, {where}"
    error = unknown(f"name among {place[-1]}", name, known, where)
    few = f"one of {', '.join(known)}" if 0 < len(known) <= _LISTED else f"one of the data's {len(known)}"
    return PolicyError(error.what, where=error.where, found=error.found, expected=few, fix=error.fix)
