from __future__ import annotations

import logging
import os
import sys
import warnings

import pytest

from tinyedge.errors import ExportError, UsageError
from tinyedge.exporters.quiet import quiet


def make_noise() -> None:
    sys.stdout.write("from python\n")
    sys.stderr.write("from python, too\n")
    os.write(1, b"from C\n")
    os.write(2, b"from C, too\n")
    warnings.warn("a warning", stacklevel=1)
    logging.getLogger("converter").warning("a log line")


def fail_noisily() -> None:
    with quiet("it failed", where="here"):
        make_noise()
        raise ValueError("no such operator")


def test_nothing_gets_out_where_all_goes_well(capfd):
    with quiet("it failed", where="here"):
        make_noise()
    assert capfd.readouterr() == ("", "")


def test_all_of_it_is_shown_where_it_fails(capfd):
    with pytest.raises(ExportError) as caught:
        fail_noisily()
    message = str(caught.value)
    assert message.startswith("it failed\n  where:    here\n  found:    ValueError: no such operator")
    for line in ("from python", "from python, too", "from C", "from C, too"):
        assert f"\n    {line}" in message
    assert isinstance(caught.value.__cause__, ValueError)
    assert capfd.readouterr() == ("", "")


def test_our_own_errors_pass_through_as_they_are():
    with pytest.raises(UsageError, match="a flag"), quiet("it failed", where="here"):
        raise UsageError("a flag")


def test_streams_come_back_and_one_kept_inside_still_works(capfd):
    before = sys.stdout, sys.stderr
    with quiet("it failed", where="here"):
        kept = sys.stderr
    assert (sys.stdout, sys.stderr) == before
    kept.write("later\n")  # a logging handler that a converter installed does this
    kept.flush()
    os.write(1, b"stdout again\n")
    assert capfd.readouterr() == ("stdout again\n", "later\n")
