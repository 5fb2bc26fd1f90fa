import copy
import json
from dataclasses import replace

import numpy as np
import pytest

from tests.support.made_report import made_report
from tinyedge.errors import BAD_INPUT, ReportError, UsageError
from tinyedge.gate import Verdict
from tinyedge.report.codec import decode
from tinyedge.report.file import read_report, read_stored, report_text, write_report
from tinyedge.report.html import render
from tinyedge.report.schema import BoardUse, Report

RNG = np.random.default_rng(0)
LABELS = np.arange(400) % 4
BEFORE = np.where(RNG.random(400) < 0.9, LABELS, (LABELS + 1) % 4)
AFTER = np.where(RNG.random(400) < 0.95, BEFORE, (LABELS + 2) % 4)


@pytest.fixture(scope="module")
def report():
    return made_report(labels=LABELS, reference=BEFORE, deployed=AFTER)


@pytest.fixture
def content(report):
    return copy.deepcopy(report.to_json())


def test_a_report_is_read_back_to_the_same(report, tmp_path):
    path = tmp_path / "new" / "run.json"
    write_report(path, report)
    assert read_report(path) == report
    assert report_text(read_report(path)) == path.read_text()
    assert read_stored(path).name == "run.json"
    assert json.loads(path.read_text()) == report.to_json()
    assert report.to_json()["verdict"]["exit_code"] == report.verdict.exit_code


def test_the_file_is_compact(report):
    text = report_text(report)
    assert text.count("\n") == 1
    assert len(text) < 60 * 400 + 20_000  # a few values for each image and the rest once


def test_a_report_of_a_real_run_is_read_back_to_the_same(zoo_entry, shapes_test):
    from tinyedge.gate import DEFAULT_POLICY
    from tinyedge.validate import validate

    made = validate(
        reference=zoo_entry.load("onnx-fp32"),
        deployed=zoo_entry.load("tflite-int8"),
        reference_target="onnx-fp32",
        target="tflite-int8",
        data=shapes_test.sample(100, seed=0),
        policy=DEFAULT_POLICY,
        parity_images=10,
    )
    again = Report.from_json(json.loads(report_text(made)))
    assert again == made
    assert len(again.examples) == 100


