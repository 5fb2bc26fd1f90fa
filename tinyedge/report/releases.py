"""Two releases on the same images: what a stored report and the run at hand say of the step between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import ReportError, UsageError
from tinyedge.gate import Policy, Verdict
from tinyedge.gate.releases import judge_releases
from tinyedge.gate.result import Shipped
from tinyedge.metrics import error_sets
from tinyedge.report.changes import class_changes, newly_wrong
from tinyedge.report.codec import encode
from tinyedge.report.file import StoredReport
from tinyedge.report.schema import BaselineComparison, Examples, Release, Report, Side

SCHEMA = "tinyedge-comparison/1"
_AGAIN = "run the last release's model on these data first: tinyedge validate --deployed LAST --data DATA --out last"


@dataclass(frozen=True)
class ReleaseStep:
    """One release after another, judged by itself.

    Args:
        now: the later release.
        baseline: it against the earlier one.
        verdict: by the policy's ``[baseline]``.
    """

    now: Release
    baseline: BaselineComparison
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        content = encode(self)
        content["verdict"] |= {"status": str(self.verdict.status), "exit_code": self.verdict.exit_code}
        return {"schema": SCHEMA, "verdict": content.pop("verdict"), **content}


def compare_reports(before: StoredReport, now: StoredReport, policy: Policy) -> ReleaseStep:
    """Two reports' deployed models on the same images.

    Raises:
        UsageError: where both are one report.
        ReportError: where they are not of the same images and classes.
    """
    if before.sha256 == now.sha256:
        raise UsageError(
            "a report was compared with itself",
            found=f"{before.path} and {now.path}, SHA-256 {now.sha256[:12]}",
            expected="the reports of two runs: the earlier release first",
        )
    examples = now.report.examples
    verdict = judge_releases(before=aligned(before, examples), now=shipped(now.report), policy=policy)
    return ReleaseStep(
        release_of(now), compare_releases(before, examples=examples, deployed=now.report.deployed), verdict
    )


def rows_of(last: StoredReport, *, ids: Sequence[str], class_names: Sequence[str]) -> NDArray[np.int64]:
    """Where the run's images are in the last release's columns, ``(N,)``.

    Images pair by id, in whatever order; equal ids (duplicates) pair in order of appearance.

    Args:
        last: the last release's report.
        ids: of the run's images, in its order.
        class_names: of the run's data.

    Raises:
        ReportError: where the two are not of the same images and classes.
    """
    then = last.report.examples
    if tuple(class_names) != then.class_names:
        odd = next(((a, b) for a, b in zip(then.class_names, class_names, strict=False) if a != b), None)
        raise ReportError(
            "the last release was judged on other classes",
            where=last.path,
            found=f"{len(then.class_names)} classes there, {len(class_names)} here"
            + (f"; {odd[0]!r} there is {odd[1]!r} here" if odd else ""),
            expected="the same class names in the same order",
            fix=_AGAIN,
        )
    there, here = np.asarray(then.ids), np.asarray(ids)
    order_there, order_here = np.argsort(there, kind="stable"), np.argsort(here, kind="stable")
    if not np.array_equal(there[order_there], here[order_here]):
        raise ReportError(
            "the last release was judged on other images",
            where=last.path,
            found=f"{len(there):,} images there, {len(here):,} here, {len(np.intersect1d(there, here)):,} in common",
            expected="the same images, in any order",
            fix=_AGAIN,
        )
    rows = np.empty(len(here), np.int64)
    rows[order_here] = order_there
    return rows


def shipped(report: Report) -> Shipped:
    """What the gates between releases need of a report's deployed model, in the report's order."""
    examples = report.examples
    return Shipped(np.asarray(examples.labels), np.asarray(examples.deployed), report.deployed.artifact["size_bytes"])


def aligned(last: StoredReport, examples: Examples) -> Shipped:
    """The last release's deployed model, in the order of the run's ``examples``.

    Raises:
        ReportError: where the two are not of the same images and classes.
    """
    rows, then = rows_of(last, ids=examples.ids, class_names=examples.class_names), shipped(last.report)
    return Shipped(then.labels[rows], then.predicted[rows], then.size_bytes)


def compare_releases(last: StoredReport, *, examples: Examples, deployed: Side) -> BaselineComparison:
    """The last release's deployed model against this run's.

    Args:
        last: the last release's report.
        examples: what every image got in this run.
        deployed: this run's deployed model.

    Raises:
        ReportError: where the two are not of the same images and classes.
    """
    rows = rows_of(last, ids=examples.ids, class_names=examples.class_names)
    then = last.report.examples
    labels, old, new = np.asarray(examples.labels), np.asarray(then.deployed)[rows], np.asarray(examples.deployed)
    return BaselineComparison(
        release=release_of(last),
        images=len(examples),
        before=_figures(last.report.deployed),
        now=_figures(deployed),
        comparison=_pairwise(labels, old, new),
        classes=class_changes(labels, reference=old == labels, deployed=new == labels, names=examples.class_names),
        negative_flips=newly_wrong(examples, (old == labels) & (new != labels)),
        positive_flips=tuple(examples.ids[i] for i in np.flatnonzero((old != labels) & (new == labels))),
    )


def release_of(last: StoredReport) -> Release:
    """What a later report says of an earlier one."""
    report, artifact = last.report, last.report.deployed.artifact
    return Release(
        report=last.name,
        report_sha256=last.sha256,
        created=report.run["created"],
        artifact=artifact["file"],
        artifact_sha256=artifact["sha256"],
        model=artifact["model"],
        size_bytes=artifact["size_bytes"],
        target=report.run["target"],
        status=report.verdict.status,
        policy=report.policy["name"],
    )


def _figures(side: Side) -> dict[str, float]:
    figures = {name: side.metrics[name] for name in ("accuracy", "ece", "signed_gap")}
    return figures | {"size_bytes": side.artifact["size_bytes"]}


def _pairwise(labels: NDArray[np.int64], old: NDArray[np.int64], new: NDArray[np.int64]) -> dict[str, float]:
    both = error_sets.joint(reference=old == labels, deployed=new == labels)
    figures = ("accuracy_drop", "negative_flips", "positive_flips", "discordance", "jaccard")
    return {"flips": float((old != new).mean())} | {name: float(getattr(error_sets, name)(both)) for name in figures}
