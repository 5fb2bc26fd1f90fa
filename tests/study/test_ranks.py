"""Orders of classes and members, against scipy."""

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from tests.support.made_family import MICRO, drawn, family, first
from tinyedge.metrics import class_table
from tinyedge.study.ranks import rank_stability


def families(seed=0):
    rng = np.random.default_rng(seed)
    sets = drawn(rng, widths=(4, 6, 8), seeds=2)
    moved = {w: [s ^ (rng.random(1000) < 0.05) for s in rows] for w, rows in sets.items()}
    return family(sets), family(moved, run=MICRO)


def test_the_orders_of_the_classes_are_scipys():
    reference, deployed = families()
    found = rank_stability(reference=reference, deployed=deployed).classes[1]
    pairs = [
        (class_table(a.outcome).accuracy, class_table(b.outcome).accuracy)
        for a, b in zip(reference.widths[1].models, deployed.widths[1].models, strict=True)
    ]
    assert found.label == "c6"
    assert found.kendall.value == pytest.approx(np.mean([kendalltau(*pair).statistic for pair in pairs]))
    assert found.spearman.value == pytest.approx(np.mean([spearmanr(*pair).statistic for pair in pairs]))
    two_seeds = kendalltau(*(class_table(m.outcome).accuracy for m in reference.widths[1].models)).statistic
    assert found.between_seeds.value == pytest.approx(two_seeds)


def test_a_family_against_itself_keeps_every_order():
    reference, _ = families()
    found = rank_stability(reference=reference, deployed=reference)
    assert [c.kendall.value for c in found.classes] == pytest.approx([1] * 3)
    assert [r.kendall for r in found.members] == pytest.approx([1] * len(found.members))
    accuracy = found.members[0]
    assert (accuracy.metric, accuracy.reference) == ("accuracy", ("c4", "c6", "c8"))


def test_members_that_change_places_are_seen():
    reference = family({4: [first(600)], 6: [first(500)], 8: [first(400)]})
    deployed = family({4: [first(600)], 6: [first(380)], 8: [first(400)]}, run=MICRO)
    accuracy = rank_stability(reference=reference, deployed=deployed).members[0]
    assert (accuracy.reference, accuracy.deployed) == (("c4", "c6", "c8"), ("c4", "c8", "c6"))
    assert accuracy.kendall == pytest.approx(1 / 3)


def test_equal_figures_have_no_order_and_one_member_none_to_change():
    same = family({4: [first(1000)]})
    found = rank_stability(reference=same, deployed=family({4: [first(1000)]}, run=MICRO))
    assert found.classes[0].kendall.value == 1  # all classes equal, before and after
    assert found.classes[0].between_seeds is None
    assert (found.members[0].kendall, found.members[0].models) == (None, None)
