"""A data set of ten easy classes, small enough to train on in seconds."""

import numpy as np

from tinyedge.data.dataset import Dataset

COUNTS = {"train": 384, "test": 100}


def toy(split):
    """``COUNTS[split]`` images of noise whose redness is their class."""
    labels = np.arange(COUNTS[split]) % 10
    images = np.random.default_rng(COUNTS[split]).integers(0, 256, (len(labels), 32, 32, 3), np.uint8)
    images[:, :, :, 0] = (labels * 25)[:, None, None]
    return Dataset("toy", split, images, labels.astype(np.int64), tuple("abcdefghij"))


def save_toy(folder):
    """The same as a folder that ``--data`` takes."""
    folder.mkdir()
    for split in COUNTS:
        data = toy(split)
        np.savez(folder / f"{split}.npz", x=data.images, y=data.labels)
    return folder
