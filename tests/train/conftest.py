import numpy as np
import pytest

from tinyedge.data.dataset import Dataset


@pytest.fixture(scope="session")
def toy():
    """640 images of 10 classes; a class is its redness: learnable in a few steps."""
    rng = np.random.default_rng(0)
    labels = np.arange(640) % 10
    images = rng.integers(0, 256, (640, 32, 32, 3), np.uint8)
    images[:, :, :, 0] = (labels * 25)[:, None, None]
    return Dataset("toy", "train", images, labels.astype(np.int64), tuple("abcdefghij"))
