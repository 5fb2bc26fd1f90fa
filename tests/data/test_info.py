import numpy as np

from tinyedge.data.dataset import Dataset
from tinyedge.data.info import Overlap, overlaps, split_info


def dataset(split, values, labels, names=("a", "b", "c")):
    images = np.zeros((len(values), 2, 2, 1), np.uint8)
    images[:, 0, 0, 0] = values
    return Dataset("d", split, images, np.array(labels, np.int64), names)


def test_duplicates_counted_by_hand():
    # 5 stands four times: labels 0, 0 (known), 1 (new), 1 (known by now); 7 twice, under two labels.
    found = split_info(dataset("train", [5, 5, 5, 5, 7, 7, 9], [0, 0, 1, 1, 2, 0, 0]))
    assert (found.images, found.duplicates, found.relabelled) == (7, 4, 2)
    assert (found.fewest, found.most) == (1, 4)
    none = split_info(dataset("test", [1, 2, 3], [0, 0, 1]))
    assert (none.duplicates, none.relabelled, none.fewest, none.most) == (0, 0, 0, 2)


def test_overlaps_counted_by_hand():
    train = dataset("train", [5, 5, 7, 9], [0, 1, 2, 0])
    test = dataset("test", [5, 5, 7, 1], [1, 2, 2, 0])
    assert overlaps([train, test]) == [Overlap("test", "train", 3, 1)]
    assert overlaps([train]) == []


def test_labels_are_compared_by_name():
    train = dataset("train", [5], [0], ("a", "b", "c"))
    assert overlaps([train, dataset("test", [5], [2], ("b", "c", "a"))])[0].relabelled == 0
    assert overlaps([train, dataset("test", [5], [0], ("b", "c", "a"))])[0].relabelled == 1


def test_the_same_bytes_in_another_shape_are_no_duplicate():
    a = Dataset("d", "train", np.zeros((1, 2, 4, 1), np.uint8), np.zeros(1, np.int64), ("a",))
    b = Dataset("d", "test", np.zeros((1, 4, 2, 1), np.uint8), np.zeros(1, np.int64), ("a",))
    assert overlaps([a, b])[0].images == 0
