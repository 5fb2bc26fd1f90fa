import hashlib

import numpy as np
import pytest

from tinyedge.data.dataset import Dataset
from tinyedge.errors import ClassCountMismatch, DatasetEmpty, ImageSizeMismatch, LabelOutOfRange, UsageError

IMAGES = np.arange(2 * 2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 2, 3)
LABELS = np.array([1, 0])


def test_identity_worked_by_hand():
    d = Dataset("d", "test", IMAGES, LABELS, ("a", "b"))
    shape = b"".join(n.to_bytes(8, "little") for n in (2, 2, 3))
    ids = [
        hashlib.sha256(shape + bytes(range(12 * i, 12 * i + 12)) + label.to_bytes(8, "little")).hexdigest()[:16]
        for i, label in enumerate([1, 0])
    ]
    assert d.ids.tolist() == ids
    assert d.digest == hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def test_the_digest_knows_pixels_and_labels_but_no_order_and_no_name():
    d = Dataset("d", "test", IMAGES, LABELS, ("a", "b"))
    assert d.take(np.array([1, 0])).digest == d.digest
    assert Dataset("e", "train", IMAGES, LABELS, ("x", "y")).digest == d.digest
    assert Dataset("d", "test", IMAGES, LABELS[::-1].copy(), ("a", "b")).digest != d.digest
    assert Dataset("d", "test", IMAGES ^ 1, LABELS, ("a", "b")).digest != d.digest
    assert Dataset("d", "test", IMAGES.reshape(2, 1, 4, 3), LABELS, ("a", "b")).digest != d.digest


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"images": IMAGES.astype(np.float32)}, ImageSizeMismatch, "float32"),
        ({"images": IMAGES[..., :2]}, ImageSizeMismatch, "1 or 3 channels"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, DatasetEmpty, "no images"),
        ({"labels": LABELS[:1]}, LabelOutOfRange, "one label an image"),
        ({"labels": LABELS.astype(np.int32)}, LabelOutOfRange, "int64"),
        ({"labels": np.array([0, 2])}, LabelOutOfRange, "image 1 and 0 more"),
        ({"labels": np.array([-1, 0])}, LabelOutOfRange, "0 to 1"),
        ({"superclasses": (0,)}, ClassCountMismatch, "superclasses"),
        ({"class_names": ("a", "a")}, ClassCountMismatch, "'a'"),
        ({"class_names": ("a", " ")}, ClassCountMismatch, "empty or repeated"),
    ],
)
def test_what_is_refused(change, kind, words):
    fields = {"images": IMAGES, "labels": LABELS, "class_names": ("a", "b"), **change}
    with pytest.raises(kind, match=words):
        Dataset("d", "test", **fields)


def test_samples_keep_the_order_and_follow_the_seed():
    d = Dataset("d", "test", np.zeros((50, 1, 1, 1), np.uint8), np.arange(50), tuple(map(str, range(50))))
    sample = d.sample(10, seed=3)
    assert (np.diff(sample.labels) > 0).all()
    assert sample.digest == d.sample(10, seed=3).digest != d.sample(10, seed=4).digest
    assert d.sample(50, seed=0) is d
    with pytest.raises(UsageError, match="1 or more"):
        d.sample(0, seed=0)
