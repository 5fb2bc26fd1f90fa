import json
import multiprocessing
import os
import time

import pytest

from tests.support.fake_sweep import BASIS, plan_of
from tinyedge.errors import SweepError, UsageError
from tinyedge.sweep.folder import SweepFolder
from tinyedge.sweep.plan import Unit

LIST = json.dumps({"format": "tinyedge-record/1", "unit": "x", "key": "k", "files": [], "facts": {}})
TRAIN = next(iter(plan_of(4).units()))


def test_a_manifest_reads_back(tmp_path):
    folder = SweepFolder(tmp_path)
    assert folder.read_manifest() is None
    folder.write_manifest(BASIS, plan_of(4))
    assert folder.read_manifest() == (BASIS, plan_of(4))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "tinyedge-sweep/0"}', '{"format": "tinyedge-sweep/1"}'])
def test_a_damaged_manifest_is_said(tmp_path, content):
    (tmp_path / "sweep.json").write_text(content)
    with pytest.raises(SweepError, match="manifest cannot be read") as caught:
        SweepFolder(tmp_path).read_manifest()
    assert "what is finished stays finished" in str(caught.value)


def test_a_unit_is_done_from_its_record_on(tmp_path):
    folder = SweepFolder(tmp_path)
    files = folder.keep({"a.safetensors": b"weights"})
    assert folder.done(TRAIN, BASIS) is None
    folder.finish(TRAIN, TRAIN.key(BASIS, {}), files, {"epochs": 3})
    for reader in (folder, SweepFolder(tmp_path)):
        assert reader.done(TRAIN, BASIS).facts == {"epochs": 3}


def test_what_needs_it_has_its_files_as_inputs(tmp_path):
    folder = SweepFolder(tmp_path)
    export = Unit(TRAIN.model, "export", "onnx-fp32")
    assert folder.inputs(export, BASIS) is None
    files = folder.keep({"a.safetensors": b"weights"})
    folder.finish(TRAIN, TRAIN.key(BASIS, {}), files, {})
    assert folder.inputs(export, BASIS) == files


@pytest.mark.parametrize("content", ["", "{}", json.dumps({"format": "tinyedge-record/1", "unit": "x"}), LIST])
def test_a_damaged_record_is_said(tmp_path, content):
    folder = SweepFolder(tmp_path)
    folder.record_path(TRAIN).parent.mkdir()
    folder.record_path(TRAIN).write_text(content)
    with pytest.raises(SweepError, match="record of the sweep cannot be read") as caught:
        folder.done(TRAIN, BASIS)
    assert "remove it" in str(caught.value)


def hold(root, ready, release):
    with SweepFolder(root).lock():
        ready.set()
        release.wait()


def test_two_sweeps_in_one_folder_are_refused(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path, ready, release))
    other.start()
    try:
        assert ready.wait(60)
        with (
            pytest.raises(SweepError, match="another sweep or training run is at work") as caught,
            SweepFolder(tmp_path).lock(),
        ):
            pass
        assert f"process {other.pid} on" in str(caught.value)
        assert "--merge" in str(caught.value)
    finally:
        release.set()
        other.join()


def test_a_folder_that_cannot_be_one_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written") as caught, SweepFolder(tmp_path / "file").lock():
        pass
    assert str(tmp_path / "file") in str(caught.value)


def test_a_dead_sweep_s_lock_and_half_written_files_are_gone(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path, ready, release))
    other.start()
    assert ready.wait(60)
    (tmp_path / "records").mkdir()
    for name, age in ((".old.json.tmp-x.json", 3600), (".new.json.tmp-x.json", 0)):
        (tmp_path / "records" / name).write_text("half")
        os.utime(tmp_path / "records" / name, (time.time() - age,) * 2)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / ".notes.tmp-mine").write_text("mine")
    os.utime(tmp_path / "mine" / ".notes.tmp-mine", (0, 0))
    other.kill()
    other.join()
    with SweepFolder(tmp_path).lock():
        left = sorted(path.name for path in tmp_path.rglob(".*.tmp-*"))
        assert left == [".new.json.tmp-x.json", ".notes.tmp-mine"], "what somebody else writes stays"
