import json
from dataclasses import replace

import pytest

from tests.support.reports import report
from tinyedge.gate import Status
from tinyedge.report.intoto import render


def statement(given):
    return json.loads(render(given))


def with_gates(*gates):
    given = report()
    one = given.verdict.gates[1]
    built = tuple(replace(one, name=name, status=status, warning=warning) for name, status, warning in gates)
    return replace(given, verdict=replace(given.verdict, gates=built))


def test_the_subject_is_the_deployed_file():
    given = report()
    found = statement(given)
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert found["subject"] == [{"name": "int8.tflite", "digest": {"sha256": "b" * 64}}]


P, F, I = Status.PASS, Status.FAIL, Status.INCONCLUSIVE  # noqa: E741


@pytest.mark.parametrize(
    ("gates", "result", "passed", "warned", "failed"),
    [
        ([("a", P, None), ("b", P, None)], "PASSED", ["a", "b"], [], []),
        ([("a", P, None), ("b", P, "look")], "WARNED", ["a"], ["b"], []),
        ([("a", P, "look"), ("b", F, None)], "FAILED", [], ["a"], ["b"]),
        ([("a", P, None), ("b", I, None)], "FAILED", ["a"], [], ["b"]),
        # Nothing judged the model: not a pass, though no gate fails.
        ([("evidence", P, None)], "FAILED", ["evidence"], [], []),
    ],
)
def test_only_a_pass_passes(gates, result, passed, warned, failed):
    predicate = statement(with_gates(*gates))["predicate"]
    found = [predicate[key] for key in ("result", "passedTests", "warnedTests", "failedTests")]
    assert found == [result, passed, warned, failed]


def test_inconclusive_and_skipped_gates_are_named():
    given = with_gates(("a", P, None), ("b", I, None))
    predicate = statement(given)["predicate"]
    assert predicate["tinyedge_verdict"] == "INCONCLUSIVE"
    assert predicate["tinyedge_inconclusiveTests"] == ["b"]
    assert predicate["tinyedge_skippedTests"] == [gate.name for gate in given.verdict.skipped]


def test_the_configuration_has_a_digest_each():
    found = statement(report())["predicate"]["configuration"]
    assert {c["name"]: c["digest"]["sha256"][0] for c in found} == {"policy": "c", "reference": "a", "data": "d"}
    for resource in found:
        assert len(resource["digest"]["sha256"]) == 64


def test_every_gate_is_in_one_list():
    given = report(lost=0.05, given_up=True)
    predicate = statement(given)["predicate"]
    listed = predicate["passedTests"] + predicate["warnedTests"] + predicate["failedTests"]
    assert sorted(listed) == sorted(gate.name for gate in given.verdict.gates)
