from __future__ import annotations

import numpy as np
import pytest

from tinyedge.exporters import requantization
from tinyedge.exporters.requantization import interchangeable, interchangeable_wide, quantized_multiplier

REALS = np.array([0.0731, 0.05, 0.0312345, 0.4999, 1.3, 5.7])
OUTPUTS = range(-128, 128)


def gemmlowp(x: int, multiplier: int, shift: int) -> int:
    """``MultiplyByQuantizedMultiplier`` of TensorFlow Lite, double rounding, in Python's own integers."""
    product = x * 2 ** max(shift, 0) * multiplier
    nudged = product + (2**30 if product >= 0 else 1 - 2**30)
    high = abs(nudged) // 2**31 * (1 if nudged >= 0 else -1)  # C++ division drops the fraction
    right = max(-shift, 0)
    rest, half = high % 2**right, (2**right - 1) // 2 + (high < 0)
    return high // 2**right + (rest > half)


def once(x: int, multiplier: int, shift: int) -> int:
    """The same, single rounding."""
    return (x * multiplier + 2 ** (30 - shift)) // 2 ** (31 - shift)


def cmsis(x: int, multiplier: int, shift: int) -> int:
    """``arm_nn_requantize`` of CMSIS-NN."""
    high = (x * 2 ** max(shift, 0) * multiplier + 2**30) // 2**31
    right = max(-shift, 0)
    return high // 2**right + (high % 2**right > (2**right - 1) // 2 + (high < 0))


def wide(x: int, multiplier: int, shift: int) -> int:
    """The same for int64 accumulators."""
    reduced = (multiplier + 2**15) // 2**16 if multiplier < 0x7FFF0000 else 0x7FFF
    return (x * reduced + 2 ** (14 - shift)) // 2 ** (15 - shift)


def outputs(rounding, multiplier: int, shift: int, real: float, limit: int = 140) -> list[int]:
    """For every accumulator that does not saturate, and some that do."""
    reach = int(limit / real)
    return [min(max(rounding(x, multiplier, shift), -128), 127) for x in range(-reach, reach + 1)]


@pytest.mark.parametrize("real", [0.75, 1.0, 0.1, 3.7e-4, 2.3])
def test_a_multiplier_is_31_bits_and_a_shift(real):
    (multiplier,), (shift,) = quantized_multiplier(np.array([real]))
    assert 2**30 <= multiplier < 2**31
    assert multiplier * 2.0 ** (shift - 31) == pytest.approx(real, rel=2**-31)


def test_all_accumulators_get_the_same_output_within_the_bounds_and_one_does_not_beyond():
    multiplier, shift = quantized_multiplier(REALS)
    low, high = interchangeable(multiplier, shift, OUTPUTS)
    for k, real in enumerate(REALS):
        held = [int(value[k]) for value in (multiplier, low, high, shift)]
        own, least, most, by = held
        expected = [outputs(rounding, own, by, real) for rounding in (gemmlowp, cmsis, once)]
        for candidate in {least, (own + least) // 2, (own + most) // 2, most}:
            assert [outputs(rounding, candidate, by, real) for rounding in (gemmlowp, cmsis, once)] == expected
        for candidate, reached in ((least - 1, own - least == 511), (most + 1, most - own == 511)):
            if not reached:  # the search ends 511 units away, whatever there is beyond
                assert [outputs(rounding, candidate, by, real) for rounding in (gemmlowp, cmsis, once)] != expected
    assert (multiplier - low).min() < 511, "no bound was tried"


@pytest.mark.parametrize("shift", [-7, -1, 0, 3])
def test_gemmlowp_and_cmsis_round_alike_on_halves_too(shift):
    accumulators = range(-3000, 3001)
    for multiplier in (2**30, 3 * 2**29, 5 * 2**28, 2**30 + 1, 1255848437, 2**31 - 1):
        found = [gemmlowp(x, multiplier, shift) for x in accumulators]
        assert found == [cmsis(x, multiplier, shift) for x in accumulators]


@pytest.mark.parametrize("left_out", range(len(requantization._ROUNDINGS)))
def test_each_rounding_forbids_something_that_the_others_allow(left_out, monkeypatch):
    multiplier, shift = quantized_multiplier(np.random.default_rng(0).uniform(0.002, 0.02, 60))
    low, high = interchangeable(multiplier, shift, OUTPUTS)
    fewer = [one for i, one in enumerate(requantization._ROUNDINGS) if i != left_out]
    monkeypatch.setattr(requantization, "_ROUNDINGS", fewer)
    wider = interchangeable(multiplier, shift, OUTPUTS)
    assert (wider[0] <= low).all()
    assert (wider[1] >= high).all()
    assert ((wider[0] < low) | (wider[1] > high)).any()


def test_finer_steps_leave_less_room():
    multiplier, shift = quantized_multiplier(np.random.default_rng(0).uniform(0.002, 0.02, 60))
    low, high = interchangeable(multiplier, shift, OUTPUTS)
    assert ((low <= multiplier) & (multiplier <= high)).all()
    finer = interchangeable(multiplier, shift, range(-1000, 1000))
    assert (finer[0] >= low).all()
    assert (finer[1] <= high).all()
    assert (finer[1] - finer[0]).sum() < (high - low).sum()


def test_int64_accumulators_see_the_upper_16_bits():
    multiplier, shift = quantized_multiplier(REALS)
    low, high = interchangeable_wide(multiplier)
    accumulators = [int(x) for x in np.random.default_rng(0).integers(-(2**40), 2**40, 200)]
    for own, least, most, by in zip(*(v.tolist() for v in (multiplier, low, high, shift)), strict=True):
        expected = [wide(x, own, by) for x in accumulators]
        assert least <= own <= most
        assert [wide(x, least, by) for x in accumulators] == [wide(x, most, by) for x in accumulators] == expected
        assert [wide(x, least - 1, by) for x in accumulators] != expected
        assert [wide(x, most + 1, by) for x in accumulators] != expected


def test_the_largest_int64_multiplier_is_cut_off_as_runtimes_do():
    low, high = interchangeable_wide(np.array([2**31 - 1]))
    assert high[0] == 2**31 - 1
    assert wide(10**9, int(low[0]), 0) == wide(10**9, 2**31 - 1, 0)
    assert wide(10**9, int(low[0]) - 1, 0) != wide(10**9, 2**31 - 1, 0)
