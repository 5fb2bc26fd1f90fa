"""CIFAR-100 from whatever form of it is at hand; the examples, and so the digest, are the same by every route."""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from tinyedge.data.cifar100_classes import FINE_LABELS, SUPERCLASS_NAMES, SUPERCLASS_OF
from tinyedge.data.dataset import Dataset
from tinyedge.data.folder import folder_splits, read_folder
from tinyedge.data.pack import is_pack, read_pack
from tinyedge.errors import ClassCountMismatch, CorruptImage, DataError, DatasetNotFound, ImageSizeMismatch

DATA_VARIABLE, CACHE_VARIABLE = "TINYEDGE_DATA", "TINYEDGE_CACHE"
OFFICIAL_MD5 = {
    "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    "meta": "7973b15100ade9c7d40fb424638fde48",
}
"""Of the files in the official ``cifar-100-python`` folder, as ``torchvision.datasets.CIFAR100`` checks them (its
``train_list``, ``test_list`` and ``meta``). A file is unpickled only if it has its sum: a pickle can run anything."""
_OFFICIAL = "cifar-100-python"
_THREE_WAYS = (
    "one of: (1) --data-dir or $TINYEDGE_DATA naming a folder with the grid pack (manifest.json), or the official "
    "cifar-100-python folder; (2) the same with an image folder, train/<class>/*.png and test/<class>/*.png; "
    "(3) with network access, pip install 'tinyedge[train]': torchvision then downloads it once. "
    "Or use the embedded synthetic set: --data shapes"
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
    stated = data_dir or (Path(os.environ[DATA_VARIABLE]) if os.environ.get(DATA_VARIABLE) else None)
    folder = _download() if stated is None else find_cifar100(stated)
    if is_pack(folder):
        found = read_pack(folder, split)
    elif _is_official(folder):
        found = _read_official(folder, split)
    else:
        found = read_folder(folder, split)
    return _as_cifar100(found, folder)


def find_cifar100(data_dir: Path) -> Path:
    """The folder that holds CIFAR-100: ``data_dir`` itself or its child ``cifar100`` or ``cifar-100-python``.

    Raises:
        DatasetNotFound: where neither does.
    """
    if not data_dir.is_dir():
        raise DatasetNotFound("the data folder does not exist", where=data_dir, expected="CIFAR-100", fix=_THREE_WAYS)
    for folder in (data_dir, data_dir / "cifar100", data_dir / _OFFICIAL):
        if is_pack(folder) or _is_official(folder) or folder_splits(folder):
            return folder
    children = sorted(path.name for path in data_dir.iterdir())
    raise DatasetNotFound(
        "there is no CIFAR-100 in the data folder",
        where=data_dir,
        found=", ".join(children[:8]) or "an empty folder",
        expected="manifest.json, or the files train, test and meta, or the folders train and test; here or in a child "
        "cifar100 or cifar-100-python",
        fix=_THREE_WAYS,
    )


def cache_folder() -> Path:
    """Where downloads are kept: ``$TINYEDGE_CACHE``, else ``~/.cache/tinyedge``."""
    stated = os.environ.get(CACHE_VARIABLE)
    return Path(stated) if stated else Path.home() / ".cache" / "tinyedge"


def _as_cifar100(found: Dataset, folder: Path) -> Dataset:
    """``found`` under CIFAR-100's name and superclasses, if it has its classes and its size."""
    if found.class_names != FINE_LABELS:
        odd = sorted(set(found.class_names) ^ set(FINE_LABELS))
        raise ClassCountMismatch(
            "the classes are not CIFAR-100's",
            where=folder,
            found=f"{found.num_classes} classes" + (f"; not in both lists: {', '.join(odd[:5])}" if odd else ""),
            expected="the 100 fine labels in alphabetical order",
            fix="for other data give its path instead of cifar100",
        )
    if found.images.shape[1:] != (32, 32, 3):
        raise ImageSizeMismatch(
            "the images are not CIFAR-100's", where=folder, found=found.images.shape[1:], expected="(32, 32, 3)"
        )
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


def _is_official(folder: Path) -> bool:
    return all((folder / name).is_file() for name in OFFICIAL_MD5)


def _read_official(folder: Path, split: str) -> Dataset:
    """The official python version: rows of 3072 bytes, the red plane first."""
    if split not in ("train", "test"):
        raise DatasetNotFound("CIFAR-100 has no such split", where=folder, found=split, expected="train or test")
    names, content = _unpickled(folder / "meta"), _unpickled(folder / split)
    try:
        planes = np.asarray(content["data"], np.uint8).reshape(-1, 3, 32, 32)
        labels = np.asarray(content["fine_labels"], np.int64)
        classes = tuple(names["fine_label_names"])
    except (KeyError, ValueError, TypeError) as error:
        raise DataError("the file is not CIFAR-100's", where=folder / split, found=error) from error
    images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    source = f"{folder.resolve().name} (official python files)"
    return Dataset("cifar100", split, images, labels, classes, source=source)


def _unpickled(path: Path) -> dict[str, Any]:
    """The content of an official file; the very bytes that are unpickled are those that were checked."""
    content = path.read_bytes()
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != OFFICIAL_MD5[path.name]:
        raise CorruptImage(
            "the file is not the official one, and a pickle from elsewhere is never opened",
            where=path,
            found=f"MD5 {found}, {len(content):,} bytes",
            expected=OFFICIAL_MD5[path.name],
            fix="unpack cifar-100-python.tar.gz again",
        )
    return dict(pickle.loads(content, encoding="latin1"))  # noqa: S301  # exactly the published bytes


def _download() -> Path:
    """The official folder in the cache, fetched by torchvision if it is not there: whole, or not at all."""
    cache = cache_folder()
    folder = cache / _OFFICIAL
    if _is_official(folder):
        return folder
    try:
        from torchvision.datasets import CIFAR100

        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".cifar100.tmp-", dir=cache) as temporary:
            with redirect_stdout(sys.stderr):  # stdout is for results
                CIFAR100(temporary, download=True)
            (Path(temporary) / _OFFICIAL).replace(folder)
    except (ImportError, OSError, RuntimeError) as error:
        # No torchvision, no network (URLError is an OSError), a damaged download, a cache that cannot be written.
        if _is_official(folder):  # another process was faster
            return folder
        raise DatasetNotFound(
            "CIFAR-100 is not here and could not be downloaded",
            where=f"${DATA_VARIABLE} is not set; cache {cache}",
            found=f"{type(error).__name__}: {error}",
            expected="CIFAR-100",
            fix=_THREE_WAYS,
        ) from error
    return folder
