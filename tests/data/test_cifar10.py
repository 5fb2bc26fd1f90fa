import hashlib
import pickle

import numpy as np
import pytest

from tinyedge.data import load_dataset
from tinyedge.data.cifar10 import CLASSES, OFFICIAL_MD5, load_cifar10
from tinyedge.data.dataset import Dataset
from tinyedge.data.pack import write_pack
from tinyedge.errors import ClassCountMismatch, CorruptImage, DataError, DatasetNotFound, ImageSizeMismatch


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No data and no cache but what a test makes."""
    monkeypatch.delenv("TINYEDGE_DATA", raising=False)
    monkeypatch.setenv("TINYEDGE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def tiny():
    """A few random images of every class, for each split."""

    def draw(split, count):
        rng = np.random.default_rng(count)
        labels = rng.permutation(np.arange(count, dtype=np.int64) % 10)
        return Dataset("cifar10", split, rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), labels, CLASSES)

    return {"train": draw("train", 50), "test": draw("test", 20)}


@pytest.fixture
def official(tmp_path, tiny, monkeypatch):
    """The layout of the official python version, with the sums of these files as the expected ones."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    parts = {f"data_batch_{i + 1}": tiny["train"].take(np.arange(10 * i, 10 * i + 10)) for i in range(5)}
    content = {
        name: {"data": d.images.transpose(0, 3, 1, 2).reshape(-1, 3072), "labels": d.labels.tolist()}
        for name, d in (parts | {"test_batch": tiny["test"]}).items()
    }
    content["batches.meta"] = {"label_names": list(CLASSES)}
    for name, value in content.items():
        (folder / name).write_bytes(pickle.dumps(value, protocol=2))
        monkeypatch.setitem(OFFICIAL_MD5, name, hashlib.md5((folder / name).read_bytes()).hexdigest())
    return folder


def test_every_route_gives_the_same_examples(tmp_path, tiny, official, as_folder):
    write_pack(list(tiny.values()), tmp_path / "pack" / "cifar10")
    for split, expected in tiny.items():
        as_folder(expected, tmp_path / "photos" / split)
    for split, expected in tiny.items():
        for data_dir in (official, official.parent, tmp_path / "pack", tmp_path / "photos"):
            found = load_cifar10(split, data_dir)
            assert found.digest == expected.digest, data_dir
            assert (found.name, found.split, found.class_names) == ("cifar10", split, CLASSES)
    assert load_dataset("cifar10", "test", data_dir=official).digest == tiny["test"].digest


def test_the_sums_are_torchvisions():
    from torchvision.datasets import CIFAR10

    published = dict([*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])])
    assert published == OFFICIAL_MD5


def test_a_pickle_without_the_official_sum_is_never_opened(tmp_path, official):
    class Harm:
        def __reduce__(self):
            return (tmp_path / "harm").touch, ()

    (official / "data_batch_3").write_bytes(pickle.dumps(Harm()))
    with pytest.raises(CorruptImage, match=r"never opened(.|\n)*data_batch_3"):
        load_cifar10("train", official)
    assert not (tmp_path / "harm").exists()


def test_a_file_of_another_dataset(official, monkeypatch):
    (official / "test_batch").write_bytes(pickle.dumps({"data": np.zeros((1, 3072), np.uint8)}))
    monkeypatch.setitem(OFFICIAL_MD5, "test_batch", hashlib.md5((official / "test_batch").read_bytes()).hexdigest())
    with pytest.raises(DataError, match="labels"):
        load_cifar10("test", official)


def test_other_splits_classes_and_sizes(tmp_path, tiny, official, make):
    with pytest.raises(DatasetNotFound, match="train or test"):
        load_cifar10("valid", official)
    write_pack([make()], tmp_path / "other")
    with pytest.raises(ClassCountMismatch, match=r"3 classes(.|\n)*airplane"):
        load_cifar10("test", tmp_path / "other")
    t = tiny["test"]
    small = Dataset("cifar10", "test", np.ascontiguousarray(t.images[:, :16]), t.labels, CLASSES)
    write_pack([small], tmp_path / "small")
    with pytest.raises(ImageSizeMismatch, match="16, 32, 3"):
        load_cifar10("test", tmp_path / "small")


def test_nowhere_and_not_to_be_had(monkeypatch, tmp_path):
    import sys

    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(DatasetNotFound, match=r"CIFAR-10 is not here(.|\n)*cifar-10-batches-py"):
        load_cifar10("test")
    (tmp_path / "holiday").mkdir()
    with pytest.raises(DatasetNotFound, match="no CIFAR-10 in the data folder"):
        load_cifar10("test", tmp_path / "holiday")
