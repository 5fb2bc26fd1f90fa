"""Whether a report that was read holds what its readers count on, and agrees with itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinyedge.errors import ReportError
from tinyedge.report.codec import decode

if TYPE_CHECKING:
    from tinyedge.report.schema import Report

_NEEDED: dict[str, dict[str, Any]] = {
    "run": {"tinyedge": str, "created": str, "target": str, "reference_target": str},
    "data": {"name": str, "split": str, "images": int, "classes": int, "digest": str, "synthetic": bool},
    "policy": {"name": str, "digest": str},
}
_NEEDED_OF_SIDE: dict[str, dict[str, Any]] = {
    "artifact": {
        "file": str,
        "sha256": str,
        "format": str,
        "precision": str,
        "model": str,
        "size_bytes": int,
        "params": int | None,
    },
    "target": {"kernels": str, "runtime": str, "runtime_version": str},
    "metrics": {"accuracy": float, "ece": float, "ece_floor": float, "signed_gap": float},
}
"""What readers may count on in the free-form parts; whatever else is there is kept as it is."""


def check_report(report: Report, where: str) -> None:
    """The free-form parts hold what readers count on, and the parts do not contradict each other.

    Raises:
        ReportError: where they do not, or do.
    """
    for name, needed in _NEEDED.items():
        _check_keys(getattr(report, name), needed, f"{where}.{name}")
    for side in ("reference", "deployed"):
        for name, needed in _NEEDED_OF_SIDE.items():
            _check_keys(getattr(getattr(report, side), name), needed, f"{where}.{side}.{name}")
    _check_examples(report, where)


def contradiction(what: str, found: object, expected: object, where: str | None = None) -> ReportError:
    """The error that says that a report has ``what``, which it cannot have."""
    return ReportError(f"the report has {what}", where=where, found=found, expected=expected)


def _check_keys(facts: dict[str, Any], needed: dict[str, Any], where: str) -> None:
    for key, kind in needed.items():
        if key not in facts:
            raise ReportError("the report lacks a part", where=where, found=f"no {key}", expected=key)
        decode(kind, facts[key], f"{where}.{key}")


def _check_examples(report: Report, where: str) -> None:
    """The columns are of the images that the rest of the report speaks of."""
    seen, data = report.examples, report.data
    found = {"images": len(seen), "classes": len(seen.class_names)}
    expected = {"images": data["images"], "classes": data["classes"]}
    if found != expected:
        raise contradiction("examples of another set of images than its data", found, expected, where)
    for side, column in (("reference", seen.reference), ("deployed", seen.deployed)):
        right = sum(a == b for a, b in zip(seen.labels, column, strict=True)) / len(seen)
        told = getattr(report, side).metrics["accuracy"]
        if abs(right - told) > 1e-9:
            raise contradiction(f"examples that are not the {side}'s", f"accuracy {right:.6f}", f"{told:.6f}", where)
    for example in report.newly_wrong:
        if not 0 <= example.index < len(seen) or seen.ids[example.index] != example.id:
            raise contradiction("a newly wrong image that is not in its examples", example.id[:60], "its id", where)
