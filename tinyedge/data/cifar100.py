"""CIFAR-100 from whatever form of it is at hand; the examples, and so the digest, are the same by every route."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinyedge.data.cifar100_classes import FINE_LABELS, SUPERCLASS_NAMES, SUPERCLASS_OF
from tinyedge.data.dataset import Dataset
from tinyedge.data.official import Official, rows_to_images
from tinyedge.errors import DataError

OFFICIAL_MD5 = {
    "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    "meta": "7973b15100ade9c7d40fb424638fde48",
}
"""Of the files in the official ``cifar-100-python`` folder, as ``torchvision.datasets.CIFAR100`` checks them (its
``train_list``, ``test_list`` and ``meta``)."""
_OFFICIAL = Official(
    "CIFAR-100",
    "cifar100",
    "cifar-100-python",
    OFFICIAL_MD5,
    "CIFAR100",
    "one of: (1) --data-dir or $TINYEDGE_DATA naming a folder with the grid pack (manifest.json), or the official "
    "cifar-100-python folder; (2) the same with an image folder, train/<class>/*.png and test/<class>/*.png; "
    "(3) with network access, pip install 'tinyedge[train]': torchvision then downloads it once. "
    "Or use the embedded synthetic set: --data shapes",
    FINE_LABELS,
    "the 100 fine labels in alphabetical order",
)


def load_cifar100(split: str, data_dir: Path | None = None) -> Dataset:
    """Load a split of CIFAR-100.

    Args:
        split: ``train`` or ``test``.
        data_dir: a grid pack, an official python folder or an image folder, or the parent of one called ``cifar100``
            or ``cifar-100-python``; without it ``$TINYEDGE_DATA`` likewise, and without that the download in the cache
            folder (``$TINYEDGE_CACHE``, else ``~/.cache/tinyedge``).

    Raises:
        DatasetNotFound: where it is nowhere and cannot be downloaded.
        CorruptImage: where a file is damaged or is not the official one.
        ClassCountMismatch, ImageSizeMismatch: where what is there is something else than CIFAR-100.
    """
    found = _OFFICIAL.load(split, data_dir, _read_official)
    return Dataset(
        "cifar100",
        found.split,
        found.images,
        found.labels,
        FINE_LABELS,
        SUPERCLASS_OF,
        SUPERCLASS_NAMES,
        source=found.source,
    )


def find_cifar100(data_dir: Path) -> Path:
    """The folder that holds CIFAR-100: ``data_dir`` itself or its child ``cifar100`` or ``cifar-100-python``.

    Raises:
        DatasetNotFound: where neither does.
    """
    return _OFFICIAL.find(data_dir)


def _read_official(folder: Path, split: str) -> Dataset:
    """The official python version: rows of 3072 bytes, the red plane first."""
    names, content = _OFFICIAL.unpickled(folder / "meta"), _OFFICIAL.unpickled(folder / split)
    try:
        images = rows_to_images(content["data"])
        labels = np.asarray(content["fine_labels"], np.int64)
        classes = tuple(names["fine_label_names"])
    except (KeyError, ValueError, TypeError) as error:
        raise DataError("the file is not CIFAR-100's", where=folder / split, found=error) from error
    source = f"{folder.resolve().name} (official python files)"
    return Dataset("cifar100", split, images, labels, classes, source=source)
