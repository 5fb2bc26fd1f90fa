"""Whether a report that was read holds what its readers count on, and agrees with itself.

This finds a file that was damaged or edited by hand. It does not find one that was forged with care: for that a report
is signed (docs/reports.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tinyedge.errors import ReportError
from tinyedge.gate.result import EVIDENCE, GateResult, Status
from tinyedge.gate.signed_gap import EITHER_SIGN, GAP_CHANGE
from tinyedge.report.codec import decode

if TYPE_CHECKING:
    from tinyedge.report.kernels import KernelMatrix
    from tinyedge.report.schema import ClassChange, NewlyWrong, Parity, Report, Scaled, Side

_NEEDED: dict[str, dict[str, Any]] = {
    "run": {"tinyedge": str, "created": str, "target": str, "reference_target": str},
    "data": {"name": str, "split": str, "images": int, "classes": int, "digest": str, "synthetic": bool},
    "policy": {"name": str, "digest": str},
    "comparison": {"flips": float, "jaccard": float, "jaccard_nested": float, "jaccard_independent": float},
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
    "metrics": {"accuracy": float, "ece": float, "ece_floor": float, "signed_gap": float, "nll": float, "brier": float},
}
_NEEDED_OF_RELEASE = {"accuracy": float, "ece": float, "signed_gap": float, "size_bytes": float}
_NEEDED_OF_LAYER = {"name": str, "kernel": str, "instructions": int}
_COUNTED_OF_DEVICE = (
    "flash_bytes", "ram_bytes", "arena_bytes", "stack_bytes", "instructions", "baud", "frames_sent", "frames_resent",
    "frames_corrupted", "frames_corrupted_there", "frames_refused", "resets",
)  # fmt: skip
_SAID_OF_DEVICE = ("device", "compiler", "instruction_set", "emulator", "machine_emulated", "port")
_OF_DEVICE: dict[str, Any] = dict.fromkeys(_COUNTED_OF_DEVICE, int | None) | dict.fromkeys(_SAID_OF_DEVICE, str | None)
"""What a target may say of a device."""
_NEEDED_OF_ESTIMATE = {
    "accelerator": str,
    "label": str,
    "cycles": int,
    "sram_bytes": int,
    "flash_bytes": int,
    "cpu_operators": tuple[str, ...],
}
_NEEDED_OF_BOARD = {"core": str, "clock_hz": int, "flash_bytes": int, "ram_bytes": int}
"""What readers may count on in the free-form parts; whatever else is there is kept as it is."""
_SHA256 = re.compile("[0-9a-f]{64}")
_BOUNDED = ("accuracy", "inequality", "ece", "churn", "saturation", "ties", "parity")
"""Gates that are settled by the interval alone, as are those of these sections:"""
_BOUNDED_SECTIONS = ("floors.", "baseline.")
_TESTED = ("worst_class", "bottom5")
"""Gates that a drop of the limit fails, where a test says that it is not chance."""
_SLACK = 1e-9


def check_report(report: Report, where: str) -> None:
    """The free-form parts hold what readers count on, and the parts do not contradict each other.

    Raises:
        ReportError: where they do not, or do.
    """
    for name, needed in _NEEDED.items():
        _check_keys(getattr(report, name), needed, f"{where}.{name}")
    _check_shares(((name, report.comparison[name]) for name in _NEEDED["comparison"]), f"{where}.comparison")
    _check_digest(report.data["digest"], f"{where}.data.digest")
    _check_digest(report.policy["digest"], f"{where}.policy.digest")
    for name in ("reference", "deployed"):
        _check_side(getattr(report, name), f"{where}.{name}")
    if report.parity is not None:
        _check_parity(report.parity, f"{where}.parity")
    if report.kernels is not None:
        _check_kernels(report.kernels, report, f"{where}.kernels")
    _check_gates(report, f"{where}.verdict")
    if report.scaled is not None:
        _check_scaled(report.scaled, f"{where}.scaled")
    _check_examples(report, where)
    _check_changes(report, where)
    _check_baseline(report, f"{where}.baseline")
    if report.board is not None:
        _check_keys(report.board.facts, _NEEDED_OF_BOARD, f"{where}.board.facts")
        _check_counts([("fps", report.board.fps), ("max_fps", report.board.max_fps)], f"{where}.board")
        if report.board.estimate is not None:
            _check_keys(report.board.estimate, _NEEDED_OF_ESTIMATE, f"{where}.board.estimate")
        if report.board.estimate is not None:
            _check_keys(report.board.estimate, _NEEDED_OF_ESTIMATE, f"{where}.board.estimate")


def contradiction(what: str, found: object, expected: object, where: str | None = None) -> ReportError:
    """The error that says that a report has ``what``, which it cannot have."""
    return ReportError(f"the report has {what}", where=where, found=found, expected=expected)


def _check_keys(facts: dict[str, Any], needed: dict[str, Any], where: str) -> None:
    for key, kind in needed.items():
        if key not in facts:
            raise ReportError("the report lacks a part", where=where, found=f"no {key}", expected=key)
        decode(kind, facts[key], f"{where}.{key}")


def _check_digest(text: str, where: str) -> None:
    if not _SHA256.fullmatch(text):
        raise contradiction("a digest that is none", repr(text)[:60], "64 hex digits", where)


def _check_counts(counts: Iterable[tuple[str, float | None]], where: str) -> None:
    for name, count in counts:
        if count is not None and count < 0:
            raise contradiction("a negative count", count, "0 or more", f"{where}.{name}")


def _check_shares(shares: Iterable[tuple[str, float | None]], where: str) -> None:
    for name, share in shares:
        if share is not None and not -_SLACK <= share <= 1 + _SLACK:
            raise contradiction("a share that is none", share, "0 to 1", f"{where}.{name}")


def _check_device(facts: dict[str, Any], where: str) -> None:
    """What a run says of the device that it was on, where it says something."""
    _check_keys(facts, {key: kind for key, kind in _OF_DEVICE.items() if key in facts}, where)
    _check_counts(((key, facts.get(key)) for key in _COUNTED_OF_DEVICE), where)
    for i, layer in enumerate(decode(tuple[dict[str, Any], ...], facts.get("layers", []), f"{where}.layers")):
        _check_keys(layer, _NEEDED_OF_LAYER, f"{where}.layers[{i}]")
        _check_counts([("instructions", layer["instructions"])], f"{where}.layers[{i}]")


def _check_side(side: Side, where: str) -> None:
    for name, needed in _NEEDED_OF_SIDE.items():
        _check_keys(getattr(side, name), needed, f"{where}.{name}")
    _check_digest(side.artifact["sha256"], f"{where}.artifact.sha256")
    _check_counts(((name, side.artifact[name]) for name in ("size_bytes", "params")), f"{where}.artifact")
    _check_shares(((name, side.metrics[name]) for name in ("accuracy", "ece", "ece_floor")), f"{where}.metrics")
    _check_device(side.target, f"{where}.target")
    for i, found in enumerate(side.reliability):
        place = f"{where}.reliability[{i}]"
        _check_counts([("count", found.count)], place)
        _check_shares(((name, getattr(found, name)) for name in ("low", "high", "confidence", "accuracy")), place)
        if len({found.count == 0, found.confidence is None, found.accuracy is None}) != 1:
            raise contradiction(
                "half a bin",
                f"{found.count} images, confidence {found.confidence}, accuracy {found.accuracy}",
                "both figures, or neither where it has no images",
                place,
            )


def _check_parity(parity: Parity, where: str) -> None:
    _check_device(parity.facts, f"{where}.facts")
    _check_counts(((str(step), count) for step, count in parity.lsb_histogram.items()), f"{where}.lsb_histogram")
    if not sum(parity.lsb_histogram.values()):
        raise contradiction("a histogram of nothing", parity.lsb_histogram, "a count or more", f"{where}.lsb_histogram")
    if not 0 <= parity.argmax_flips <= parity.images:
        raise contradiction("more flips than images", parity.argmax_flips, f"0 to {parity.images}", where)


def _check_kernels(matrix: KernelMatrix, report: Report, where: str) -> None:
    """Its own parts it has checked itself; this is whether it is of this report's data."""
    for path in matrix.paths:
        _check_keys(path.facts, {"kernels": str}, f"{where}.{path.name[:60]}.facts")
    if not 1 <= matrix.images <= report.data["images"] or matrix.classes != report.data["classes"]:
        found = f"{matrix.images} images of {matrix.classes} classes"
        expected = f"up to {report.data['images']}, {report.data['classes']} classes"
        raise contradiction("kernels on other images than its data", found, expected, where)


