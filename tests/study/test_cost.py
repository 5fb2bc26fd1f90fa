"""Float against deployed: drops, changes and trends by hand and against independent computations."""

import numpy as np
import pytest

from tests.support.made_family import MICRO, drawn, family, first
from tests.support.outcomes import flipped
from tinyedge.stats.paired import tango_interval
from tinyedge.study.cost import quantization_cost


def pair_of(lost, gained, widths=(4, 6, 8), seeds=2, n=1000):
    """Families whose deployed models lose and gain as many images as told, by width."""
    before, after = {}, {}
    for i, width in enumerate(widths):
        before[width] = [first(600 - 100 * i + s, n) for s in range(seeds)]
        after[width] = [~flipped(~w, lost=lost[i], gained=gained[i], seed=s) for s, w in enumerate(before[width])]
    return family(before), family(after, run=MICRO)


def test_nothing_changed_costs_nothing():
    sets = drawn(np.random.default_rng(0), widths=(4, 6, 8), seeds=3)
    cost = quantization_cost(reference=family(sets), deployed=family(sets, run=MICRO))
    for width in cost.widths:
        assert (width.drop.value, width.paired["jaccard"].value, width.paired["flips"].value) == (0, 1, 0)
        assert {change.value for change in width.changes.values()} == {0}
        assert width.added_discordance.value == 0
        assert width.seed_discordance.value > 0
    assert (cost.jaccard_change.value, cost.redistribution_change.value, cost.drop.value) == (0, 0, 0)


def test_drops_and_discordance_by_hand():
    reference, deployed = pair_of(lost=(30, 20, 10), gained=(10, 10, 10))
    cost = quantization_cost(reference=reference, deployed=deployed)
    assert [w.drop.value for w in cost.widths] == pytest.approx([0.02, 0.01, 0.0])
    assert [w.paired["discordance"].value for w in cost.widths] == pytest.approx([0.04, 0.03, 0.02])
    assert [w.paired["negative_flips"].value for w in cost.widths] == pytest.approx([0.03, 0.02, 0.01])
    assert cost.drop.value == pytest.approx(0.01)
    assert (cost.dearest.label, cost.dearest.share) == ("c4", 1.0)
    slope = np.polyfit(np.log10(reference.params), [0.02, 0.01, 0.0], 1)[0]
    assert cost.trends["accuracy_drop"].value == pytest.approx(slope)


def test_one_seed_gets_tangos_interval_over_images():
    reference, deployed = pair_of(lost=(30, 20, 10), gained=(10, 10, 10), seeds=1)
    width = quantization_cost(reference=reference, deployed=deployed).widths[0]
    assert (width.drop.best.low, width.drop.best.high) == tango_interval(30, 10, 1000, tail=0.025)
    assert width.drop.best.over == width.paired["jaccard"].best.over == width.changes["gini"].best.over == "images"
    assert (width.seed_discordance, width.added_discordance) == (None, None)


def test_several_seeds_give_intervals_over_seeds_and_over_images():
    reference, deployed = pair_of(lost=(30, 20, 10), gained=(10, 10, 10), seeds=3)
    drop = quantization_cost(reference=reference, deployed=deployed).widths[0].drop
    assert [i.over for i in drop.intervals] == ["seeds", "images"]
    low, high = tango_interval(30, 10, 1000, tail=0.025)
    images = drop.over("images")  # three seeds that flip on images of their own: a mean of three
    assert images.high - images.low == pytest.approx((high - low) / 3**0.5, rel=0.1)


def test_the_change_of_the_ends_is_paired_over_the_same_pairs_of_seeds():
    small = [first(600), first(500)]
    large = [first(300)]
    moved = [np.roll(large[0], 400)]
    before, after = family({4: small, 6: large}), family({4: small, 6: moved}, run=MICRO)
    cost = quantization_cost(reference=before, deployed=after)
    was = [300 / 600, 300 / 500]
    now = [200 / 700, 100 / 700]  # images 400 to 700, of which the two cover 200 and 100
    assert cost.jaccard_change.value == pytest.approx(np.mean(now) - np.mean(was))
    assert cost.redistribution_change.value == pytest.approx(np.mean(was) - np.mean(now))


def test_quantizing_one_of_two_seeds_adds_what_it_moves():
    """Two float seeds 0.1 apart; the deployed ones each 0.02 away from theirs, outside both."""
    a, b = first(500), np.roll(first(500), 50)
    extra = (np.arange(1000) >= 900) & (np.arange(1000) < 920)
    reference = family({4: [a, b], 6: [first(300)] * 2})
    deployed = family({4: [a | extra, b | extra], 6: [first(300)] * 2}, run=MICRO)
    width = quantization_cost(reference=reference, deployed=deployed).widths[0]
    assert width.seed_discordance.value == pytest.approx(0.1)
    assert width.added_discordance.value == pytest.approx(0.02)


def test_only_models_that_both_have_are_compared():
    reference, deployed = pair_of(lost=(30, 20, 10), gained=(10, 10, 10), seeds=3)
    fewer = family({w.width: list(w.wrong[:2]) for w in deployed.widths[:2]}, run=MICRO)
    cost = quantization_cost(reference=reference, deployed=fewer)
    assert [(w.label, w.seeds) for w in cost.widths] == [("c4", (0, 1)), ("c6", (0, 1))]


def test_one_width_has_no_trend_and_no_ends():
    reference, deployed = pair_of(lost=(30,), gained=(10,), widths=(4,))
    cost = quantization_cost(reference=reference, deployed=deployed)
    assert (cost.trends, cost.jaccard_change, cost.redistribution_change) == ({}, None, None)
    assert cost.dearest.label == "c4"
