"""From a name or a path to a dataset."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from tinyedge.data.cifar10 import load_cifar10
from tinyedge.data.cifar100 import load_cifar100
from tinyedge.data.dataset import Dataset
from tinyedge.data.entry import load_entry
from tinyedge.data.folder import SPLITS, folder_splits, read_folder
from tinyedge.data.npz import read_npz
from tinyedge.data.official import DATA_VARIABLE
from tinyedge.data.pack import is_pack, pack_splits, read_pack
from tinyedge.data.shapes import load_shapes
from tinyedge.entry_point import is_entry_point
from tinyedge.errors import DatasetNotFound, UsageError

NAMES = ("auto", "cifar10", "cifar100", "shapes")
_KINDS = (
    "cifar10, cifar100, shapes, the path of a pack, an image folder or an .npz file, or module:function of your own"
)


def load_dataset(name_or_path: str, split: str, *, data_dir: Path | None = None) -> Dataset:
    """Load one split of a dataset.

    Args:
        name_or_path: ``cifar10``, ``cifar100``, ``shapes``; ``auto``, which is cifar100 where ``data_dir`` or
            ``$TINYEDGE_DATA`` says where it is and shapes elsewhere; ``module:function`` (``tinyedge.data.entry``);
            or a path: a grid pack, an image folder, an ``.npz`` file, or a folder with ``train.npz`` and
            ``test.npz``. A single npz file and an image folder without splits are whichever split is asked for.
        split: ``train`` or ``test``.
        data_dir: where cifar10 or cifar100 is.

    Raises:
        DataError: one of its kinds, by what is wrong with the data.
        UsageError: for another split.
    """
    if split not in SPLITS:
        raise UsageError("there is no such split", where="--split", found=split, expected=" or ".join(SPLITS))
    name = resolved(name_or_path, data_dir)
    if name == "shapes":
        return load_shapes(split)
    if name == "cifar100":
        return load_cifar100(split, data_dir)
    if name == "cifar10":
        return load_cifar10(split, data_dir)
    if is_entry_point(name):
        return load_entry(name, split)
    path = _existing(name)
    if is_pack(path):
        return read_pack(path, split)
    if path.is_file():
        return read_npz(path, split)
    if _npz_splits(path):
        return read_npz(path / f"{split}.npz", split, name=path.resolve().name)
    return read_folder(path, split)


def dataset_splits(name_or_path: str) -> tuple[str, ...]:
    """The splits that can be loaded; empty where the path is one set of images without a split of its own.

    Raises:
        DataError: where there is nothing, or a pack's manifest is unreadable.
    """
    if name_or_path in NAMES:
        return SPLITS
    if is_entry_point(name_or_path):
        return ()
    path = _existing(name_or_path)
    if is_pack(path):
        return pack_splits(path)
    return () if path.is_file() else _npz_splits(path) or folder_splits(path)


def resolved(name_or_path: str, data_dir: Path | None = None) -> str:
    """``auto`` as the name of the dataset that it stands for here; anything else as it is."""
    if name_or_path != "auto":
        return name_or_path
    return "cifar100" if data_dir is not None or os.environ.get(DATA_VARIABLE) else "shapes"


def _existing(text: str) -> Path:
    path = Path(text)
    if not path.exists():
        close = get_close_matches(text, NAMES, n=1)
        raise DatasetNotFound(
            "there is no such dataset",
            where=text,
            expected=_KINDS,
            fix=f"did you mean {close[0]}?" if close else "check the path",
        )
    if not path.is_file() and not path.is_dir():  # a device, a pipe, a socket
        raise DatasetNotFound(
            "neither a folder nor an .npz file",
            where=text,
            expected=_KINDS,
            fix="check the path",
        )
    return path


def _npz_splits(folder: Path) -> tuple[str, ...]:
    return tuple(split for split in SPLITS if (folder / f"{split}.npz").is_file())
