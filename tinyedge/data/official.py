"""The published python versions of CIFAR: found, checked by their sums before they are unpickled, downloaded once."""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.data.dataset import Dataset
from tinyedge.data.folder import SPLITS, folder_splits, read_folder
from tinyedge.data.pack import is_pack, read_pack
from tinyedge.errors import ClassCountMismatch, CorruptImage, DatasetNotFound, ImageSizeMismatch

DATA_VARIABLE, CACHE_VARIABLE = "TINYEDGE_DATA", "TINYEDGE_CACHE"


@dataclass(frozen=True)
class Official:
    """One published set.

    Args:
        title: e.g. ``CIFAR-100``.
        child: what its folder may be called below a data folder, beside the official name.
        folder: the official folder's name.
        md5: of each file in it, as torchvision checks them. A file is unpickled only if it has its sum: a pickle can
            run anything.
        downloader: the class in ``torchvision.datasets`` that fetches it.
        ways: how to come by it, for messages.
        classes: in label order.
        listed: what these are, for messages.
    """

    title: str
    child: str
    folder: str
    md5: Mapping[str, str]
    downloader: str
    ways: str
    classes: tuple[str, ...]
    listed: str

    def load(self, split: str, data_dir: Path | None, read: Callable[[Path, str], Dataset]) -> Dataset:
        """A split from whatever form is at hand, if it has the set's classes and its size.

        Args:
            split: ``train`` or ``test``.
            data_dir: as ``locate``.
            read: reads the official files in a folder.

        Raises:
            DatasetNotFound: where it is nowhere and cannot be downloaded, or there is no such split.
            ClassCountMismatch, ImageSizeMismatch: where what is there is something else.
        """
        folder = self.locate(data_dir)
        if is_pack(folder):
            found = read_pack(folder, split)
        elif self.is_at(folder):
            if split not in SPLITS:
                raise DatasetNotFound(
                    f"{self.title} has no such split", where=folder, found=split, expected="train or test"
                )
            found = read(folder, split)
        else:
            found = read_folder(folder, split)
        self._check(found, folder)
        return found

    def _check(self, found: Dataset, folder: Path) -> None:
        if found.class_names != self.classes:
            odd = sorted(set(found.class_names) ^ set(self.classes))
            raise ClassCountMismatch(
                f"the classes are not {self.title}'s",
                where=folder,
                found=f"{found.num_classes} classes" + (f"; not in both lists: {', '.join(odd[:5])}" if odd else ""),
                expected=self.listed,
                fix=f"for other data give its path instead of {self.child}",
            )
        if found.images.shape[1:] != (32, 32, 3):
            raise ImageSizeMismatch(
                f"the images are not {self.title}'s", where=folder, found=found.images.shape[1:], expected="(32, 32, 3)"
            )

    def locate(self, data_dir: Path | None) -> Path:
        """The folder with the set: by ``data_dir``, else by ``$TINYEDGE_DATA``, else the download in the cache.

        Raises:
            DatasetNotFound: where it is nowhere and cannot be downloaded.
        """
        stated = data_dir or (Path(os.environ[DATA_VARIABLE]) if os.environ.get(DATA_VARIABLE) else None)
        return self._download() if stated is None else self.find(stated)

    def find(self, data_dir: Path) -> Path:
        """The folder that holds the set: ``data_dir`` itself, or its child of either name.

        Raises:
            DatasetNotFound: where neither does.
        """
        if not data_dir.is_dir():
            raise DatasetNotFound("the data folder does not exist", where=data_dir, expected=self.title, fix=self.ways)
        for folder in (data_dir, data_dir / self.child, data_dir / self.folder):
            if is_pack(folder) or self.is_at(folder) or folder_splits(folder):
                return folder
        children = sorted(path.name for path in data_dir.iterdir())
        raise DatasetNotFound(
            f"there is no {self.title} in the data folder",
            where=data_dir,
            found=", ".join(children[:8]) or "an empty folder",
            expected=f"manifest.json, or the files {', '.join(self.md5)}, or the folders train and test; here or in a "
            f"child {self.child} or {self.folder}",
            fix=self.ways,
        )

    def is_at(self, folder: Path) -> bool:
        """Whether all the official files are in ``folder``."""
        return all((folder / name).is_file() for name in self.md5)

    def unpickled(self, path: Path) -> dict[str, Any]:
        """The content of an official file; the very bytes that are unpickled are those that were checked.

        Raises:
            CorruptImage: where it is not the published file.
        """
        content = path.read_bytes()
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != self.md5[path.name]:
            raise CorruptImage(
                "the file is not the official one, and a pickle from elsewhere is never opened",
                where=path,
                found=f"MD5 {found}, {len(content):,} bytes",
                expected=self.md5[path.name],
                fix=f"unpack {self.title}'s official python archive again",
            )
        return dict(pickle.loads(content, encoding="latin1"))  # noqa: S301  # exactly the published bytes

    def _download(self) -> Path:
        """The official folder in the cache, fetched by torchvision if it is not there: whole, or not at all."""
        cache = cache_folder()
        folder = cache / self.folder
        if self.is_at(folder):
            return folder
        try:
            from torchvision import datasets

            cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f".{self.child}.tmp-", dir=cache) as temporary:
                with redirect_stdout(sys.stderr):  # stdout is for results
                    getattr(datasets, self.downloader)(temporary, download=True)
                (Path(temporary) / self.folder).replace(folder)
        except (ImportError, OSError, RuntimeError) as error:
            # No torchvision, no network (URLError is an OSError), a damaged download, a cache that cannot be written.
            if self.is_at(folder):  # another process was faster
                return folder
            raise DatasetNotFound(
                f"{self.title} is not here and could not be downloaded",
                where=f"${DATA_VARIABLE} is not set; cache {cache}",
                found=f"{type(error).__name__}: {error}",
                expected=self.title,
                fix=self.ways,
            ) from error
        return folder


def rows_to_images(rows: Any) -> NDArray[np.uint8]:
    """uint8 ``(N, 32, 32, 3)`` of rows of 3072 bytes, the red plane first.

    Raises:
        ValueError: where they are not such rows.
    """
    planes = np.asarray(rows, np.uint8).reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1))


def cache_folder() -> Path:
    """Where downloads are kept: ``$TINYEDGE_CACHE``, else ``~/.cache/tinyedge``."""
    stated = os.environ.get(CACHE_VARIABLE)
    return Path(stated) if stated else Path.home() / ".cache" / "tinyedge"
