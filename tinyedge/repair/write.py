"""What a repair writes: the better file with its side-car, and weights that it trained. Nothing is replaced.

A file that passes is called ``-repaired``; one that is only better is called ``-better``: a name outlives a report.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tinyedge.artifact import Artifact, sidecar_path
from tinyedge.errors import UsageError
from tinyedge.files import check_writable, replacing
from tinyedge.gate import Status

_SUFFIXES = ("-repaired", "-better")


def check_folder(out: Path, deployed: Artifact) -> None:
    """Whether ``out`` can take whatever a repair may write there: before anything runs.

    Raises:
        UsageError: where something of a name that may be needed is there, or nothing can be written.
    """
    for suffix in _SUFFIXES:
        path = _named(out, deployed, suffix)
        for taken in (path, sidecar_path(path), _weights(path)):
            if taken.exists() or taken.is_symlink():
                raise UsageError(
                    "there is a repaired file already", where=taken, expected="none", fix="another --out, or remove it"
                )
        check_writable(path)


def write(made: Artifact, out: Path, deployed: Artifact, *, status: Status, weights: Path | None) -> str:
    """Copy ``made`` into ``out`` and return its name there.

    Args:
        made: the file, with a side-car.
        out: the folder.
        deployed: the file that was given, after which it is named.
        status: of ``made`` on the judged images.
        weights: a checkpoint to put beside it, where they were trained.

    Raises:
        UsageError: where the disk is full, or the folder went away.
    """
    path = _named(out, deployed, _SUFFIXES[0] if status is Status.PASS else _SUFFIXES[1])
    copies = [] if weights is None else [(weights, _weights(path))]
    # The side-car before the file: a file without one is no artifact.
    copies += [(sidecar_path(made.path), sidecar_path(path)), (made.path, path)]
    for source, destination in copies:
        with replacing(destination) as temporary:
            shutil.copyfile(source, temporary)
    return path.name


def _named(out: Path, deployed: Artifact, suffix: str) -> Path:
    return out / f"{deployed.path.stem}{suffix}{deployed.path.suffix}"


def _weights(path: Path) -> Path:
    return path.with_suffix(".safetensors")
