"""``manifest.json`` of a grid pack, checked and turned into what the reader needs; docs/data.md has the format."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.data.cifar100_classes import FINE_LABELS
from tinyedge.errors import ClassCountMismatch, DataError, DatasetEmpty, DatasetNotFound, LabelOutOfRange

FORMAT = "tinyedge-pack/1"
WEBP_SIDE = 16383
"""The longest side that WebP can store."""
_PLAIN_GRID, _PLAIN_TILE = (100, 100), (32, 32)


@dataclass(frozen=True)
class GridFile:
    """One WebP file of a pack.

    Args:
        name: beside the manifest.
        split: which split its images belong to.
        tile: ``(H, W)`` of one image.
        grid: rows and columns of tiles; images fill it row by row.
        channels: 1 or 3.
        labels: int64, one an image; there may be fewer than tiles.
        sha256_file: of the file's bytes.
        sha256_pixels: of the uint8 array ``(N, H, W, C)``, C order.
    """

    name: str
    split: str
    tile: tuple[int, int]
    grid: tuple[int, int]
    channels: int
    labels: NDArray[np.int64] = field(repr=False)
    sha256_file: str
    sha256_pixels: str


@dataclass(frozen=True)
class Manifest:
    """What a pack says of itself; ``superclasses`` is the superclass index of each class."""

    where: Path
    name: str
    synthetic: bool
    class_names: tuple[str, ...]
    superclasses: tuple[int, ...] | None
    superclass_names: tuple[str, ...]
    files: tuple[GridFile, ...]

    def of_split(self, split: str) -> tuple[GridFile, ...]:
        """The files of ``split``, in order.

        Raises:
            DatasetNotFound: where there is none.
        """
        files = tuple(file for file in self.files if file.split == split)
        if not files:
            raise DatasetNotFound(
                "the pack has no such split",
                where=self.where,
                found=", ".join(dict.fromkeys(file.split for file in self.files)),
                expected=split,
            )
        return files


def read_manifest(folder: Path) -> Manifest:
    """Read and check ``folder``'s manifest; no image is opened.

    Raises:
        DatasetNotFound: where it is missing.
        DatasetEmpty: where it lists no file, or a file without images.
        LabelOutOfRange, ClassCountMismatch: where labels or superclasses do not fit the classes.
        DataError: where it is not a manifest, or of a newer format.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise DatasetNotFound("there is no pack here", where=folder, found="no manifest.json", fix="check the path")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        stated = content.get("format")
        if stated not in (None, FORMAT):
            raise DataError(
                "the pack is of a format that this version does not read",
                where=path,
                found=stated,
                expected=f"{FORMAT}, or none (the plain form)",
                fix="upgrade tinyedge, or write the pack again",
            )
        classes = tuple(str(name) for name in content["fine_labels"])
        superclasses, superclass_names = _superclasses(content.get("superclasses"), classes, path)
        own = stated == FORMAT
        files = tuple(
            _own_file(name, entry, len(classes), path) if own else _plain_file(name, entry, len(classes), path)
            for name, entry in content["files"].items()
        )
        name = str(content["name"]) if own else _plain_title(folder, classes)
        synthetic = bool(content.get("synthetic", False))
    except DataError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(
            "the pack's manifest cannot be read",
            where=path,
            found=f"{type(error).__name__}: {error}",
            expected="the keys that docs/data.md lists",
            fix="copy the pack again, or write it again: tinyedge data pack",
        ) from error
    if not files:
        raise DatasetEmpty("the pack lists no files", where=path, found=0, expected="at least 1 file")
    if len(set(classes)) < len(classes):
        raise DataError("class names repeat", where=path, expected="unique names in fine_labels")
    return Manifest(path, name, synthetic, classes, superclasses, superclass_names, files)


