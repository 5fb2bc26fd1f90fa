"""The power law and the weighted sums around it, against scipy and numpy, and worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import linregress

from tinyedge.errors import PredictionsError
from tinyedge.metrics.scaling import (
    curvature_weights,
    exponent_weights,
    local_weights,
    power_law,
    slope_weights,
)

PARAMS = np.array([21_936, 46_570, 80_348, 175_336, 306_900], float)
rates = st.lists(st.floats(0.01, 0.99), min_size=5, max_size=5).map(np.array)


@given(rates)
def test_the_fit_is_least_squares_as_scipy_has_it(errors):
    law, found = power_law(PARAMS, errors), linregress(np.log(PARAMS), np.log(errors))
    assert law.alpha == pytest.approx(-found.slope, abs=1e-9)
    assert np.log(law.scale) == pytest.approx(found.intercept, abs=1e-7)
    if np.ptp(errors) > 1e-6:  # scipy has no deviation of equal values
        assert law.alpha_error == pytest.approx(found.stderr, abs=1e-9)
        assert law.r2 == pytest.approx(found.rvalue**2, abs=1e-7)


def test_a_law_without_noise_is_found_exactly():
    law = power_law(PARAMS, 3.0 * PARAMS**-0.156)
    assert (law.alpha, law.scale, law.r2) == pytest.approx((0.156, 3.0, 1.0))
    assert law.alpha_error == pytest.approx(0, abs=1e-9)
    assert law.at(1e6) == pytest.approx(3.0 * 1e6**-0.156)


@given(rates, st.floats(0.1, 10))
def test_alpha_knows_no_units(errors, factor):
    assert power_law(PARAMS * factor, errors).alpha == pytest.approx(power_law(PARAMS, errors).alpha, abs=1e-9)
    assert power_law(PARAMS, errors * factor).alpha == pytest.approx(power_law(PARAMS, errors).alpha, abs=1e-9)


def test_equal_error_rates_have_no_exponent_and_a_perfect_line():
    law = power_law(PARAMS, np.full(5, 0.3))
    assert (law.alpha, law.r2) == pytest.approx((0.0, 1.0))


@given(rates)
def test_local_exponents_are_the_slopes_between_neighbours(errors):
    x, y = np.log(PARAMS), np.log(errors)
    assert local_weights(PARAMS) @ y == pytest.approx(-np.diff(y) / np.diff(x))


@given(rates)
def test_the_curvature_is_the_change_of_the_parabolas_slope(errors):
    square = np.polyfit(np.log10(PARAMS), np.log(errors), 2)[0]
    # d/dx of -(a x^2) at one tenfold more, in exponents of N: -2 a / ln 10.
    assert curvature_weights(PARAMS) @ np.log(errors) == pytest.approx(-2 * square / np.log(10), abs=1e-6)


def test_a_law_that_holds_has_no_curvature_and_one_that_levels_off_a_negative_one():
    straight, bent = 3.0 * PARAMS**-0.2, 0.2 + 3.0 * PARAMS**-0.2
    assert curvature_weights(PARAMS) @ np.log(straight) == pytest.approx(0, abs=1e-9)
    assert curvature_weights(PARAMS) @ np.log(bent) < -0.01
    exponents = local_weights(PARAMS) @ np.log(bent)
    assert (np.diff(exponents) < 0).all()


@given(rates)
def test_the_slope_is_that_of_a_tenfold(values):
    assert slope_weights(PARAMS) @ values == pytest.approx(linregress(np.log10(PARAMS), values).slope)


def test_weights_add_up_to_nothing_so_that_a_factor_does_not_matter():
    for weights in (exponent_weights(PARAMS), curvature_weights(PARAMS), *local_weights(PARAMS)):
        assert weights.sum() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("params", "errors", "found"),
    [
        ([1e4, 1e5], [0.5, 0.4], "2 sizes"),
        ([1e4, 1e4, 1e5], [0.5, 0.5, 0.4], "2 sizes"),
        ([1e4, 1e5, 1e6], [0.5, 0.4, 0.0], "1 of 3 widths without an error"),
    ],
)
def test_what_has_no_law_is_refused(params, errors, found):
    with pytest.raises(PredictionsError) as caught:
        power_law(np.array(params), np.array(errors))
    assert found in caught.value.found
