import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyedge.data.dataset import Dataset
from tinyedge.errors import UsageError
from tinyedge.repair.split import default_tuning, split


def images(counts, *, twice=0):
    """So many images of each class, all different but for ``twice`` of them, which are there again."""
    labels = np.repeat(np.arange(len(counts)), counts)
    pixels = np.arange(len(labels), dtype="<u4").view(np.uint8).reshape(-1, 1, 4, 1)
    pixels, labels = np.concatenate([pixels, pixels[:twice]]), np.concatenate([labels, labels[:twice]])
    return Dataset("toy", "test", pixels, labels, tuple(f"class {i}" for i in range(len(counts))))


@given(st.lists(st.integers(1, 60), min_size=2, max_size=6), st.integers(0, 5), st.data())
def test_no_image_is_in_both_parts_and_every_class_gives_its_share(counts, seed, data):
    whole = images(counts)
    tuning = data.draw(st.integers(1, len(whole) - 1))
    first, second = split(whole, tuning, seed=seed, least=1)
    assert not set(first.ids) & set(second.ids)
    assert sorted([*first.ids, *second.ids]) == sorted(whole.ids)
    assert len(first) == tuning
    share = np.bincount(whole.labels) * tuning / len(whole)
    assert (abs(np.bincount(first.labels, minlength=len(counts)) - share) < 1).all()


def test_the_order_of_the_data_changes_nothing_and_the_seed_does():
    whole = images([40, 60])
    turned = whole.take(np.arange(len(whole), dtype=np.int64)[::-1])
    chosen = split(whole, 20, seed=3, least=2)[0]
    assert set(chosen.ids) == set(split(turned, 20, seed=3, least=2)[0].ids)
    assert set(chosen.ids) != set(split(whole, 20, seed=4, least=2)[0].ids)
    assert "20 of 100 images, tuning, seed 3" in chosen.source


def test_an_image_that_is_there_twice_is_in_one_part():
    first, second = split(images([30, 30], twice=25), 17, seed=0, least=2)
    assert not set(first.ids) & set(second.ids)
    assert len(first) + len(second) == 85


@pytest.mark.parametrize("tuning", [0, 99, 100, 101, 99_999])
def test_too_few_images_on_either_side_are_refused(tuning):
    with pytest.raises(UsageError, match="cannot be split so") as told:
        split(images([60, 60]), tuning, seed=0, least=100)
    assert told.value.where == "--tune-images"
    assert f"{tuning:,} of 120" in told.value.found


def test_a_fifth_tunes_unless_that_is_more_than_is_needed():
    assert [default_tuning(n) for n in (1000, 10_000, 10**6)] == [200, 2000, 2000]
