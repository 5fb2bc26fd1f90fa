import subprocess
import sys

import pytest

from tinyedge.targets import arena


@pytest.mark.parametrize(
    ("action", "result"),
    [
        ("pass", True),
        ("raise ValueError('no')", False),
        ("os.kill(os.getpid(), signal.SIGSEGV)", False),
        ("os._exit(4)", False),
        ("time.sleep(30)", False),
    ],
)
def test_survives_says_whether_it_returned(action, result):
    # In a process of its own: a fork of the test runner would take its threads' locks along.
    code = f"""
import os, signal, time
from tinyedge.targets import arena
arena._TRIAL_S = 1
def action():
    {action}
raise SystemExit(10 + arena.survives(action))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 10 + result


@pytest.mark.parametrize("guess", [0, 16, 4992, 5008, 65536, 10**6])
@pytest.mark.parametrize("needed", [1, 16, 17, 5000, 65536])
def test_smallest_is_the_smallest_multiple_of_16(needed, guess):
    found = arena.smallest(lambda size: size >= needed, guess=guess, upper=65536)
    assert found % 16 == 0
    assert found - 16 < needed <= found


def test_a_right_guess_takes_two_trials():
    tried = []
    arena.smallest(lambda size: tried.append(size) or size >= 18144, guess=18144, upper=1 << 20)
    assert tried == [18144, 18128]
