"""A policy as a person checks it: what differs from the default, and what may not be meant as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from tinyedge.gate.policy import DEFAULT_POLICY, Policy

_UNITS = {"percent": " %", "pp": " pp", "bytes": " bytes"}
_WEAK = 0.9
"""A confidence below this makes bounds that miss more than one time in ten."""


@dataclass(frozen=True)
class Change:
    """A setting that is not the default's.

    Args:
        section: the gate's, or ``policy``.
        key: the setting.
        value: the policy's, as JSON has it.
        default: the built-in policy's; ``None`` where that does not limit it.
    """

    section: str
    key: str
    value: Any
    default: Any


def changes(policy: Policy) -> tuple[Change, ...]:
    """Every setting but the name that differs from the default, in the order of the file."""
    ours, theirs = policy.as_dict(), DEFAULT_POLICY.as_dict()
    return tuple(
        Change(section, key, value, theirs[section][key])
        for section, settings in ours.items()
        for key, value in settings.items()
        if value != theirs[section][key] and (section, key) != ("policy", "name")
    )


def with_unit(key: str, value: Any) -> str:
    """A setting's value with the unit that its key names.

    >>> with_unit("max_drop_pp", 1.0)
    '1 pp'
    """
    if value is None:
        return "not judged"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, int | float):
        return str(value)
    if key.endswith(("_bytes", "_instructions")):
        return f"{value:,.0f} {key.rpartition('_')[2]}"
    return f"{value:g}{_UNITS.get(key.rpartition('_')[2], '')}"


def cautions(policy: Policy) -> tuple[str, ...]:
    """What is allowed and may not be meant: a limit that nothing exceeds, or that a fraction was written for."""
    found = []
    if policy.confidence < _WEAK:
        found.append(f"policy.confidence = {policy.confidence:g}: a bound misses up to {1 - policy.confidence:.0%}")
    for name, rule in policy.rules.items():
        if not rule.enabled:
            continue
        for place, f, value in _limits(rule, name):
            unit = f.name.rpartition("_")[2]
            if unit not in ("percent", "pp"):
                continue
            if f.name.startswith("max_") and value >= 100 and f.metadata["high"] <= 100:
                found.append(f"{place} = {value:g}: nothing can exceed it, so it is judged in vain")
            elif f.default and 0 < value < f.default / 10:
                meant = f"if {100 * value:g}{_UNITS[unit]} was meant, write {100 * value:g}"
                found.append(f"{place} = {value:g} is {value:g}{_UNITS[unit]}: {meant}")
    return tuple(found)


def _limits(settings: Any, place: str) -> Iterator[tuple[str, Any, float]]:
    """Each limit that is set, with its place and declaration, those of tables included."""
    for f in fields(settings):
        value = getattr(settings, f.name)
        if "table" in f.metadata:
            for table in value:
                yield from _limits(table, f"{place}.{f.name} {table.name!r}")
        elif isinstance(value, float):
            yield f"{place}.{f.name}", f, value
