"""Small datasets whose pixels are drawn from a seed."""

import numpy as np
import pytest
from PIL import Image

from tinyedge.data.cifar100_classes import FINE_LABELS, SUPERCLASS_NAMES, SUPERCLASS_OF
from tinyedge.data.dataset import Dataset


@pytest.fixture
def make():
    """A function that draws a dataset of random pixels."""

    def draw(count=7, size=(5, 4), channels=3, classes=3, *, split="test", name="drawn", seed=0):
        rng = np.random.default_rng(seed)
        return Dataset(
            name,
            split,
            rng.integers(0, 256, (count, *size, channels), dtype=np.uint8),
            np.concatenate([np.arange(classes), rng.integers(0, classes, count)])[:count].astype(np.int64),
            tuple(f"class {k}" for k in range(classes)),
        )

    return draw


@pytest.fixture
def tiny_cifar100():
    """Two random images of every CIFAR-100 class, in a shuffled order, for each split."""

    def draw(split):
        rng = np.random.default_rng(len(split))
        labels = rng.permutation(np.repeat(np.arange(100, dtype=np.int64), 2))
        images = rng.integers(0, 256, (200, 32, 32, 3), dtype=np.uint8)
        return Dataset("cifar100", split, images, labels, FINE_LABELS, SUPERCLASS_OF, SUPERCLASS_NAMES)

    return {split: draw(split) for split in ("train", "test")}


@pytest.fixture
def as_folder():
    """A function that writes a dataset's split as PNG files, a class a folder."""

    def write(dataset, root):
        for i, (image, label) in enumerate(zip(dataset.images, dataset.labels, strict=True)):
            folder = root / dataset.class_names[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image if image.shape[2] == 3 else image[:, :, 0]).save(folder / f"{i:05}.png")
        return root

    return write