def _check_gates(report: Report, where: str) -> None:
    """Evidence first, each gate that the policy has, and no status that its own figures contradict."""
    verdict = report.verdict
    if not 0.5 <= verdict.confidence < 1:
        raise contradiction("a confidence of its bounds that is none", verdict.confidence, "0.5 to 1", where)
    names = [gate.name for gate in verdict.gates]
    if names[:1] != [EVIDENCE] or EVIDENCE in names[1:]:
        raise contradiction("no evidence as its first gate", names[:1], [EVIDENCE], f"{where}.gates")
    if verdict.gates[0].figure != report.data["images"]:
        raise contradiction(
            "evidence of other images than its data", verdict.gates[0].figure, report.data["images"], f"{where}.gates"
        )
    told = {name.partition(".")[0] for name in (*names, *(gate.name for gate in verdict.skipped))}
    settings = report.policy.get("settings")
    sections = settings.items() if isinstance(settings, dict) else ()
    for section, rule in sections:
        if isinstance(rule, dict) and "enabled" in rule and section not in told:
            raise contradiction("no result of a gate that its policy has", f"no {section[:60]}", "each gate", where)
    for i, gate in enumerate(verdict.gates):
        _check_gate(gate, f"{where}.gates[{i}]")


def _check_gate(gate: GateResult, where: str) -> None:
    if gate.interval is not None and gate.interval[0] > gate.interval[1]:
        raise contradiction("bounds that are crossed", gate.interval, "the lower first", where)
    if not _can_be(gate):
        raise contradiction(
            "a gate whose status is not what its figures come to",
            f"{gate.name[:60]} {gate.status}: figure {gate.figure:g}, bounds {gate.interval}, limit {gate.limit:g}",
            "a status that its bounds and its limit allow",
            where,
        )


