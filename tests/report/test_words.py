from dataclasses import replace

import pytest

from tests.support.reports import HOSTILE, report
from tinyedge.gate import Status
from tinyedge.report.words import bounds_of, headline, inert, limit_of, quantity, reasons, visible


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_shown_is_one_line_without_control_characters(name):
    shown = visible(name)
    assert len(shown.splitlines()) == 1
    assert shown.isprintable()


def test_what_can_be_read_stays_as_it_is():
    assert visible("漢字 é <b> 100 %") == "漢字 é <b> 100 %"


def test_long_text_is_cut():
    assert visible("a" * 100, 64) == "a" * 63 + "…"
    assert visible("a" * 64, 64) == "a" * 64


@pytest.mark.parametrize("name", ["::error::x", "a::warning file=x::y", "##[error]x", "###[error]", ":::error:::"])
def test_no_command_survives_in_a_log(name):
    assert "::" not in inert(name)
    assert "##" not in inert(name)


def test_figures():
    assert quantity(-0.005, "pp") == "-0.01 pp"
    assert quantity(3.4, "%") == "3.40 %"
    assert quantity(0.0512, "score") == "0.051"


def gate_of(given, name):
    return next(gate for gate in given.verdict.gates if gate.name == name)


def test_the_number_of_images_is_a_floor_and_a_drop_has_a_ceiling():
    given = report()
    assert limit_of(gate_of(given, "evidence")) == "at least 100"
    assert limit_of(gate_of(given, "accuracy")) == "at most 1.00"
    assert limit_of(replace(gate_of(given, "accuracy"), at_least=True)) == "at least 1.00"


def test_a_note_stands_in_place_of_the_bounds():
    gate = gate_of(report(), "accuracy")
    assert " to " in bounds_of(gate)
    assert bounds_of(replace(gate, note="p = 0.5")) == "p = 0.5"
    assert bounds_of(replace(gate, interval=None)) == ""


def verdict_of(*statuses, warning=None):
    given = report()
    gate = gate_of(given, "accuracy")
    gates = [replace(gate, title=f"g{i}", status=s, warning=warning) for i, s in enumerate(statuses)]
    return replace(given.verdict, gates=tuple(gates))


def test_the_headline_says_what_to_do_and_why():
    passed, failed, unsettled = Status.PASS, Status.FAIL, Status.INCONCLUSIVE
    assert headline(verdict_of(passed, passed)) == "Ship. All 2 gates are met."
    assert headline(verdict_of(passed, passed, warning="w")) == "Ship. All 2 gates are met; 2 warnings to look at."
    assert headline(verdict_of(passed, failed, unsettled)) == "Do not ship. 1 of 3 gates failed: g1."
    assert headline(verdict_of(unsettled, unsettled)).endswith("cannot settle 2 of 2 gates: g0 and g1.")
    nothing = replace(report().verdict, gates=(gate_of(report(), "evidence"),))
    assert headline(nothing) == "Do not ship yet. No gate judged the model."


def test_reasons_lead_with_what_failed():
    verdict = verdict_of(Status.PASS, Status.INCONCLUSIVE, Status.FAIL)
    assert [r.gate.title for r in reasons(verdict)] == ["g2", "g1"]
    warned = verdict_of(Status.PASS, warning="class 'x' drops")
    assert [r.text for r in reasons(warned)] == ["Class 'x' drops."]


def test_a_reason_says_what_would_settle_it():
    verdict = verdict_of(Status.INCONCLUSIVE)
    gate = replace(verdict.gates[0], images_needed=12345)
    (reason,) = reasons(replace(verdict, gates=(gate,)))
    assert reason.text.endswith("About 12,345 images would settle it.")
