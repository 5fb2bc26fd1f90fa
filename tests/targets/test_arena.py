import os
import signal
import time

import pytest

from tinyedge.targets import arena


def fails():
    raise ValueError("no")


@pytest.mark.parametrize(
    ("action", "result"),
    [
        (lambda: None, True),
        (fails, False),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), False),
        (lambda: os._exit(4), False),
    ],
)
def test_survives_says_whether_it_returned(action, result):
    assert arena.survives(action) is result


def test_a_trial_that_hangs_does_not_survive(monkeypatch):
    monkeypatch.setattr(arena, "_TRIAL_S", 1)
    assert not arena.survives(lambda: time.sleep(30))


@pytest.mark.parametrize("needed", [1, 16, 17, 5000, 65536])
def test_smallest_is_the_smallest_multiple_of_16(needed):
    found = arena.smallest(lambda size: size >= needed, 65536)
    assert found % 16 == 0
    assert found - 16 < needed <= found
