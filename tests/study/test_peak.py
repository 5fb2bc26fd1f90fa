"""Where a curve peaks: an inverted U only where both ends are ruled out."""

import numpy as np
import pytest

from tests.support.made_family import family, first, ids_of, setting, trained
from tinyedge.study.estimate import BORROWED
from tinyedge.study.members import family_of
from tinyedge.study.peak import Shape, calibration_peak, extremes

WIDTHS = (4, 6, 8, 12, 16, 24, 32, 48, 64)


def with_gap(gaps, seeds=3, spread=0.002, widths=WIDTHS, seed=0):
    """A family whose ECE is the given gaps: every image is as confident as accuracy plus gap, in one bin."""
    rng = np.random.default_rng(seed)
    models = [
        trained(first(500), width, seed, confidence=0.5 + gap + spread * rng.normal())
        for width, gap in zip(widths, gaps, strict=True)
        for seed in range(seeds)
    ]
    return family_of(setting(), ids_of(1000), models)


def test_a_peak_inside_is_an_inverted_u():
    found = calibration_peak(with_gap([0.01, 0.02, 0.04, 0.06, 0.09, 0.11, 0.08, 0.05, 0.04]))
    assert found.shape is Shape.INVERTED_U
    assert (found.largest.label, found.smallest.label) == ("c24", "c4")
    assert found.largest.value == pytest.approx(0.11, abs=0.005)
    assert (found.largest.range, found.untrained) == (("c24", "c24"), ())
    assert found.largest.share > 0.99


def test_a_peak_at_the_largest_of_the_family_is_no_inverted_u():
    found = calibration_peak(with_gap(np.linspace(0.01, 0.1, 9)))
    assert (found.shape, found.largest.label) == (Shape.RISES, "c64")


def test_a_peak_at_the_largest_trained_is_not_decided_while_wider_ones_are_missing():
    found = calibration_peak(with_gap(np.linspace(0.01, 0.1, 5), widths=WIDTHS[:5]))
    assert (found.shape, found.largest.label) == (Shape.OPEN, "c16")
    assert "wider ones are not trained" in found.why
    assert found.untrained == (24, 32, 48, 64)


def test_a_peak_at_the_smallest_is_none():
    assert calibration_peak(with_gap(np.linspace(0.1, 0.01, 9))).shape is Shape.FALLS


def test_a_peak_at_the_smallest_trained_is_not_decided_while_narrower_ones_are_missing():
    found = calibration_peak(with_gap(np.linspace(0.1, 0.01, 5), widths=WIDTHS[4:]))
    assert (found.shape, found.largest.label) == (Shape.OPEN, "c16")
    assert "narrower ones are not trained" in found.why
    assert (found.untrained, found.missing) == ((), (4, 6, 8, 12))


@pytest.mark.parametrize("widths", [WIDTHS[1:], WIDTHS[:-1], (4, 6, 8, 12, 24, 32, 48, 64)])
def test_a_peak_is_inside_the_trained_range_while_any_width_is_missing(widths):
    gaps = [0.11 - 0.02 * abs(i - 4) for i in range(len(widths))]
    found = calibration_peak(with_gap(gaps, widths=widths))
    assert found.shape is Shape.INVERTED_U
    assert "inside the trained range" in found.why
    assert "inside the family" in calibration_peak(with_gap([0.11 - 0.02 * abs(i - 4) for i in range(9)])).why


def test_a_zig_zag_is_no_inverted_u():
    found = calibration_peak(with_gap([0.01, 0.09, 0.02, 0.12, 0.03, 0.08, 0.05, 0.04, 0.03], seeds=5))
    assert sum(found.largest.shares[1:-1]) > 0.95
    assert found.shape is Shape.OPEN
    assert "more than one peak" in found.why


def test_a_peak_that_may_be_at_an_end_is_not_decided():
    found = calibration_peak(with_gap([0.01, 0.05, 0.05], widths=WIDTHS[:3], spread=0.02))
    assert found.shape is Shape.OPEN
    assert sum(found.largest.shares) == pytest.approx(1)


def test_two_widths_have_no_middle():
    found = calibration_peak(with_gap([0.01, 0.05], widths=WIDTHS[:2]))
    assert (found.shape, found.why) == (Shape.OPEN, "2 widths have no middle")


def test_one_seed_a_width_is_drawn_over_images_and_says_so():
    found = calibration_peak(with_gap([0.01, 0.1, 0.01], seeds=1, widths=WIDTHS[:3]))
    assert (found.shape, found.largest.over) == (Shape.INVERTED_U, "images")
    assert "seeds' part is not known" in found.largest.caution
    # A metric that cannot be drawn leaves it open.
    undrawn = calibration_peak(with_gap([0.01, 0.1, 0.01], seeds=1, widths=WIDTHS[:3]), "ece_debiased")
    assert (undrawn.shape, undrawn.largest.share) == (Shape.OPEN, None)


def test_a_width_with_one_seed_borrows_the_others_spread():
    of = family({4: [first(500)] * 2, 6: [first(400)] * 2, 8: [first(300)]})
    groups = [np.array([0.1, 0.12]), np.array([0.2, 0.24]), np.array([0.21])]
    largest, smallest = extremes(of, groups)
    assert (largest.caution, smallest.label) == (BORROWED, "c4")
    assert largest.label == "c6"
    assert 0.05 < largest.shares[2] < 0.95  # c8 may well be the largest
