"""numpy archives: ``x`` uint8 ``(N, H, W, C)``, ``y`` integers, optionally ``class_names``. Never unpickled."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.data.dataset import Dataset
from tinyedge.data.pieces import piece_images, pieces
from tinyedge.errors import CorruptImage, DataError, DatasetNotFound, ImageSizeMismatch, LabelOutOfRange

MAX_CLASSES = 100_000
"""More are no classes: then ``y`` holds identifiers or is damaged."""
_DAMAGE = (OSError, EOFError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)
_READ_BYTES = 1 << 20
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")  # the second: an archive without members


def read_npz(path: Path, split: str, *, name: str | None = None) -> Dataset:
    """Read an ``.npz`` file as the split that the caller says it is.

    The dataset's name is the file's stem unless ``name`` says otherwise. Without ``class_names`` the classes are
    ``0 .. max(y)``, named by their number.

    Raises:
        DatasetNotFound: where there is no such file.
        CorruptImage: where it is truncated or no ``.npz`` file.
        ImageSizeMismatch: where ``x`` is not uint8 NHWC.
        LabelOutOfRange: where ``y`` is not one class index an image, or there are more than ``MAX_CLASSES``.
        DataError: where a key is missing or holds Python objects.
    """
    arrays = _arrays(path)
    x, y = _images(arrays["x"], path), _labels(arrays["y"], len(arrays["x"]), path)
    names = _names(arrays.get("class_names"), y, path)
    return Dataset(name or path.stem, split, x, y, names, source=f"{path.name} (npz)")


def npz_pieces(path: Path, split: str, images: int | None = None, *, name: str | None = None) -> Iterator[Dataset]:
    """As ``read_npz``, in pieces of ``images`` images: ``x`` is never whole in memory, compressed or not.

    Raises:
        As ``read_npz``; damage within ``x`` shows when it is read.
    """
    arrays = _arrays(path, ("y", "class_names"))
    with path.open("rb") as stream, zipfile.ZipFile(stream) as archive, _opened(archive, path) as member:
        shape, by_column, dtype = _array_header(member, path)
        # Checked by its header alone: an array of that shape that takes no memory.
        x = _images(np.broadcast_to(np.zeros((), dtype), shape), path)
        y = _labels(arrays["y"], len(x), path)
        names = _names(arrays.get("class_names"), y, path)
        if by_column or len(x) == 0:  # pixels of one image are not together; or there is nothing to cut
            yield from pieces(read_npz(path, split, name=name), images)
            return
        size = piece_images(x.shape[1:], images)
        for start in range(0, len(x), size):
            labels = y[start : start + size]
            # Nothing here keeps a piece: while the next one is read, there is room for it.
            yield Dataset(
                name or path.stem,
                split,
                _read(member, (len(labels), *x.shape[1:]), path),
                labels,
                names,
                source=f"{path.name} (npz)",
            )


def _opened(archive: zipfile.ZipFile, path: Path) -> IO[bytes]:
    try:
        return archive.open("x.npy")
    except _DAMAGE as error:
        raise _truncated(path, error) from error


def _array_header(member: IO[bytes], path: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran's order, and dtype of the array that ``member`` holds."""
    try:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return read(member)
    except _DAMAGE as error:
        raise _truncated(path, error) from error


def _read(member: IO[bytes], shape: tuple[int, ...], path: Path) -> NDArray[np.uint8]:
    """The next pixels, a little at a time: zipfile puts what is asked for together from several copies."""
    pixels, done = np.empty(int(np.prod(shape)), np.uint8), 0
    try:
        while done < len(pixels):
            part = member.read(min(_READ_BYTES, len(pixels) - done))
            if not part:
                raise EOFError(f"x ends {len(pixels) - done:,} bytes early")
            pixels[done : done + len(part)] = np.frombuffer(part, np.uint8)
            done += len(part)
    except _DAMAGE as error:
        raise _truncated(path, error) from error
    return pixels.reshape(shape)


