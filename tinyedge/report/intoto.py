"""The verdict as an in-toto statement: what was tested, by its digest, and what came out.

Source: in-toto Attestation Framework, Statement v1 and the predicate ``test-result`` v0.1. The statement is not signed;
whoever vouches for it signs it (docs/ci.md).
"""

from __future__ import annotations

import json
from typing import Any

from tinyedge.gate import Status
from tinyedge.report.schema import Report

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"


def render(report: Report) -> str:
    """JSON. ``result`` is ``PASSED``, ``WARNED`` (passed, with warnings) or ``FAILED``.

    The predicate has no word for an inconclusive verdict. It is ``FAILED`` here: a rule that lets a release pass must
    not take it for a pass. ``tinyedge_verdict`` says which it is; readers ignore fields that they do not know.
    """
    verdict, gates = report.verdict, report.verdict.gates
    passed = [gate for gate in gates if gate.status is Status.PASS]
    warned = [gate.name for gate in passed if gate.warning]
    statement = {
        "_type": STATEMENT,
        "subject": [_resource(report.deployed.artifact["file"], report.deployed.artifact["sha256"])],
        "predicateType": PREDICATE,
        "predicate": {
            "result": "FAILED" if verdict.status is not Status.PASS else "WARNED" if warned else "PASSED",
            "configuration": _configuration(report),
            "passedTests": [gate.name for gate in passed if not gate.warning],
            "warnedTests": warned,
            "failedTests": [gate.name for gate in gates if gate.status is not Status.PASS],
            "tinyedge_verdict": str(verdict.status),
            "tinyedge_run": _run(report),
            "tinyedge_inconclusiveTests": [gate.name for gate in gates if gate.status is Status.INCONCLUSIVE],
            "tinyedge_skippedTests": [gate.name for gate in verdict.skipped],
        },
    }
    return json.dumps(statement, indent=1, allow_nan=False) + "\n"


def _configuration(report: Report) -> list[dict[str, Any]]:
    """What the verdict rests on: rule, reference and data, by their digests."""
    data = report.data
    return [
        _resource("policy", report.policy["digest"], name=report.policy["name"]),
        _resource("reference", report.reference.artifact["sha256"], file=report.reference.artifact["file"]),
        _resource("data", data["digest"], name=data["name"], split=data["split"], images=data["images"]),
    ]


def _run(report: Report) -> dict[str, Any]:
    """Where and by what the model was tested."""
    ran = {key: report.deployed.target[key] for key in ("runtime", "runtime_version", "kernels")}
    return {key: report.run[key] for key in ("tinyedge", "created", "target", "reference_target")} | ran


def _resource(resource: str, sha256: str, **annotations: Any) -> dict[str, Any]:
    described: dict[str, Any] = {"name": resource, "digest": {"sha256": sha256}}
    return described | ({"annotations": annotations} if annotations else {})