def change(content, path, value):
    *parents, last = path
    for key in parents:
        content = content[key]
    if value is KeyError:
        del content[last]
    else:
        content[last] = value


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("schema",), "tinyedge-report/1", ["schema 'tinyedge-report/1'", "tinyedge-report/2", "again"]),
        (("schema",), KeyError, ["no schema"]),
        (("schema",), ["x"], ["no report that this version"]),
        (("verdict",), KeyError, ["lacks a part", "no verdict"]),
        (("verdict",), [], ["wrong type", "an object"]),
        (("verdict", "status"), "PASS", ["a verdict that its gates do not come to"]),
        (("verdict", "status"), KeyError, ["a verdict that its gates do not come to"]),
        (("verdict", "exit_code"), False, ["a verdict that its gates do not come to"]),
        (("verdict", "gates", 0, "status"), "GOOD", ["report.verdict.gates[0].status", "PASS, FAIL"]),
        (("verdict", "gates", 0, "status"), [], ["report.verdict.gates[0].status", "PASS, FAIL"]),
        (("verdict", "gates", 1, "figure"), "1", ["report.verdict.gates[1].figure", "a finite number"]),
        (("verdict", "gates", 1, "figure"), None, ["a finite number"]),
        (("verdict", "gates", 1, "figure"), float("nan"), ["a finite number"]),
        (("verdict", "gates", 1, "figure"), True, ["a finite number"]),
        (("verdict", "gates", 1, "interval"), [1.0], ["a list of 2"]),
        (("verdict", "gates", 1, "interval"), {"low": 1}, ["a list"]),
        (("verdict", "gates", 1, "colour"), "red", ["not known", "'colour'"]),
        (("verdict", "gates", 1, "titel"), "x", ["not known", "'titel'", "title"]),
        (("examples",), KeyError, ["no examples"]),
        (("examples", "ids"), ["00"] * 400, ["an id that is none"]),
        (("examples", "ids"), [], ["unequal or no length"]),
        (("examples", "ids", 3), 17, ["report.examples.ids[3]", "a text"]),
        (("examples", "labels", 3), 4, ["labels out of range", "found:    4", "0 to 3"]),
        (("examples", "labels", 3), -1, ["labels out of range"]),
        (("examples", "labels", 3), 1.0, ["a whole number"]),
        (("examples", "deployed", 0), 99, ["deployed out of range"]),
        (("examples", "confidence", 0), 1.5, ["a confidence that is none", "1.5"]),
        (("examples", "confidence"), [0.5], ["unequal or no length"]),
        (("examples", "class_names"), ["a", "b", "c"], ["out of range"]),
        (("examples", "superclasses"), [0, 1], ["superclasses that do not cover"]),
        (("examples", "superclasses", 0), 7, ["superclasses out of range"]),
        (("examples", "labels"), ((LABELS + 1) % 4).tolist(), ["examples that are not the"]),
        (("data", "images"), 401, ["evidence of other images"]),
        (("data", "classes"), 5, ["examples of another set"]),
        (("data", "digest"), KeyError, ["report.data", "no digest"]),
        (("data", "name"), 3, ["report.data.name", "a text"]),
        (("run", "target"), KeyError, ["no target"]),
        (("run",), None, ["report.run", "an object"]),
        (("deployed", "artifact", "size_bytes"), "1", ["report.deployed.artifact.size_bytes", "a whole number"]),
        (("deployed", "target", "kernels"), KeyError, ["report.deployed.target", "no kernels"]),
        (("deployed", "metrics", "accuracy"), KeyError, ["no accuracy"]),
        (("deployed", "metrics", "accuracy"), 0.5, ["examples that are not the deployed's"]),
        (("deployed", "reliability", 0, "count"), 1.5, ["report.deployed.reliability[0].count"]),
        (("newly_wrong", 0, "index"), 4000, ["newly wrong image"]),
        (("newly_wrong", 0, "id"), "0" * 16, ["newly wrong image"]),
        (("parity", "lsb_histogram", "x"), 1, ["a whole number as the key"]),
        (("parity", "lsb_histogram", "1" * 5000), 1, ["a whole number as the key"]),
        (("comparison", "x\n::error::"), "1", ["report.comparison['x\\n::error::']"]),
        (("comparison",), {}, ["report.comparison", "no flips"]),
        (("comparison", "jaccard"), KeyError, ["report.comparison", "no jaccard"]),
        (("comparison", "jaccard_nested"), 1.5, ["report.comparison.jaccard_nested", "0 to 1"]),
        (("parity", "facts", "arena_bytes"), "x", ["report.parity.facts.arena_bytes", "a whole number"]),
        (("deployed", "target", "arena_bytes"), -1, ["report.deployed.target.arena_bytes", "negative count"]),
        (("parity", "lsb_histogram"), {}, ["report.parity.lsb_histogram", "histogram of nothing"]),
        (("parity", "lsb_histogram", "1"), -5, ["report.parity.lsb_histogram.1", "negative count"]),
        (("parity", "argmax_flips"), 1001, ["more flips than images"]),
        (("deployed", "reliability", 13, "accuracy"), None, ["report.deployed.reliability[13]", "half a bin"]),
        (("deployed", "reliability", 13, "confidence"), None, ["report.deployed.reliability[13]", "half a bin"]),
        (("deployed", "reliability", 0, "count"), 5, ["report.deployed.reliability[0]", "half a bin"]),
        (("deployed", "reliability", 0, "count"), -5, ["report.deployed.reliability[0].count", "negative count"]),
        (("verdict", "confidence"), 2.0, ["report.verdict", "0.5 to 1"]),
        (("verdict", "gates", 1, "interval"), [2.0, 1.0], ["bounds that are crossed"]),
        (("verdict", "gates", 0, "name"), "x", ["no evidence as its first gate"]),
        (("verdict", "gates", 0, "figure"), 50, ["evidence of other images"]),
        (("classes", 0, "reference"), 5.0, ["other classes than its examples"]),
        (("classes", 0, "newly_wrong"), 0, ["other classes than its examples"]),
        (("classes", 0), KeyError, ["other classes than its examples", "found:    3"]),
        (("newly_wrong",), [], ["other newly wrong images than its examples"]),
        (("newly_wrong", 0, "deployed"), "cow", ["other newly wrong images than its examples"]),
        (("deployed", "artifact", "size_bytes"), -1, ["report.deployed.artifact.size_bytes", "negative count"]),
        (("deployed", "artifact", "sha256"), "../x", ["report.deployed.artifact.sha256", "64 hex digits"]),
        (("policy", "digest"), "A" * 64, ["report.policy.digest", "64 hex digits"]),
        (("data", "digest"), "d" * 63, ["report.data.digest", "64 hex digits"]),
        (("power",), [{}], ["report.power[0]", "lacks a part"]),
    ],
)
def test_what_is_not_exactly_a_report_is_refused_with_its_place(path, value, words, content):
    change(content, path, value)
    with pytest.raises(ReportError) as caught:
        Report.from_json(content)
    for word in words:
        assert word in str(caught.value)
    assert caught.value.exit_code == BAD_INPUT
    assert max(map(len, str(caught.value).splitlines())) < 400


