"""The state of unfinished runs as one file: seeds that are trained in one step stop and go on together."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tinyedge.errors import TrainingError

if TYPE_CHECKING:
    from tinyedge.train.checkpoint import Checkpoint

_SINGLE, _SEVERAL = ".state.safetensors", ".state.zip"
_NEVER = (1980, 1, 1, 0, 0, 0)


def state_path(names: Sequence[str]) -> str:
    """The file for the runs called ``names``; of a single run it is the one that ``tinyedge train`` resumes.

    >>> state_path(["scalecnn-c4-seed0"]), state_path(["scalecnn-c4-seed0", "scalecnn-c4-seed3"])
    ('scalecnn-c4-seed0.state.safetensors', 'scalecnn-c4-seeds0.3.state.zip')
    """
    if len(names) == 1:
        return names[0] + _SINGLE
    member = names[0].rpartition("-seed")[0]
    return f"{member}-seeds{'.'.join(name.rpartition('-seed')[2] for name in names)}{_SEVERAL}"


def state_seeds(path: str, member: str) -> tuple[int, ...]:
    """The seeds whose state is in a file called ``path``; none where it is not a state of ``member``.

    >>> state_seeds("scalecnn-c4-seeds0.3.state.zip", "scalecnn-c4")
    (0, 3)
    """
    for start, end in ((f"{member}-seeds", _SEVERAL), (f"{member}-seed", _SINGLE)):
        seeds = path.removeprefix(start).removesuffix(end)
        if path == start + seeds + end and re.fullmatch(r"\d+(\.\d+)*", seeds):
            return tuple(int(seed) for seed in seeds.split("."))
    return ()


def pack_states(states: Sequence[Checkpoint]) -> bytes:
    """Checkpoints of one epoch as the content of ``state_path``."""
    from tinyedge.train.checkpoint import checkpoint_bytes

    if len(states) == 1:
        return checkpoint_bytes(states[0])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as stream:
        for state in states:
            stream.writestr(zipfile.ZipInfo(f"{state.key.name}.safetensors", _NEVER), checkpoint_bytes(state))
    return buffer.getvalue()


def unpack_states(path: str, content: bytes) -> tuple[Checkpoint, ...]:
    """The checkpoints in a state file.

    Raises:
        TrainingError: where it is damaged.
    """
    from tinyedge.train.checkpoint import checkpoint_from_bytes

    if path.endswith(_SINGLE):
        return (checkpoint_from_bytes(content, path),)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as stream:
            states = [checkpoint_from_bytes(stream.read(name), f"{path}, {name}") for name in stream.namelist()]
            if not states:
                raise ValueError("no state in it")
            return tuple(states)
    except (zipfile.BadZipFile, KeyError, OSError, ValueError) as error:
        raise TrainingError(
            "the state of a training run cannot be read",
            where=path,
            found=error,
            expected="what a sweep wrote",
            fix="remove it: the runs then start again",
        ) from error
