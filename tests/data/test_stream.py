"""Pieces of a dataset are the dataset, in its order, whatever form it is stored in."""

from __future__ import annotations

import tracemalloc
import zipfile

import numpy as np
import pytest
from PIL import Image

from tinyedge.data import load_dataset
from tinyedge.data.dataset import Dataset
from tinyedge.data.pack import write_pack
from tinyedge.data.pieces import PIECE_BYTES, piece_images, pieces
from tinyedge.data.stream import stream_dataset
from tinyedge.errors import CorruptImage, DataError, DatasetNotFound, ImageSizeMismatch, LabelOutOfRange, UsageError


def together(parts, whole, size):
    """Whether the pieces, all of ``size`` images but perhaps some, make up the set as ``load_dataset`` reads it."""
    parts = list(parts)
    np.testing.assert_array_equal(np.concatenate([p.images for p in parts]), whole.images)
    np.testing.assert_array_equal(np.concatenate([p.labels for p in parts]), whole.labels)
    for part in parts:
        assert len(part) <= size
        for name in ("name", "split", "class_names", "superclasses", "superclass_names", "synthetic", "source"):
            assert getattr(part, name) == getattr(whole, name), name
    return len(parts)


@pytest.fixture
def stored(make, as_folder, tmp_path):
    """A function that writes 23 drawn images in one of the forms, and says where."""

    def write(form, **changed):
        data = make(23, **changed)
        if form == "folder":
            return as_folder(data, tmp_path / "images")
        if form == "pack":
            write_pack([data], tmp_path / "pack")
            return tmp_path / "pack"
        folder = tmp_path / "archives"
        folder.mkdir()
        save = np.savez if form == "npz" else np.savez_compressed
        path = folder / ("test.npz" if form == "npz folder" else "drawn.npz")
        save(path, x=data.images, y=data.labels, class_names=np.array(data.class_names))
        return folder if form == "npz folder" else path

    return write


@pytest.mark.parametrize("form", ["folder", "pack", "npz", "compressed npz", "npz folder"])
@pytest.mark.parametrize(("size", "parts"), [(5, 5), (23, 1), (None, 1), (100, 1)])
def test_pieces_are_the_whole(stored, form, size, parts):
    path = str(stored(form))
    found = together(stream_dataset(path, "test", images=size), load_dataset(path, "test"), size or 23)
    assert found == parts


@pytest.mark.parametrize("form", ["folder", "npz"])
def test_grey_images_stay_grey(stored, form):
    path = str(stored(form, channels=1))
    together(stream_dataset(path, "test", images=4), load_dataset(path, "test"), 4)


def test_grey_among_coloured_images_is_coloured(stored):
    path = stored("folder")
    Image.fromarray(np.full((5, 4), 90, np.uint8)).save(path / "class 1" / "zz.png")
    together(stream_dataset(str(path), "test", images=4), load_dataset(str(path), "test"), 4)


def test_coloured_after_grey_is_refused(stored):
    path = stored("folder", channels=1)
    Image.fromarray(np.zeros((5, 4, 3), np.uint8)).save(path / "class 2" / "zz.png")
    with pytest.raises(DataError, match=r"(?s)coloured image follows grey.*zz\.png.*read the folder whole"):
        list(stream_dataset(str(path), "test", images=4))


def test_a_pack_of_several_files_is_read_file_by_file(make, tmp_path, monkeypatch):
    monkeypatch.setattr("tinyedge.data.pack._FILE_PIXELS", 10 * 5 * 4)
    write_pack([make(23)], tmp_path / "pack")
    path = str(tmp_path / "pack")
    assert together(stream_dataset(path, "test", images=8), load_dataset(path, "test"), 8) > 3


def test_data_by_name_is_loaded_and_cut(make, monkeypatch, tmp_path):
    asked, data = [], make(10)

    def load(*given, **named):
        asked.append((given, named))
        return data

    monkeypatch.setattr("tinyedge.data.stream.load_dataset", load)
    assert together(stream_dataset("cifar100", "test", data_dir=tmp_path, images=4), data, 4) == 3
    assert asked == [(("cifar100", "test"), {"data_dir": tmp_path})]


