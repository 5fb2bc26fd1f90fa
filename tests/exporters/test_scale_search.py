from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tinyedge.exporters.requantization import interchangeable, interchangeable_wide, quantized_multiplier
from tinyedge.exporters.scale_search import TOLERANCE, Layer, divided


def layer(channels=10, *, wide=False, dense=False, seed=0):
    rng = np.random.default_rng(seed)
    finer = 256 if wide else 1
    return Layer(
        input_scale=np.float32(0.0918618 / finer),
        weight_scales=rng.uniform(0.004, 0.012, channels).astype(np.float32),
        output_scale=np.float32(0.0786921 / finer),
        outputs=range(-32768, 32768) if wide else range(-26, 230),
        wide=wide,
        dense=dense,
    )


def multipliers(of, weights, output, product=np.float64):
    real = (product(of.input_scale) * weights.astype(product)).astype(np.float64) / np.float64(output)
    return quantized_multiplier(real)


@pytest.mark.parametrize("temperature", [0.31, 0.97, 1.0, 1.37, 2.6])
@pytest.mark.parametrize("of", [layer(), layer(1, dense=True), layer(100, wide=True), layer(10, dense=True)])
def test_what_is_found_multiplies_as_before(of, temperature):
    found = divided(of, temperature)
    assert found is not None
    folded = float(of.output_scale) / float(found.output_scale)
    assert folded == pytest.approx(temperature, rel=TOLERANCE * 1.01)
    np.testing.assert_allclose(found.weight_scales * folded, of.weight_scales, rtol=4e-7)
    for product in (np.float64, np.float32) if of.dense and len(of.weight_scales) == 1 else (np.float64,):
        before, shift = multipliers(of, of.weight_scales, of.output_scale, product)
        after, same = multipliers(of, found.weight_scales, found.output_scale, product)
        assert (shift == same).all()
        low, high = interchangeable_wide(before) if of.wide else interchangeable(before, shift, of.outputs)
        assert ((low <= after) & (after <= high)).all()


def test_scales_simply_divided_would_not():
    """Why there is a search: rounded to float32 they move some accumulator across a half."""
    of = layer(100)
    before, shift = multipliers(of, of.weight_scales, of.output_scale)
    after, _ = multipliers(of, of.weight_scales / np.float32(1.37), of.output_scale / np.float32(1.37))
    low, high = interchangeable(before, shift, of.outputs)
    assert not ((low <= after) & (after <= high)).all()


@pytest.mark.parametrize("temperature", [0.25, 1.0, 4.0])
def test_powers_of_two_are_exact_at_any_width(temperature):
    of = layer(1000)
    found = divided(of, temperature)
    assert found is not None
    assert found.output_scale == of.output_scale / np.float32(temperature)
    np.testing.assert_array_equal(found.weight_scales, of.weight_scales / np.float32(temperature))


def test_too_many_channels_are_given_up():
    assert divided(layer(1000), 1.37) is None


def test_int16_outputs_of_int32_accumulators_need_the_very_multiplier():
    of = replace(layer(1, wide=True, dense=True), wide=False)
    found = divided(of, 1.37)
    assert found is not None
    before, after = (multipliers(of, *scales) for scales in (
        (of.weight_scales, of.output_scale), (found.weight_scales, found.output_scale)
    ))  # fmt: skip
    assert before == after
    assert divided(replace(layer(100, wide=True), wide=False), 1.37) is None


def test_a_multiplier_that_runtimes_take_for_zero_is_given_up():
    of = layer()
    assert divided(replace(of, weight_scales=of.weight_scales * np.float32(1e-10)), 2.0) is None
