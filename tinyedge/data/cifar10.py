"""CIFAR-10 from whatever form of it is at hand; the examples, and so the digest, are the same by every route."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinyedge.data.dataset import Dataset
from tinyedge.data.official import Official, rows_to_images
from tinyedge.errors import DataError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_TRAIN = tuple(f"data_batch_{i}" for i in range(1, 6))
_FILES = {"train": _TRAIN, "test": ("test_batch",)}
OFFICIAL_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
}
"""Of the files in the official ``cifar-10-batches-py`` folder, as ``torchvision.datasets.CIFAR10`` checks them."""
_OFFICIAL = Official(
    "CIFAR-10",
    "cifar10",
    "cifar-10-batches-py",
    OFFICIAL_MD5,
    "CIFAR10",
    "one of: (1) --data-dir or $TINYEDGE_DATA naming the official cifar-10-batches-py folder, or a pack or an image "
    "folder of it; (2) with network access, pip install 'tinyedge[train]': torchvision then downloads it once. "
    "Or use the embedded synthetic set: --data shapes",
    CLASSES,
    ", ".join(CLASSES),
)


def load_cifar10(split: str, data_dir: Path | None = None) -> Dataset:
    """Load a split of CIFAR-10.

    Args:
        split: ``train`` or ``test``.
        data_dir: an official python folder, a pack or an image folder, or the parent of one called ``cifar10`` or
            ``cifar-10-batches-py``; without it ``$TINYEDGE_DATA`` likewise, and without that the download in the
            cache folder.

    Raises:
        DatasetNotFound: where it is nowhere and cannot be downloaded.
        CorruptImage: where a file is damaged or is not the official one.
        ClassCountMismatch, ImageSizeMismatch: where what is there is something else than CIFAR-10.
    """
    found = _OFFICIAL.load(split, data_dir, _read_official)
    return Dataset("cifar10", found.split, found.images, found.labels, CLASSES, source=found.source)


def _read_official(folder: Path, split: str) -> Dataset:
    images, labels = [], []
    for name in _FILES[split]:
        content = _OFFICIAL.unpickled(folder / name)
        try:
            images.append(rows_to_images(content["data"]))
            labels.append(np.asarray(content["labels"], np.int64))
        except (KeyError, ValueError, TypeError) as error:
            raise DataError("the file is not CIFAR-10's", where=folder / name, found=error) from error
    names = tuple(_OFFICIAL.unpickled(folder / "batches.meta").get("label_names", ()))
    source = f"{folder.resolve().name} (official python files)"
    return Dataset("cifar10", split, np.concatenate(images), np.concatenate(labels), names, source=source)
