import stat

import pytest

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


def test_sha256(tmp_path):
    write_atomic(tmp_path / "x", "abc")
    assert sha256_file(tmp_path / "x").startswith("ba7816bf8f01cfea")
