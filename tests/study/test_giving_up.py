"""Classes that the smallest member gives up, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.made_family import family, first, ids_of, setting, trained
from tinyedge.errors import PredictionsError
from tinyedge.study.giving_up import given_up
from tinyedge.study.members import family_of


def wrong_of(per_class, n=1000):
    """Errors with as many of each of 10 classes (100 images each) as told; labels are ``i % 10``."""
    found = np.zeros(n, bool)
    for label, count in enumerate(per_class):
        found[np.flatnonzero(np.arange(n) % 10 == label)[:count]] = True
    return found


SMALL = wrong_of([96, 94, 50, 50, 50, 50, 50, 50, 50, 50])
SMALL_TOO = wrong_of([94, 96, 50, 50, 50, 50, 50, 50, 50, 50])
LARGE = wrong_of([20, 80, 40, 50, 50, 50, 50, 50, 50, 60])


def test_losses_shares_and_abandoned_classes_by_hand():
    found = given_up(family({4: [SMALL, SMALL_TOO], 16: [LARGE]}))
    worst = found.classes[0]
    assert (worst.name, worst.images) == ("class 0", 100)
    assert (worst.small, worst.large, worst.loss.value) == pytest.approx((0.05, 0.8, 0.75))
    assert worst.relative == pytest.approx(0.75 / 0.8)
    assert worst.share == pytest.approx(75 / (590 - 500))  # of the errors that c4 makes more than c16
    assert worst.loss.best.over == "images"
    assert worst.loss.best.holds(0.75)
    assert found.abandoned == (("c4", 2), ("c16", 0))  # 5 % exactly, as a mean of 4 % and 6 %, is given up
    assert {g.name for g in found.lost} == {"class 0", "class 1"}
    assert sum(g.share for g in found.classes) == pytest.approx(1)
    assert found.classes[-1].loss.value == pytest.approx(-0.1)  # the larger one is worse there
    assert found.superclasses == ()


def test_superclasses_are_their_images_together():
    groups = np.array([0, 0, 1, 1, 1, 2, 2, 2, 2, 2])
    models = []
    for width, wrong in ((4, SMALL), (16, LARGE)):
        model = trained(wrong, width)
        outcome = replace(model.outcome, superclasses=groups, superclass_names=("pair", "three", "five"))
        models.append(replace(model, outcome=outcome))
    found = given_up(family_of(setting(), ids_of(1000), models)).superclasses
    assert [(g.name, g.images) for g in found] == [("pair", 200), ("three", 300), ("five", 500)]
    assert found[0].loss.value == pytest.approx((96 + 94 - 100) / 200)


def test_a_model_that_is_never_right_has_no_relative_loss():
    found = given_up(family({4: [first(1000)], 6: [first(1000)]}))
    assert found.classes[0].relative is None
    assert [g.share for g in found.classes] == [0.0] * 10


def test_one_width_gives_nothing_up():
    with pytest.raises(PredictionsError, match="one width"):
        given_up(family({4: [SMALL]}))
