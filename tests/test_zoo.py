import json

import pytest

from tinyedge import zoo
from tinyedge.artifact import sidecar_path
from tinyedge.errors import ArtifactHashMismatch, ArtifactNotFound, InstallationDamaged
from tinyedge.files import sha256_file
from tinyedge.formats.tflite import operators
from tinyedge.models.family import Member, members

LIMIT_BYTES = 30_000_000


def test_every_file_is_the_one_that_the_index_records():
    listed = set()
    for entry in zoo.entries():
        for stored in entry.files.values():
            path = zoo.FOLDER / stored["path"]
            listed |= {path, sidecar_path(path)}
            assert sha256_file(path) == stored["sha256"]
            assert path.stat().st_size == stored["bytes"]
    on_disk = {p for p in zoo.FOLDER.glob("*/*") if p.is_file() and "__pycache__" not in p.parts}
    assert on_disk <= listed, "a file that no entry lists"


def test_the_zoo_is_small():
    assert sum(p.stat().st_size for p in zoo.FOLDER.rglob("*") if p.is_file()) <= LIMIT_BYTES


def test_entries_are_members_of_the_families_trained_by_the_stated_recipe():
    by_name = {m.name: m for family in ("scalecnn", "mobilenetv2") for m in members(family)}
    for entry in zoo.entries():
        assert entry.params == by_name[entry.model].plan.params
        checkpoint = entry.load("checkpoint")
        assert checkpoint.params == entry.params
        origin = entry.load("tflite-int8").origin["training"]
        assert (origin["recipe"]["name"], origin["epochs"], origin["seed"]) == (entry.recipe, entry.epochs, entry.seed)
        assert origin["test_accuracy"] == entry.test_accuracy
        assert origin["finished"]


def test_cifar100_members_are_trained_in_full():
    trained = {e.model: e for e in zoo.entries() if e.data == "cifar100"}
    assert {f"scalecnn-c{width}" for width in (4, 6, 8, 12, 16)} <= set(trained)
    assert {(e.recipe, e.epochs) for e in trained.values()} == {("paper", 200)}


@pytest.mark.parametrize("entry", zoo.entries(), ids=lambda e: f"{e.data}-{e.model}")
def test_int8_files_hold_what_the_bar_asks(entry):
    int8 = entry.load("tflite-int8")
    assert (int8.input.dtype, int8.input.scale, int8.input.zero_point) == ("int8", 1 / 128, 0)
    assert (int8.output.dtype, int8.input.shape[0]) == ("int8", 1)
    assert not {"TRANSPOSE", "MEAN"} & set(operators(int8.path))
    if entry.model == "scalecnn-c6":
        assert int8.size_bytes <= 1.45 * entry.params


def test_what_is_not_there_is_said_with_the_way_to_get_it():
    with pytest.raises(ArtifactNotFound, match="tinyedge train --family mobilenetv2 --width 3"):
        zoo.find(Member("mobilenetv2", 3.0), "cifar100")


def test_a_changed_file_is_refused(zoo_entry, tmp_path, monkeypatch):
    stored = zoo_entry.files["tflite-int8"]
    content = bytearray((zoo.FOLDER / stored["path"]).read_bytes())
    content[-1] ^= 1
    (tmp_path / stored["path"]).parent.mkdir()
    (tmp_path / stored["path"]).write_bytes(content)
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    with pytest.raises(ArtifactHashMismatch, match="the index records"):
        zoo_entry.load("tflite-int8")


@pytest.mark.parametrize("content", [None, "{", json.dumps({"format": "other"})])
def test_a_damaged_index_is_said(tmp_path, monkeypatch, content):
    path = tmp_path / "index.json"
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr(zoo, "INDEX", path)
    zoo.entries.cache_clear()
    try:
        with pytest.raises(InstallationDamaged, match="reinstall tinyedge"):
            zoo.entries()
    finally:
        zoo.entries.cache_clear()


def test_a_format_that_is_not_shipped_is_said_with_the_whole_command(zoo_entry):
    with pytest.raises(ArtifactNotFound, match="the zoo has no onnx-int4 of scalecnn-c6") as caught:
        zoo_entry.load("onnx-int4")
    checkpoint = zoo_entry.load("checkpoint").path
    assert (
        f"--to onnx-int4 --checkpoint {checkpoint} --data shapes --out scalecnn-c6-onnx-int4.onnx" in caught.value.fix
    )
    assert "--deployed scalecnn-c6-onnx-int4.onnx" in caught.value.fix