def with_verdict(content, gates):
    """The report with other gates, and the status and exit code that they come to."""
    verdict = content["verdict"] | {"gates": gates}
    told = {key: verdict.pop(key) for key in ("status", "exit_code")}
    found = decode(Verdict, verdict, "verdict")
    return content | {"verdict": verdict | told | {"status": str(found.status), "exit_code": found.exit_code}}


def test_a_gate_that_is_flipped_to_pass_or_fail_against_its_figures_is_refused(report, content):
    gates, flipped = content["verdict"]["gates"], 0
    for i, gate in enumerate(gates):
        if gate["name"] in ("evidence", "worst_class", "bottom5") or gate["interval"] is None:
            continue
        for status in {"PASS", "FAIL"} - {gate["status"]}:
            turned = [*gates[:i], gate | {"status": status}, *gates[i + 1 :]]
            with pytest.raises(ReportError, match="a gate whose status is not what its figures come to"):
                Report.from_json(with_verdict(content, turned))
            flipped += 1
    assert flipped > 5
    assert Report.from_json(with_verdict(content, gates)) == report


@pytest.mark.parametrize(("figure", "status", "fine"), [(12, "PASS", False), (9, "FAIL", False), (12, "FAIL", True)])
def test_the_worst_class_fails_by_its_measured_drop(figure, status, fine, content):
    gates = content["verdict"]["gates"]
    (i,) = [i for i, gate in enumerate(gates) if gate["name"] == "worst_class"]
    gates[i] |= {"figure": figure, "limit": 10.0, "status": status, "warning": None}
    if fine:
        Report.from_json(with_verdict(content, gates))
    else:
        with pytest.raises(ReportError, match="worst_class"):
            Report.from_json(with_verdict(content, gates))


def test_a_gate_that_is_taken_out_is_missed(content):
    gates = content["verdict"]["gates"]
    passing = [gate for gate in gates if gate["status"] == "PASS" or gate["name"] == "evidence"]
    assert len(passing) < len(gates)
    with pytest.raises(ReportError, match="no result of a gate that its policy has"):
        Report.from_json(with_verdict(content, passing))
    with pytest.raises(ReportError, match="no evidence as its first gate"):
        Report.from_json(with_verdict(content, gates[1:]))


def test_an_arena_that_is_not_known_is_not_told(content):
    content["parity"]["facts"].pop("arena_bytes", None)
    assert "in TensorFlow Lite Micro" not in render(Report.from_json(content))
    content["parity"]["facts"]["arena_bytes"] = 18_288
    assert "18,288 bytes in TensorFlow Lite Micro" in render(Report.from_json(content))


