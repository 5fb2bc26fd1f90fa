"""Overlap of error sets: worked by hand, its baselines, pairs of seeds, and the baseline of another seed."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.made_family import drawn, family, first, trained
from tinyedge.errors import PredictionsError
from tinyedge.study.estimate import BORROWED
from tinyedge.study.members import Width
from tinyedge.study.other_seed import other_seed
from tinyedge.study.overlap import error_overlap, overlap, seed_noise


def mask(*spans, n=1000):
    found = np.zeros(n, bool)
    for start, stop in spans:
        found[start:stop] = True
    return found


def test_the_jaccard_of_two_error_sets_and_its_baselines_by_hand():
    ends = error_overlap(family({4: [mask((0, 600))], 6: [mask((300, 700))]})).ends
    assert ends.jaccard.value == pytest.approx(300 / 700)
    assert ends.nested == pytest.approx(400 / 600)
    assert ends.independent == pytest.approx(0.24 / 0.76)
    assert ends.redistribution.value == pytest.approx(2 / 3 - 3 / 7)
    assert ends.discordance == pytest.approx(0.4)
    assert (ends.errors, ends.pairs, ends.deviation) == ((0.6, 0.4), 1, None)
    assert [i.over for i in ends.jaccard.intervals] == ["images"]


def test_nested_errors_are_not_redistributed():
    ends = error_overlap(family({4: [first(600)], 6: [first(400)]})).ends
    assert ends.jaccard.value == ends.nested == pytest.approx(2 / 3)
    assert ends.redistribution.value == 0


def test_all_pairs_of_seeds_are_taken_whatever_their_numbers():
    small, large = [mask((0, 600)), mask((0, 500))], [mask((0, 400)), mask((100, 400)), mask((300, 700))]
    ends = error_overlap(family({4: small, 6: large})).ends
    pairs = [(a & b).sum() / (a | b).sum() for a in small for b in large]
    assert ends.pairs == 6
    assert ends.jaccard.value == pytest.approx(np.mean(pairs))
    assert ends.deviation == pytest.approx(np.std(pairs, ddof=1))
    assert (ends.lowest, ends.highest) == pytest.approx((min(pairs), max(pairs)))
    assert ends.jaccard.best.over == "seeds"


def test_neighbours_and_ends_are_the_widths_in_order():
    found = error_overlap(family({4: [first(600)], 6: [first(400)], 8: [first(300)]}))
    assert [(o.small, o.large) for o in (found.ends, *found.neighbours)] == [("c4", "c8"), ("c4", "c6"), ("c6", "c8")]
    assert found.same_width == ()


def test_two_seeds_of_one_width_by_hand():
    seeds = [mask((0, 400)), mask((200, 600)), mask((0, 600))]
    noise = error_overlap(family({4: seeds, 6: [first(300)]})).same_width
    assert [n.label for n in noise] == ["c4"]
    assert noise[0].pairs == 3
    assert noise[0].jaccard.value == pytest.approx(np.mean([1 / 3, 2 / 3, 2 / 3]))
    assert noise[0].nested == pytest.approx(np.mean([1, 2 / 3, 2 / 3]))
    assert noise[0].jaccard.best.over == "seeds"
    two = error_overlap(family({4: seeds[:2], 6: [first(300)]})).same_width[0]
    assert two.jaccard.best is None  # one pair has no spread


def test_one_width_and_one_seed_have_nothing_to_be_compared_with():
    with pytest.raises(PredictionsError, match="one width"):
        error_overlap(family({4: [first(600)] * 2}))
    with pytest.raises(PredictionsError, match="one seed"):
        seed_noise(family({4: [first(600)]}).widths[0])


def test_models_without_errors_do_not_divide_by_nothing():
    ends = error_overlap(family({4: [first(0)], 6: [first(0)]})).ends
    assert (ends.jaccard.value, ends.nested, ends.redistribution.value) == (1, 1, 0)


def test_the_interval_over_images_holds_what_other_images_show():
    sets = drawn(np.random.default_rng(0), widths=(4, 16), seeds=1, n=10_000)
    truth = error_overlap(family(sets)).ends.jaccard.value
    part = family({width: [s[:1000] for s in models] for width, models in sets.items()})
    interval = error_overlap(part).ends.jaccard.over("images")
    assert interval.holds(truth)
    assert interval.high - interval.low < 0.1


def ranked(label, width, views, count):
    """Models that err on the ``count`` images that they see as the hardest, and find their labels the less likely."""
    models = []
    for seed, view in enumerate(views):
        model = trained(view >= np.sort(view)[-count], width, seed)
        likely = replace(model.outcome, label_probability=1 / (1 + np.exp(view)))
        models.append(replace(model, outcome=likely))
    return Width(f"scalecnn-{label}", width, 1, tuple(models))


def test_a_larger_model_that_is_only_another_seed_is_not_beyond_the_seeds():
    rng = np.random.default_rng(1)
    difficulty = rng.normal(size=4000)

    def views(noise, own=None):
        return [(difficulty if own is None else own) + noise * rng.normal(size=4000) for _ in range(4)]

    small = ranked("c4", 4, views(0.3), 2300)
    same = other_seed(small, ranked("c16", 16, views(0.3), 1300))
    assert abs(same.beyond.value) < 0.003
    assert same.beyond.best.holds(0)
    # A larger model that finds other images hard is beyond them.
    moved = difficulty + 0.6 * rng.normal(size=4000)
    other = other_seed(small, ranked("c16", 16, views(0.3, moved), 1300))
    assert other.beyond.best.low > 0.02


def test_another_seed_by_hand():
    """Two seeds that err on the same 4 of 10, in opposite orders; a large model that errs on the first two."""
    likely = np.array([0.1, 0.2, 0.3, 0.4, *[0.9] * 6])
    first_four = np.arange(10) < 4
    models = []
    for seed, order in enumerate((likely, np.concatenate([likely[3::-1], likely[4:]]))):
        model = trained(first_four, 4, seed)
        models.append(replace(model, outcome=replace(model.outcome, label_probability=order)))
    small = Width("scalecnn-c4", 4, 1, tuple(models))
    large = Width("scalecnn-c6", 6, 2, (trained(np.arange(10) < 2, 6),))
    found = other_seed(small, large)
    assert found.jaccard == pytest.approx(2 / 4)  # cut to two errors, all of which the other seed makes too
    assert found.beyond.value == pytest.approx(2 / 4 - 2 / 4)
    assert found.beyond.best is None
    assert found.thinned == pytest.approx(2 / 4)  # whichever two of the four are kept
    # Of the seed's errors one is the other's too: of 2 of 4 kept it is there in every second draw.
    models = tuple(trained(mask((a, a + 4), n=10), 4, seed) for seed, a in enumerate((0, 3)))
    found = other_seed(Width("scalecnn-c4", 4, 1, models), large)
    assert found.thinned == pytest.approx((1 / 5 + 0) / 2)
    assert found.beyond_thinned.value == pytest.approx(found.thinned - (2 / 4 + 0) / 2)


def test_the_rule_by_which_errors_are_cut_decides_the_sign_and_it_is_said():
    """Size changes the error rate only. Thinning, which takes all errors to be equally hard, says it does more."""
    rng = np.random.default_rng(2)
    difficulty = rng.normal(size=4000)

    def views(count):
        return [difficulty + 0.3 * rng.normal(size=4000) for _ in range(count)]

    found = other_seed(ranked("c4", 4, views(5), 2300), ranked("c16", 16, views(5), 1300))
    assert found.thinned < found.jaccard
    assert found.beyond_thinned.best.high < 0
    assert not found.decided


def test_thinning_is_exact_where_errors_are_equally_hard():
    rng = np.random.default_rng(3)
    core = rng.random(4000) < 0.7  # both seeds err among these, each on a part of them
    small = [core & (rng.random(4000) < 0.8) for _ in range(5)]
    large = [core & (rng.random(4000) < 0.5) for _ in range(5)]
    found = other_seed(*(family({4: small, 6: large}).widths))
    assert found.beyond_thinned.value == pytest.approx(0, abs=0.005)
    assert found.beyond_thinned.best.holds(0)


def test_the_one_seed_of_the_large_width_is_not_held_fixed():
    rng = np.random.default_rng(4)
    sets = drawn(rng, widths=(4, 16), seeds=(5, 5), n=2000)
    one = other_seed(*family({4: sets[4], 16: sets[16][:1]}).widths)
    for found in (one.beyond, one.beyond_thinned):
        assert found.best.caution == BORROWED
    # Two seeds of the small width leave no pair without one of them: no interval is printed for 95 %.
    two = other_seed(*family({4: sets[4][:2], 16: sets[16]}).widths)
    assert two.beyond.best is None
    assert not two.beyond.intervals[0].sound


def test_another_seed_takes_two_seeds_and_a_larger_model_that_errs_less():
    one, two = family({4: [first(600)], 6: [first(400)]}), family({4: [first(300)] * 2, 6: [first(400)]})
    for of in (one, two):
        assert overlap(*of.widths, of.draws).other_seed is None
