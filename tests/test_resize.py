"""Resizing against PyTorch's own, and by hand where it has no such method."""

import numpy as np
import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from tinyedge.resize import METHODS, resize

SIZES = [((8, 12), (4, 4)), ((9, 7), (5, 11)), ((5, 5), (13, 3)), ((6, 6), (6, 6))]


def images(size, channels=3):
    return np.random.default_rng(0).integers(0, 256, (4, *size, channels), np.uint8)


def by_torch(batch, size, **options):
    real = torch.from_numpy(batch.astype(np.float64)).permute(0, 3, 1, 2)
    return interpolate(real, size, **options).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_bilinear_is_pytorchs_without_antialiasing(old, new):
    expected = by_torch(images(old), new, mode="bilinear", align_corners=False, antialias=False)
    assert np.abs(resize(images(old), new, "bilinear") - expected).max() <= 0.5 + 1e-3


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_nearest_is_pytorchs_nearest_exact(old, new):
    np.testing.assert_array_equal(resize(images(old), new, "nearest"), by_torch(images(old), new, mode="nearest-exact"))


def test_area_is_the_mean_of_what_a_pixel_covers():
    real = torch.from_numpy(images((8, 12)).astype(np.float64)).permute(0, 3, 1, 2)
    expected = adaptive_avg_pool2d(real, (4, 4)).permute(0, 2, 3, 1).numpy()
    assert np.abs(resize(images((8, 12)), (4, 4), "area") - expected).max() <= 0.5 + 1e-3
    row = np.array([0, 90, 240], np.uint8).reshape(1, 1, 3, 1)
    assert resize(row, (1, 2), "area").ravel().tolist() == [30, 190]  # two thirds of one and a third of the next


@pytest.mark.parametrize("method", METHODS)
def test_a_plain_image_stays_plain_and_equal_sizes_change_nothing(method):
    plain = np.full((1, 7, 5, 1), 201, np.uint8)
    assert (resize(plain, (3, 9), method) == 201).all()
    np.testing.assert_array_equal(resize(images((6, 5)), (6, 5), method), images((6, 5)))
