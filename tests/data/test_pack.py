import hashlib
import json
import os
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from tinyedge.data import pack
from tinyedge.data.cifar100_classes import FINE_LABELS, SUPERCLASS_NAMES, SUPERCLASS_OF, SUPERCLASSES
from tinyedge.data.dataset import Dataset
from tinyedge.data.pack import pack_splits, read_pack, write_pack
from tinyedge.errors import (
    ClassCountMismatch,
    CorruptImage,
    DataError,
    DatasetEmpty,
    DatasetNotFound,
    ImageSizeMismatch,
    LabelOutOfRange,
    UsageError,
)


def same(a, b):
    """Equal in all that a pack stores, with the order of the images."""
    for attribute in ("name", "split", "class_names", "superclasses", "superclass_names", "synthetic", "digest"):
        assert getattr(a, attribute) == getattr(b, attribute), attribute
    assert a.images.dtype == b.images.dtype
    np.testing.assert_array_equal(a.images, b.images)
    np.testing.assert_array_equal(a.labels, b.labels)
    return True


@st.composite
def datasets(draw):
    classes = draw(st.lists(st.text(min_size=1, max_size=6).filter(str.strip), min_size=1, max_size=5, unique=True))
    count = draw(st.integers(1, 12))
    shape = (count, draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.sampled_from([1, 3])))
    images = draw(hnp.arrays(np.uint8, shape))
    labels = draw(hnp.arrays(np.int64, count, elements=st.integers(0, len(classes) - 1)))
    superclasses, names = None, ()
    if draw(st.booleans()):
        names = tuple(draw(st.lists(st.text(max_size=4), min_size=1, max_size=3, unique=True)))
        superclasses = tuple(draw(st.integers(0, len(names) - 1)) for _ in classes)
    split = draw(st.sampled_from(["train", "test"]))
    return Dataset("any name", split, images, labels, tuple(classes), superclasses, names, draw(st.booleans()))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(datasets())
def test_any_dataset_comes_back_as_it_went_in(tmp_path, dataset):
    folder = tmp_path / f"pack-{len(list(tmp_path.iterdir()))}"
    write_pack([dataset], folder)
    assert same(read_pack(folder, dataset.split), dataset)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 60), height=st.integers(1, 30), width=st.integers(1, 30))
def test_many_files_and_webps_limits(tmp_path, monkeypatch, make, count, height, width):
    monkeypatch.setattr(pack, "WEBP_SIDE", 64)
    monkeypatch.setattr(pack, "_FILE_PIXELS", 2000)
    dataset = make(count, (height, width))
    folder = tmp_path / f"pack-{len(list(tmp_path.iterdir()))}"
    write_pack([dataset], folder)
    for path in folder.glob("*.webp"):
        with Image.open(path) as image:
            assert max(image.size) <= 64
    assert same(read_pack(folder, "test"), dataset)


def test_two_splits_uneven_classes_and_file_order(tmp_path, monkeypatch, make):
    monkeypatch.setattr(pack, "_FILE_PIXELS", 20 * 20)
    train, test = make(241, split="train"), make(9, split="test", seed=1)
    written = []
    write_pack([train, test], tmp_path / "p", on_file=written.append)
    assert len(written) == 14, "13 files of train (10 and 11 sort before 2 by name), one of test"
    assert pack_splits(tmp_path / "p") == ("train", "test")
    assert same(read_pack(tmp_path / "p", "train"), train)
    assert same(read_pack(tmp_path / "p", "test"), test)
    assert read_pack(tmp_path / "p", "test").source == "p (grid pack)"


def test_a_long_strip_fits_and_a_longer_one_is_refused(tmp_path):
    def strip(width):
        return Dataset("strip", "test", np.zeros((3, 1, width, 1), np.uint8), np.zeros(3, np.int64), ("a",))

    write_pack([strip(16383)], tmp_path / "fits")
    assert same(read_pack(tmp_path / "fits", "test"), strip(16383))
    with pytest.raises(ImageSizeMismatch, match="16383 a side"):
        write_pack([strip(16384)], tmp_path / "long")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fits"]


