from __future__ import annotations

import exporting
import numpy as np
import pytest

from tinyedge.exporters.quiet import quiet
from tinyedge.exporters.range_estimators import (
    BINS,
    Histogram,
    hidden_ranges,
    histograms_of,
    least_error_range,
    percentile_range,
)
from tinyedge.formats.tflite import read_graph


def histogram(values, low=None, high=None):
    values = np.asarray(values, np.float64)
    edges = np.linspace(
        min(values.min() if low is None else low, 0), max(values.max() if high is None else high, 0), BINS + 1
    )
    held = values[values != 0]
    return Histogram(edges, np.histogram(held, edges)[0], len(values) - len(held))


def int8_error(values, low, high):
    """The definition: what 256 steps from ``low`` to ``high``, 0 among them, make of each value."""
    step = (high - low) / 255
    zero = np.rint(low / step)
    stored = np.clip(np.rint(np.asarray(values) / step), zero, zero + 255)
    return float(((stored * step - values) ** 2).sum())


def test_a_percentile_of_one_sided_values_cuts_at_the_top_only():
    uniform = histogram((np.arange(10_000) + 0.5) / 10_000, 0, 1)
    low, high = percentile_range(uniform, 0.99)
    assert low == 0
    assert high == pytest.approx(0.99, abs=1 / BINS)


def test_zeros_count_as_values():
    """Nine tenths zeros: a tenth of the values are above, so that 99 % of all are 90 % of these."""
    relu = Histogram(np.linspace(0, 1, 101), np.full(100, 10), zeros=9000)
    assert percentile_range(relu, 0.99) == (0.0, pytest.approx(0.9))


def test_a_percentile_of_values_of_both_signs_cuts_both_ends_alike():
    values = np.random.default_rng(0).normal(0, 1, 200_000)
    low, high = percentile_range(histogram(values), 0.98)
    assert (low, high) == (pytest.approx(-2.326, abs=0.02), pytest.approx(2.326, abs=0.02))


def test_a_share_of_one_keeps_everything():
    values = np.random.default_rng(0).normal(0, 1, 5000)
    assert percentile_range(histogram(values), 1.0) == (pytest.approx(values.min()), pytest.approx(values.max()))


@pytest.mark.parametrize("estimate", [percentile_range, least_error_range])
def test_zero_is_always_inside(estimate):
    rng = np.random.default_rng(0)
    for values in (rng.uniform(5, 6, 1000), -rng.uniform(5, 6, 1000), rng.normal(0, 1, 1000), np.zeros(10)):
        low, high = estimate(histogram(values, high=1.0 if not values.any() else None))
        assert low <= 0 <= high
        assert low < high


def test_the_least_error_keeps_uniform_values_whole():
    low, high = least_error_range(histogram(np.linspace(0, 3, 20_001)))
    assert (low, high) == (0.0, pytest.approx(3.0, rel=0.01))


@pytest.mark.parametrize("kind", ["normal", "relu", "outlier"])
def test_no_range_of_those_tried_has_a_smaller_error(kind):
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, 20_000)
    values = {"normal": values, "relu": np.maximum(values, 0), "outlier": np.append(np.abs(values), [40.0])}[kind]
    low, high = least_error_range(histogram(values))
    found = int8_error(values, low, high)
    assert found < int8_error(values, min(values.min(), 0), values.max()), "better than min and max"
    grid = np.linspace(0.3, 1, 36)
    others = [
        int8_error(values, low * a, high * b)
        for a in (grid / low * values.min() if low else [0])
        for b in grid / high * values.max()
    ]
    assert found <= 1.02 * min(others)


def test_one_outlier_is_given_up_by_the_percentile_and_weighed_by_the_error():
    """N values inside cost N R^2 / (12 255^2), the one outside (400 - R)^2: least at 400 / (1 + N / (12 255^2))."""
    values = histogram(np.append(np.abs(np.random.default_rng(0).normal(0, 1, 50_000)), [400.0]))
    assert percentile_range(values)[1] < 5
    assert least_error_range(values)[1] == pytest.approx(400 / (1 + 50_000 / (12 * 255**2)), abs=400 / 256)


def test_a_tensor_of_nearly_nothing_but_zeros_stays_alive():
    rare = Histogram(np.linspace(0, 2, BINS + 1), np.eye(1, BINS, 700, dtype=np.int64)[0], zeros=10**6)
    assert percentile_range(rare) == (0.0, 2.0)


def test_histograms_hold_every_value_of_every_image():
    inputs = exporting.source().convention.apply(exporting.noise().images[:7])
    path = exporting.exported("tflite-fp32").path
    graph = read_graph(path)
    maps = graph.operators[0].outputs[0]
    with quiet("no histograms", where="test"):
        found = histograms_of(path.read_bytes(), {maps: (0.0, 50.0)}, inputs)[maps]
    assert found.counts.sum() + found.zeros == 7 * np.prod(graph.tensors[maps].shape)
    assert found.zeros > 0, "a ReLU's"
    assert found.counts.shape == (BINS,)


def test_the_tensors_that_are_kept_are_not_estimated():
    inputs = exporting.source().convention.apply(exporting.noise().images[:3])
    path = exporting.exported("tflite-fp32").path
    graph = read_graph(path)
    made = {graph.tensors[index].name for operator in graph.operators for index in operator.outputs}
    seen = {name: {"min": np.zeros(1, np.float32), "max": np.ones(1, np.float32)} for name in made}
    kept = {graph.tensors[graph.outputs[0]].name}
    with quiet("no ranges", where="test"):
        found = hidden_ranges(path.read_bytes(), graph, seen, inputs, kept, "percentile")
    assert found.keys() == made - kept
    assert all(0 <= high <= 1 for _, high in found.values()), "within what was seen"
