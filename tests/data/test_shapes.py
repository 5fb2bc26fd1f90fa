import subprocess
import sys

import numpy as np
import pytest

from tinyedge.data.shapes import CLASS_NAMES, FAMILIES, HARDNESS, PALETTES, TEXTURES, VERSION, load_shapes
from tinyedge.errors import UsageError

TEST_DIGEST = "2197290dd652fb43bca5200b53e2bdb15254cf4c1e4e26de954fe52b31f88afa"
"""Of version 1, seed 0. Whoever changes a pixel raises VERSION: artifacts trained on the old set name its digest."""


@pytest.fixture(scope="module")
def drawn():
    return load_shapes("test")


def test_what_it_says_of_itself(drawn):
    assert (drawn.name, drawn.split, drawn.synthetic) == ("shapes", "test", True)
    assert drawn.source == f"shapes version {VERSION}, seed 0 (synthetic)"
    assert drawn.images.shape == (10000, 32, 32, 3)
    assert drawn.images.flags.c_contiguous
    assert set(np.bincount(drawn.labels)) == {100}


def test_the_classes(drawn):
    assert len(set(CLASS_NAMES)) == drawn.num_classes == len(FAMILIES) * len(TEXTURES) * len(PALETTES) == 100
    assert list(CLASS_NAMES) == sorted(CLASS_NAMES), "an image folder of the set has the same labels"
    for name, family in zip(drawn.class_names, drawn.superclasses, strict=True):
        assert name.split("-")[0] == drawn.superclass_names[family]
    assert np.bincount(drawn.superclasses).tolist() == [10] * 10


def test_the_pixels_are_the_pinned_ones(drawn):
    assert (VERSION, drawn.digest) == (1, TEST_DIGEST)


def test_another_process_draws_the_same():
    code = "from tinyedge.data import load_dataset; print(load_dataset('shapes', 'test').digest)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == TEST_DIGEST


def test_train_is_larger_and_shares_nothing_with_test(drawn):
    train = load_shapes("train")
    assert len(train) == 20000
    assert not set(train.ids) & set(drawn.ids)


def test_seeds_and_splits_are_other_samples():
    digests = {load_shapes(split, seed, per_class=1).digest for split in ("train", "test") for seed in (0, 1, 2**40)}
    assert len(digests) == 6
    assert load_shapes("test", 1, per_class=1).digest == load_shapes("test", 1, per_class=1).digest


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("valid",), "train or test"), (("test", -1), "seed -1")],
)
def test_what_cannot_be_drawn(arguments, words):
    with pytest.raises(UsageError, match=words):
        load_shapes(*arguments)
    with pytest.raises(UsageError, match="0 images a class"):
        load_shapes("test", per_class=0)


def test_hardness_is_graded_and_unrelated_to_what_a_class_looks_like():
    hardness = np.array(HARDNESS)
    assert len(set(HARDNESS)) == 100
    assert 0 <= hardness.min() < 40
    assert 200 < hardness.max() <= 256
    grid = hardness.reshape(len(FAMILIES), len(TEXTURES), len(PALETTES))
    for axes in ((1, 2), (0, 2), (0, 1)):
        means = grid.mean(axes)
        assert means.min() > 85, axes
        assert means.max() < 165, axes


def test_hard_classes_are_noisier_and_none_is_blank(drawn):
    images = drawn.images.astype(np.int32).reshape(100, 100, 32, 32, 3)
    corner = images[:, :, :4, :4]  # mostly backdrop
    noise = np.abs(np.diff(corner, axis=3)).mean((1, 2, 3, 4))
    assert np.corrcoef(noise, HARDNESS)[0, 1] > 0.9
    assert drawn.images.reshape(10000, -1).std(1).min() > 3


def test_colour_alone_does_not_tell_the_classes():
    """Nearest neighbour on each image's colour statistics, fitted on other images, stays near the palette's share."""

    def statistics(dataset):
        pixels = dataset.images.reshape(len(dataset), -1, 3).astype(float)
        return np.concatenate([pixels.mean(1), pixels.std(1), pixels.min(1), pixels.max(1)], axis=1)

    train, test = load_shapes("train", per_class=40), load_shapes("test", per_class=10)
    a, b = statistics(train), statistics(test)
    a, b = (a - a.mean(0)) / a.std(0), (b - a.mean(0)) / a.std(0)
    centres = np.stack([a[train.labels == k].mean(0) for k in range(100)])
    for known, labels in ((a, train.labels), (centres, np.arange(100))):
        distance = (b**2).sum(1)[:, None] - 2 * b @ known.T + (known**2).sum(1)
        assert (labels[distance.argmin(1)] == test.labels).mean() < 0.15


def test_shape_is_what_tells_easy_classes():
    """Easy classes are told apart by the mean picture of their training images alone: they are drawn, not noise."""
    easy = np.argsort(HARDNESS)[:20]
    train, test = load_shapes("train", per_class=60), load_shapes("test", per_class=10)

    def outlines(dataset):
        images = dataset.images.reshape(100, -1, 32, 32, 3)[easy].astype(float)
        difference = np.abs(images - np.median(images, axis=(2, 3), keepdims=True)).sum(-1)
        return difference.reshape(len(easy), -1, 32 * 32)

    known = outlines(train).mean(1)
    known = (known - known.mean(1, keepdims=True)) / known.std(1, keepdims=True)
    found = outlines(test) @ known.T
    right_family = np.array([k // 10 for k in easy])
    hits = right_family[found.argmax(2)] == right_family[:, None]
    assert hits.mean() > 0.5, "chance is about 0.1"
