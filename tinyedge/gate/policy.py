"""The policy: which limits a release has to keep. A typed TOML file, read strictly.

A limit that is misread is worse than none, so nothing is guessed: an unknown section or key, a wrong type, a value
outside its range or a file in which every gate is off is refused, with its line. A section or key that a file leaves
out has its default.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tinyedge.errors import PolicyError
from tinyedge.gate.catalogue import GATES
from tinyedge.gate.policy_lines import PolicyLines
from tinyedge.gate.policy_settings import read_section, section_lines, unknown
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
        """Every setting, defaults included, by section and key, as JSON types; ``None`` where nothing is limited."""
        sections: dict[str, Any] = {_GENERAL: self.general, **self.rules}
        as_json: dict[str, dict[str, Any]] = json.loads(json.dumps({name: asdict(s) for name, s in sections.items()}))
        return as_json

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
    except (ValueError, RecursionError) as error:
        raise PolicyError(
            "the policy is not TOML, or says something twice",
            where=where,
            found=error,
            expected="each section and key once: [section], then key = value",
        ) from error
    lines = PolicyLines(text, where)
    known: dict[str, type] = {_GENERAL: General, **{gate.name: gate.rule for gate in GATES}}
    for section, value in content.items():
        if section not in known:
            raise unknown("section", section, known, lines.at(section))
        if not isinstance(value, dict):
            raise PolicyError(
                f"[{section}] is not a section",
                where=lines.at(section),
                found=f"{section} = {str(value)[:60]}",
                expected=f"[{section}] on a line of its own, its settings below",
            )
    built = {
        section: read_section(kind, content.get(section, {}), (section,), lines) for section, kind in known.items()
    }
    general = built.pop(_GENERAL)
    try:
        return Policy(general, MappingProxyType(built))
    except PolicyError as error:
        raise PolicyError(error.what, where=where, found=error.found, expected=error.expected) from error


def policy_toml(policy: Policy = DEFAULT_POLICY) -> str:
    """A policy as a commented TOML text that ``load_policy`` reads back to the same."""
    lines = ["# Limits of a release. What is left out has the default; unknown keys are refused."]
    declared: dict[str, tuple[Any, str]] = {_GENERAL: (policy.general, "")}
    declared |= {gate.name: (policy.rules[gate.name], f"  # {gate.title}") for gate in GATES}
    for section, (settings, title) in declared.items():
        lines += ["", f"[{section}]{title}", *section_lines(settings, section)]
    return "\n".join(lines) + "\n"
