"""Counts by hand, on arrays that are small enough to see."""

import numpy as np
import pytest

from tinyedge.errors import ReportError
from tinyedge.parity import matrix_of, pair_of, path_of
from tinyedge.report.kernels import KernelMatrix, KernelPair, KernelPath, Parting, between, groups

A = np.array([[1, 5, 5], [7, 0, 0], [-128, 2, 3], [4, 4, 4]], np.int8)
B = np.array([[1, 5, 6], [7, 0, 0], [127, 2, 3], [4, 4, 3]], np.int8)
OUTPUTS = {"a": A, "b": B, "c": A.copy()}
LABELS = np.array([1, 0, 2, 0])
FACTS = {name: {"kernels": name} for name in OUTPUTS}


def test_a_path_is_judged_with_the_lowest_index_of_a_tie():
    found = path_of("a", A, LABELS, {"kernels": "x"})
    assert (found.accuracy, found.ties) == (1.0, 2)
    other = path_of("b", B, LABELS, {})
    assert other.ties == 1, "a tie below the top is none: image 1 has one, image 3 has two at the top"
    assert other.accuracy == 0.5, "image 0 names class 2, image 2 names class 0"


def test_a_pair_is_counted_without_overflow():
    pair = pair_of("a", "b", OUTPUTS)
    assert pair.lsb_histogram == {-255: 1, -1: 1, 0: 9, 1: 1}
    assert (pair.images, pair.images_equal, pair.argmax_flips, pair.largest) == (4, 1, 2, 255)
    assert pair.elements_differ == 3 / 12
    back = pair_of("b", "a", OUTPUTS)
    assert back.lsb_histogram == {-step: count for step, count in pair.lsb_histogram.items()}


def test_the_matrix_pairs_each_two_or_those_that_are_asked_for():
    whole = matrix_of(OUTPUTS, LABELS, facts=FACTS)
    assert [(pair.first, pair.second) for pair in whole.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert (whole.images, whole.classes) == (4, 3)
    assert whole.pair("c", "a").images_equal == 4
    star = matrix_of(OUTPUTS, LABELS, facts=FACTS, pairs=[("a", "b"), ("a", "c")], left_out={"d": "no"})
    assert star.pair("b", "c") is None
    assert star.left_out == {"d": "no"}


def test_equal_paths_are_one_group():
    whole = matrix_of(OUTPUTS, LABELS, facts=FACTS)
    assert groups(whole) == [["a", "c"], ["b"]]
    assert [(pair.first, pair.second) for pair in between(whole, groups(whole))] == [("a", "b")]


PAIR = {"first": "a", "second": "b", "images": 2, "images_equal": 1, "argmax_flips": 1, "lsb_histogram": {0: 5, 2: 1}}
PARTING = {
    "layer": 2, "layers": 3, "operator": "CONV_2D", "shape": (1, 2), "images": 4, "images_differ": 1,
    "elements_differ": 0.5, "largest": 1, "seen_on": ("a", "b"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "whole", "change"),
    [
        (KernelPath, {"name": "a", "facts": {}, "accuracy": 0.5, "ties": 0}, {"accuracy": 1.5}),
        (KernelPath, {"name": "a", "facts": {}, "accuracy": 0.5, "ties": 0}, {"ties": -1}),
        (KernelPair, PAIR, {"lsb_histogram": {}}),
        (KernelPair, PAIR, {"lsb_histogram": {0: 5}}),
        (KernelPair, PAIR, {"lsb_histogram": {0: 6, 1: 0}}),
        (KernelPair, PAIR, {"images": 0}),
        (KernelPair, PAIR, {"images_equal": 3}),
        (KernelPair, PAIR, {"images_equal": 2}),
        (KernelPair, PAIR, {"lsb_histogram": {0: 6}}),
        (KernelPair, PAIR, {"argmax_flips": 2}),
        (KernelPair, PAIR, {"argmax_flips": -1}),
        (Parting, PARTING, {"layer": 0}),
        (Parting, PARTING, {"layer": 4}),
        (Parting, PARTING, {"images_differ": 0}),
        (Parting, PARTING, {"images_differ": 5}),
        (Parting, PARTING, {"elements_differ": 0.0}),
        (Parting, PARTING, {"largest": 0}),
    ],
)
def test_figures_that_cannot_be_are_refused(kind, whole, change):
    kind(**whole)
    with pytest.raises(ReportError, match="the report has"):
        kind(**(whole | change))


def test_a_matrix_of_other_paths_or_images_is_refused():
    path = KernelPath("a", {}, 0.5, 0), KernelPath("b", {}, 0.5, 0)
    pair = KernelPair(**PAIR)
    KernelMatrix(2, 3, path, (pair,))
    for images, classes, paths, pairs, left_out in (
        (2, 3, (path[0], path[0]), (), {}),
        (2, 3, path, (), {"a": "why"}),
        (2, 3, path[:1], (pair,), {}),
        (3, 2, path, (pair,), {}),
        (2, 4, path, (pair,), {}),
        (2, 3, (KernelPath("a", {}, 0.5, 3),), (), {}),
    ):
        with pytest.raises(ReportError, match="the report has"):
            KernelMatrix(images, classes, paths, pairs, left_out)
