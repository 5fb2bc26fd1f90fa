"""Images that flip in every seed, against what chance gives: by hand, and drawn with and without a cause."""

import numpy as np
import pytest

from tests.support.made_family import MICRO, family, first, ids_of, setting, trained
from tinyedge.study.exemplars import _binned, _counts, _joint, _local_rate, exemplars
from tinyedge.study.members import family_of

N = 4000


def pair_of(flips, n=N, confidence=None):
    """Families that are right everywhere in float; deployed they err where told, a row a seed: each is a flip."""
    before = {width: [first(0, n)] * len(rows) for width, rows in flips.items()}
    after = {width: list(rows) for width, rows in flips.items()}
    confidence = np.linspace(0.1, 0.9, n) if confidence is None else confidence
    return family(before, confidence=confidence), family(after, run=MICRO, confidence=confidence)


def at(*images, n=40):
    return np.isin(np.arange(n), images)


def test_ids_counts_and_expectations_by_hand():
    reference, deployed = pair_of({4: [at(1, 2, 3), at(2, 3, 4)], 6: [at(3, 5)]}, n=40)
    found = exemplars(reference=reference, deployed=deployed)
    c4, c6 = found.widths
    assert c4.flipped.ids == c4.lost_always.ids == (f"{2:016x}", f"{3:016x}")
    assert c4.flipped.expected == pytest.approx(40 * (3 / 40) * (3 / 40))
    assert c4.flips == pytest.approx(3 / 40)
    assert (c6.flipped, c6.modal) == (None, None)
    assert found.every_model.ids == found.every_width.ids == (f"{3:016x}",)
    assert found.every_model.expected == pytest.approx(40 * (3 / 40) ** 2 * (2 / 40))
    assert found.every_width.expected == pytest.approx(40 * (1 - (1 - 3 / 40) ** 2) * (2 / 40))
    assert found.counts == (35, 3, 1, 1)
    assert sum(found.counts_expected) == pytest.approx(40)
    share = np.array([3 / 40, 3 / 40, 2 / 40])
    assert found.counts_expected[0] == pytest.approx(40 * np.prod(1 - share))
    assert found.counts_expected[3] == pytest.approx(40 * np.prod(share))


def test_independent_flips_repeat_as_often_as_chance_has_it():
    rng = np.random.default_rng(0)
    reference, deployed = pair_of({4: rng.random((2, N)) < 0.2, 6: rng.random((2, N)) < 0.1})
    found = exemplars(reference=reference, deployed=deployed)
    for width in found.widths:
        assert len(width.flipped.ids) == pytest.approx(width.flipped.expected, abs=4 * width.flipped.expected**0.5)
        assert width.flipped.p_value > 0.001
        assert width.auc == pytest.approx(0.5, abs=0.04)
        assert width.in_lowest_quarter == pytest.approx(0.25, abs=0.05)


def test_flips_of_unconfident_images_repeat_more_often_than_equal_rates_say_and_confidence_explains_it():
    rng = np.random.default_rng(1)
    likely = 0.4 * np.linspace(1, 0, N) ** 4  # of the least confident
    reference, deployed = pair_of({4: rng.random((3, N)) < likely})
    flipped = exemplars(reference=reference, deployed=deployed).widths[0].flipped
    assert len(flipped.ids) > 5 * flipped.expected
    assert flipped.p_value > 0.01
    width = exemplars(reference=reference, deployed=deployed).widths[0]
    assert width.auc > 0.8
    assert width.in_lowest_quarter > 0.7


def test_images_that_flip_whatever_the_seed_are_found():
    rng = np.random.default_rng(2)
    flips = rng.random((3, N)) < 0.05
    marked = rng.choice(N, 20, replace=False)
    flips[:, marked] = True
    reference, deployed = pair_of({4: flips})
    flipped = exemplars(reference=reference, deployed=deployed).widths[0].flipped
    assert {f"{i:016x}" for i in marked} <= set(flipped.ids)
    assert flipped.expected_by_confidence < 5
    assert flipped.p_value < 1e-6


def test_flips_of_hard_images_are_explained_by_all_models_confidence_and_not_by_the_own_alone():
    """Flips come from a difficulty that no model shows; each one's confidence is a view of it, some more noisy."""
    rng = np.random.default_rng(4)
    hard = rng.normal(size=10_000)
    likely = 0.3 / (1 + np.exp(-2 * hard))
    flips = rng.random((12, 10_000)) < likely
    models, after = [], []
    for seed, row in enumerate(flips):
        confidence = 1 / (1 + np.exp(hard + (0.4 + 0.05 * seed) * rng.normal(size=10_000)))
        models.append(trained(np.zeros(10_000, bool), 4, seed, confidence=confidence))
        after.append(trained(row, 4, seed, MICRO, confidence=confidence))
    reference, deployed = (
        family_of(setting(target), ids_of(10_000), of) for target, of in (("onnx-fp32", models), ("tflm-int8", after))
    )
    found = exemplars(reference=reference, deployed=deployed)
    assert found.joint == pytest.approx(1, abs=0.04)
    assert found.check == pytest.approx((1, 1), abs=0.06)
    often, expected = (sum(counts[6:]) for counts in (found.counts, found.counts_expected_by_confidence))
    assert often == pytest.approx(expected, abs=4 * expected**0.5)
    # By the own confidence alone such images are far more than chance has: no cause, only the wrong chance.
    alone = np.stack(
        [_local_rate(_binned(m.outcome.confidence, 20), row) for m, row in zip(models, flips, strict=True)]
    )
    assert _joint(flips, alone) > 1.1
    assert often > sum(_counts(alone)[6:]) + 4 * expected**0.5


def test_one_model_has_no_joint_flips():
    found = exemplars(**dict(zip(("reference", "deployed"), pair_of({4: [at(1, 2)]}, n=40), strict=True)))
    assert (found.joint, found.check) == (None, None)


def test_the_most_frequent_prediction_is_hookers():
    """Image 0 flips in two of three seeds, image 1 in one: only the first one's mode changes."""
    reference, deployed = pair_of({4: [at(0, 1), at(0), at()]}, n=40)
    assert exemplars(reference=reference, deployed=deployed).widths[0].modal == (f"{0:016x}",)


def test_without_flips_there_is_nothing_to_say_of_them():
    reference, deployed = pair_of({4: [at(), at()]}, n=40)
    width = exemplars(reference=reference, deployed=deployed).widths[0]
    assert (width.auc, width.in_lowest_quarter, width.flipped.ids, width.flipped.p_value) == (None, None, (), 1.0)
