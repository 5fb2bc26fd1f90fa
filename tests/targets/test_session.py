"""The child process: its deaths, its hangs, and that nothing is left. The targets are fakes, the processes real."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fake_targets
import numpy as np
import pytest
import tiny_models
from tiny_models import CLASSES, images

from tinyedge import errors
from tinyedge.artifact import FAMILY_CONVENTION, load_artifact
from tinyedge.targets.session import Limits, probe

SHORT = Limits(start_s=20.0, chunk_s=0.5)


@pytest.fixture
def artifact(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny_models.onnx_bytes())
    return load_artifact(path, convention=FAMILY_CONVENTION)


def sums(batch):
    real = ((batch.astype(np.float32) - 128) / 128).reshape(len(batch), -1).sum(axis=1, dtype=np.float64)
    return (real[:, None] + np.arange(CLASSES)).astype(np.float32)


@pytest.mark.parametrize("processes", [1, 3])
def test_noise_on_the_streams_does_not_disturb(artifact, processes):
    batch = images(700)  # more than one chunk
    with fake_targets.Plain().open(artifact, processes=processes) as session:
        np.testing.assert_allclose(session.run(batch), sums(batch), rtol=1e-5)
        assert session.facts()["opened_bytes"] == artifact.size_bytes
        assert session.facts()["images"] == 700


def test_a_batch_is_always_whole(artifact):
    with fake_targets.Batched().open(artifact, processes=1) as session:
        for count in (1, 8, 13):
            np.testing.assert_allclose(session.run(images(count)), sums(images(count)), rtol=1e-5)


def test_what_takes_long_to_make_is_made_by_one_child_for_all(artifact):
    with fake_targets.Builds().open(artifact, processes=3) as session:
        outputs, maker = session.run(images(700)), session.facts()["built_by"]
    np.testing.assert_array_equal(outputs, np.float32(maker))


def test_a_runtimes_own_time_out_keeps_the_devices_last_words(artifact):
    with fake_targets.GivesUp().open(artifact, processes=1) as session, pytest.raises(errors.TargetTimeout) as caught:
        session.run(images(3))
    assert caught.value.what == "the board does not answer any more"
    assert caught.value.found == "tried 9 times; its last words: fault at 0x40"


def test_a_target_that_can_be_opened_once_gets_one_child_and_says_what_it_ran(artifact):
    with fake_targets.OnlyOne().open(artifact, processes=3) as session:
        assert session.facts()["processes"] == 1
        session.run(images(30))
        session.run(images(12))
        assert session.facts()["ran"] == 42


@pytest.mark.parametrize(
    ("kind", "signal_name", "words"),
    [
        (fake_targets.AbortsInRun, "SIGABRT", "fatal: tensor index out of range"),
        (fake_targets.SegfaultsInOpen, "SIGSEGV", ""),
        (fake_targets.CrashesOnThird, "SIGBUS", "noise on stdout"),
        (fake_targets.ExitsInRun, "exit status 3", "WARNING: and says so"),
    ],
)
def test_a_crash_is_an_error_that_names_the_signal_and_the_last_words(artifact, kind, signal_name, words):
    with pytest.raises(errors.TargetCrashed) as caught, kind().open(artifact, processes=1) as session:
        session.run(images(40))
    assert signal_name in caught.value.found
    assert words in caught.value.found
    assert "model.onnx" in caught.value.where
    assert caught.value.exit_code == 4


def test_out_of_memory_is_named_as_what_it_may_be(artifact):
    with fake_targets.HangsInRun().open(artifact, processes=1) as session:
        os.kill(session._children[0].pid, signal.SIGKILL)  # as the kernel does
        with pytest.raises(errors.TargetCrashed, match="out of memory"):
            session.run(images(1))


@pytest.mark.parametrize("kind", [fake_targets.HangsInRun, fake_targets.HangsHoldingTheLock])
def test_a_hang_is_a_timeout(artifact, kind):
    with pytest.raises(errors.TargetTimeout, match=r"no answer within 0.5 s") as caught:  # noqa: SIM117
        with kind().open(artifact, processes=2, limits=SHORT) as session:
            children = list(session._children)
            session.run(images(4))
    assert [child._process.returncode for child in children] == [-signal.SIGKILL] * 2, "killed, not waited for"
    assert "images 0 to 0" in caught.value.where
    assert caught.value.exit_code == 4


def test_a_hang_while_opening_is_a_timeout(artifact):
    with pytest.raises(errors.TargetTimeout):
        fake_targets.HangsInOpen().open(artifact, processes=1, limits=Limits(start_s=2.0))


def test_a_failed_run_closes_the_session(artifact):
    with fake_targets.AbortsInRun().open(artifact, processes=1) as session:
        with pytest.raises(errors.TargetCrashed):
            session.run(images(1))
        with pytest.raises(errors.UsageError, match="closed"):
            session.run(images(1))


def test_an_error_crosses_the_border_with_its_class_fields_and_traceback(artifact):
    with pytest.raises(errors.TargetRefused) as caught:
        fake_targets.Refuses().open(artifact, processes=1)
    assert caught.value.what == "the runtime refuses the model"
    assert caught.value.found == "operator X has no kernel"
    assert "RuntimeError: operator X has no kernel" in str(caught.value.__cause__)


def test_an_unknown_exception_is_a_bug_and_shown_as_one(artifact):
    with fake_targets.HasABug().open(artifact, processes=1) as session, pytest.raises(RuntimeError) as caught:
        session.run(images(1))
    assert not isinstance(caught.value, errors.TinyedgeError)
    assert "KeyError: 'no such key'" in str(caught.value)


@pytest.mark.parametrize("kind", [fake_targets.WrongShape, fake_targets.WrongType])
def test_outputs_that_are_not_what_the_file_says_are_refused(artifact, kind):
    with kind().open(artifact, processes=1) as session, pytest.raises(errors.PredictionsError, match="file says"):
        session.run(images(2))


def test_memory_has_a_limit(artifact):
    with (
        fake_targets.EatsMemory().open(artifact, processes=1) as session,
        pytest.raises(errors.TargetRefused, match="out of memory") as caught,
    ):
        session.run(images(1))
    assert "2 GiB" in caught.value.expected


def test_a_package_that_does_not_import_is_unavailable(artifact):
    with pytest.raises(errors.TargetUnavailable, match="cannot be imported") as caught:
        fake_targets.DoesNotImport().open(artifact, processes=1)
    assert "no_such_part" in caught.value.found
    assert caught.value.fix == "pip install --force-reinstall numpy"
    with pytest.raises(errors.TargetUnavailable):
        probe(fake_targets.DoesNotImport())
    probe(fake_targets.Plain())


def test_a_package_that_is_not_installed_is_unavailable(artifact):
    with pytest.raises(errors.TargetUnavailable, match="fake-absent needs the package no-such-distribution"):
        fake_targets.NotInstalled().open(artifact)


def test_the_child_is_light_and_limited(artifact):
    with fake_targets.SeesItself().open(artifact, processes=1) as session:
        facts = session.facts()
    assert facts["core"] == 0
    assert not facts["cwd_importable"]
    heavy = {"torch", "tensorflow", "onnxruntime", "ai_edge_litert", "scipy", "typer", "rich", "matplotlib", "PIL"}
    assert not heavy & set(facts["modules"])


def test_a_module_in_the_working_folder_is_not_imported(artifact, tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit('imported from the working folder')")
    monkeypatch.chdir(tmp_path)
    with fake_targets.Plain().open(artifact, processes=1) as session:
        assert len(session.run(images(2))) == 2


def test_nothing_is_left_behind(artifact):
    def descriptors():
        return sorted(path.name for path in Path("/proc/self/fd").iterdir())

    before, pids = descriptors(), []
    for kind in (fake_targets.SeesItself, fake_targets.AbortsInRun, fake_targets.HangsInRun):
        try:
            with kind().open(artifact, processes=2, limits=SHORT) as session:
                pids += [child.pid for child in session._children]
                session.run(images(4))
        except errors.TargetError:
            pass
    assert len(pids) == 6
    assert descriptors() == before
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids), "neither running nor a zombie"


def test_ctrl_c_ends_the_children(artifact):
    with fake_targets.HangsInRun().open(artifact, processes=2) as session:
        pids = [child.pid for child in session._children]
        before = signal.signal(signal.SIGALRM, _interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        try:
            with pytest.raises(KeyboardInterrupt):
                session.run(images(4))
        finally:
            signal.signal(signal.SIGALRM, before)
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def _interrupt(number, frame):
    raise KeyboardInterrupt


@pytest.mark.parametrize("kind", ["HangsInRun", "HangsHoldingTheLock"])
def test_the_children_die_with_the_parent(artifact, kind):
    code = f"""
import sys; sys.path.insert(0, {str(Path(fake_targets.__file__).parent)!r})
import fake_targets, tiny_models
from pathlib import Path
from tinyedge.artifact import FAMILY_CONVENTION, load_artifact
artifact = load_artifact(Path({str(artifact.path)!r}), convention=FAMILY_CONVENTION)
session = fake_targets.{kind}().open(artifact, processes=1)
print(session._children[0].pid, flush=True)
session.run(tiny_models.images(1))
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        time.sleep(0.2)
        parent.kill()
    for _ in range(50):
        if not _runs(pid):
            break
        time.sleep(0.1)
    assert not _runs(pid)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
