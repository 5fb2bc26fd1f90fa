import sys

import numpy as np
import pytest

from tinyedge.data import load_dataset
from tinyedge.data.load import dataset_splits
from tinyedge.data.stream import stream_dataset
from tinyedge.errors import DataError, LabelOutOfRange

CODE = """
import numpy as np
from tinyedge.data import Dataset

def images(count=6):
    return np.random.default_rng(count).integers(0, 256, (count, 4, 4, 3), np.uint8)

def arrays(split):
    return images(), [0, 1, 1, 0, 1, 0], ["yes", "no"]

def whole():
    return Dataset("mine", "test", images(), np.array([0, 1, 1, 0, 1, 0]), ("yes", "no"))

def two(split):
    return images(), [0] * 6

def words(split):
    return images(), ["yes"] * 6, ["yes", "no"]

def beyond(split):
    return images(), [0, 1, 2, 0, 0, 0], ["yes", "no"]

def nothing(split):
    return None
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_data_code.py").write_text(CODE)
    yield
    sys.modules.pop("own_data_code", None)


def test_arrays_and_datasets_come_in():
    arrays, whole = load_dataset("own_data_code:arrays", "test"), load_dataset("own_data_code:whole", "test")
    assert (arrays.name, arrays.class_names, len(arrays)) == ("own_data_code", ("yes", "no"), 6)
    assert arrays.digest == whole.digest
    assert whole.name == "mine"
    assert dataset_splits("own_data_code:arrays") == ()
    parts = list(stream_dataset("own_data_code:arrays", "test", images=4))
    assert [len(part) for part in parts] == [4, 2]
    np.testing.assert_array_equal(np.concatenate([part.ids for part in parts]), arrays.ids)


@pytest.mark.parametrize(
    ("name", "kind", "found"),
    [("two", DataError, "tuple of 2"), ("nothing", DataError, "NoneType"), ("words", DataError, "labels of <U3"),
     ("beyond", LabelOutOfRange, "2")],
)  # fmt: skip
def test_what_is_no_dataset_is_refused(name, kind, found):
    with pytest.raises(kind) as caught:
        load_dataset(f"own_data_code:{name}", "test")
    assert found in caught.value.found
