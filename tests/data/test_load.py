import os
import subprocess
import sys

import numpy as np
import pytest

from tinyedge.data import load_dataset
from tinyedge.data.load import dataset_splits, resolved
from tinyedge.data.pack import write_pack
from tinyedge.errors import DatasetNotFound, UsageError


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv("TINYEDGE_DATA", raising=False)


def test_every_form_of_one_dataset_is_the_same(tmp_path, make, as_folder):
    sets = [make(9, split="train"), make(9, split="test", seed=1)]
    write_pack(sets, tmp_path / "pack")
    (tmp_path / "arrays").mkdir()
    for d in sets:
        as_folder(d, tmp_path / "photos" / d.split)
        np.savez(tmp_path / "arrays" / d.split, x=d.images, y=d.labels, class_names=np.array(d.class_names))
    for form in ("pack", "photos", "arrays"):
        assert dataset_splits(str(tmp_path / form)) == ("train", "test")
        for d in sets:
            found = load_dataset(str(tmp_path / form), d.split)
            assert (found.digest, found.split, found.class_names) == (d.digest, d.split, d.class_names), form
    assert {load_dataset(str(tmp_path / "arrays"), split).name for split in ("train", "test")} == {"arrays"}


def test_sets_without_splits_are_what_is_asked_for(tmp_path, make, as_folder):
    d = make(9)
    as_folder(d, tmp_path / "photos")
    np.savez(tmp_path / "mine.npz", x=d.images, y=d.labels)
    for form in ("photos", "mine.npz"):
        assert dataset_splits(str(tmp_path / form)) == ()
        for split in ("train", "test"):
            found = load_dataset(str(tmp_path / form), split)
            assert (found.split, found.digest) == (split, d.digest)


def test_auto(tmp_path, monkeypatch, tiny_cifar100):
    assert resolved("auto") == "shapes"
    assert resolved("auto", tmp_path) == "cifar100"
    write_pack(list(tiny_cifar100.values()), tmp_path / "cifar100")
    monkeypatch.setenv("TINYEDGE_DATA", str(tmp_path))
    assert load_dataset("auto", "test").name == "cifar100"
    assert resolved("shapes") == "shapes"


def test_unknown_names_and_splits(tmp_path):
    with pytest.raises(DatasetNotFound, match=r"cifar1000\n(.|\n)*did you mean cifar100\?"):
        load_dataset("cifar1000", "test")
    with pytest.raises(DatasetNotFound, match="check the path"):
        load_dataset(str(tmp_path / "nowhere"), "test")
    with pytest.raises(UsageError, match="train or test"):
        load_dataset("shapes", "validation")
    np.savez(tmp_path / "test.npz", x=1)
    with pytest.raises(DatasetNotFound, match="no such file"):
        load_dataset(str(tmp_path), "train")


def test_neither_a_folder_nor_a_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/null", str(tmp_path / "pipe")):
        for function in (dataset_splits, lambda path: load_dataset(path, "test")):
            with pytest.raises(DatasetNotFound, match=r"neither a folder nor an \.npz file") as caught:
                function(path)
            assert caught.value.where == path


def test_importing_is_light():
    heavy = "('PIL', 'torch', 'torchvision', 'scipy', 'tensorflow', 'typer', 'rich')"
    code = f"import sys, tinyedge.data; print([m for m in {heavy} if m in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"
