"""Kernels side by side: in a report, and as a person reads them."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from tests.support.reports import report as full
from tinyedge.errors import ReportError
from tinyedge.parity import matrix_of
from tinyedge.report.file import report_text
from tinyedge.report.kernels import Parting
from tinyedge.report.schema import Report
from tinyedge.report.terminal_kernels import render

PARTING = Parting(3, 9, "CONV_2D", (1, 4, 4, 8), 32, 30, 0.0125, 2, ("micro", "far"), ("PAD, operator 2: far: no",))


@pytest.fixture
def matrix():
    """Ten classes, 50 images: the second path is the first, the third is off by up to 5."""
    base = np.random.default_rng(0).integers(-100, 100, (50, 10)).astype(np.int8)
    far = base.copy()
    far[:, 1] += 1
    far[7, 2] -= 5
    outputs = {"run": base, "micro": base.copy(), "far": far}
    facts = {name: {"kernels": f"the kernels of {name}"} for name in outputs}
    found = matrix_of(outputs, np.zeros(50, np.int64), facts=facts, left_out={"gone": "not installed: it"})
    pairs = tuple(replace(pair, parting=PARTING) if pair.second == "far" else pair for pair in found.pairs)
    return replace(found, pairs=pairs)


def test_a_report_with_them_reads_back_to_itself(matrix):
    made = full(kernels=matrix)
    again = Report.from_json(json.loads(report_text(made)))
    assert again == made
    assert again.kernels == matrix
    assert again.kernels.paths[2].facts == {"kernels": "the kernels of far"}


def test_an_earlier_report_without_them_is_still_read():
    content = full().to_json()
    assert content.pop("kernels") is None
    assert Report.from_json(content) == full()


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("pairs", 0, "images_equal"), 51, "report.kernels.pairs[0]"),
        (("pairs", 0, "lsb_histogram"), {"0": 499, "1": 1}, "equal images that its histogram has not"),
        (("pairs", 1, "parting", "layer"), 10, "report.kernels.pairs[1].parting"),
        (("pairs", 1, "second"), "elsewhere", "a pair of other paths"),
        (("paths", 0, "accuracy"), 2.0, "report.kernels.paths[0]"),
        (("paths", 0, "facts"), {}, "no kernels"),
        (("images",), 2001, "report.kernels"),
        (("classes",), 9, "report.kernels"),
        (("left_out", "far"), "why", "one path of kernels twice"),
    ],
)
def test_a_part_that_cannot_be_is_refused_with_its_place(matrix, path, value, words):
    content = json.loads(report_text(full(kernels=matrix)))
    part = content["kernels"]
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    with pytest.raises(ReportError) as caught:
        Report.from_json(content)
    assert words in str(caught.value)


def printed(matrix, width=80):
    stream = io.StringIO()
    render(matrix, Console(file=stream, width=width, no_color=True, highlight=False))
    return stream.getvalue()


def test_text_has_the_matrix_and_the_pairs_that_differ(matrix):
    text = printed(matrix)
    lines = [line.rstrip() for line in text.splitlines()]
    assert max(map(len, lines)) <= 80
    at = lines.index("of 50 images: above, those with every output equal; below, argmax flips")
    flips = matrix.pair("run", "far").argmax_flips
    assert [line.split() for line in lines[at + 2 : at + 5]] == [
        ["1", "50", "0"],
        ["2", "0", "0"],
        ["3", str(flips), str(flips)],
    ]
    assert "1, 2: byte for byte the same on all 50 images" in lines
    assert "1 and 3: 10.20% of outputs differ, by 5 LSB at most" in lines
    assert "   -1: 50, further: 1" in lines
    assert "   from operator 3 of 9 on: CONV_2D, 4x4x8 values" in lines
    assert "   1.250% of these differ, by 2 LSB at most, on 30 of 32 images looked at" in lines
    assert "   not asked: PAD, operator 2: far: no" in lines
    assert "not run: gone: not installed: it" in lines
    assert not any(line.startswith("2 and 3") for line in lines), "2 is 1"


def test_hostile_text_is_shown_and_does_nothing(matrix):
    name = "[red]x\n::error::y"
    bad = replace(matrix, left_out={name: "[bold]why\x1b[31m"})
    text = printed(bad, width=200)
    assert "\x1b" not in text
    assert "\n::error::" not in text
    assert "[red]x" in text
