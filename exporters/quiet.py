"""Converters print a lot, from Python and from C++. Keep it back, and show it when they fail."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from tinyedge.errors import ExportError, TinyedgeError

_LINES = 15


@contextmanager
def quiet(what: str, *, where: str) -> Iterator[None]:
    """Hold back everything that the block prints; if it fails, raise its error with the last lines of that.

    C++ code writes to the file descriptors, Python code to ``sys.stdout`` and ``sys.stderr``, which may be something
    else: both are redirected. ``sys.stderr`` becomes an object over descriptor 2 that stays valid afterwards, as
    logging handlers created inside the block keep it.

    Args:
        what: the error's first line, e.g. ``the converter failed``.
        where: the exporter and the model.

    Raises:
        ExportError: for any exception that is not tinyedge's own.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept_streams, kept_descriptors = (sys.stdout, sys.stderr), (os.dup(1), os.dup(2))
    kept_logging = logging.root.manager.disable
    with tempfile.TemporaryFile() as noise, warnings.catch_warnings():
        os.dup2(noise.fileno(), 1)
        os.dup2(noise.fileno(), 2)
        sys.stdout = sys.stderr = open(2, "w", closefd=False, buffering=1, errors="replace")  # noqa: SIM115
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        except TinyedgeError:
            raise
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
            raise ExportError(what, where=where, found=found + _tail(noise.fileno())) from error
        finally:
            sys.stderr.flush()
            sys.stdout, sys.stderr = kept_streams
            logging.disable(kept_logging)
            for descriptor, kept in zip((1, 2), kept_descriptors, strict=True):
                os.dup2(kept, descriptor)
                os.close(kept)


def _tail(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    text = os.pread(descriptor, min(size, 20_000), max(size - 20_000, 0)).decode(errors="replace")
    lines = [line.rstrip() for line in text.splitlines() if line.strip()][-_LINES:]
    return "\n  its last lines:\n" + "\n".join("    " + line for line in lines) if lines else ""
