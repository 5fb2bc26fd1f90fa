"""Image folders: a class a folder, an image a file. Nothing is resized, rotated or skipped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyedge.data.dataset import Dataset
from tinyedge.data.decode import decode_image
from tinyedge.data.pieces import piece_images
from tinyedge.errors import ClassCountMismatch, DataError, DatasetEmpty, DatasetNotFound, ImageSizeMismatch

SPLITS = ("train", "test")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
_DROPPINGS = {"thumbs.db", "desktop.ini"}  # what file managers leave behind; names with a leading dot likewise


def folder_splits(folder: Path) -> tuple[str, ...]:
    """The children called ``train`` and ``test``; empty where ``folder`` is itself one split."""
    return tuple(split for split in SPLITS if (folder / split).is_dir())


def read_folder(folder: Path, split: str, *, size: tuple[int, int] | None = None) -> Dataset:
    """Read ``<folder>/<split>/<class>/*``, or ``<folder>/<class>/*`` where the folder has no split children.

    Classes are the sorted folder names, or the lines of a ``labels.txt`` (in the folder or in the split) in its order.
    Images are read in the order of their names. Where all are grey the set has one channel, else three (a grey image
    among coloured ones has three equal channels).

    Args:
        folder: holds the splits or the classes.
        split: ``train`` or ``test``.
        size: the ``(H, W)`` that every image must have; without it, the first image's.

    Raises:
        DatasetNotFound: where the folder or the split is missing.
        DatasetEmpty: where there is no class, or a class has no image.
        ClassCountMismatch: where ``labels.txt`` or the other split has other classes.
        CorruptImage, ImageSizeMismatch: with the name of the first bad file.
        DataError: where a file is in the way that is no image.
    """
    root, names = _root_and_classes(folder, split)
    images, labels = [], []
    for _, pixels, label in _decoded(root, names, size):
        images.append(pixels)
        labels.append(label)
    return _dataset(folder, split, images, labels, names, max(image.shape[2] for image in images))


def folder_pieces(folder: Path, split: str, images: int | None = None) -> Iterator[Dataset]:
    """As ``read_folder``, in pieces of ``images`` images; the first image says whether the set is grey.

    Raises:
        DataError: where a coloured image follows a grey first one: whole, the set would have three channels.
        Others as ``read_folder``; what is wrong with a later image shows when it is read.
    """
    root, names = _root_and_classes(folder, split)
    held: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    first: NDArray[np.uint8] | None = None
    for path, pixels, label in _decoded(root, names, None):
        first = pixels if first is None else first
        if pixels.shape[2] > first.shape[2]:
            raise DataError(
                "a coloured image follows grey ones",
                where=path,
                found=f"{pixels.shape[2]} channels",
                expected="1, as the first image has",
                fix="save all images in colour, or read the folder whole",
            )
        held.append(pixels)
        labels.append(label)
        if len(held) == piece_images(first.shape, images):
            yield _dataset(folder, split, held, labels, names, first.shape[2])
            held, labels = [], []
    if held and first is not None:
        yield _dataset(folder, split, held, labels, names, first.shape[2])


def class_names(root: Path, labels_files: Sequence[Path] = ()) -> tuple[str, ...]:
    """The classes of one split's folder, checked against the first ``labels.txt`` that exists."""
    entries = _visible(root)
    found = tuple(path.name for path in entries if path.is_dir())
    _refuse_strays([path for path in entries if not path.is_dir() and path.name != "labels.txt"])
    listing = next((path for path in labels_files if path.is_file()), None)
    if listing is None:
        if not found:
            raise DatasetEmpty(
                "the folder has no class folders", where=root, found=0, expected="one folder a class, with images in it"
            )
        return found
    names = tuple(line.strip() for line in listing.read_text(encoding="utf-8").splitlines() if line.strip())
    unlisted, missing = sorted(set(found) - set(names)), [name for name in names if name not in found]
    if unlisted or missing or len(set(names)) < len(names):
        parts = [f"folders that it does not list: {', '.join(unlisted[:5])}"] if unlisted else []
        parts += [f"lines without a folder: {', '.join(missing[:5])}"] if missing else []
        raise ClassCountMismatch(
            "labels.txt does not fit the class folders",
            where=listing,
            found="; ".join(parts) or "a name twice",
            expected="each class folder's name on one line, in label order",
        )
    return names


def _decoded(
    root: Path, names: Sequence[str], size: tuple[int, int] | None
) -> Iterator[tuple[Path, NDArray[np.uint8], int]]:
    """Each image with its file and its label, all of one size."""
    first: Path | None = None
    for label, name in enumerate(names):
        for path in _images_of(root / name):
            pixels = decode_image(path)
            if size is None:
                size, first = (pixels.shape[0], pixels.shape[1]), path
            if pixels.shape[:2] != size:
                raise ImageSizeMismatch(
                    "an image has another size than the rest",
                    where=path,
                    found=f"{pixels.shape[0]} x {pixels.shape[1]} (height x width)",
                    expected=f"{size[0]} x {size[1]}, " + (f"as {first}" if first is not None else "as asked for"),
                    fix="resize all images the way that the device does: tinyedge never resizes",
                )
            yield path, pixels, label


def _root_and_classes(folder: Path, split: str) -> tuple[Path, tuple[str, ...]]:
    if not folder.is_dir():
        raise DatasetNotFound("there is no such folder", where=folder, fix="check the path")
    splits = folder_splits(folder)
    if not splits:
        return folder, class_names(folder, [folder / "labels.txt"])
    if split not in splits:
        raise DatasetNotFound(
            "the image folder has no such split",
            where=folder,
            found=", ".join(splits),
            expected=split,
            fix=f"put the images into {folder.name}/{split}/<class>/",
        )
    by_split = {
        name: class_names(folder / name, [folder / name / "labels.txt", folder / "labels.txt"]) for name in splits
    }
    for other, names in by_split.items():
        if names != by_split[split]:  # the same label would mean two classes
            odd = sorted(set(names) ^ set(by_split[split]))
            raise ClassCountMismatch(
                "the splits do not have the same classes",
                where=folder,
                found=f"{split}: {len(by_split[split])}, {other}: {len(names)}"
                + (f"; only in one of them: {', '.join(odd[:5])}" if odd else "; in another order"),
                expected="the same class folders in every split",
            )
    return folder / split, by_split[split]


def _images_of(folder: Path) -> list[Path]:
    entries = _visible(folder)
    images = [path for path in entries if path.suffix.lower() in SUFFIXES and path.is_file()]
    _refuse_strays([path for path in entries if path not in set(images)])
    if not images:
        raise DatasetEmpty(
            "a class has no images",
            where=folder,
            found=0,
            expected="at least one " + ", ".join(SUFFIXES),
            fix="add images, or remove the folder (and its line in labels.txt)",
        )
    return images


def _visible(folder: Path) -> list[Path]:
    """Sorted by name, without what file managers leave behind."""
    paths = (p for p in folder.iterdir() if not p.name.startswith(".") and p.name.lower() not in _DROPPINGS)
    return sorted(paths, key=lambda path: path.name)


def _refuse_strays(strays: list[Path]) -> None:
    if strays:
        more = f" and {len(strays) - 1} more" if len(strays) > 1 else ""
        raise DataError(
            "something in the image folder is neither a class nor an image",
            where=f"{strays[0]}{more}",
            found=", ".join(path.name for path in strays[:5]),
            expected="class folders that hold only " + ", ".join(SUFFIXES),
            fix="move it out of the folder",
        )


def _dataset(
    folder: Path, split: str, images: list[NDArray[np.uint8]], labels: list[int], names: tuple[str, ...], channels: int
) -> Dataset:
    stacked = np.empty((len(images), *images[0].shape[:2], channels), np.uint8)
    for i, image in enumerate(images):
        stacked[i] = image  # one channel broadcasts to three
    name = folder.resolve().name
    return Dataset(name, split, stacked, np.array(labels, np.int64), names, source=f"{name} (image folder)")
