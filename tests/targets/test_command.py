"""Commands: what they write is taken whole and of these images or not at all; each way to fail is one clear error."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import tiny_models

from tinyedge import errors
from tinyedge.artifact import FAMILY_CONVENTION, load_artifact
from tinyedge.cli import main
from tinyedge.models.family import Member
from tinyedge.registry import TARGETS
from tinyedge.targets.command import CommandFp32, CommandInt8
from tinyedge.targets.command_file import Call, pack_images
from tinyedge.zoo import find

ROOT = Path(__file__).parents[2]
MISBEHAVE = ROOT / "tests" / "support" / "misbehave.py"


def misbehaving(how):
    return shlex.join([sys.executable, "-I", "-S", str(MISBEHAVE), how])


@pytest.fixture
def artifact(tmp_path):
    return artifact_of(tmp_path, "int8")


def artifact_of(folder, precision):
    path = folder / "model.tflite"
    path.write_bytes(tiny_models.tflite(precision))
    return load_artifact(path, convention=FAMILY_CONVENTION)


# The command
def test_images_and_results_go_through_whole_and_in_order(artifact):
    batch = tiny_models.images(50)
    with CommandInt8(misbehaving("well")).open(artifact) as session:
        outputs = [session.run(batch), session.run(batch[::-1])]
        facts = session.facts()
    fed = artifact.feed(batch).reshape(50, -1)[:, :7]
    np.testing.assert_array_equal(outputs[0], fed)
    np.testing.assert_array_equal(outputs[1], fed[::-1])
    assert facts["processes"] == 1, "there may be one board"
    assert facts["images"] == 100
    assert facts["kernels"] == "not told by the command (3 operators)"
    assert "misbehave.py" in facts["command"]
    assert str(ROOT) not in facts["command"], "no paths of this machine"


def test_it_is_started_for_one_image_and_then_for_many(artifact, tmp_path):
    place = tmp_path / "calls"
    with (
        CommandInt8(misbehaving(f"other-facts-each-call {place}")).open(artifact) as session,
        pytest.raises(errors.TargetCrashed, match="other kernels than before"),
    ):
        session.run(tiny_models.images(300))
    first, second = map(int, place.read_text().split())
    assert first == 1
    assert second > 1


@pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")  # here it is started from pytest
def test_images_that_are_too_large_for_one_file_go_in_several(artifact, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("tinyedge.targets.command.LARGEST_CALL", 2 * 192 + 100)  # of 8 x 8 x 3 bytes each
    place = tmp_path / "calls"
    target = CommandInt8(misbehaving(f"log-calls {place}"))
    target._open(artifact, artifact.path.read_bytes())
    inputs = artifact.feed(tiny_models.images(5))
    np.testing.assert_array_equal(target._run(inputs), inputs.reshape(5, -1)[:, :7])
    assert place.read_text().split() == ["2", "2", "1"]


def test_what_it_tells_of_itself_is_reported(artifact):
    told = "kernels=X-CUBE-AI\\ndevice=a board\\nstack_bytes=768\\nrack=3"
    with CommandInt8(misbehaving(f"facts {told.replace(' ', chr(92) + 'x20')}")).open(artifact) as session:
        session.run(tiny_models.images(3))
        facts = session.facts()
    assert (facts["kernels"], facts["device"], facts["stack_bytes"]) == ("X-CUBE-AI", "a board", 768)
    assert facts["told"] == {"rack": "3"}


WAYS = [
    ("exit", errors.TargetCrashed, "the command failed", "exit status 1; its last words: a word of mine | no licence"),
    ("signal", errors.TargetCrashed, "the command failed", "killed by SIGSEGV"),
    ("talk", errors.TargetCrashed, "the command failed", "words words"),
    ("nothing", errors.TargetCrashed, "did not write results.bin", "nothing; its last words: a word of mine"),
    ("folder", errors.TargetCrashed, "did not write results.bin", "something that is no file"),
    ("images-back", errors.TargetCrashed, "something else than results", "54 45 49 4e 01 00 00 00"),
    ("version", errors.TargetCrashed, "something else than results", "54 45 4f 55 02 00 00 00"),
    ("type", errors.TargetCrashed, "another type", "uint8"),
    ("model", errors.TargetCrashed, "another model", "0" * 64),
    ("call", errors.TargetCrashed, "another call", ""),
    ("fewer", errors.TargetCrashed, "another number of results", "2"),
    ("count", errors.TargetCrashed, "cut off", "82 bytes"),
    ("values", errors.TargetCrashed, "another number of values", "6"),
    ("swapped", errors.TargetCrashed, "a result for another image", "index 1 in place 1"),
    ("twice", errors.TargetCrashed, "a result for another image", "index 0 in place 2"),
    ("cut 0", errors.TargetCrashed, "cut off", "0 bytes"),
    ("cut 40", errors.TargetCrashed, "cut off", "40 bytes"),
    ("long", errors.TargetCrashed, "stands behind", "more than 93 bytes"),
    ("flip 600", errors.TargetCrashed, "the CRC-32 is wrong", ""),
    ("facts kernels", errors.TargetCrashed, "facts cannot be read", "line 1: kernels"),
    ("hang", errors.TargetTimeout, "does not end", "still running after 1 s; its last words: a word of mine"),
]


@pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")  # here it is started from pytest
@pytest.mark.parametrize(("how", "kind", "what", "found"), WAYS)
def test_what_goes_wrong_is_one_clear_error(artifact, how, kind, what, found, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    target = CommandInt8(misbehaving(how), timeout_s=1.0 if how == "hang" else 60.0)
    target._open(artifact, artifact.path.read_bytes())
    with pytest.raises(kind, match=what) as caught:
        target._run(artifact.feed(tiny_models.images(3)))
    assert found in caught.value.found
    assert caught.value.where == "command-int8, model.tflite, images 0 to 2"
    assert caught.value.exit_code == 4
    assert caught.value.fix
    assert len(caught.value.found) < 6000, "last words, not all"
    assert list(target._folder.iterdir()) == [target._model], "its files are gone"


def test_nan_is_an_error_as_for_every_target(tmp_path):
    with (
        CommandFp32(misbehaving("nan")).open(artifact_of(tmp_path, "fp32")) as session,
        pytest.raises(errors.PredictionsError, match="NaN or infinity") as caught,
    ):
        session.run(tiny_models.images(4))
    assert "the first is image 0" in caught.value.found


@pytest.mark.parametrize(
    ("command", "found"),
    [("no-such-program -x", "no such program"), ("./data", "it is not executable"), (".", "a folder")],
)
def test_a_command_that_cannot_be_started_is_unavailable(artifact, tmp_path, monkeypatch, command, found):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").write_text("no program")
    with pytest.raises(errors.TargetUnavailable, match="cannot be started") as caught:
        CommandInt8(command).open(artifact)
    assert caught.value.found.endswith(found)
    assert caught.value.exit_code == 4


def test_a_program_of_another_kind_is_unavailable(artifact, tmp_path):
    program = tmp_path / "firmware.bin"
    program.write_bytes(bytes(64))
    program.chmod(0o755)
    with CommandInt8(str(program)).open(artifact) as session, pytest.raises(errors.TargetUnavailable) as caught:
        session.run(tiny_models.images(1))
    assert "Exec format error" in caught.value.found


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "none is given"),
        ({"command": ""}, "empty"),
        ({"command": "  "}, "empty"),
        ({"command": "run 'it"}, "cannot be read"),
        ({"command": "run", "timeout_s": 0.0}, "no time"),
        ({"command": "run", "timeout_s": float("inf")}, "no time"),
        ({"command": "run", "timeout_s": float("nan")}, "no time"),
    ],
)
def test_bad_usage_is_refused_before_anything_runs(artifact, options, words):
    with pytest.raises(errors.UsageError, match=words) as caught:
        CommandInt8(**options).open(artifact)
    assert caught.value.exit_code == 2


VALIDATE = ["validate", "--target", "command-int8", "--params", "22k", "--data", "shapes", "--images", "50"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "none is given"),
        (["--command", "run 'it"], 2, "cannot be read"),
        (["--command", "no-such-program"], 4, "no such program"),
        (["--command", misbehaving("exit")], 4, "its last words: a word of mine | no luck | no licence"),
    ],
)
def test_the_command_line_ends_with_the_right_code_and_keeps_nothing(arguments, code, words, tmp_path, capsys):
    assert main.run([*VALIDATE, *arguments, "--out", str(tmp_path)]) == code
    printed = capsys.readouterr()
    assert words in " ".join(printed.err.split())
    assert not printed.out
    assert list(tmp_path.iterdir()) == []


def test_other_targets_take_no_command(capsys):
    assert main.run(["validate", "--params", "22k", "--data", "shapes", "--command", "run"]) == 2
    assert "--command" in capsys.readouterr().err


# Its life


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pids):
    for _ in range(100):
        if not any(map(runs, pids)):
            return True
        time.sleep(0.05)
    return False


def test_after_the_time_limit_nothing_runs_any_more(artifact, tmp_path):
    """The command itself is killed at once, and with the session whatever it has started."""
    place = tmp_path / "pids"
    with (
        CommandInt8(misbehaving(f"hang-below {place}"), timeout_s=3.0).open(artifact) as session,
        pytest.raises(errors.TargetTimeout, match="does not end"),
    ):
        session.run(tiny_models.images(1))
    pids = place.read_text().split()
    assert len(pids) == 2
    assert gone(pids)


def test_it_dies_with_tinyedge(artifact, tmp_path):
    place = tmp_path / "pids"
    code = f"""
