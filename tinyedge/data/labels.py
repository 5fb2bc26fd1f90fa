"""The order of a model's outputs, where it is not the data's: read from a file of names, never from figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tinyedge.data.dataset import Dataset
from tinyedge.errors import ClassCountMismatch, DatasetNotFound

_SHOWN = 3


def read_labels(path: Path) -> tuple[str, ...]:
    """One class name a line, in the order of the model's outputs; empty lines at the end do not count.

    Raises:
        DatasetNotFound: where there is no such file.
        ClassCountMismatch: where it cannot be read, is no text, has an empty line between names, or a name twice.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except FileNotFoundError as error:
        raise DatasetNotFound("there is no such label file", where=path, fix="check the path") from error
    except UnicodeDecodeError as error:
        raise _unreadable(path, "bytes that are not UTF-8") from error
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from error
    names = tuple(line.strip() for line in lines)
    if not names or not all(names):
        raise _unreadable(path, f"line {names.index('') + 1} is empty" if names else "an empty file")
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise _unreadable(path, f"{twice!r} twice")
    return names


def in_order(data: Dataset, names: tuple[str, ...], where: object) -> Dataset:
    """``data`` with its labels numbered as ``names`` has them; the images and their order stay.

    The data is renumbered rather than the outputs moved, so that a tie still goes to the output that firmware's loop
    meets first.

    Args:
        data: any.
        names: of the model's outputs.
        where: they are from, for the message.

    Raises:
        ClassCountMismatch: where they are not the data's classes; shows both readings.
    """
    if set(names) != set(data.class_names):
        only = [[n for n in a if n not in set(b)] for a, b in ((names, data.class_names), (data.class_names, names))]
        raise ClassCountMismatch(
            "the label file and the data name different classes",
            where=where,
            found=f"{len(names)} names, {_first(only[0])} not in the data; "
            f"{data.num_classes} classes in {data.name}, {_first(only[1])} not in the file",
            expected="the same names in both, in any order",
            fix="mend the names in the file, or rename the class folders",
        )
    if names == data.class_names:
        return data
    new = np.array([names.index(name) for name in data.class_names], np.int64)
    old = [data.class_names.index(name) for name in names]
    return replace(
        data,
        labels=new[data.labels],
        class_names=names,
        superclasses=None if data.superclasses is None else tuple(data.superclasses[i] for i in old),
        source=f"{data.source}, classes in the order of a label file",
    )


def _first(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(map(repr, names[:_SHOWN])) or "none") + more


def _unreadable(path: Path, found: str) -> ClassCountMismatch:
    return ClassCountMismatch(
        "the label file is not a list of names",
        where=path,
        found=found,
        expected="one class name a line, each once, in the order of the model's outputs",
    )
