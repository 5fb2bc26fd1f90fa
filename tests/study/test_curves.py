"""Metrics against size, by width: means, intervals over seeds or images, trends."""

import numpy as np
import pytest

from tests.support.made_family import drawn, family, first, trained
from tinyedge.metrics import evaluate
from tinyedge.stats.proportion import mean_interval
from tinyedge.study.curves import CURVES, curve
from tinyedge.study.draws import DRAWN, PLUG_IN, figure_draws, image_draws


def test_a_point_is_the_mean_over_seeds_with_students_interval():
    wrong = [first(500), first(520), first(510)]
    point = curve(family({4: wrong, 6: [first(400)]}), "accuracy").points[0]
    assert (point.label, point.seeds) == ("c4", (0, 1, 2))
    assert point.mean.value == pytest.approx(0.49)
    assert point.deviation == pytest.approx(0.01)
    assert (point.mean.best.low, point.mean.best.high) == pytest.approx(
        mean_interval(np.array([0.5, 0.48, 0.49]), tail=0.025)
    )


def test_one_seed_has_an_interval_over_images_and_no_deviation():
    point = curve(family({4: [first(500)], 6: [first(400)]}), "accuracy").points[0]
    assert (point.mean.best.over, point.deviation) == ("images", None)
    # Within classes of 100 images whose right ones are half: about a binomial's deviation, twice to each side.
    assert point.mean.best.high - point.mean.best.low == pytest.approx(4 * np.sqrt(0.25 / 1000), rel=0.1)


def test_the_plug_in_intervals_hold_what_as_many_other_images_would_show():
    """Accuracies of 100 classes, 30 images each: the truth is the mean plug-in figure of such evaluation sets."""
    rng, labels = np.random.default_rng(0), np.repeat(np.arange(100), 30)
    accuracy = np.clip(rng.normal(0.6, 0.15, 100), 0.05, 0.95)
    sets = [family({4: [rng.random(3000) > accuracy[labels]]}, labels=labels, classes=100) for _ in range(60)]
    for metric in PLUG_IN:
        truth = np.mean([s.models[0].figures[metric] for s in sets])
        held = sum(curve(s, metric).points[0].mean.best.holds(truth) for s in sets[:20])
        assert held >= 16  # 19 expected; 15 or fewer once in 400 such tests


def test_what_cannot_be_drawn_again_has_no_interval():
    assert curve(family({4: [first(500)], 6: [first(400)]}), "ece_debiased").points[0].mean.best is None


@pytest.mark.parametrize(
    ("errors", "steps"), [((600, 500, 400), "rises"), ((400, 500, 600), "falls"), ((500, 400, 600), "turns")]
)
def test_a_curve_says_which_way_it_goes(errors, steps):
    found = curve(family({w: [first(e)] for w, e in zip((4, 6, 8), errors, strict=True)}), "accuracy")
    assert found.steps == steps
    assert (found.trend.value > 0) == (errors[0] > errors[-1])
    assert found.trend.best is None


def test_one_width_has_no_trend():
    found = curve(family({4: [first(500)]}), "accuracy")
    assert (found.trend, found.steps) == (None, None)


@pytest.mark.parametrize("metric", sorted(DRAWN))
def test_resamples_are_of_the_metric_itself(metric):
    """With every image drawn once a resample is the evaluation set, and with real draws it is metrics' own figure."""
    rng = np.random.default_rng(0)
    (model,) = family(drawn(rng, widths=(4,), seeds=1), confidence=rng.random(1000)).models
    once = np.ones((1, 1000), np.float32)
    assert figure_draws(metric, model.outcome, once)[0] == pytest.approx(evaluate(model.outcome)[metric], abs=1e-6)
    draws = image_draws(model.outcome.labels, resamples=3)
    for row, found in zip(draws, figure_draws(metric, model.outcome, draws), strict=True):
        rows = np.repeat(np.arange(1000), row.astype(int))
        again = trained(
            ~model.outcome.correct[rows], confidence=model.outcome.confidence[rows], labels=model.outcome.labels[rows]
        )
        assert found == pytest.approx(evaluate(again.outcome)[metric], abs=1e-6)


def test_draws_keep_every_class_at_its_number_of_images():
    labels = np.array([0] * 3 + [2] * 5 + [1])
    draws = image_draws(labels, resamples=50)
    for label, count in ((0, 3), (1, 1), (2, 5)):
        assert (draws[:, labels == label].sum(axis=1) == count).all()
    assert len(np.unique(draws, axis=0)) > 10


def test_every_curve_is_a_metric_that_outcomes_have():
    assert set(CURVES) <= set(family({4: [first(500)]}).models[0].figures)
    assert set(DRAWN) <= set(CURVES)