def test_an_array_in_columns_is_read_whole_and_cut(make, tmp_path):
    data = make(9)
    np.savez(tmp_path / "f.npz", x=np.asfortranarray(data.images), y=data.labels)
    path = str(tmp_path / "f.npz")
    together(stream_dataset(path, "test", images=2), load_dataset(path, "test"), 2)


def test_an_npz_is_never_whole_in_memory(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4000, 32, 32, 3), dtype=np.uint8)
    np.savez_compressed(tmp_path / "big.npz", x=images, y=np.arange(4000) % 5)
    size = images.nbytes
    del images
    tracemalloc.start()
    try:
        total = sum(
            int(p.images[:, 0, 0, 0].sum()) for p in stream_dataset(str(tmp_path / "big.npz"), "test", images=50)
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total > 0
    assert peak < size / 8


def test_a_piece_holds_so_many_bytes_unless_told():
    assert piece_images((32, 32, 3)) == PIECE_BYTES // 3072
    assert piece_images((10_000, 10_000, 3)) == 1
    assert piece_images((32, 32, 3), 7) == 7
    with pytest.raises(UsageError, match="at least one image"):
        stream_dataset("shapes", "test", images=0)


def test_pieces_of_data_in_memory(make):
    data = make(10)
    assert [len(p) for p in pieces(data, 4)] == [4, 4, 2]
    assert isinstance(next(pieces(data)), Dataset)


def test_what_is_wrong_is_told_as_when_read_whole(stored, tmp_path):
    with pytest.raises(DatasetNotFound, match="no such dataset"):
        stream_dataset(str(tmp_path / "nowhere"), "test")
    with pytest.raises(UsageError, match="no such split"):
        stream_dataset("shapes", "validation")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no class folders"):
        list(stream_dataset(str(tmp_path / "empty"), "test"))


@pytest.mark.parametrize(
    ("x", "y", "kind", "words"),
    [
        (np.zeros((3, 4, 4, 3), np.float32), np.zeros(3, int), ImageSizeMismatch, "not an array of images"),
        (np.zeros((3, 4, 4, 3), np.uint8), np.zeros(2, int), LabelOutOfRange, "do not pair"),
        (np.zeros((3, 4, 4, 3), np.uint8), np.full(3, -1), LabelOutOfRange, "not a class index"),
        (np.zeros((0, 4, 4, 3), np.uint8), np.zeros(0, int), DataError, "no images"),
    ],
)
def test_a_bad_npz_is_refused(tmp_path, x, y, kind, words):
    np.savez(tmp_path / "bad.npz", x=x, y=y)
    with pytest.raises(kind, match=words):
        list(stream_dataset(str(tmp_path / "bad.npz"), "test"))


def test_a_damaged_npz_is_refused_where_the_damage_is(make, tmp_path):
    data = make(400, size=(16, 16))
    path = tmp_path / "d.npz"
    np.savez(path, x=data.images, y=data.labels)
    content = bytearray(path.read_bytes())
    content[content.index(data.images.tobytes()[-100:])] ^= 1
    path.write_bytes(content)
    parts = stream_dataset(str(path), "test", images=10)
    assert len(next(parts)) == 10
    with pytest.raises(CorruptImage, match="truncated or damaged"):
        list(parts)


def test_an_npz_whose_array_is_shorter_than_it_says_is_refused(make, tmp_path):
    data = make(20)
    np.savez(tmp_path / "good.npz", x=data.images, y=data.labels)
    with zipfile.ZipFile(tmp_path / "good.npz") as good, zipfile.ZipFile(tmp_path / "short.npz", "w") as short:
        for name in good.namelist():
            short.writestr(name, good.read(name)[: -7 if name == "x.npy" else None])
    with pytest.raises(CorruptImage, match="ends 7 bytes early"):
        list(stream_dataset(str(tmp_path / "short.npz"), "test", images=6))
