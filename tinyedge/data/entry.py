"""A dataset from somebody's own Python function: ``--data module:function``."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyedge.data.dataset import Dataset
from tinyedge.entry_point import call_entry_point
from tinyedge.errors import DataError


def load_entry(text: str, split: str) -> Dataset:
    """What ``module:function`` returns for ``split``.

    The function takes the split's name, or nothing. It returns a ``Dataset``, or ``(images, labels, class_names)``:
    uint8 ``(N, H, W, C)`` with C 1 or 3, integers ``(N,)``, and K names in label order.

    Raises:
        UsageError: where it cannot be imported or called, or raises.
        DataError: where what it returns is no dataset, by one of its kinds.
    """
    found = call_entry_point(text, "--data", split)
    if isinstance(found, Dataset):
        return found
    if not isinstance(found, tuple | list) or len(found) != 3:
        raise _not_a_dataset(text, f"{type(found).__name__}{_length(found)}")
    images, labels, names = found
    try:
        pixels, indices, classes = np.asarray(images), np.asarray(labels), tuple(names)
    except (TypeError, ValueError) as error:
        raise _not_a_dataset(text, error) from error
    if indices.dtype.kind not in "iu" or not all(isinstance(name, str) for name in classes):
        raise _not_a_dataset(text, f"labels of {indices.dtype}, class names {classes[:3]}")
    name = text.partition(":")[0]
    return Dataset(name, split, pixels, indices.astype(np.int64), classes, source=f"{text} (Python function)")


def _length(found: Any) -> str:
    return f" of {len(found)}" if isinstance(found, tuple | list) else ""


def _not_a_dataset(text: str, found: object) -> DataError:
    return DataError(
        "the function does not return a dataset",
        where=f"--data {text}",
        found=found,
        expected="a tinyedge.data.Dataset, or (images uint8 (N, H, W, C), labels integers (N,), class_names)",
    )