def write_plain(folder, images):
    """The form of the shared CIFAR-100 pack: one grid of 100 x 100, row r holding class r."""
    folder.mkdir()
    grid = images.reshape(100, 100, 32, 32, 3).transpose(0, 2, 1, 3, 4).reshape(3200, 3200, 3)
    Image.fromarray(grid).save(folder / "test.webp", lossless=True, method=0, quality=0)
    entry = {
        "sha256_pixels": hashlib.sha256(images).hexdigest(),
        "sha256_file": hashlib.sha256((folder / "test.webp").read_bytes()).hexdigest(),
    }
    manifest = {"files": {"test.webp": entry}, "fine_labels": FINE_LABELS, "superclasses": SUPERCLASSES}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_the_plain_form(tmp_path):
    images = np.zeros((10000, 32, 32, 3), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.arange(10000) // 100, np.arange(10000) % 100
    found = read_pack(write_plain(tmp_path / "anything", images), "test")
    assert (found.name, found.split, len(found), found.num_classes) == ("cifar100", "test", 10000, 100)
    np.testing.assert_array_equal(found.labels, found.images[:, 0, 0, 0])
    np.testing.assert_array_equal(found.images, images)
    assert (found.superclasses, found.superclass_names) == (SUPERCLASS_OF, SUPERCLASS_NAMES)
    again = tmp_path / "own"
    write_pack([found], again)
    assert same(read_pack(again, "test"), found)


@pytest.fixture
def packed(tmp_path, make):
    write_pack([make(12, (6, 6), split="train"), make(12, (6, 6), seed=1)], tmp_path / "p")
    return tmp_path / "p"


def edited(folder, change):
    """The pack's manifest, changed."""
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def rehash(folder):
    """Make the manifest agree with the bytes of the files, so that later checks are reached."""
    edited(
        folder,
        lambda m: [
            entry.update(sha256_file=hashlib.sha256((folder / name).read_bytes()).hexdigest())
            for name, entry in m["files"].items()
        ],
    )


def test_truncated_file_by_its_hash(packed):
    path = packed / "test.webp"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(CorruptImage, match=r"truncated or changed(.|\n)*test\.webp(.|\n)*bytes"):
        read_pack(packed, "test")
    assert len(read_pack(packed, "train")) == 12, "the other split is whole"


@pytest.mark.parametrize("keep", [0, 4, 11, 30, -7])
def test_truncated_file_by_its_decoder(packed, keep):
    path = packed / "test.webp"
    path.write_bytes(path.read_bytes()[:keep])
    rehash(packed)
    with pytest.raises(CorruptImage, match=r"cannot be decoded(.|\n)*test\.webp"):
        read_pack(packed, "test")


def test_other_pixels_than_recorded(packed):
    with Image.open(packed / "test.webp") as image:
        pixels = np.array(image)
    pixels[0, 0] ^= 1
    Image.fromarray(pixels).save(packed / "test.webp", lossless=True)
    rehash(packed)
    with pytest.raises(CorruptImage, match=r"decoded pixels(.|\n)*test\.webp"):
        read_pack(packed, "test")


def test_missing_file(packed):
    (packed / "test.webp").unlink()
    with pytest.raises(CorruptImage, match=r"missing(.|\n)*test\.webp"):
        read_pack(packed, "test")


def test_grid_of_another_size(packed):
    edited(packed, lambda m: m["files"]["test.webp"].update(grid=[4, 4]))
    with pytest.raises(ImageSizeMismatch, match=r"test\.webp(.|\n)*18 x 24(.|\n)*24 x 24: 4 x 4 tiles of 6 x 6"):
        read_pack(packed, "test")


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda m: m["files"]["test.webp"].update(labels=[[7, 12]]), LabelOutOfRange, "0 to 2"),
        (lambda m: m["files"]["test.webp"].update(labels=[[-1, 12]]), LabelOutOfRange, "-1"),
        (lambda m: m["files"]["test.webp"].update(labels=[]), DatasetEmpty, "no images"),
        (lambda m: m["files"]["test.webp"].update(labels=[[0, 0]]), DatasetEmpty, "no images"),
        (lambda m: m["files"]["test.webp"].update(labels=[[0, 13]]), DataError, "13 labels"),
        (lambda m: m["files"]["test.webp"].update(channels=2), DataError, "2 channels"),
        (lambda m: m["files"]["test.webp"].update(grid=[10**6, 10**6]), DataError, "16383"),
        (lambda m: m["files"]["test.webp"].update(tile=[6]), DataError, "cannot be read"),
        (lambda m: m["files"]["test.webp"].pop("sha256_file"), DataError, "sha256_file"),
        (lambda m: m.pop("files"), DataError, "files"),
        (lambda m: m.update(files={}), DatasetEmpty, "no files"),
        (lambda m: m.update(fine_labels=["a", "a", "b"]), DataError, "repeat"),
        (lambda m: m.update(format="tinyedge-pack/2"), DataError, "tinyedge-pack/2"),
        (lambda m: m.pop("format"), ClassCountMismatch, "100 classes"),
        (lambda m: m.update(superclasses={"s": ["class 0", "class 1"]}), ClassCountMismatch, "class 2"),
        (lambda m: m.update(superclasses={"s": ["class 0"] * 3}), ClassCountMismatch, "class 1"),
        (lambda m: m["files"].update({"../test.webp": m["files"].pop("test.webp")}), DataError, "outside"),
    ],
)
def test_a_manifest_that_makes_no_sense(packed, change, kind, words):
    edited(packed, change)
    with pytest.raises(kind, match=words) as caught:
        read_pack(packed, "test")
    assert type(caught.value) is kind
    assert "manifest.json" in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, "\xff"])
