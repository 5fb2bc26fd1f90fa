from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from rich.console import Console

from tests.support.made_fit import FAIL, OPEN, made_fit
from tinyedge.report.fit import Taken
from tinyedge.report.fit_chart import svg
from tinyedge.report.fit_table import answer, markdown, render

NAMESPACE = "{http://www.w3.org/2000/svg}"


def shown(found) -> list[str]:
    console = Console(width=80, no_color=True, highlight=False)
    with console.capture() as capture:
        render(found, console)
    return capture.get().splitlines()


def estimated():
    rows = tuple(replace(row, work=row.work and Taken(row.work.value / 100, "estimate")) for row in made_fit().rows)
    return made_fit(rows, unit="cycles", fps=1000)


@pytest.mark.parametrize("found", [made_fit(), estimated(), made_fit(unit=None, fps=None)], ids=["fw", "npu", "none"])
def test_the_table_is_whole_in_80_columns(found):
    lines = shown(found)
    assert max(map(len, lines)) <= 80
    table = [line for line in lines if re.match(r"(limit|c\d+) ", line)]
    assert [line.split()[0] for line in table] == ["limit", "c4", "c6", "c8", "c12", "c16", "c24"]
    assert "…" not in "".join(lines)
    assert "43.00" in table[1]
    assert "42.0-44.0" in table[1]
    assert "not trained" in table[-1]


def test_the_answer_names_the_largest_the_smallest_and_what_keeps_the_others_out():
    assert answer(made_fit()) == [
        "Largest that keeps budget and gates: scalecnn-c6 (46,570 parameters, 51.00%).",
        "Smallest: scalecnn-c4 (21,936 parameters, 43.00%).",
        "c8: not settled: Ties, Worst class (about 7,000 images would do).",
        "c12: fails Budget: instructions.",
        "c16: the model is too large for the emulated board.",
        "c24, not trained: too large.",
    ]


@pytest.mark.parametrize(
    ("keep", "says"),
    [(1, "One member keeps budget and gates: scalecnn-c4"), (0, "No trained member is shown to keep both")],
)
def test_one_or_none_is_said(keep, says):
    passing = made_fit().rows[:keep]
    assert answer(made_fit((*passing, *made_fit().rows[2:])))[0].startswith(says)
    failing = tuple(row for row in made_fit().rows if row.verdict is FAIL)
    assert answer(made_fit(failing))[0] == "No trained member keeps both budget and gates."


def test_markdown_holds_the_same_rows():
    lines = markdown(made_fit()).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in table} == {11}
    assert "| c6 | 47K | 51.00 | 50.0-52.0 | 57.8 | 19.3 | 6.5 | 27.7 | PASS | PASS |" in table
    assert "| limit |  |  |  | 512.0 | 128.0 | 18.0 | 10 |  |  |" in table
    assert "estimated by ethos-u-vela" in markdown(estimated())


def test_the_plot_is_a_file_that_opens_alone_and_speaks():
    drawn = ElementTree.fromstring(svg(made_fit()))
    assert drawn.tag == f"{NAMESPACE}svg"
    assert drawn.get("role") == "img"
    label = drawn.get("aria-label")
    assert "scalecnn-c4: error 57.00%, 33,900 bytes of flash" in label
    assert "(INCONCLUSIVE)" in label
    titles = [title.text for title in drawn.iter(f"{NAMESPACE}title")]
    # Four that ran in three panels, and a limit in each; what did not run is not drawn.
    assert len(titles) == 4 * 3 + 3
    assert sum(title.startswith("the limit: ") for title in titles) == 3
    assert not any("c16" in title or "c24" in title for title in titles)
    names = {text for element in drawn.iter() if (text := (element.text or "").strip())}
    assert {"c4", "c6", "c8", "c12", "flash, KiB", "RAM, KiB", "instructions, millions"} <= names
    assert {"keeps budget and gates", "not settled", "beyond the budget, or a gate failed"} <= names
    assert "<script" not in svg(made_fit())
    assert "http" not in svg(made_fit()).replace("http://www.w3.org/2000/svg", "")


def test_the_plot_has_the_marks_that_there_are_and_is_the_same_each_time():
    only_open = made_fit(tuple(row for row in made_fit().rows if row.verdict is OPEN))
    drawn = svg(only_open)
    assert "not settled" in drawn
    assert "keeps budget" not in drawn
    assert drawn == svg(only_open)
    assert "estimated NPU cycles" in svg(estimated())
    assert ElementTree.fromstring(svg(made_fit(made_fit().rows[-1:]))).tag == f"{NAMESPACE}svg"
