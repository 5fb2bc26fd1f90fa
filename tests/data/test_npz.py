import zipfile

import numpy as np
import pytest

from tinyedge.data.npz import read_npz
from tinyedge.errors import CorruptImage, DataError, DatasetEmpty, DatasetNotFound, ImageSizeMismatch, LabelOutOfRange

X = np.arange(4 * 3 * 2 * 3, dtype=np.uint8).reshape(4, 3, 2, 3)
Y = np.array([0, 2, 1, 2])


def saved(tmp_path, **arrays):
    np.savez(tmp_path / "mine.npz", **arrays)
    return tmp_path / "mine.npz"


def test_reads_what_was_saved(tmp_path):
    found = read_npz(saved(tmp_path, x=X, y=Y.astype(np.uint8), class_names=np.array(["a", "b", "c", "d"])), "test")
    np.testing.assert_array_equal(found.images, X)
    np.testing.assert_array_equal(found.labels, Y)
    assert (found.name, found.split, found.class_names) == ("mine", "test", ("a", "b", "c", "d"))
    assert found.labels.dtype == np.int64


def test_names_default_to_numbers_and_may_be_bytes(tmp_path):
    assert read_npz(saved(tmp_path, x=X, y=Y), "train").class_names == ("0", "1", "2")
    assert read_npz(saved(tmp_path, x=X, y=Y, class_names=np.array([b"a", b"b", b"c"])), "train").class_names[2] == "c"
    assert read_npz(saved(tmp_path, x=X, y=Y), "train", name="other").name == "other"


@pytest.mark.parametrize(
    ("arrays", "kind", "words"),
    [
        ({"x": X}, DataError, r"no y(.|\n)*found:(.|\n)*x"),
        ({"images": X, "labels": Y}, DataError, r"no x and no y(.|\n)*images, labels"),
        ({"x": X / 255, "y": Y}, ImageSizeMismatch, r"float64(.|\n)*0 to 255"),
        ({"x": X[..., 0], "y": Y}, ImageSizeMismatch, r"x\[\.\.\., None\]"),
        ({"x": X.transpose(0, 3, 1, 2), "y": Y}, ImageSizeMismatch, r"transpose\(0, 2, 3, 1\)"),
        ({"x": X[..., :2], "y": Y}, ImageSizeMismatch, r"\(4, 3, 2, 2\)"),
        ({"x": np.uint8(3), "y": Y}, ImageSizeMismatch, r"uint8 \(\)"),
        ({"x": X[:0], "y": Y[:0]}, DatasetEmpty, "no images"),
        ({"x": X, "y": Y.astype(float)}, LabelOutOfRange, "float64"),
        ({"x": X, "y": Y[:3]}, LabelOutOfRange, r"4 images, y of shape \(3,\)"),
        ({"x": X, "y": Y[:, None]}, LabelOutOfRange, r"y\.reshape\(-1\)"),
        ({"x": X, "y": -Y}, LabelOutOfRange, "-2 to 0"),
        ({"x": X, "y": np.array([0, 1, 2, 2**63], np.uint64)}, LabelOutOfRange, str(2**63)),
        ({"x": X, "y": np.array([0, 1, 2, 100_000])}, LabelOutOfRange, r"0 to 100000(.|\n)*at most 100,000"),
        ({"x": X, "y": Y, "class_names": np.arange(100_001).astype(str)}, LabelOutOfRange, "100,001 class_names"),
        ({"x": X, "y": Y, "class_names": np.array(["a", "b"])}, LabelOutOfRange, r"0 to 1 \(2 class names\)"),
        ({"x": X, "y": Y, "class_names": np.array(["a", "b", "a"])}, DataError, "repeat"),
        ({"x": X, "y": Y, "class_names": np.arange(3)}, DataError, "list of names"),
        ({"x": X, "y": Y, "class_names": np.array(["a", None, "c"])}, DataError, r"never unpickled(.|\n)*dtype=str"),
    ],
)
def test_bad_arrays(tmp_path, arrays, kind, words):
    path = saved(tmp_path, **arrays)
    with pytest.raises(kind, match=words) as caught:
        read_npz(path, "test")
    assert type(caught.value) is kind
    assert "mine" in str(caught.value)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_truncated_anywhere(tmp_path, save):
    path = tmp_path / "mine.npz"
    save(path, x=X, y=Y)
    content = path.read_bytes()
    for keep in range(0, len(content) - 1, 29):
        path.write_bytes(content[:keep])
        with pytest.raises(CorruptImage, match=rf"truncated(.|\n)*mine\.npz(.|\n)*\({keep:,} bytes"):
            read_npz(path, "test")


def test_a_flipped_bit_is_seen(tmp_path):
    path = saved(tmp_path, x=X, y=Y)
    content = bytearray(path.read_bytes())
    content[content.index(X.tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptImage, match="CRC"):
        read_npz(path, "test")


def test_missing_and_single_array(tmp_path):
    with pytest.raises(DatasetNotFound, match="nowhere"):
        read_npz(tmp_path / "nowhere.npz", "test")
    with (tmp_path / "one.npz").open("wb") as stream:
        np.save(stream, X)
    with pytest.raises(CorruptImage, match="a single array"):
        read_npz(tmp_path / "one.npz", "test")


@pytest.mark.parametrize("content", [b"\x1c\0\0\0TFL3" + bytes(90), b"P", b"PK", b"a,b\n1,2\n", b"\x80\x04K\x01."])
def test_another_kind_of_file_is_called_that(tmp_path, content):
    path = tmp_path / "a.tflite"
    path.write_bytes(content)
    with pytest.raises(CorruptImage) as caught:
        read_npz(path, "test")
    assert caught.value.what == "not an .npz file"
    assert str(path) == caught.value.where
    assert f"{len(content)} bytes that start with" in caught.value.found
    assert ".npz file with x" in caught.value.expected
    assert "np.savez_compressed" in caught.value.fix


def test_a_zip_of_other_things_is_refused(tmp_path):
    path = tmp_path / "mine.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", "no array")
        archive.writestr("y", "no array")
    with pytest.raises(ImageSizeMismatch, match="uint8"):
        read_npz(path, "test")
    with zipfile.ZipFile(path, "w"):
        pass
    with pytest.raises(DataError, match="no arrays"):
        read_npz(path, "test")


def test_as_many_classes_as_are_allowed(tmp_path):
    assert len(read_npz(saved(tmp_path, x=X, y=Y + 99_997), "test").class_names) == 100_000