def _arrays(path: Path, keys: tuple[str, ...] = ("x", "y", "class_names")) -> dict[str, NDArray[Any]]:
    if not path.is_file():
        raise DatasetNotFound("there is no such file", where=path, fix="check the path")
    try:
        # Opened here: numpy leaves its own handle open where the archive is damaged.
        with path.open("rb") as stream:
            _check_start(stream.read(8), path)
            stream.seek(0)
            stored = np.load(stream, allow_pickle=False)
            there = list(stored.files)
            missing = [key for key in ("x", "y") if key not in there]
            if missing:
                raise DataError(
                    f"the archive has no {' and no '.join(missing)}",
                    where=path,
                    found=", ".join(there) or "no arrays",
                    expected="x (uint8 NHWC), y (integers) and, if wanted, class_names",
                    fix="np.savez_compressed(path, x=images, y=labels)",
                )
            # A member that is not an array comes as bytes, which asarray makes a scalar: no images, no labels.
            return {key: np.asarray(stored[key]) for key in keys if key in there}
    except ValueError as error:
        if "pickle" in str(error):
            raise DataError(
                "the archive holds Python objects, which are never unpickled",
                where=path,
                found=error,
                expected="plain arrays",
                fix="save class_names as np.array(names, dtype=str)",
            ) from error
        raise _truncated(path, error) from error
    except _DAMAGE as error:
        raise _truncated(path, error) from error


def _check_start(start: bytes, path: Path) -> None:
    """Refuse what is no zip archive: numpy would say of any such file that it is pickled."""
    if start and not start.startswith(_ZIP_STARTS):  # an empty file is a truncated one, as far as it can be told
        array = start.startswith(b"\x93NUMPY")
        raise CorruptImage(
            "not an .npz file",
            where=path,
            found="a single array (.npy)" if array else f"{path.stat().st_size:,} bytes that start with {start!r}",
            expected="an .npz file with x (uint8 NHWC) and y (integers), an image folder or a pack",
            fix="np.savez_compressed(path, x=images, y=labels) writes one",
        )


def _truncated(path: Path, error: Exception) -> CorruptImage:
    return CorruptImage(
        "the archive is truncated or damaged",
        where=path,
        found=f"{error} ({path.stat().st_size:,} bytes)",
        expected="what np.savez or np.savez_compressed writes",
        fix="copy the file again from its source",
    )


def _images(x: NDArray[Any], path: Path) -> NDArray[np.uint8]:
    fix = None
    if x.dtype != np.uint8:
        fix = "store the pixels as they come from the camera, 0 to 255: the model's convention normalizes them"
    elif x.ndim == 3:
        fix = "grey images need a channel: x[..., None]"
    elif x.ndim == 4 and x.shape[3] not in (1, 3) and x.shape[1] in (1, 3):
        fix = "the channels come last: x.transpose(0, 2, 3, 1)"
    if x.dtype != np.uint8 or x.ndim != 4 or x.shape[3] not in (1, 3):
        raise ImageSizeMismatch(
            "x is not an array of images",
            where=path,
            found=f"{x.dtype} {x.shape}",
            expected="uint8 (N, H, W, 1 or 3)",
            fix=fix,
        )
    return x


def _labels(y: NDArray[Any], count: int, path: Path) -> NDArray[np.int64]:
    if y.dtype.kind not in "iu":
        raise LabelOutOfRange("y is not integers", where=path, found=y.dtype, expected="class indices, e.g. int64")
    if y.shape != (count,):
        raise LabelOutOfRange(
            "x and y do not pair",
            where=path,
            found=f"{count} images, y of shape {y.shape}",
            expected=f"({count},)",
            fix="y.reshape(-1)" if y.shape == (count, 1) else None,
        )
    if count and (int(y.min()) < 0 or int(y.max()) >= MAX_CLASSES):
        raise LabelOutOfRange(
            "a label is not a class index",
            where=path,
            found=f"{y.min()} to {y.max()}",
            expected=f"0 to K-1, with K at most {MAX_CLASSES:,}",
            fix="number the classes from 0: np.unique(y, return_inverse=True)[1]",
        )
    return y.astype(np.int64)


def _names(stored: NDArray[Any] | None, y: NDArray[np.int64], path: Path) -> tuple[str, ...]:
    if stored is None:
        return tuple(str(k) for k in range(int(y.max()) + 1)) if len(y) else ("0",)
    if stored.ndim != 1 or stored.dtype.kind not in "US":
        raise DataError(
            "class_names is not a list of names",
            where=path,
            found=f"{stored.dtype} {stored.shape}",
            expected="str (K,)",
        )
    if len(stored) > MAX_CLASSES:
        raise LabelOutOfRange(
            "too many classes", where=path, found=f"{len(stored):,} class_names", expected=f"at most {MAX_CLASSES:,}"
        )
    names = tuple(name.decode() if isinstance(name, bytes) else str(name) for name in stored.tolist())
    if len(set(names)) < len(names):
        raise DataError("class_names repeat", where=path, found=f"{len(names)} names", expected="unique names")
    return names
