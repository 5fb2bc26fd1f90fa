"""The verdict as JUnit XML: a test case a gate, which every CI system shows without a plug-in of ours.

A gate that fails is a ``failure``. One that is inconclusive is an ``error``: JUnit's word for a test that came to no
result. Both make the test red, and the two counts keep them apart. ``skipped`` would show an undecided release as
harmless; only a gate that is off or does not apply is skipped.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from tinyedge.gate import GateResult, Skipped, Status
from tinyedge.report import device
from tinyedge.report.schema import Report
from tinyedge.report.words import bounds_of, headline, limit_of, quantity, reason_of, visible

_TAGS = {Status.FAIL: "failure", Status.INCONCLUSIVE: "error"}


def render(report: Report) -> str:
    """The XML, in the form that Jenkins, GitLab and the test reporters of GitHub read.

    Times are 0: a gate's is not worth telling. Control characters, which XML cannot hold, are written as escapes.
    """
    verdict = report.verdict
    name = f"tinyedge {visible(report.deployed.artifact['file'])} on {visible(report.run['target'])}"
    counts = {
        "tests": len(verdict.gates) + len(verdict.skipped),
        "failures": sum(gate.status is Status.FAIL for gate in verdict.gates),
        "errors": sum(gate.status is Status.INCONCLUSIVE for gate in verdict.gates),
    }
    root = _element("testsuites", name="tinyedge", time="0", **counts)
    created = str(report.run["created"])[:19]  # without the offset, which the schema does not allow; it is UTC
    suite = _element("testsuite", name=name, time="0", timestamp=created, skipped=len(verdict.skipped), **counts)
    properties = _element("properties")
    properties.extend(_element("property", name=key, value=value) for key, value in _properties(report).items())
    suite.append(properties)
    suite.extend(_case(gate) for gate in verdict.gates)
    suite.extend(_skipped(gate) for gate in verdict.skipped)
    told = _element("system-out")
    told.text = visible(headline(verdict))
    suite.append(told)
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False).join(
        ('<?xml version="1.0" encoding="UTF-8"?>\n', "\n")
    )


def _properties(report: Report) -> dict[str, Any]:
    return {
        "verdict": report.verdict.status,
        "artifact.sha256": report.deployed.artifact["sha256"],
        "reference.sha256": report.reference.artifact["sha256"],
        "data.digest": report.data["digest"],
        "policy.name": report.policy["name"],
        "policy.digest": report.policy["digest"],
        "tinyedge": report.run["tinyedge"],
        **device.recorded(report),
    }


def _case(gate: GateResult) -> ElementTree.Element:
    case = _element("testcase", name=gate.title, classname=f"tinyedge.{gate.name}", time="0")
    bounds = f", {bounds_of(gate)}" if bounds_of(gate) else ""
    figures = f"found {quantity(gate.figure, gate.unit)}{bounds}; limit {limit_of(gate)}"
    child = _element(_TAGS[gate.status], type=gate.status, message=reason_of(gate)) if gate.status in _TAGS else None
    if child is None:  # as text of the failure where there is one, else as the test's output
        child = _element("system-out")
    warning = f"WARNING: {gate.warning}. " if gate.warning else ""
    child.text = visible(f"{warning}{gate.detail} ({figures})")
    case.append(child)
    return case


def _skipped(gate: Skipped) -> ElementTree.Element:
    case = _element("testcase", name=gate.title, classname=f"tinyedge.{gate.name}", time="0")
    case.append(_element("skipped", message=gate.reason))
    return case


def _element(tag: str, **attributes: object) -> ElementTree.Element:
    return ElementTree.Element(tag, {key: visible(value) for key, value in attributes.items()})