def places(content, path=()):
    """Every place in a report: each key, and the first of each list."""
    inside = (
        content.items() if isinstance(content, dict) else enumerate(content[:1]) if isinstance(content, list) else ()
    )
    for key, value in inside:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed_at(content, path, value):
    """A copy with another value at ``path``; what is not on the way there is shared."""
    first, *rest = path
    copied = content.copy()
    if rest:
        copied[first] = changed_at(content[first], rest, value)
    else:
        change(copied, [first], value)
    return copied


def test_whatever_is_anywhere_is_read_or_refused_and_never_a_crash():
    small = np.arange(8) % 4
    content = made_report(labels=small, reference=small, deployed=(small + (small == 3)) % 4).to_json()
    refused = 0
    content["policy"]["settings"] = {}  # kept as it is
    for path in places(content):
        for value in (KeyError, None, "x", -1, 2.5, True, [], {}):
            changed = changed_at(content, path, value)
            try:
                read = Report.from_json(changed)
            except ReportError:
                refused += 1
            else:
                lacking = {"kernels": None, "board": None, "scaled": None}  # in earlier reports
                assert read.to_json() == lacking | changed, path
    assert refused > 1000


@pytest.mark.parametrize("content", [None, [], 3, "text", {}])
def test_what_is_no_report_at_all_is_refused(content):
    with pytest.raises(ReportError, match="no report that this version"):
        Report.from_json(content)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda text: text[: len(text) // 2], "not JSON"),
        (lambda text: "", "not JSON"),
        (lambda text: text.replace('"confidence":0.95', '"confidence":NaN', 1), "NaN"),
        (lambda text: text.replace('"confidence":0.95', '"confidence":-Infinity', 1), "-Infinity"),
        (lambda text: text.replace('"confidence":0.95', '"confidence":1e999', 1), "too large"),
        (lambda text: text.replace('"seed":0', '"seed":' + "9" * 5000, 1), "too large"),
        (lambda text: text.replace('"seed":0', '"seed":0,"seed":1', 1), "'seed' twice"),
        (lambda text: text.replace('"name":"toy"', '"name":"\\ud800"', 1), "surrogates"),
        (lambda text: "[" * 100_000, "not JSON"),
        (lambda text: text + "x", "not JSON"),
    ],
)
def test_a_broken_file_is_one_clear_message(edit, words, report, tmp_path):
    path = tmp_path / "run.json"
    broken = edit(report_text(report))
    assert broken != report_text(report)
    path.write_text(broken)
    with pytest.raises(ReportError, match=words) as caught:
        read_report(path)
    assert "run.json" in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_what_cannot_be_read_at_all_is_one_clear_message(tmp_path):
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "absent.json", tmp_path / "binary.json"):
        with pytest.raises(ReportError, match="cannot be read"):
            read_report(path)
    with pytest.raises(UsageError):
        write_report(tmp_path, made_report(labels=LABELS, reference=BEFORE, deployed=AFTER))


def test_the_board_of_a_report_holds_what_readers_count_on():
    facts = {"core": "cortex-m4", "clock_hz": 1, "flash_bytes": 2, "ram_bytes": 3, "notes": []}
    estimate = {"label": "x", "accelerator": "y", "cycles": 1, "sram_bytes": 2, "flash_bytes": 3, "cpu_operators": []}
    labels = np.arange(8) % 4
    plain = made_report(labels=labels, reference=labels, deployed=(labels + (labels == 3)) % 4)
    report = replace(plain, board=BoardUse("b", "B", facts, 5.0, None, estimate))
    assert Report.from_json(report.to_json()) == report
    for board in (
        replace(report.board, facts={}),
        replace(report.board, facts=facts | {"ram_bytes": "3"}),
        replace(report.board, fps=-1.0),
        replace(report.board, estimate={}),
        replace(report.board, estimate=estimate | {"cpu_operators": [1]}),
    ):
        with pytest.raises(ReportError):
            Report.from_json(replace(report, board=board).to_json())
