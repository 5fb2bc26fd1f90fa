"""The smallest tensor arena that a model runs in, found by trying.

The runtime's own count of what it used is not it: preparing a model takes more for a moment than is kept afterwards.
And in an arena that is a little too small TFLite Micro may segfault in place of refusing: each size is tried in a fork.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

ALIGNMENT = 16
_TRIAL_S = 20


def survives(action: Callable[[], object]) -> bool:
    """Whether ``action`` returns, in a fork of this process: without exception, crash, or taking over 20 s.

    Only for a process with a single thread, as a target's child is.
    """
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.alarm(_TRIAL_S)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # a trial's complaints are not the run's last words
            action()
            code = 0
        finally:  # whatever happened: never back into the code of the parent
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0


def smallest(fits: Callable[[int], bool], *, guess: int, upper: int) -> int:
    """The smallest multiple of 16 that ``fits``, given that ``upper`` does and that more never fits worse.

    A good ``guess`` saves trials: often the runtime's own count is the answer, and two trials tell.

    >>> smallest(lambda size: size >= 2185, guess=1776, upper=1 << 20)
    2192
    """
    low, high = 0, -(-upper // ALIGNMENT)  # in units of 16 bytes: low does not fit, high does
    first = [guess // ALIGNMENT, guess // ALIGNMENT - 1]
    while high - low > 1:
        middle = first.pop(0) if first else (low + high) // 2
        if not low < middle < high:
            continue
        if fits(middle * ALIGNMENT):
            high = middle
        else:
            low = middle
    return high * ALIGNMENT
