import os
import stat

import pytest

from tinyedge.errors import UsageError
from tinyedge.files import replacing, sha256_file, write_atomic


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "result.json"
    write_atomic(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_folders_are_made_and_permissions_ordinary(tmp_path):
    path = tmp_path / "a" / "b" / "x.txt"
    write_atomic(path, b"x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_link_stays_a_link(tmp_path):
    write_atomic(tmp_path / "real.txt", "old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    write_atomic(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


def test_what_is_not_a_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, found in ((tmp_path, "a folder"), (tmp_path / "pipe", "a device or pipe")):
        with pytest.raises(UsageError, match=found):
            write_atomic(path, "x")


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write_atomic(tmp_path / "file" / "below", "x")


def test_sha256(tmp_path):
    write_atomic(tmp_path / "x", "abc")
    assert sha256_file(tmp_path / "x").startswith("ba7816bf8f01cfea")
