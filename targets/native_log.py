"""What native libraries print, as the process that runs them can read it back.

A target's child has its stdout and stderr in one temporary file. The runtimes say there, and only there, which operator
they lack or how many bytes of arena they needed.
"""

from __future__ import annotations

import os
import stat

_LONGEST = 20_000
_STDERR = 2


def position() -> int:
    """Where the log ends now; 0 where this process has no log (its stderr is no file)."""
    facts = os.fstat(_STDERR)
    return facts.st_size if stat.S_ISREG(facts.st_mode) else 0


def since(start: int) -> str:
    """What was printed after ``start``, up to 20,000 bytes of it; empty where this process has no log."""
    length = min(position() - start, _LONGEST)
    try:
        return os.pread(_STDERR, max(length, 0), start).decode(errors="replace")
    except OSError:  # opened for writing only: not a log of ours
        return ""


def last_lines(text: str, count: int = 3) -> str:
    """The last lines that say something, on one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-count:])
