import io
from base64 import b64decode

import numpy as np
import pytest
from PIL import Image

from tests.support.reports import Pool, pool, report
from tinyedge.errors import UsageError
from tinyedge.report import pictures as module
from tinyedge.report.changes import newly_wrong
from tinyedge.report.pictures import pictures_of


def decoded(text):
    return np.asarray(Image.open(io.BytesIO(b64decode(text))).convert("RGB"))


@pytest.mark.parametrize("channels", [1, 3])
def test_each_newly_wrong_image_is_the_one_with_its_id(channels):
    given = report(lost=0.05)
    images = pool(given, channels=channels)
    found = pictures_of(given, images)
    assert sorted(found.png) == sorted(newly_wrong(given.examples).tolist())
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
    budget = sum(map(len, whole.png.values())) // 4
    some = pictures_of(given, pool(given), budget_bytes=budget)
    assert sum(map(len, some.png.values())) <= budget
    assert 0 < len(some.png) < len(whole.png)
    assert some.left_out == len(newly_wrong(given.examples)) - len(some.png)
    labels = np.asarray(given.examples.labels)
    assert {labels[i] for i in some.png} == {labels[i] for i in whole.png}
    for label in set(labels):
        mine = [i for i in newly_wrong(given.examples).tolist() if labels[i] == label]
        assert [i for i in mine if i in some.png] == mine[: sum(i in some.png for i in mine)], "most confident first"


def test_no_class_takes_more_than_its_share(monkeypatch):
    monkeypatch.setattr(module, "PER_CLASS", 2)
    given = report(given_up=True)
    found = pictures_of(given, pool(given))
    assert len(found.png) == 2
    assert found.left_out == len(newly_wrong(given.examples)) - 2 > 100


def test_other_images_are_refused():
    given = report()
    images = pool(given)
    with pytest.raises(UsageError, match="not the images that were judged") as error:
        pictures_of(given, Pool("other", images.images[1:], images.ids[1:]))
    assert "other: 1 of the report's 2,000 images" in str(error.value)
