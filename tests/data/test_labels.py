import dataclasses

import numpy as np
import pytest

from tinyedge.data.labels import in_order, read_labels
from tinyedge.errors import ClassCountMismatch, DatasetNotFound


def test_names_in_the_order_of_the_lines(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufeffcat\r\nsea lion \nZürich\n\n".encode())
    assert read_labels(path) == ("cat", "sea lion", "Zürich")


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"", "an empty file"), (b"\n\n", "an empty file"), (b"a\n\nb\n", "line 2 is empty"), (b"a\nb\na\n", "'a' twice"),
     (b"\xff\xfe\x00", "not UTF-8")],
)  # fmt: skip
def test_what_is_no_list_of_names_is_refused(tmp_path, content, found):
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(ClassCountMismatch, match="not a list of names") as caught:
        read_labels(path)
    assert found in caught.value.found


def test_a_missing_file(tmp_path):
    with pytest.raises(DatasetNotFound, match="no such label file"):
        read_labels(tmp_path / "labels.txt")


def test_every_image_keeps_its_class_by_name(make):
    data = dataclasses.replace(make(20), superclasses=(0, 1, 1), superclass_names=("x", "y"))
    names = ("class 2", "class 0", "class 1")
    moved = in_order(data, names, "labels.txt")
    assert moved.class_names == names
    assert [moved.class_names[k] for k in moved.labels] == [data.class_names[k] for k in data.labels]
    assert [moved.superclasses[k] for k in moved.labels] == [data.superclasses[k] for k in data.labels]
    assert moved.images is data.images
    assert "order of a label file" in moved.source
    back = in_order(moved, data.class_names, "labels.txt")
    np.testing.assert_array_equal(back.labels, data.labels)
    assert back.digest == data.digest


def test_the_same_order_changes_nothing(make):
    data = make()
    assert in_order(data, data.class_names, "labels.txt") is data


def test_other_names_are_refused_with_both_readings(make):
    with pytest.raises(ClassCountMismatch, match="different classes") as caught:
        in_order(make(), ("class 0", "class 1", "0 class 2", "background"), "labels.txt")
    assert "4 names, '0 class 2', 'background' not in the data" in caught.value.found
    assert "'class 2' not in the file" in caught.value.found


def test_a_folder_is_no_label_file(tmp_path):
    with pytest.raises(ClassCountMismatch, match=r"(?s)not a list of names.*directory"):
        read_labels(tmp_path)