import sys; sys.path.insert(0, {str(MISBEHAVE.parent)!r})
from pathlib import Path
import tiny_models
from tinyedge.artifact import FAMILY_CONVENTION, load_artifact
from tinyedge.targets.command import CommandInt8
artifact = load_artifact(Path({str(artifact.path)!r}), convention=FAMILY_CONVENTION)
with CommandInt8({misbehaving(f"hang-below {place}")!r}).open(artifact) as session:
    session.run(tiny_models.images(1))
"""
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        while not (place.exists() and len(place.read_text().split()) == 2):
            assert parent.poll() is None
            time.sleep(0.05)
        parent.kill()
    command, below = map(int, place.read_text().split())
    assert gone([command])
    os.kill(below, 9)  # what it starts itself is its own to end: docs/command.md


# The examples


def blocks():
    """The shell blocks of the documentation, in its order."""
    return re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "command.md").read_text(), re.DOTALL)


@pytest.mark.parametrize(("which", "kernels"), [(0, "not told by the command"), (1, "LiteRT reference kernels")])
def test_the_documented_examples_work_as_written(which, kernels, tmp_path, shapes_test):
    for name in ("docs", "tinyedge"):
        (tmp_path / name).symlink_to(ROOT / name)
    script = blocks()[which]
    command = re.search(r'--command ("[^"]*"|\S+)', script)[1].strip('"')
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    run = ["bash", "-euc", script]
    done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1, 3), done.stderr
    assert " on command-int8" in done.stdout.splitlines()[0]
    assert kernels in " ".join(done.stdout.split())
    model = find(Member("scalecnn", 4), "shapes").load("tflite-int8")
    batch = shapes_test.sample(200, seed=1).images
    absolute = (
        f"{tmp_path}/{command}" if which == 0 else command.replace("python docs", f"{sys.executable} {ROOT}/docs")
    )
    with CommandInt8(absolute).open(model) as mine:
        outputs = mine.run(batch)
    with TARGETS["tflite-int8-reference"].load()().open(model, processes=1) as reference:
        np.testing.assert_array_equal(outputs, reference.run(batch))


def test_the_c_example_refuses_what_is_not_for_it(tmp_path):
    for name in ("docs", "tinyedge"):
        (tmp_path / name).symlink_to(ROOT / name)
    build = blocks()[0].partition("tinyedge validate")[0]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-euc", build], cwd=tmp_path, env=environment, check=True)
    model = find(Member("scalecnn", 4), "shapes").load("tflite-int8")
    inputs = np.zeros((2, 32, 32, 3), np.int8)
    good = pack_images(inputs, Call(1, model.sha256, 0, 2))
    cases = {
        "for another model": pack_images(inputs, Call(1, "ab" * 32, 0, 2)),
        "no images": b"TEOU" + good[4:],
        "another type or size": pack_images(inputs.astype(np.float32), Call(1, model.sha256, 0, 2)),
        "cut off": good[:-1],
        "damaged": good[:100] + b"\1" + good[101:],
    }
    images, results = tmp_path / "images", tmp_path / "results"
    for words, content in cases.items():
        images.write_bytes(content)
        run = [tmp_path / "build" / "run", "model", images, results]
        done = subprocess.run(run, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert words in done.stderr