def test_a_manifest_that_is_none(packed, text):
    (packed / "manifest.json").write_bytes(text.encode("latin1"))
    with pytest.raises(DataError, match=r"cannot be read(.|\n)*manifest\.json"):
        read_pack(packed, "test")


def test_no_pack_and_no_such_split(packed, tmp_path):
    with pytest.raises(DatasetNotFound, match=r"manifest\.json"):
        read_pack(tmp_path / "nowhere", "test")
    edited(packed, lambda m: m["files"].pop("test.webp"))
    with pytest.raises(DatasetNotFound, match=r"no such split(.|\n)*train(.|\n)*test"):
        read_pack(packed, "test")


@pytest.mark.parametrize("failing", ["test", "manifest"])
def test_nothing_is_left_of_a_pack_that_failed(tmp_path, monkeypatch, make, failing):
    def fail(name):
        if name.startswith(failing):
            raise OSError("no space left")

    if failing == "manifest":
        monkeypatch.setattr(pack.json, "dumps", lambda *_, **__: fail("manifest"))
    with pytest.raises(OSError, match="no space"):
        write_pack([make(split="train"), make(split="test")], tmp_path / "p", on_file=fail)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(packed, make):
    before = {path.name: path.read_bytes() for path in packed.iterdir()}
    with pytest.raises(UsageError, match="overwrite"):
        write_pack([make()], packed)
    with pytest.raises(UsageError, match="overwrite"):
        write_pack([make()], packed / "test.webp")
    assert {path.name: path.read_bytes() for path in packed.iterdir()} == before


def test_an_empty_folder_is_taken_and_is_an_ordinary_one(tmp_path, make):
    (tmp_path / "p").mkdir()
    write_pack([make()], tmp_path / "p")
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "p").stat().st_mode & 0o777 == 0o777 & ~umask


def test_splits_of_different_datasets_are_refused(tmp_path, make):
    with pytest.raises(ClassCountMismatch, match="class_names"):
        write_pack([make(split="train"), make(classes=4)], tmp_path / "p")
    with pytest.raises(UsageError, match="once"):
        write_pack([make(), make()], tmp_path / "p")
    with pytest.raises(UsageError, match="plain name"):
        write_pack([make(split="../up")], tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


def test_pillows_bomb_limit_is_left_alone(packed):
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_pack(packed, "test")
    assert limit == Image.MAX_IMAGE_PIXELS


def test_the_real_test_split(cifar100_test):
    assert (cifar100_test.name, len(cifar100_test), cifar100_test.num_classes) == ("cifar100", 10000, 100)
    assert set(np.bincount(cifar100_test.labels)) == {100}
    assert cifar100_test.digest == "d16494ac3ef4bb8dcdd222c4b83f0bb5a9c0f1f91ae553b0524d7b5c4c844311"


def test_a_part_of_the_real_data_packs_and_reads_back(cifar100_test, tmp_path):
    part = cifar100_test.sample(500, seed=0)
    write_pack([part], tmp_path / "p")
    assert same(read_pack(tmp_path / "p", "test"), part)
