import hashlib
import pickle
import shutil
import sys
from types import ModuleType
from urllib.error import URLError

import numpy as np
import pytest

from tinyedge.data import cifar100, official
from tinyedge.data.cifar100 import OFFICIAL_MD5, find_cifar100, load_cifar100
from tinyedge.data.cifar100_classes import FINE_LABELS, SUPERCLASS_NAMES, SUPERCLASS_OF, SUPERCLASSES
from tinyedge.data.dataset import Dataset
from tinyedge.data.folder import read_folder
from tinyedge.data.pack import write_pack
from tinyedge.errors import ClassCountMismatch, CorruptImage, DataError, DatasetNotFound, ImageSizeMismatch


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No data and no cache but what a test makes."""
    monkeypatch.delenv("TINYEDGE_DATA", raising=False)
    monkeypatch.setenv("TINYEDGE_CACHE", str(tmp_path / "cache"))


def write_official(splits, folder, monkeypatch):
    """The layout of the official python version, with the sums of these files as the expected ones."""
    folder.mkdir(parents=True)
    content = {
        split: {
            "data": d.images.transpose(0, 3, 1, 2).reshape(len(d), 3072),
            "fine_labels": d.labels.tolist(),
            "coarse_labels": [SUPERCLASS_OF[k] for k in d.labels],
        }
        for split, d in splits.items()
    }
    content["meta"] = {"fine_label_names": list(FINE_LABELS), "coarse_label_names": list(SUPERCLASS_NAMES)}
    for name, value in content.items():
        (folder / name).write_bytes(pickle.dumps(value, protocol=2))
        monkeypatch.setitem(OFFICIAL_MD5, name, hashlib.md5((folder / name).read_bytes()).hexdigest())
    return folder


def write_folder(splits, folder, as_folder):
    for split, dataset in splits.items():
        as_folder(dataset, folder / split)
    return folder


def test_the_class_table():
    assert len(FINE_LABELS) == len(set(FINE_LABELS)) == 100
    assert len(SUPERCLASSES) == 20
    assert {len(members) for members in SUPERCLASSES.values()} == {5}
    assert list(FINE_LABELS) == sorted(FINE_LABELS)
    assert list(SUPERCLASS_NAMES) == sorted(SUPERCLASS_NAMES)
    assert SUPERCLASS_NAMES[SUPERCLASS_OF[FINE_LABELS.index("maple_tree")]] == "trees"


def test_every_route_gives_the_same_examples(tmp_path, monkeypatch, tiny_cifar100, as_folder):
    write_official(tiny_cifar100, tmp_path / "a" / "cifar-100-python", monkeypatch)
    write_pack(list(tiny_cifar100.values()), tmp_path / "b" / "cifar100")
    write_folder(tiny_cifar100, tmp_path / "c", as_folder)
    for split, expected in tiny_cifar100.items():
        for data_dir in ("a", "b", "c", "a/cifar-100-python", "b/cifar100"):
            found = load_cifar100(split, tmp_path / data_dir)
            assert found.digest == expected.digest, data_dir
            assert (found.name, found.split) == ("cifar100", split)
            assert (found.class_names, found.superclasses) == (FINE_LABELS, SUPERCLASS_OF)
            assert found.superclass_names == SUPERCLASS_NAMES
            assert str(tmp_path) not in found.source


def test_the_variable_names_the_folder_and_the_argument_goes_before(tmp_path, monkeypatch, tiny_cifar100):
    write_pack(list(tiny_cifar100.values()), tmp_path / "cifar100")
    monkeypatch.setenv("TINYEDGE_DATA", str(tmp_path))
    assert load_cifar100("test").digest == tiny_cifar100["test"].digest
    with pytest.raises(DatasetNotFound, match="elsewhere"):
        load_cifar100("test", tmp_path / "elsewhere")


def test_a_pickle_without_the_official_sum_is_never_opened(tmp_path, monkeypatch, tiny_cifar100):
    folder = write_official(tiny_cifar100, tmp_path / "cifar-100-python", monkeypatch)

    class Harm:
        def __reduce__(self):
            return (tmp_path / "harm").touch, ()

    (folder / "test").write_bytes(pickle.dumps(Harm()))
    with pytest.raises(CorruptImage, match=r"never opened(.|\n)*cifar-100-python.test(.|\n)*MD5"):
        load_cifar100("test", folder)
    assert not (tmp_path / "harm").exists()
    assert load_cifar100("train", folder).digest == tiny_cifar100["train"].digest


def test_a_truncated_pickle(tmp_path, monkeypatch, tiny_cifar100):
    folder = write_official(tiny_cifar100, tmp_path / "cifar-100-python", monkeypatch)
    (folder / "meta").write_bytes((folder / "meta").read_bytes()[:-1])
    with pytest.raises(CorruptImage, match="meta"):
        load_cifar100("test", folder)


def test_the_sums_are_torchvisions():
    from torchvision.datasets import CIFAR100

    published = dict([*CIFAR100.train_list, *CIFAR100.test_list, (CIFAR100.meta["filename"], CIFAR100.meta["md5"])])
    assert published == OFFICIAL_MD5


def test_another_split(tmp_path, monkeypatch, tiny_cifar100):
    folder = write_official(tiny_cifar100, tmp_path / "cifar-100-python", monkeypatch)
    with pytest.raises(DatasetNotFound, match="train or test"):
        load_cifar100("valid", folder)


def test_an_official_file_of_another_dataset(tmp_path, monkeypatch, tiny_cifar100):
    folder = write_official(tiny_cifar100, tmp_path / "cifar-100-python", monkeypatch)
    (folder / "test").write_bytes(pickle.dumps({"data": np.zeros((1, 3072), np.uint8), "labels": [3]}))
    monkeypatch.setitem(OFFICIAL_MD5, "test", hashlib.md5((folder / "test").read_bytes()).hexdigest())
    with pytest.raises(DataError, match="fine_labels"):
        load_cifar100("test", folder)


def test_other_classes_or_sizes_are_not_cifar100(tmp_path, make, tiny_cifar100, as_folder):
    write_pack([make()], tmp_path / "other")
    with pytest.raises(ClassCountMismatch, match=r"3 classes(.|\n)*100 fine labels(.|\n)*its path"):
        load_cifar100("test", tmp_path / "other")
    t = tiny_cifar100["test"]
    small = Dataset("cifar100", "test", np.ascontiguousarray(t.images[:, :16]), t.labels, t.class_names)
    write_pack([small], tmp_path / "small")
    with pytest.raises(ImageSizeMismatch, match=r"16, 32, 3(.|\n)*32, 32, 3"):
        load_cifar100("test", tmp_path / "small")
    write_folder({"test": t}, tmp_path / "less", as_folder)
    shutil.rmtree(tmp_path / "less" / "test" / "worm")
    with pytest.raises(ClassCountMismatch, match=r"99 classes(.|\n)*worm"):
        load_cifar100("test", tmp_path / "less")


THREE_WAYS = (r"manifest\.json", "cifar-100-python", r"train/<class>/\*\.png", "pip install", "shapes")


def test_a_data_folder_without_it_names_the_ways(tmp_path):
    (tmp_path / "holiday").mkdir()
    with pytest.raises(DatasetNotFound, match="holiday") as caught:
        find_cifar100(tmp_path)
    for way in THREE_WAYS:
        assert caught.match(way)
    with pytest.raises(DatasetNotFound, match="an empty folder"):
        find_cifar100(tmp_path / "holiday")


@pytest.fixture
def torchvision(monkeypatch):
    """A function that puts a download of one's own in the place of torchvision's."""

    def put(download):
        package, datasets = ModuleType("torchvision"), ModuleType("torchvision.datasets")
        datasets.CIFAR100 = download
        monkeypatch.setitem(sys.modules, "torchvision", package)
        monkeypatch.setitem(sys.modules, "torchvision.datasets", datasets)

    return put


@pytest.mark.parametrize("error", [URLError("Network is unreachable"), RuntimeError("File not found or corrupted.")])
def test_offline_and_absent_is_one_message_and_leaves_nothing(tmp_path, torchvision, error):
    def download(root, download):
        (cifar100.Path(root) / "cifar-100-python.tar.gz").write_bytes(b"half of it")
        raise error

    torchvision(download)
    with pytest.raises(DatasetNotFound, match="could not be downloaded") as caught:
        load_cifar100("test")
    for way in (*THREE_WAYS, "TINYEDGE_DATA", type(error).__name__):
        assert caught.match(way)
    assert caught.value.__cause__ is error
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_torchvision(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(DatasetNotFound, match=r"could not be downloaded(.|\n)*pip install 'tinyedge\[train\]'"):
        load_cifar100("test")


def test_a_download_is_kept_and_found_again(tmp_path, torchvision, monkeypatch, tiny_cifar100, capsys):
    calls = []

    def download(root, download):
        calls.append(root)
        sys.stdout.write("Downloading")
        write_official(tiny_cifar100, cifar100.Path(root) / "cifar-100-python", monkeypatch)

    torchvision(download)
    for _ in range(2):
        assert load_cifar100("test").digest == tiny_cifar100["test"].digest
    assert len(calls) == 1
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["cifar-100-python"]
    assert capsys.readouterr().out == "", "stdout is for results"


def test_a_download_that_another_process_finished_first(tmp_path, torchvision, monkeypatch, tiny_cifar100):
    def download(root, download):
        write_official(tiny_cifar100, cifar100.Path(root) / "cifar-100-python", monkeypatch)
        shutil.copytree(cifar100.Path(root) / "cifar-100-python", tmp_path / "cache" / "cifar-100-python")

    torchvision(download)
    assert load_cifar100("test").digest == tiny_cifar100["test"].digest


def test_cache_folder_default(monkeypatch):
    monkeypatch.delenv("TINYEDGE_CACHE")
    assert official.cache_folder() == cifar100.Path.home() / ".cache" / "tinyedge"


def test_real_images_keep_their_ids_in_an_image_folder(cifar100_test, tmp_path, as_folder):
    part = cifar100_test.take(np.arange(0, 10000, 20, dtype=np.int64))
    as_folder(part, tmp_path / "c" / "test")
    for found in (read_folder(tmp_path / "c", "test"), load_cifar100("test", tmp_path / "c")):
        np.testing.assert_array_equal(np.sort(found.ids), np.sort(part.ids))
        assert found.digest == part.digest
