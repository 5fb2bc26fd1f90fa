"""The error law of families whose law is known, and of those that have none."""

import numpy as np
import pytest

from tests.support.made_family import MICRO, drawn, family, first
from tinyedge.errors import PredictionsError
from tinyedge.models.family import Member
from tinyedge.study.estimate import BORROWED
from tinyedge.study.law import Finding, error_law, law_change

WIDTHS = (4, 6, 8, 12, 16)
ALL = (*WIDTHS, 24, 32, 48, 64)
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


def test_unequal_seeds_are_said_and_there_is_no_bootstrap_that_ignores_them():
    law = error_law(family(drawn(np.random.default_rng(1), widths=WIDTHS, seeds=(5, 5, 1, 1, 1), n=2000)))
    assert law.alpha.best.caution == BORROWED
    assert [i.over for i in law.alpha.intervals] == ["seeds", "images", "widths"]
    assert law.r2_seeds is None
    assert law.points[0].seeds == (0, 1, 2, 3, 4)
    # Between two widths with one seed each nothing can be resampled.
    assert not any("bootstrap, " in i.method for i in law.local[-1].exponent.intervals if i.over == "seeds")


def test_alphas_interval_holds_the_truth_about_95_times_in_100():
    rng, held = np.random.default_rng(2), 0
    for _ in range(40):
        held += error_law(family(drawn(rng, n=400, spread=0.03))).alpha.best.holds(0.2)
    assert held >= 34  # 38 expected; 33 or fewer once in 300 such tests


def noisy(rates, widths, *, spread, seeds=5, seed=5, n=20_000):
    """Each seed's error rate is off its width's by ``spread``, relatively."""
    rng = np.random.default_rng(seed)
    errors = {w: [r * (1 + spread * rng.normal()) for _ in range(seeds)] for w, r in zip(widths, rates, strict=True)}
    return error_law(family({w: [first(round(n * e), n) for e in rows] for w, rows in errors.items()}))


LEVEL = (0.60, 0.50, 0.42, 0.36, 0.32, 0.30, 0.29, 0.285, 0.285)
STEADY = tuple(0.6 * (Member("scalecnn", w).plan.params / PARAMS[0]) ** -0.2 for w in ALL)


def test_a_law_that_levels_off_is_seen_to():
    law = noisy(LEVEL, ALL, spread=0.002)
    assert (law.falls, law.saturates) == (Finding.YES, Finding.YES)
    assert noisy(STEADY, ALL, spread=0.002).saturates is Finding.NO


def test_noise_does_not_make_a_law_level_off():
    """An interval of the last exponent that holds 0 because it is wide says nothing, whatever the truth."""
    for rates in (LEVEL, STEADY):
        law = noisy(rates, ALL, spread=0.08)
        assert law.local[-1].exponent.best.holds(0)
        assert law.saturates is Finding.OPEN


def test_a_law_is_not_level_while_wider_members_are_untrained():
    assert noisy(LEVEL[-6:], ALL[:6], spread=0.002).local[-1].exponent.best.high < 0.02
    assert noisy(LEVEL[-6:], ALL[:6], spread=0.002).saturates is Finding.OPEN
    assert noisy(STEADY[:6], ALL[:6], spread=0.002).saturates is Finding.NO


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
