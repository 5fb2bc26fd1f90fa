"""The error law of families whose law is known, and of those that have none."""

import numpy as np
import pytest

from tests.support.made_family import MICRO, drawn, family, first
from tinyedge.errors import PredictionsError
from tinyedge.models.family import Member
from tinyedge.study.estimate import BORROWED, NARROW
from tinyedge.study.law import Finding, error_law, law_change

WIDTHS = (4, 6, 8, 12, 16)
PARAMS = np.array([Member("scalecnn", width).plan.params for width in WIDTHS], float)


def of_rates(rates, n=10_000, seeds=1):
    return family({w: [first(round(n * r), n)] * seeds for w, r in zip(WIDTHS, rates, strict=True)})


def test_a_known_law_is_found_within_the_rounding_to_whole_images():
    law = error_law(of_rates(0.6 * (PARAMS / PARAMS[0]) ** -0.2))
    assert law.alpha.value == pytest.approx(0.2, abs=2e-4)
    assert law.r2 > 0.99999
    assert [p.label for p in law.points] == ["c4", "c6", "c8", "c12", "c16"]
    assert [p.fitted for p in law.points] == pytest.approx([p.error for p in law.points], abs=2e-4)
    assert [e.between for e in law.local][:2] == [("c4", "c6"), ("c6", "c8")]
    assert law.untrained == (24, 32, 48, 64)


def test_one_seed_a_width_has_intervals_over_images_and_off_the_line_and_none_over_seeds():
    law = error_law(of_rates(0.6 * (PARAMS / PARAMS[0]) ** -0.2))
    assert [interval.over for interval in law.alpha.intervals] == ["images", "widths"]
    assert law.r2_seeds is None


def test_seeds_give_the_interval_to_quote():
    law = error_law(family(drawn(np.random.default_rng(0), widths=WIDTHS, n=2000)))
    assert law.alpha.best.over == "seeds"
    assert law.alpha.best.caution is None
    assert law.alpha.best.holds(0.2)
    assert [i.over for i in law.alpha.intervals] == ["seeds", "images", "seeds", "widths"]


def test_unequal_seeds_are_said_and_the_bootstrap_that_ignores_them_is_not_the_one_to_quote():
    law = error_law(family(drawn(np.random.default_rng(1), widths=WIDTHS, seeds=(5, 5, 1, 1, 1), n=2000)))
    quoted, bootstrap = law.alpha.intervals[0], law.alpha.intervals[2]
    assert (quoted.caution, bootstrap.caution) == (BORROWED, NARROW)
    assert quoted.high - quoted.low > bootstrap.high - bootstrap.low
    assert law.points[0].seeds == (0, 1, 2, 3, 4)
    # Between two widths with one seed each nothing can be resampled.
    assert not any("bootstrap, " in i.method for i in law.local[-1].exponent.intervals if i.over == "seeds")


def test_alphas_interval_holds_the_truth_about_95_times_in_100():
    rng, held = np.random.default_rng(2), 0
    for _ in range(40):
        held += error_law(family(drawn(rng, n=400, spread=0.03))).alpha.best.holds(0.2)
    assert held >= 34  # 38 expected; 33 or fewer once in 300 such tests


def test_a_law_that_levels_off_is_seen_to():
    flat = np.array([0.6, 0.45, 0.35, 0.30, 0.30])
    law = error_law(of_rates(flat, seeds=2))
    assert (law.falls, law.saturates) == (Finding.YES, Finding.YES)
    steady = error_law(of_rates(0.6 * (PARAMS / PARAMS[0]) ** -0.2, seeds=2))
    assert steady.saturates is Finding.NO


def test_what_the_noise_hides_is_left_open():
    noisy = family(drawn(np.random.default_rng(3), widths=WIDTHS, seeds=2, n=300, spread=0.1))
    assert error_law(noisy).falls is Finding.OPEN


def test_two_widths_have_no_law():
    with pytest.raises(PredictionsError, match="too few widths") as caught:
        error_law(family({4: [first(500)], 6: [first(400)]}))
    assert "c4, c6" in caught.value.found


def test_a_width_without_errors_has_no_logarithm():
    with pytest.raises(PredictionsError, match="no logarithm"):
        error_law(family({4: [first(500)], 6: [first(400)], 8: [first(0)]}))


def test_the_change_of_alpha_is_paired_by_model():
    sets = drawn(np.random.default_rng(4), widths=WIDTHS, n=2000)
    before, same = family(sets), family(sets, run=MICRO)
    change = law_change(reference=before, deployed=same)
    assert change.value == 0
    assert (change.best.low, change.best.high) == (0, 0)  # the seeds' own spread cancels
    fewer = family({w: s[:4] for w, s in sets.items()}, run=MICRO)
    with pytest.raises(PredictionsError, match="not of the same models"):
        law_change(reference=before, deployed=fewer)


def test_so_few_errors_that_a_resample_has_none_leave_no_interval_over_images():
    law = error_law(family({4: [first(3, 20)], 6: [first(2, 20)], 8: [first(1, 20)]}))
    assert [i.over for i in law.alpha.intervals] == ["widths"]
