"""The grid pack: a dataset as lossless WebP grids of tiles beside one ``manifest.json``; docs/data.md has the format.

Two forms are read. The plain one has 100 x 100 tiles of 32 x 32 pixels a file, row r holding class r. tinyedge's own,
which it also writes, is a superset of it that states tile, grid, channels and labels of every file, so that any dataset
comes back as it went in: pixels, labels and order.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.data.dataset import Dataset
from tinyedge.data.decode import decode_image
from tinyedge.data.manifest import FORMAT, WEBP_SIDE, GridFile, labels_to_runs, read_manifest
from tinyedge.data.pieces import pieces
from tinyedge.errors import ClassCountMismatch, CorruptImage, ImageSizeMismatch, UsageError

_FILE_PIXELS = 100 * 100 * 32 * 32
"""Pixels a file at most (unless one tile has more): 31 MB decoded, so that reading needs little memory."""
_TILE_PIXELS = 2**26
"""Above this Pillow would take the file for a decompression bomb when it reads it back."""


def is_pack(folder: Path) -> bool:
    """Whether ``folder`` holds a manifest."""
    return (folder / "manifest.json").is_file()


def pack_splits(folder: Path) -> tuple[str, ...]:
    """The splits of a pack, in the order of its files.

    Raises:
        DatasetNotFound, DataError: where the manifest is missing or unreadable.
    """
    return tuple(dict.fromkeys(file.split for file in read_manifest(folder).files))


def read_pack(folder: Path, split: str) -> Dataset:
    """Read one split; every file is checked against the manifest's hashes.

    Args:
        folder: holds ``manifest.json`` and the files that it names.
        split: e.g. ``train`` or ``test``.

    Raises:
        DatasetNotFound: where the folder, its manifest or the split is missing.
        CorruptImage: where a file is missing, truncated, changed or not decodable; the message names it.
        ImageSizeMismatch: where a grid is not of the size that the manifest states.
        LabelOutOfRange: where a label of the manifest is not a class.
        DataError: where the manifest itself makes no sense.
    """
    manifest = read_manifest(folder)
    files = manifest.of_split(split)
    tiles = [_read_tiles(folder, file) for file in files]
    return Dataset(
        manifest.name,
        split,
        np.concatenate(tiles) if len(tiles) > 1 else tiles[0],
        np.concatenate([file.labels for file in files]),
        manifest.class_names,
        manifest.superclasses,
        manifest.superclass_names,
        synthetic=manifest.synthetic,
        source=f"{folder.resolve().name} (grid pack)",
    )


def pack_pieces(folder: Path, split: str, images: int | None = None) -> Iterator[Dataset]:
    """One split in pieces of ``images`` images at most, with one file of the pack in memory at a time.

    Raises:
        As ``read_pack``; what is wrong with a later file shows when it is read.
    """
    manifest = read_manifest(folder)
    for file in manifest.of_split(split):
        whole = Dataset(
            manifest.name,
            split,
            _read_tiles(folder, file),
            file.labels,
            manifest.class_names,
            manifest.superclasses,
            manifest.superclass_names,
            synthetic=manifest.synthetic,
            source=f"{folder.resolve().name} (grid pack)",
        )
        yield from pieces(whole, images)


def write_pack(datasets: Sequence[Dataset], folder: Path, *, on_file: Callable[[str], None] = lambda _: None) -> None:
    """Write the splits of one dataset as a pack: the whole folder appears at the end, or nothing does.

    Args:
        datasets: one a split, with the same name, classes and superclasses.
        folder: must not exist yet, or be empty.
        on_file: called with each file's name once it is encoded (lossless WebP takes about 2 s for 10,000 tiles).

    Raises:
        UsageError: where the folder already holds something, or a split comes twice.
        ClassCountMismatch: where the splits are not of one dataset.
        ImageSizeMismatch: where an image is too large for a WebP file.
    """
    _check_one_dataset(datasets)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            "the pack would overwrite something",
            where=folder,
            expected="a folder that is new or empty",
            fix="choose another DEST",
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.tmp-", dir=folder.parent))
    try:
        files: dict[str, dict[str, Any]] = {}
        for dataset in datasets:
            for name, part in _parts(dataset):
                files[name] = _write_tiles(part, temporary / name)
                on_file(name)
        text = json.dumps(_manifest(datasets[0], files), indent=1)
        (temporary / "manifest.json").write_text(text + "\n", encoding="utf-8")
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)  # mkdtemp makes it private; the result is an ordinary folder
        temporary.replace(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _read_tiles(folder: Path, file: GridFile) -> NDArray[np.uint8]:
    """The tiles of one file, uint8 ``(N, H, W, C)``."""
    path = folder / file.name
    _check_bytes(path, file)
    (height, width), (rows, columns) = file.tile, file.grid
    try:
        pixels = decode_image(path, expected=(rows * height, columns * width))
    except ImageSizeMismatch as error:
        raise ImageSizeMismatch(
            "the grid is not of the size that the manifest states",
            where=path,
            found=error.found,
            expected=f"{rows * height} x {columns * width}: {rows} x {columns} tiles of {height} x {width}",
            fix="copy the pack again, or write it again: tinyedge data pack",
        ) from error
    grid = pixels.reshape(rows, height, columns, width, -1).transpose(0, 2, 1, 3, 4)
    tiles = grid.reshape(rows * columns, height, width, -1)[: len(file.labels), :, :, : file.channels]
    tiles = np.ascontiguousarray(tiles)
    if hashlib.sha256(tiles.data).hexdigest() != file.sha256_pixels:
        raise CorruptImage(
            "the decoded pixels are not those that the manifest records",
            where=path,
            found=f"SHA-256 {hashlib.sha256(tiles.data).hexdigest()}",
            expected=file.sha256_pixels,
            fix="copy the pack again; if this stays, Pillow's WebP decoder is at fault",
        )
    return tiles


def _check_bytes(path: Path, file: GridFile) -> None:
    if not path.is_file():
        raise CorruptImage(
            "a file of the pack is missing",
            where=path,
            expected="every file that manifest.json lists",
            fix="copy the pack again",
        )
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != file.sha256_file:
        raise CorruptImage(
            "a file of the pack is truncated or changed",
            where=path,
            found=f"SHA-256 {found}, {path.stat().st_size:,} bytes",
            expected=file.sha256_file,
            fix="copy the pack again",
        )


def _check_one_dataset(datasets: Sequence[Dataset]) -> None:
    first = datasets[0]
    splits = [dataset.split for dataset in datasets]
    if len(set(splits)) < len(splits) or not all(split.isidentifier() for split in splits):
        raise UsageError(
            "a pack holds each split once, by a plain name", found=", ".join(splits), expected="e.g. train and test"
        )
    for dataset in datasets[1:]:
        for attribute in ("name", "class_names", "superclasses", "superclass_names"):
            if getattr(dataset, attribute) != getattr(first, attribute):
                raise ClassCountMismatch(
                    f"the splits are not of one dataset: their {attribute} differs",
                    where=f"{first.name}: {first.split} and {dataset.split}",
                    expected=f"the same {attribute} in every split",
                )


def _parts(dataset: Dataset) -> Iterator[tuple[str, Dataset]]:
    """File names with what goes into each: ``test.webp``, or ``train-0.webp`` and so on where one is not enough."""
    _, height, width, _ = dataset.images.shape
    if max(height, width) > WEBP_SIDE or height * width > _TILE_PIXELS:
        raise ImageSizeMismatch(
            "the images are too large for a pack",
            where=f"{dataset.name} ({dataset.split})",
            found=f"{height} x {width}",
            expected=f"at most {WEBP_SIDE} a side (WebP's limit) and {_TILE_PIXELS:,} pixels",
            fix="use the image folder as it is",
        )
    most = min((WEBP_SIDE // height) * (WEBP_SIDE // width), max(1, _FILE_PIXELS // (height * width)))
    count = math.ceil(len(dataset) / most)
    for i in range(count):
        index = np.arange(i * most, min((i + 1) * most, len(dataset)), dtype=np.int64)
        yield (f"{dataset.split}.webp" if count == 1 else f"{dataset.split}-{i}.webp"), dataset.take(index)


def _write_tiles(part: Dataset, path: Path) -> dict[str, Any]:
    """Write one grid; returns its entry in the manifest."""
    from PIL import Image

    count, height, width, channels = part.images.shape
    # As square as the limits allow; the last row may end in black tiles that belong to no image.
    columns = min(WEBP_SIDE // width, math.ceil(math.sqrt(count * height / width)), count)
    rows = math.ceil(count / columns)
    if rows * height > WEBP_SIDE:
        rows = WEBP_SIDE // height
        columns = math.ceil(count / rows)
    tiles = np.zeros((rows * columns, height, width, channels), np.uint8)
    tiles[:count] = part.images
    grid = tiles.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    pixels = np.ascontiguousarray(grid.reshape(rows * height, columns * width, channels))
    # WebP has no grey: three equal channels, which its lossless coder stores as one. Method 1 is four times faster
    # than the default and 1.5 % larger on photographs.
    image = Image.fromarray(pixels if channels == 3 else pixels[:, :, 0]).convert("RGB")
    image.save(path, "WEBP", lossless=True, method=1, quality=20)
    return {
        "sha256_pixels": hashlib.sha256(np.ascontiguousarray(part.images).data).hexdigest(),
        "sha256_file": hashlib.sha256(path.read_bytes()).hexdigest(),
        "split": part.split,
        "tile": [height, width],
        "grid": [rows, columns],
        "channels": channels,
        "labels": labels_to_runs(part.labels),
    }


def _manifest(dataset: Dataset, files: dict[str, dict[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {
        "format": FORMAT,
        "name": dataset.name,
        "synthetic": dataset.synthetic,
        "files": files,
        "fine_labels": list(dataset.class_names),
    }
    if dataset.superclasses is not None:
        content["superclasses"] = {
            name: [c for c, s in zip(dataset.class_names, dataset.superclasses, strict=True) if s == i]
            for i, name in enumerate(dataset.superclass_names)
        }
    return content
