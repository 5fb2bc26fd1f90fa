from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import norm
from statsmodels.stats.contingency_tables import mcnemar

from tinyedge.errors import UsageError
from tinyedge.stats.paired import tango_interval, tango_score

counts = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 200)).filter(lambda c: sum(c) > 0)


@pytest.mark.parametrize(
    ("lost", "gained", "total", "expected"),
    [
        # Fagerland, Lydersen and Laake 2014 (Statistics in Medicine 33, 2850-2875): airway hyper-responsiveness before
        # and after transplantation (Bentur et al. 2009), and response to consolidation therapy (Cavo et al. 2012).
        (1, 7, 21, (-0.517, -0.026)),
        (6, 16, 161, (-0.124, -0.005)),
    ],
)
def test_tango_agrees_with_published_examples(
    lost: int, gained: int, total: int, expected: tuple[float, float]
) -> None:
    found = tango_interval(lost, gained, total, tail=0.025)
    assert found == pytest.approx(expected, abs=0.0006)


def test_without_discordant_images_the_bound_is_known_in_closed_form() -> None:
    # T = -sqrt(n D / (1 - D)) there, so D = z^2 / (n + z^2).
    z2 = norm.isf(0.05) ** 2
    low, high = tango_interval(0, 0, 500)
    assert high == pytest.approx(z2 / (500 + z2))
    assert low == pytest.approx(-high)


def test_the_score_uses_the_constrained_maximum_likelihood() -> None:
    # Independently: maximize the trinomial likelihood over P(gained) = q, P(lost) = q + drop, numerically.
    lost, gained, total, drop = 14, 6, 100, 0.02

    def minus_log_likelihood(q: float) -> float:
        same = total - lost - gained
        return -float(lost * np.log(q + drop) + gained * np.log(q) + same * np.log(1 - 2 * q - drop))

    q = minimize_scalar(minus_log_likelihood, bounds=(1e-9, 0.48), method="bounded", options={"xatol": 1e-12}).x
    expected = (lost - gained - total * drop) / np.sqrt(total * (2 * q + drop - drop**2))
    assert tango_score(lost, gained, total, drop) == pytest.approx(expected, abs=1e-5)


def test_at_zero_drop_the_score_is_mcnemars() -> None:
    assert tango_score(14, 6, 100, 0.0) == pytest.approx(8 / np.sqrt(20))
    chi_squared = mcnemar([[50, 14], [6, 30]], exact=False, correction=False).statistic
    assert tango_score(14, 6, 100, 0.0) ** 2 == pytest.approx(chi_squared)


@settings(deadline=None)  # the machine may be busy
@given(counts)
def test_tango_brackets_the_estimate_and_mirrors_when_swapped(c: tuple[int, int, int]) -> None:
    lost, gained, same = c
    total = lost + gained + same
    low, high = tango_interval(lost, gained, total)
    assert -1 <= low <= (lost - gained) / total <= high <= 1
    assert tango_interval(gained, lost, total) == pytest.approx((-high, -low), abs=1e-9)


def test_coverage_is_near_nominal_at_the_margin() -> None:
    # measured for the design: a true 1 pp drop passes 5 % of the time. 4,000 draws: a standard error of 0.35 points.
    rng = np.random.default_rng(0)
    d, drop, n = 0.08, 0.01, 10_000
    drawn = rng.multinomial(n, [(d + drop) / 2, (d - drop) / 2, 1 - d], size=4000)
    passed = np.mean([tango_interval(int(b), int(c), n)[1] <= drop for b, c, _ in drawn])
    assert passed == pytest.approx(0.05, abs=0.011)


def test_an_unchanged_model_passes() -> None:
    rng = np.random.default_rng(1)
    drawn = rng.multinomial(10_000, [0.04, 0.04, 0.92], size=1000)
    passed = np.mean([tango_interval(int(b), int(c), 10_000)[1] <= 0.01 for b, c, _ in drawn])
    assert passed == pytest.approx(0.97, abs=0.02)  # measured for the design: 97 % at d = 8 %


@pytest.mark.parametrize("bad", [(-1, 0, 5), (0, -1, 5), (3, 3, 5), (0, 0, 0)])
def test_impossible_counts_are_refused(bad: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError, match="not counts of paired outcomes"):
        tango_interval(*bad)
