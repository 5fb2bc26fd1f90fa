from dataclasses import replace
from xml.etree import ElementTree

import pytest

from tests.support.reports import HOSTILE, on_firmware, report
from tinyedge.gate import Status
from tinyedge.report.junit import render


def parsed(given):
    return ElementTree.fromstring(render(given).encode())


def with_statuses(*statuses, **changes):
    given = report()
    gates = tuple(replace(given.verdict.gates[1], status=s, title=f"g{i}", **changes) for i, s in enumerate(statuses))
    return replace(given, verdict=replace(given.verdict, gates=gates))


def test_a_test_case_a_gate_and_one_for_each_that_was_not_judged():
    given = report()
    cases = parsed(given).findall("./testsuite/testcase")
    verdict = given.verdict
    assert [c.get("name") for c in cases] == [g.title for g in (*verdict.gates, *verdict.skipped)]
    assert len(verdict.skipped) > 0
    assert [c.find("skipped").get("message") for c in cases[len(verdict.gates) :]] == [
        g.reason for g in verdict.skipped
    ]


def test_failed_and_inconclusive_gates_are_red_and_told_apart():
    root = parsed(with_statuses(Status.PASS, Status.FAIL, Status.INCONCLUSIVE, Status.FAIL, images_needed=5000))
    children = [[child.tag for child in case] for case in root.findall("./testsuite/testcase")][:4]
    assert children == [["system-out"], ["failure"], ["error"], ["failure"]]
    for element in (root, root[0]):
        assert (element.get("failures"), element.get("errors")) == ("2", "1")
        assert int(element.get("tests")) == len(root.findall("./testsuite/testcase"))
    error = root.find("./testsuite/testcase/error")
    assert error.get("type") == "INCONCLUSIVE"
    assert "About 5,000 images would settle it." in error.get("message")


def test_the_counts_are_those_of_the_elements():
    root = parsed(report(lost=0.05, given_up=True))
    for tag, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(root[0].get(count)) == len(root.findall(f".//{tag}"))
    assert len(root.findall(".//failure")) >= 2


def test_a_warning_is_told():
    root = parsed(with_statuses(Status.PASS, warning="class 'x' drops"))
    assert root.find(".//testcase/system-out").text.startswith("WARNING: class 'x' drops.")


def test_what_ran_is_a_property():
    root = parsed(on_firmware(report()))
    found = {p.get("name"): p.get("value") for p in root.findall(".//property")}
    assert found["target.kernels"] == "LiteRT built-in"
    assert found["target.instructions"] == "9990000"
    assert found["target.emulator"] == "QEMU 7.2.22"
    assert found["board"] == "nucleo-f446re"


def test_hostile_text_is_text():
    given = report(names=HOSTILE, given_up=True)
    text = render(given)
    assert parsed(given).findall(".//script") == []
    assert "\x1b" not in text
    assert HOSTILE[3] not in text
    assert [c.tag for c in parsed(given).iter() if c.tag not in ALLOWED] == []


ALLOWED = {
    "testsuites",
    "testsuite",
    "properties",
    "property",
    "testcase",
    "failure",
    "error",
    "skipped",
    "system-out",
}
# What the schema that Jenkins publishes (junit-10.xsd of its xUnit plug-in) lets each element carry.
ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {"name", "time", "tests", "failures", "errors", "skipped", "timestamp"},
    "property": {"name", "value"},
    "testcase": {"name", "classname", "time"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"message"},
}


@pytest.mark.parametrize("arguments", [{}, {"lost": 0.05, "given_up": True}, {"images": 40}])
def test_it_keeps_to_the_common_schema(arguments):
    root = parsed(report(**arguments))
    assert root.tag == "testsuites"
    for element in root.iter():
        assert element.tag in ALLOWED
        assert set(element.attrib) <= ATTRIBUTES.get(element.tag, set())
    assert {"name", "tests", "failures", "errors"} <= set(root[0].attrib)
    assert root[0].get("timestamp") == "2026-11-22T03:01:32"
