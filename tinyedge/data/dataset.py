"""A labelled image set in memory, and the identity of its examples."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import ClassCountMismatch, DatasetEmpty, ImageSizeMismatch, LabelOutOfRange, UsageError


@dataclass(frozen=True)
class Dataset:
    """Images with labels, checked on construction; nothing is repaired.

    Args:
        name: what the data is called in reports, e.g. ``cifar100``.
        split: ``train`` or ``test``.
        images: uint8, ``(N, H, W, C)``, RGB or one grey channel.
        labels: int64, ``(N,)``, class indices ``0 .. K-1``.
        class_names: ``K`` names in label order.
        superclasses: superclass index of each class, ``(K,)``, or ``None``.
        superclass_names: names in the order of those indices; empty without superclasses.
        synthetic: True where the images are generated, so that every report can say so.
        source: where it was read from, in a form fit for a report (a folder's name, never a whole path).

    Raises:
        DatasetEmpty, ImageSizeMismatch, LabelOutOfRange, ClassCountMismatch: by what is wrong.
    """

    name: str
    split: str
    images: NDArray[np.uint8] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    class_names: tuple[str, ...] = field(repr=False)
    superclasses: tuple[int, ...] | None = field(default=None, repr=False)
    superclass_names: tuple[str, ...] = field(default=(), repr=False)
    synthetic: bool = False
    source: str = ""

    def __post_init__(self) -> None:
        where = f"{self.name} ({self.split})"
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or self.images.shape[3] not in (1, 3):
            raise ImageSizeMismatch(
                "the images are not uint8 NHWC with 1 or 3 channels",
                where=where,
                found=f"{self.images.dtype} {self.images.shape}",
                expected="uint8 (N, H, W, 1 or 3)",
            )
        if len(self.images) == 0:
            raise DatasetEmpty("the dataset has no images", where=where, found=0, expected="at least 1 image")
        if self.labels.shape != (len(self.images),):
            raise LabelOutOfRange(
                "images and labels do not pair",
                where=where,
                found=f"{len(self.images)} images, labels of shape {self.labels.shape}",
                expected="one label an image",
            )
        if self.labels.dtype != np.int64:
            raise LabelOutOfRange("labels are not int64", where=where, found=self.labels.dtype, expected="int64")
        k = len(self.class_names)
        if len(set(self.class_names)) < k or not all(name.strip() for name in self.class_names):
            twice = next((n for n in self.class_names if not n.strip() or self.class_names.count(n) > 1), "")
            raise ClassCountMismatch(
                "a class name is empty or repeated", where=where, found=repr(twice), expected="each once, none empty"
            )
        outside = np.flatnonzero((self.labels < 0) | (self.labels >= k))
        if len(outside):
            i = int(outside[0])
            raise LabelOutOfRange(
                "a label is not a class index",
                where=f"{where}, image {i} and {len(outside) - 1} more",
                found=int(self.labels[i]),
                expected=f"0 to {k - 1} ({k} class names)",
                fix="mend the labels, or list every class name in label order",
            )
        if self.superclasses is not None and len(self.superclasses) != k:
            raise ClassCountMismatch(
                "superclasses do not cover the classes", where=where, found=len(self.superclasses), expected=k
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def num_classes(self) -> int:
        """K, the number of classes."""
        return len(self.class_names)

    @cached_property
    def ids(self) -> NDArray[np.str_]:
        """``(N,)`` 16-hex-digit digests of each example's shape, pixels and label: its identity in any order."""
        shape = np.asarray(self.images.shape[1:], dtype="<i8").tobytes()
        images = np.ascontiguousarray(self.images)
        return np.array(
            [
                hashlib.sha256(shape + images[i].tobytes() + int(self.labels[i]).to_bytes(8, "little")).hexdigest()[:16]
                for i in range(len(images))
            ]
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the sorted example ids: equal for differently ordered copies of one dataset."""
        return hashlib.sha256("\n".join(np.sort(self.ids)).encode()).hexdigest()

    def take(self, index: NDArray[np.int64]) -> Dataset:
        """The examples at ``index`` (int64, ``(M,)``), in that order."""
        return replace(self, images=self.images[index], labels=self.labels[index])

    def sample(self, count: int, *, seed: int) -> Dataset:
        """``count`` examples drawn without replacement, in dataset order; all of them where there are fewer.

        Raises:
            UsageError: where ``count`` is below 1.
        """
        if count >= len(self):
            return self
        drawn = self.take(self.draw(count, seed=seed))
        return replace(drawn, source=f"{self.source}, {count:,} of {len(self):,} images drawn with seed {seed}")

    def draw(self, count: int, *, seed: int) -> NDArray[np.int64]:
        """Positions, sorted, of ``count`` examples (at most all) drawn without replacement.

        Drawn over the sorted ids: differently ordered copies of one dataset give the same examples.

        Raises:
            UsageError: where ``count`` is below 1.
        """
        if count < 1:
            raise UsageError("a sample needs at least one image", found=count, expected="1 or more")
        by_id = np.argsort(self.ids, kind="stable")
        drawn = np.random.default_rng(seed).choice(len(self), min(count, len(self)), replace=False)
        return np.sort(by_id[drawn]).astype(np.int64)
