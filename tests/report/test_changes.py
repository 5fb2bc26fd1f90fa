from dataclasses import replace

import numpy as np

from tests.support.reports import report
from tinyedge.report.changes import by_class, by_superclass, newly_wrong
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
    assert newly_wrong(BY_HAND).tolist() == [5, 1, 0]


def test_classes_by_hand():
    found = {g.name: (g.images, g.reference, g.deployed, g.newly_wrong, g.newly_right) for g in by_class(BY_HAND)}
    assert found == {"a": (2, 1.0, 0.0, 2, 0), "b": (2, 0.5, 1.0, 0, 1), "c": (2, 0.5, 0.0, 1, 0)}
    assert [g.name for g in by_class(BY_HAND)] == ["a", "c", "b"]
    assert {g.near for g in by_class(BY_HAND)} == {None}


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
    assert sum(g.newly_wrong for g in groups) == len(newly_wrong(given.examples)) > 50
    assert sum(g.newly_wrong for g in by_superclass(given.examples)) == len(newly_wrong(given.examples))
