"""An evaluation set that need not fit in memory: read in pieces, each of them a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tinyedge.data.dataset import Dataset
from tinyedge.data.folder import SPLITS, folder_pieces
from tinyedge.data.load import NAMES, load_dataset
from tinyedge.data.npz import npz_pieces
from tinyedge.data.pack import is_pack, pack_pieces
from tinyedge.data.pieces import piece_images, pieces


def stream_dataset(
    name_or_path: str, split: str, *, data_dir: Path | None = None, images: int | None = None
) -> Iterator[Dataset]:
    """One split of a dataset, as ``load_dataset`` reads it, piece by piece and in the same order.

    An image folder and an ``.npz`` file (compressed or not) are read as far as the piece goes, a pack file by file.
    ``cifar100`` and ``shapes`` are small: they are read whole and then cut.

    Args:
        name_or_path: as for ``load_dataset``.
        split: ``train`` or ``test``.
        data_dir: where cifar100 is.
        images: of a piece; see ``piece_images``.

    Raises:
        DataError: one of its kinds; what is wrong with a later piece shows when it is read.
        UsageError: for another split, or pieces without images.
    """
    piece_images((1,), images)
    path = Path(name_or_path)
    if name_or_path in NAMES or split not in SPLITS or not path.exists():
        return pieces(load_dataset(name_or_path, split, data_dir=data_dir), images)
    if is_pack(path):
        return pack_pieces(path, split, images)
    if path.is_file():
        return npz_pieces(path, split, images)
    if (path / f"{split}.npz").is_file():
        return npz_pieces(path / f"{split}.npz", split, images, name=path.resolve().name)
    return folder_pieces(path, split, images)