def _check_scaled(scaled: Scaled, where: str) -> None:
    for name in ("folded", "reference"):
        if not getattr(scaled, name) > 0:
            raise contradiction("a temperature that is none", getattr(scaled, name), "above 0", f"{where}.{name}")
    if scaled.as_trained is not None:
        if scaled.as_trained.name != GAP_CHANGE:
            raise contradiction("another gate as trained", scaled.as_trained.name[:60], GAP_CHANGE, where)
        _check_gate(scaled.as_trained, f"{where}.as_trained")


def _can_be(gate: GateResult) -> bool:
    """Whether the status can be, as far as the result's own figures tell; a gate that is not known may be anything."""
    slack = _SLACK * max(1.0, abs(gate.limit))
    if gate.name == EVIDENCE:
        return gate.status is not Status.PASS or gate.figure >= gate.limit
    if gate.name in _TESTED:
        beyond = gate.figure >= gate.limit - slack
        told = not beyond or gate.warning is not None
        return {Status.PASS: told, Status.FAIL: beyond}.get(gate.status, True)
    kept, broken = _sides(gate, slack)
    return {Status.PASS: kept, Status.FAIL: broken}.get(gate.status, True)


def _sides(gate: GateResult, slack: float) -> tuple[bool, bool]:
    """Whether the figures allow that the limit is shown to be kept, and that it is shown not to be."""
    if gate.name.startswith("budget."):  # its note says where the figure is from, the figure alone decides
        return gate.figure <= gate.limit, gate.figure > gate.limit
    if (gate.interval is None and gate.unit != "bytes") or gate.note is not None:
        return True, True
    low, high = gate.interval or (gate.figure, gate.figure)
    if gate.name in EITHER_SIGN:
        kept = low >= -gate.limit - slack and high <= gate.limit + slack
        return kept, low > gate.limit - slack or high < slack - gate.limit
    if gate.name in _BOUNDED or gate.name.startswith(_BOUNDED_SECTIONS):
        if gate.at_least:
            return low >= gate.limit - slack, high < gate.limit + slack
        return high <= gate.limit + slack, low > gate.limit - slack
    return True, True


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
        if abs(right - told) > _SLACK:
            raise contradiction(f"examples that are not the {side}'s", f"accuracy {right:.6f}", f"{told:.6f}", where)


