"""The policy: which limits a release has to keep. A typed TOML file, read strictly.

A limit that is misread is worse than none, so nothing is guessed: an unknown section or key, a wrong type, a value
outside its range or a file in which every gate is off is refused, with its line. A section or key that a file leaves
out has its default.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tinyedge.errors import PolicyError
from tinyedge.gate.catalogue import GATES
from tinyedge.gate.rule import Rule, setting

_GENERAL = "policy"


@dataclass(frozen=True)
class General:
    """The ``[policy]`` section: what holds for every gate."""

    name: str = field(default="default", metadata={"says": "printed in reports"})
    confidence: float = setting(0.95, says="of each one-sided bound (a fraction)", low=0.5, high=0.9999)
    min_images: int = setting(100, says="with fewer images nothing is concluded", low=2, high=100_000_000)


def _default_rules() -> Mapping[str, Rule]:
    return MappingProxyType({gate.name: gate.rule() for gate in GATES})


@dataclass(frozen=True)
class Policy:
    """All settings; ``rules`` has one rule for every gate of the catalogue, by name.

    Raises:
        PolicyError: where every gate is off.
    """

    general: General = field(default_factory=General)
    rules: Mapping[str, Rule] = field(default_factory=_default_rules)

    def __post_init__(self) -> None:
        """Refuse a policy that could not fail."""
        if not any(rule.enabled for rule in self.rules.values()):
            raise PolicyError(
                "every gate is off",
                where=self.general.name,
                found="enabled = false in each section",
                expected="at least one gate: a policy that judges nothing passes everything",
            )

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.general.name

    @property
    def confidence(self) -> float:
        """Of each one-sided bound."""
        return self.general.confidence

    @property
    def min_images(self) -> int:
        """Below which nothing is concluded."""
        return self.general.min_images

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Every setting, defaults included, by section and key."""
        sections: dict[str, object] = {_GENERAL: self.general, **self.rules}
        return {
            section: {f.name: getattr(settings, f.name) for f in fields(settings)}  # type: ignore[arg-type]
            for section, settings in sections.items()
        }

    @property
    def digest(self) -> str:
        """SHA-256 over all settings but the name: equal for two files that say the same in other words."""
        settings = self.as_dict()
        del settings[_GENERAL]["name"]
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


DEFAULT_POLICY = Policy()


def read_policy(path: Path) -> Policy:
    """The policy in a file.

    Raises:
        PolicyError: where it cannot be read, or as ``load_policy``.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(
            "the policy cannot be read", where=path, found=error, expected="a TOML file in UTF-8"
        ) from error
    return load_policy(text, where=str(path))


def load_policy(text: str, *, where: str = "policy") -> Policy:
    """The policy in a TOML text.

    Args:
        text: TOML.
        where: the file's name, for messages.

    Raises:
        PolicyError: for anything but known keys with values of the right type and range, with the line.
    """
    try:
        content = tomllib.loads(text + "\n")  # without it, a mistake in the last line is "at end of document"
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(
            "the policy is not TOML, or says something twice",
            where=where,
            found=error,
            expected="each section and key once: [section], then key = value",
        ) from error
    source = _Source(text, where)
    known: dict[str, type] = {_GENERAL: General, **{gate.name: gate.rule for gate in GATES}}
    for section, value in content.items():
        if section not in known:
            raise source.unknown("section", section, known, section)
        if not isinstance(value, dict):
            raise PolicyError(
                f"[{section}] is not a section",
                where=source.at(section),
                found=f"{section} = {value!r}",
                expected=f"[{section}] on a line of its own, its settings below",
            )
    built = {section: _section(kind, section, content.get(section, {}), source) for section, kind in known.items()}
    general = built.pop(_GENERAL)
    try:
        return Policy(general, MappingProxyType(built))
    except PolicyError as error:
        raise PolicyError(error.what, where=where, found=error.found, expected=error.expected) from error


def policy_toml(policy: Policy = DEFAULT_POLICY) -> str:
    """A policy as a commented TOML text that ``load_policy`` reads back to the same."""
    lines = ["# Limits of a release. What is left out has the default; unknown keys are refused."]
    declared: dict[str, tuple[object, str]] = {_GENERAL: (policy.general, "")}
    declared |= {gate.name: (policy.rules[gate.name], f"  # {gate.title}") for gate in GATES}
    for section, (settings, title) in declared.items():
        lines += ["", f"[{section}]{title}"]
        for f in fields(settings):  # type: ignore[arg-type]
            # JSON's strings, numbers and booleans are TOML's.
            value = json.dumps(getattr(settings, f.name), ensure_ascii=False)
            lines.append(f"{f.name} = {value}  # {f.metadata['says']}")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Source:
    """The text, to find the line of a key in: tomllib does not keep it."""

    text: str
    where: str

    def at(self, section: str, key: str | None = None) -> str:
        current = ""
        for number, line in enumerate(self.text.splitlines(), start=1):
            header = re.match(r"\s*\[\s*[\"']?([^\"'\]]*?)[\"']?\s*\]", line)
            if header:
                current = header[1]
            entry = re.match(r"\s*[\"']?([\w.-]+)[\"']?\s*[=.]", line)
            path = f"{current}.{entry[1]}" if entry and current else entry[1] if entry else current
            found = path.split(".")
            # An inline table, section = {key = ...}, has both on one line.
            inline = key is not None and found == [section] and re.search(rf"[{{,]\s*{re.escape(key)}\s*=", line)
            if (found[0] == section and key is None) or found == [section, key] or inline:
                return f"{self.where}, line {number}"
        return self.where

    def unknown(self, kind: str, name: str, known: Iterable[str], section: str, key: str | None = None) -> PolicyError:
        close = get_close_matches(name, known, n=1, cutoff=0.4)
        return PolicyError(
            f"unknown {kind}",
            where=self.at(section, key),
            found=name,
            expected="one of " + ", ".join(known),
            fix=f"did you mean {close[0]}?" if close else None,
        )


def _section(kind: type, section: str, values: dict[str, Any], source: _Source) -> Any:
    known = {f.name: f for f in fields(kind)}
    for key, value in values.items():
        if key not in known:
            raise source.unknown(f"key in [{section}]", key, known, section, key)
        _check(known[key], value, section, source)
    # An integer is fine where a float is due, but must not give another digest than the float of the same value.
    return kind(**{key: float(v) if isinstance(known[key].default, float) else v for key, v in values.items()})


def _check(known: Field[Any], value: Any, section: str, source: _Source) -> None:
    kind = type(known.default)
    where = f"{source.at(section, known.name)}, {section}.{known.name}"
    # bool is a subclass of int: true must not pass for 1, nor 1 for true.
    fits = type(value) in (int, float) if kind is float else type(value) is kind
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}
    if not fits:
        raise PolicyError(
            "a value has the wrong type",
            where=where,
            found=repr(value),
            expected=f"{words[kind]}: {known.metadata['says']}",
        )
    if "low" not in known.metadata:
        return
    low, high = known.metadata["low"], known.metadata["high"]
    if not (math.isfinite(value) and low <= value <= high):
        fix = f"did you mean {value / 100:g}?" if "fraction" in known.metadata["says"] and high < value <= 100 else None
        raise PolicyError(
            "a value is out of range",
            where=where,
            found=repr(value),
            expected=f"{low:g} to {high:g}: {known.metadata['says']}",
            fix=fix,
        )
