from __future__ import annotations

import exporting
import numpy as np
import pytest

from tinyedge.errors import ExportError
from tinyedge.exporters.representative import MIN_COUNT, draw_representative


def test_the_draw_is_recorded_and_repeatable():
    first, again = (draw_representative(exporting.noise(), count=110, seed=5) for _ in range(2))
    other = draw_representative(exporting.noise(), count=110, seed=6)
    assert np.array_equal(first.images, again.images)
    assert not np.array_equal(first.images, other.images)
    assert first.origin == {
        "data": "noise",
        "data_digest": exporting.noise().digest,
        "split": "train",
        "count": 110,
        "seed": 5,
        "images_digest": again.origin["images_digest"],
    }


def test_test_images_are_refused():
    with pytest.raises(ExportError, match=r"(?s)must come from training data.*test split"):
        draw_representative(exporting.noise("test"), count=110)


@pytest.mark.parametrize("count", [0, 1, MIN_COUNT - 1])
def test_too_few_are_refused(count):
    with pytest.raises(ExportError, match=rf"(?s)too few representative images.*{MIN_COUNT} or more"):
        draw_representative(exporting.noise(), count=count)


def test_more_than_there_are_is_refused_with_how_many_there_are():
    with pytest.raises(ExportError, match="--representative 160"):
        draw_representative(exporting.noise(), count=161)


@pytest.mark.parametrize("count", [100, 130, 160])
def test_a_balanced_draw_holds_each_class_as_often_as_there_are_images(count):
    data = exporting.noise()  # 160 images of 100 classes: 60 of them have two
    drawn = draw_representative(data, count=count, seed=1, balanced=True)
    assert len(drawn.images) == count
    ids = data.take(np.arange(len(data))).ids
    index = [int(np.flatnonzero((data.images == image).all(axis=(1, 2, 3)))[0]) for image in drawn.images]
    assert len({ids[i] for i in index}) == count, "without replacement"
    held = np.bincount(data.labels[index], minlength=100)
    assert held.min() == 1
    assert (held == 2).sum() == count - 100


def test_a_balanced_draw_is_recorded_repeatable_and_blind_to_the_order_of_the_data():
    data = exporting.noise()
    turned = data.take(np.arange(len(data))[::-1].copy())
    first, again, other = (
        draw_representative(d, count=120, seed=s, balanced=True) for d, s in ((data, 4), (turned, 4), (data, 5))
    )
    assert first.origin == again.origin
    assert first.origin["balanced"] is True
    assert first.origin["images_digest"] != other.origin["images_digest"]
    plain = draw_representative(data, count=120, seed=4)
    assert "balanced" not in plain.origin
    assert plain.origin["images_digest"] != first.origin["images_digest"]


def test_a_rare_class_gives_all_that_it_has():
    data = exporting.noise(classes=4)
    rare = data.take(np.flatnonzero((data.labels != 2) | (np.arange(160) < 20)).astype(np.int64))
    held = int((rare.labels == 2).sum())
    drawn = draw_representative(rare, count=110, balanced=True)
    counts = dict.fromkeys(range(4), 0)
    for image in drawn.images:
        counts[int(rare.labels[(rare.images == image).all(axis=(1, 2, 3))][0])] += 1
    assert counts[2] == held == 5
    assert sorted(counts[k] for k in (0, 1, 3)) == [35, 35, 35]


def test_fewer_balanced_images_than_classes_and_a_class_without_any_are_refused():
    many = exporting.noise(count=160, classes=160)
    with pytest.raises(ExportError, match=r"(?s)cannot hold every class.*120 images for 160 classes"):
        draw_representative(many, count=120, balanced=True)
    data = exporting.noise()
    lacking = data.take(np.flatnonzero(data.labels != 7).astype(np.int64))
    with pytest.raises(ExportError, match="no image of class7"):
        draw_representative(lacking, count=120, balanced=True)
