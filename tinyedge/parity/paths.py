"""The ways to compute an int8 TFLite file, by name: ``target``, or ``target:kernels`` where it has a choice of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from tinyedge.errors import UsageError
from tinyedge.evaluate import build_target, flag
from tinyedge.registry import TARGETS, lookup

DEFAULT_PATHS = (
    "tflite-int8-reference",
    "tflite-int8",
    "tflite-int8-xnnpack",
    "tflm-int8",
    "cortex-m4-int8:portable",
    "cortex-m4-int8:cmsis-nn",
)
ALL_PATHS = (*DEFAULT_PATHS, "cortex-m7-int8:portable", "cortex-m7-int8:cmsis-nn", "cortex-m0plus-int8:portable")


@dataclass(frozen=True)
class Path:
    """One way to compute a model.

    Args:
        name: as reports have it.
        target: in the registry.
        options: of its constructor.
        slow: whether it emulates a device, or is one: it then starts slowly too.
    """

    name: str
    target: str
    options: Mapping[str, Any] = field(default_factory=dict)
    slow: bool = False


def parse_paths(names: Sequence[str], options: Mapping[str, Any] | None = None) -> tuple[Path, ...]:
    """The paths called ``names``; a target with several sets of kernels and none named takes its default.

    Args:
        names: e.g. ``tflm-int8`` and ``cortex-m4-int8:portable``.
        options: for those of the targets that take them, e.g. ``arena_bytes``.

    Raises:
        UsageError: for fewer than two, one twice, a name or kernels that are not known, a target that runs something
            else than int8 TFLite, or an option that none of them takes.
    """
    options = options or {}
    paths = tuple(_path(name, options) for name in names)
    told = [path.name for path in paths]
    twice = next((name for name in told if told.count(name) > 1), None)
    if twice is not None or len(told) < 2:
        raise UsageError(
            "parity compares two paths or more",
            where="--paths",
            found=f"{twice} twice" if twice else ", ".join(told) or "none",
            expected="at least two, each once",
            fix="leave --paths out for the usual ones",
        )
    unused = next((name for name in options if not any(name in path.options for path in paths)), None)
    if unused is not None:
        raise UsageError("no path takes this option", where=flag(unused), found=options[unused])
    return paths


def path_name(target: str, options: Mapping[str, Any]) -> str:
    """What reports call a target with ``options``: its kernels are named wherever it has sets of them.

    Raises:
        UsageError: for an unknown target.
    """
    sets = lookup(TARGETS, "target", target).kernel_sets
    return f"{target}:{options.get('kernels') or sets[0]}" if sets else target


def _path(name: str, options: Mapping[str, Any]) -> Path:
    target, _, kernels = name.partition(":")
    kind = _kind(target, name)
    own = {key: value for key, value in options.items() if key in kind.option_names()}
    if kernels:
        own["kernels"] = kernels
    build_target(target, own)
    return Path(path_name(target, own), target, own, slow=kind.default_images is not None)


def _kind(target: str, name: str) -> Any:
    if target not in TARGETS:
        close = get_close_matches(name, (*ALL_PATHS, *TARGETS), n=1)
        raise UsageError(
            "unknown path",
            where="--paths",
            found=name,
            expected="target or target:kernels: " + ", ".join(ALL_PATHS),
            fix=f"did you mean {close[0]}?" if close else None,
        )
    kind = TARGETS[target].load()
    if (kind.format, kind.precision) != ("tflite", "int8"):
        raise UsageError(
            "this target runs another kind of model: it cannot be compared byte for byte",
            where=f"--paths, {name}",
            found=f"{kind.format}, {kind.precision}",
            expected="a target of int8 TFLite: " + ", ".join(ALL_PATHS),
        )
    return kind
