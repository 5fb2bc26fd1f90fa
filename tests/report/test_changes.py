from dataclasses import replace

import numpy as np

from tests.support.reports import report
from tinyedge.report.changes import by_class, by_superclass, class_changes, newly_wrong, rights
from tinyedge.report.schema import Examples

# Six images, three classes in two superclasses. Image 0: lost within its superclass; 1: lost to the other one; 2: won;
# 3: right twice; 4: wrong twice; 5: lost, and most confident.
BY_HAND = Examples(
    ids=tuple(f"{i:016x}" for i in range(6)),
    labels=(0, 0, 1, 1, 2, 2),
    reference=(0, 0, 0, 1, 0, 2),
    deployed=(1, 2, 1, 1, 1, 0),
    confidence=(0.5, 0.6, 0.9, 0.9, 0.9, 0.7),
    class_names=("a", "b", "c"),
    superclasses=(0, 0, 1),
    superclass_names=("ab", "only c"),
)


def test_newly_wrong_by_hand():
    _, before, now = rights(BY_HAND)
    found = newly_wrong(BY_HAND, before & ~now)
    assert [(e.index, e.id, e.label, e.deployed, e.confidence) for e in found] == [
        (5, f"{5:016x}", "c", "a", 0.7),
        (1, f"{1:016x}", "a", "c", 0.6),
        (0, f"{0:016x}", "a", "b", 0.5),
    ]


def test_what_is_stored_of_the_classes_is_what_is_shown():
    labels, before, now = rights(BY_HAND)
    stored = class_changes(labels, reference=before, deployed=now, names=BY_HAND.class_names)
    assert [(c.name, c.images, c.change, c.newly_wrong) for c in stored] == [
        (g.name, g.images, g.change, g.newly_wrong) for g in by_class(BY_HAND)
    ]


def test_classes_by_hand():
    found = {g.name: (g.images, g.reference, g.deployed, g.newly_wrong, g.newly_right) for g in by_class(BY_HAND)}
    assert found == {"a": (2, 1.0, 0.0, 2, 0), "b": (2, 0.5, 1.0, 0, 1), "c": (2, 0.5, 0.0, 1, 0)}
    assert [g.name for g in by_class(BY_HAND)] == ["a", "c", "b"]


def test_superclasses_by_hand():
    found = [(g.name, g.images, g.newly_wrong, g.near) for g in by_superclass(BY_HAND)]
    assert found == [("only c", 2, 1, 0), ("ab", 4, 2, 1)]
    assert by_superclass(replace(BY_HAND, superclasses=None, superclass_names=())) == []


def test_two_classes_of_one_name_stay_two():
    twins = replace(BY_HAND, class_names=("crane", "crane", "c"))
    assert [(g.index, g.images) for g in by_class(twins)] == [(0, 2), (2, 2), (1, 2)]


def test_a_class_without_images_is_left_out():
    more = replace(BY_HAND, class_names=("a", "b", "c", "unseen"), superclasses=(0, 0, 1, 1))
    assert [g.name for g in by_class(more)] == ["a", "c", "b"]


def test_they_agree_with_the_report_s_own_metrics():
    given = report(lost=0.05)
    groups = by_class(given.examples)
    weights = np.array([g.images for g in groups])
    for side, figure in ((given.reference, "reference"), (given.deployed, "deployed")):
        accuracies = np.array([getattr(g, figure) for g in groups])
        assert np.isclose((accuracies * weights).sum() / weights.sum(), side.metrics["accuracy"])
    assert sum(g.newly_wrong for g in groups) == len(given.newly_wrong) > 50
    assert sum(g.newly_wrong for g in by_superclass(given.examples)) == len(given.newly_wrong)
