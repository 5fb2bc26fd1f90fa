from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from tests.support.outcomes import HEALTHY, RIGHT, flipped, gate, labels_of, outcome, reference_correct, verdict_of
from tinyedge.errors import GATE_FAILED
from tinyedge.gate import Status, judge, load_policy
from tinyedge.stats.classes import class_drops


def collapse(drop_of: int, *, to_lose: int, base: np.ndarray = HEALTHY) -> np.ndarray:
    mine = np.flatnonzero((labels_of() == drop_of) & base & RIGHT)
    changed = base.copy()
    changed[mine[:to_lose]] = False
    return changed


def test_a_collapsed_class_fails_and_is_named() -> None:
    right = RIGHT.copy()
    right[labels_of() == 42] = np.arange(100) < 70  # class 42: 70 % before
    after = right.copy()
    after[np.flatnonzero((labels_of() == 42) & right)[:62]] = False
    verdict = judge(reference=outcome(right), deployed=outcome(after, confidence=float(right.mean())))
    found = gate(verdict, "worst_class")
    assert (found.status, found.figure, found.classes) == (Status.FAIL, 62.0, ("class 42",))
    assert "class 42" in found.detail
    assert "-62 pp" in found.detail
    assert gate(verdict, "accuracy").status is Status.PASS  # 0.62 pp: accuracy alone would have let it ship
    assert (verdict.status, verdict.exit_code) == (Status.FAIL, GATE_FAILED)


def test_several_given_up_classes_are_named_worst_first() -> None:
    found = gate(verdict_of(collapse(5, to_lose=30, base=collapse(6, to_lose=22))), "worst_class")
    assert found.classes[:2] == ("class 5", "class 6")
    assert "'class 6'" in found.detail


def test_a_large_drop_that_may_be_chance_warns() -> None:
    # At d = 15 % some class of a hundred drops by 10 pp by chance.
    found = gate(verdict_of(flipped(RIGHT, lost=750, gained=750, seed=3)), "worst_class")
    assert found.figure >= 10
    assert found.status is Status.PASS
    assert found.warning is not None
    assert "may be chance" in found.warning
    assert found.note is not None
    assert found.note.startswith("p = 0.")
    assert found.note in found.warning


def test_a_small_class_that_drops_by_chance_hides_no_large_one_that_collapsed() -> None:
    # Class 0: 50 images, -14 pp by 12 lost and 5 gained, perhaps by chance. Class 1: 1,000 images, -13 pp, none gained.
    labels = np.repeat([0, 1], [50, 1000])
    before = np.arange(1050) % 50 < 40
    after = before.copy()
    after[np.flatnonzero(before & (labels == 0))[:12]] = False
    after[np.flatnonzero(~before & (labels == 0))[:5]] = True
    after[np.flatnonzero(before & (labels == 1))[:130]] = False
    drops = class_drops(labels, reference=before, deployed=after, num_classes=2)
    assert (drops.worst, drops.drop.tolist()) == (0, [0.14, 0.13])
    assert drops.p_any > 0.05
    verdict = judge(
        reference=outcome(before, labels=labels, classes=2), deployed=outcome(after, labels=labels, classes=2)
    )
    found = gate(verdict, "worst_class")
    assert (found.status, found.classes) == (Status.FAIL, ("class 1",))
    assert found.figure == pytest.approx(13)
    assert found.interval is not None
    assert found.interval[0] > 10
    assert found.note == "p = 2.9e-39"  # Holm: twice 2 ** -130, and twice that, of two tests
    assert found.note in found.detail
    # Both beyond chance: both named, the larger drop first.
    after[np.flatnonzero(before & (labels == 0))[:40]] = False
    both = judge(reference=outcome(before, labels=labels, classes=2), deployed=outcome(after, labels=labels, classes=2))
    assert gate(both, "worst_class").classes == ("class 0", "class 1")


def test_where_classes_have_equally_many_images_max_t_alone_decides() -> None:
    # Class 0 drops most but perhaps by chance, class 1 nearly as far and surely.
    labels = np.repeat([0, 1], 100)
    before = np.arange(200) % 100 < 50
    after = before.copy()
    after[:30], after[50:70], after[100:109] = False, True, False  # 30 lost and 20 gained; 9 lost, none gained
    drops = class_drops(labels, reference=before, deployed=after, num_classes=2)
    assert drops.drop.tolist() == [0.10, 0.09]
    assert drops.p_class[1] < 0.05 < drops.p_any
    assert drops.p.tolist() == pytest.approx([drops.p_any, drops.p_any])
    both = {"labels": labels, "classes": 2}
    strict = load_policy("[worst_class]\nmax_drop_pp = 9\n")
    reference, deployed = outcome(before, **both), outcome(after, **both)  # type: ignore[arg-type]
    found = gate(judge(reference=reference, deployed=deployed, policy=strict), "worst_class")
    assert found.status is Status.PASS
    assert found.warning is not None


@pytest.mark.parametrize("counts", [(100,) * 50, (50,) * 25 + (150,) * 25])
def test_an_unchanged_model_fails_as_rarely_as_p_says(counts: tuple[int, ...]) -> None:
    rng, labels = np.random.default_rng(0), np.repeat(np.arange(50), counts)
    found, replicates = [], 1000
    for _ in range(replicates):
        flips, way = rng.random(len(labels)) < 0.15, rng.random(len(labels)) < 0.5
        drops = class_drops(labels, reference=flips & way, deployed=flips & ~way, num_classes=50)
        found.append(drops.p.min())
    assert np.mean(np.array(found) < 0.05) <= binom.ppf(0.999, replicates, 0.05) / replicates
    assert np.mean(np.array(found) < 0.25) <= binom.ppf(0.999, replicates, 0.25) / replicates


def test_classes_that_drop_surely_but_less_than_the_limit_pass() -> None:
    labels = np.repeat([0, 1], 5000)
    before = np.arange(10_000) % 10 < 8
    after = before.copy()
    after[np.flatnonzero(before & (labels == 1))[:400]] = False  # 8 pp
    both = {"labels": labels, "classes": 2}
    found = gate(
        judge(reference=outcome(before, **both), deployed=outcome(after, **both)),  # type: ignore[arg-type]
        "worst_class",
    )
    assert (found.status, found.warning, found.classes) == (Status.PASS, None, ())


def test_thin_classes_cannot_pass_but_can_fail() -> None:
    n = 4000  # 40 a class
    right = reference_correct(n)
    reference = outcome(right)
    found = gate(judge(reference=reference, deployed=outcome(flipped(right, lost=20, gained=20))), "worst_class")
    assert (found.status, found.images_needed) == (Status.INCONCLUSIVE, 5000)
    assert "fewer than 50 images" in found.detail
    gone = right & (labels_of(n) != 3)
    assert gate(judge(reference=reference, deployed=outcome(gone)), "worst_class").status is Status.FAIL


def test_a_class_without_images_cannot_pass() -> None:
    labels = labels_of(9900, 99)  # class 99 is never seen
    right = reference_correct(9900)
    both = {"labels": labels, "confidence": 0.45}
    verdict = judge(
        reference=outcome(right, **both),  # type: ignore[arg-type]
        deployed=outcome(flipped(right, lost=50, gained=50), **both),  # type: ignore[arg-type]
    )
    found = gate(verdict, "worst_class")
    assert found.status is Status.INCONCLUSIVE
    assert "'class 99' has 0" in found.detail
