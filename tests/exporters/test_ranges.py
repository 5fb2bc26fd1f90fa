from __future__ import annotations

import exporting
import numpy as np

from tinyedge.artifact import FAMILY_CONVENTION, InputConvention
from tinyedge.exporters.ranges import (
    convention_range,
    lowest_score_that_matters,
    names_of_scores,
    set_range,
)
from tinyedge.formats.tflite import read_graph


def confidence(scores):
    shifted = np.exp(scores.astype(np.float64) - scores.max(1, keepdims=True))
    return shifted.max(1) / shifted.sum(1)


def test_the_conventions_range_is_what_black_and_white_become():
    assert convention_range(FAMILY_CONVENTION) == (-1.0, 127 / 128)
    assert convention_range(InputConvention((0.0, 51.0, 0.0), (255.0, 51.0, 255.0))) == (-1.0, 4.0)


def test_the_bottom_moves_no_confidence_by_more_than_the_tolerance():
    scores = np.random.default_rng(0).normal(0, 3, (400, 50)).astype(np.float32)
    for tolerance in (1e-4, 1e-3, 1e-2):
        bottom = lowest_score_that_matters(scores, tolerance)
        assert scores.min() < bottom <= np.median(scores)
        assert np.abs(confidence(np.maximum(scores, bottom)) - confidence(scores)).max() <= tolerance


def test_a_larger_tolerance_cuts_off_no_less():
    scores = np.random.default_rng(1).normal(0, 3, (400, 50)).astype(np.float32)
    bottoms = [lowest_score_that_matters(scores, t) for t in (0.0, 1e-4, 1e-3, 1e-2)]
    assert bottoms == sorted(bottoms)
    assert bottoms[0] < bottoms[-1]


def test_the_bottom_stays_below_every_winner():
    # One image's scores are all low: its winner must not be cut off, whatever the tolerance allows.
    scores = np.vstack([np.random.default_rng(2).normal(5, 1, (50, 10)), np.full((1, 10), -3.0) - np.arange(10)])
    assert lowest_score_that_matters(scores.astype(np.float32), tolerance=1.0) < -3.0


def test_two_classes_keep_what_their_confidence_needs():
    # With two classes the loser's score is half of the confidence: almost nothing can go.
    scores = np.array([[2.0, -2.0], [0.5, 0.0], [4.0, -4.0]], np.float32)
    bottom = lowest_score_that_matters(scores)
    assert np.abs(confidence(np.maximum(scores, bottom)) - confidence(scores)).max() <= 1e-3


def test_a_range_is_set_in_the_shape_that_the_quantizer_keeps():
    ranges = {"a": {"min": np.zeros((1, 1), np.float32), "max": np.ones((1, 1), np.float32)}, "b": {}}
    set_range(ranges, {"a", "absent"}, -3.0, 4.0)
    assert ranges["a"]["min"].shape == (1, 1)
    assert (ranges["a"]["min"].item(), ranges["a"]["max"].item()) == (-3.0, 4.0)
    assert ranges["b"] == {}


def test_a_reshape_and_what_it_renames_share_the_scores_range():
    graph = read_graph(exporting.exported("tflite-fp32").path)
    assert graph.operators[-1].name == "RESHAPE"
    made = graph.operators[-2].outputs[0]
    assert names_of_scores(graph) == {graph.tensors[graph.outputs[0]].name, graph.tensors[made].name}