def _check_changes(report: Report, where: str) -> None:
    """Classes and newly wrong images are what the examples come to."""
    from tinyedge.report.changes import class_changes, newly_wrong, rights  # it needs the schema, which needs this

    labels, before, now = rights(report.examples)
    names = report.examples.class_names
    expected = class_changes(labels, reference=before, deployed=now, names=names)
    _check_same(map(_rounded, report.classes), map(_rounded, expected), "classes", where)
    lost = newly_wrong(report.examples, before & ~now)
    _check_same(report.newly_wrong, lost, "newly wrong images", where)


def _check_same(found: Iterable[object], expected: Iterable[object], what: str, where: str) -> None:
    mine, theirs = list(found), list(expected)
    if len(mine) != len(theirs):
        raise contradiction(f"other {what} than its examples", len(mine), len(theirs), where)
    for a, b in zip(mine, theirs, strict=True):
        if a != b:
            raise contradiction(f"other {what} than its examples", str(a)[:160], str(b)[:160], where)


def _rounded(change: ClassChange) -> tuple[object, ...]:
    accuracies = round(change.reference, 9), round(change.deployed, 9)
    return change.name, change.images, *accuracies, change.newly_wrong, change.newly_right


def _check_baseline(report: Report, where: str) -> None:
    step, seen = report.baseline, report.examples
    if step is None:
        return
    for name in ("before", "now"):
        figures = getattr(step, name)
        _check_keys(figures, _NEEDED_OF_RELEASE, f"{where}.{name}")
        _check_shares(((key, figures[key]) for key in ("accuracy", "ece")), f"{where}.{name}")
        _check_counts([("size_bytes", figures["size_bytes"])], f"{where}.{name}")
    for name in ("report_sha256", "artifact_sha256"):
        _check_digest(getattr(step.release, name), f"{where}.release.{name}")
    _check_counts([("size_bytes", step.release.size_bytes)], f"{where}.release")
    for i, change in enumerate(step.classes):
        place = f"{where}.classes[{i}]"
        _check_shares(((name, getattr(change, name)) for name in ("reference", "deployed")), place)
        _check_counts(((name, getattr(change, name)) for name in ("images", "newly_wrong", "newly_right")), place)
    for flip in step.negative_flips:
        if not _is_wrong_now(flip, report):
            raise contradiction("a flip that is not in its examples", flip.id[:60], "an image that is wrong now", where)
    if step.images != len(seen):
        raise contradiction("a last release of other images", step.images, len(seen), where)


def _is_wrong_now(flip: NewlyWrong, report: Report) -> bool:
    seen, i = report.examples, flip.index
    return 0 <= i < len(seen) and seen.ids[i] == flip.id and seen.deployed[i] != seen.labels[i]
