import io
from base64 import b64decode

import numpy as np
import pytest
from PIL import Image

from tests.support.reports import Pool, pool, report
from tinyedge.errors import UsageError
from tinyedge.report import pictures as module
from tinyedge.report.pictures import ROW_BYTES, listed, pictures_of


def decoded(text):
    return np.asarray(Image.open(io.BytesIO(b64decode(text))).convert("RGB"))


@pytest.mark.parametrize("channels", [1, 3])
def test_each_newly_wrong_image_is_the_one_with_its_id(channels):
    given = report(lost=0.05)
    images = pool(given, channels=channels)
    found = pictures_of(given, images)
    assert sorted(found.png) == sorted(example.index for example in given.newly_wrong)
    assert found.left_out == 0
    for position, png in found.png.items():
        (where,) = np.flatnonzero(images.ids == given.examples.ids[position])
        expected = np.broadcast_to(images.images[where], (8, 8, 3))
        np.testing.assert_array_equal(decoded(png), expected)


def test_the_same_images_give_the_same_bytes():
    given = report(lost=0.05)
    assert pictures_of(given, pool(given)) == pictures_of(given, pool(given))


def test_a_large_image_is_made_small_by_means():
    given = report(lost=0.05)
    images = pool(given, side=100)
    found = pictures_of(given, images)
    position, png = next(iter(found.png.items()))
    (where,) = np.flatnonzero(images.ids == given.examples.ids[position])
    small = decoded(png)
    assert small.shape == (50, 50, 3)
    assert np.abs(small[3, 4] - images.images[where][6:8, 8:10].mean(axis=(0, 1))).max() <= 0.5


def test_within_the_budget_every_class_has_its_turn():
    given = report(lost=0.1, given_up=True)
    whole = pictures_of(given, pool(given))
    rows = ROW_BYTES * len(listed(given))
    budget = rows + sum(map(len, whole.png.values())) // 4
    some = pictures_of(given, pool(given), budget_bytes=budget)
    assert sum(map(len, some.png.values())) <= budget - rows
    assert 0 < len(some.png) < len(whole.png)
    assert some.left_out == len(given.newly_wrong) - len(some.png)
    labels = np.asarray(given.examples.labels)
    assert {labels[i] for i in some.png} == {labels[i] for i in whole.png}
    for label in set(labels):
        mine = [i for i in (example.index for example in given.newly_wrong) if labels[i] == label]
        assert [i for i in mine if i in some.png] == mine[: sum(i in some.png for i in mine)], "most confident first"


def test_no_class_takes_more_than_its_share(monkeypatch):
    monkeypatch.setattr(module, "PER_CLASS", 2)
    given = report(given_up=True)
    found = pictures_of(given, pool(given))
    assert len(found.png) == 2
    assert found.left_out == len(given.newly_wrong) - 2 > 100


def test_other_images_are_refused():
    given = report()
    images = pool(given)
    with pytest.raises(UsageError, match="not the images that were judged") as error:
        pictures_of(given, Pool("other", images.images[1:], images.ids[1:]))
    assert "other: 1 of the report's 2,000 images" in str(error.value)


def test_a_page_lists_each_class_s_most_confident_and_what_has_a_picture_is_listed(monkeypatch):
    given = report(lost=0.1, given_up=True)
    labels = np.asarray(given.examples.labels)
    monkeypatch.setattr(module, "ROWS_PER_CLASS", 7)
    monkeypatch.setattr(module, "PER_CLASS", 3)
    found = listed(given)
    for label in set(labels.tolist()):
        mine = [e.index for e in given.newly_wrong if labels[e.index] == label]
        assert [i for i in found if labels[i] == label] == mine[:7]
    assert set(pictures_of(given, pool(given)).png) <= set(found)
    monkeypatch.setattr(module, "ROWS", 15)
    assert listed(given) == found[:15]
    assert len(pictures_of(given, pool(given)).png) == 15
