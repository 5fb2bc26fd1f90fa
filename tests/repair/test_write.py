"""What a repair writes, under which name, and that nothing of somebody's is replaced."""

from dataclasses import replace

import pytest

from tests.support.made_repair import FAIL, OPEN, PASS, candidate
from tinyedge.artifact import sidecar_path
from tinyedge.errors import UsageError
from tinyedge.repair.write import check_folder, write

GIVEN = candidate("bad").artifact


@pytest.fixture
def made(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    path = folder / "3.tflite"
    path.write_text("the file")
    sidecar_path(path).write_text("the side-car")
    weights = folder / "c6-seed0-qat.safetensors"
    weights.write_text("the weights")
    return replace(GIVEN, path=path), weights


@pytest.mark.parametrize(("status", "stem"), [(PASS, "bad-repaired"), (FAIL, "bad-better"), (OPEN, "bad-better")])
def test_only_what_passes_is_called_repaired(made, status, stem, tmp_path):
    out = tmp_path / "out"
    check_folder(out, GIVEN)
    assert write(made[0], out, GIVEN, status=status, weights=made[1]) == f"{stem}.tflite"
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        f"{stem}.tflite": "the file",
        f"{stem}.tflite.tinyedge.json": "the side-car",
        f"{stem}.safetensors": "the weights",
    }, "weights under the file's name: that of a run of its own is not theirs"


def test_without_training_there_are_no_weights(made, tmp_path):
    write(made[0], tmp_path, GIVEN, status=PASS, weights=None)
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize(
    "name",
    [
        f"bad-{suffix}{end}"
        for suffix in ("repaired", "better")
        for end in (".tflite", ".tflite.tinyedge.json", ".safetensors")
    ],
)
def test_whatever_may_be_written_must_not_be_there(name, tmp_path):
    (tmp_path / name).write_text("somebody's")
    with pytest.raises(UsageError, match="there is a repaired file already"):
        check_folder(tmp_path, GIVEN)


def test_a_copy_that_fails_leaves_no_half_file(made, tmp_path, monkeypatch):
    def half(source, destination):
        destination.write_text("hal")
        raise OSError(5, "Input/output error")

    out = tmp_path / "out"
    monkeypatch.setattr("tinyedge.repair.write.shutil.copyfile", half)
    with pytest.raises(OSError, match="Input/output"):
        write(made[0], out, GIVEN, status=PASS, weights=made[1])
    assert not list(out.iterdir())