def labels_to_runs(labels: NDArray[np.int64]) -> list[list[int]]:
    """Labels as ``[label, how many in a row]`` pairs: short where a dataset is sorted by class.

    >>> labels_to_runs(np.array([0, 0, 0, 2]))
    [[0, 3], [2, 1]]
    """
    starts = np.flatnonzero(np.diff(labels, prepend=-1))
    lengths = np.diff(starts, append=len(labels))
    return [[int(labels[s]), int(n)] for s, n in zip(starts, lengths, strict=True)]


def _own_file(name: str, entry: dict[str, Any], classes: int, path: Path) -> GridFile:
    runs = np.array(entry["labels"], np.int64).reshape(-1, 2)
    if len(runs) == 0 or (runs[:, 1] < 1).any():
        raise DatasetEmpty("a file of the pack has no images", where=f"{path}, {name}", expected="at least 1 image")
    outside = runs[(runs[:, 0] < 0) | (runs[:, 0] >= classes), 0]
    if len(outside):
        raise LabelOutOfRange(
            "a label of the pack is not a class index",
            where=f"{path}, {name}",
            found=int(outside[0]),
            expected=f"0 to {classes - 1} ({classes} class names)",
        )
    (height, width), (rows, columns) = (int(n) for n in entry["tile"]), (int(n) for n in entry["grid"])
    channels, count = int(entry["channels"]), int(runs[:, 1].sum())
    fits = 1 <= rows * height <= WEBP_SIDE and 1 <= columns * width <= WEBP_SIDE and count <= rows * columns
    if min(height, width, rows, columns) < 1 or channels not in (1, 3) or not fits:
        raise DataError(
            "the manifest's tile, grid, channels and labels do not fit together",
            where=f"{path}, {name}",
            found=f"tile {height} x {width}, grid {rows} x {columns}, {channels} channels, {count} labels",
            expected=f"1 or 3 channels, at most {WEBP_SIDE} pixels a side, at most rows x columns labels",
        )
    return GridFile(
        _plain_name(name, path),
        str(entry["split"]),
        (height, width),
        (rows, columns),
        channels,
        np.repeat(runs[:, 0], runs[:, 1]),
        str(entry["sha256_file"]),
        str(entry["sha256_pixels"]),
    )


def _plain_file(name: str, entry: dict[str, Any], classes: int, path: Path) -> GridFile:
    """The form without ``format``: 100 classes, a row each, ``<split>.webp`` or ``<split>-<i>.webp``."""
    rows, columns = _PLAIN_GRID
    if classes != rows:
        raise ClassCountMismatch(
            "a pack without a format has one row of tiles for each of 100 classes",
            where=path,
            found=classes,
            expected=rows,
        )
    labels = np.repeat(np.arange(rows, dtype=np.int64), columns)
    split = PurePath(_plain_name(name, path)).stem.split("-")[0]
    return GridFile(
        name, split, _PLAIN_TILE, _PLAIN_GRID, 3, labels, str(entry["sha256_file"]), str(entry["sha256_pixels"])
    )


def _plain_title(folder: Path, classes: tuple[str, ...]) -> str:
    return "cifar100" if classes == FINE_LABELS else folder.resolve().name


def _plain_name(name: str, path: Path) -> str:
    """``name``, if it stays in the pack's folder: a manifest comes from anywhere."""
    if PurePath(name).name != name or "\\" in name:
        raise DataError(
            "the manifest names a file outside its folder", where=path, found=name, expected="a bare file name"
        )
    return name


def _superclasses(
    stated: dict[str, list[str]] | None, classes: tuple[str, ...], path: Path
) -> tuple[tuple[int, ...] | None, tuple[str, ...]]:
    if not stated:
        return None, ()
    of = {name: index for index, members in enumerate(stated.values()) for name in members}
    listed = sum(len(members) for members in stated.values())
    if set(of) != set(classes) or listed != len(classes):
        odd = sorted(set(of) ^ set(classes))
        raise ClassCountMismatch(
            "the superclasses do not hold each class once",
            where=path,
            found=f"{listed} entries" + (f"; {', '.join(odd[:5])} in only one of the lists" if odd else ""),
            expected=f"each of the {len(classes)} classes in one superclass",
        )
    return tuple(of[name] for name in classes), tuple(stated)
