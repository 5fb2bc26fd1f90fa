"""Writing so that no half-written file is ever left, and hashing what is read."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tinyedge.errors import UsageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that becomes ``path`` when the block ends well, and vanishes when it does not.

    Two writers of one path do not mix: each has its own temporary file, and the last rename wins whole. A link stays a
    link: what it points to is replaced.

    Raises:
        UsageError: where nothing can be written there, or the disk is full.
    """
    check_writable(path)
    real = path.resolve()
    try:
        handle, name = tempfile.mkstemp(prefix=f".{real.name}.tmp-", suffix=real.suffix, dir=real.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes it private; the result is an ordinary file
        temporary.replace(real)
    except BaseException as error:
        with suppress(FileNotFoundError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno in _FULL:
            raise _unwritable(path, error) from error
        raise


def check_writable(path: Path) -> None:
    """Make the folder of ``path``, and look whether a file can be put there: before the work whose result it is.

    Raises:
        UsageError: where it cannot, or something that is not a file is in its place.
    """
    if path.exists() and not path.is_file():
        raise UsageError(
            "there is something else in the file's place",
            where=path,
            found="a folder" if path.is_dir() else "a device or pipe",
            expected="a file's name; for standard output leave the option out and give --format json",
        )
    try:
        path.resolve().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error
    if not os.access(path.resolve().parent, os.W_OK):
        raise _unwritable(path, PermissionError(13, "Permission denied"))


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write ``content`` to ``path``: whole, or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        "the file cannot be written",
        where=path,
        found=error.strerror or error,
        expected="space on the disk" if error.errno in _FULL else "a folder that can be written to",
        fix="make room, or choose another path" if error.errno in _FULL else "choose another path",
    )
