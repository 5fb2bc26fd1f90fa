"""Firmware: byte for byte the reference kernels; and every way in which it goes wrong, as one clear error."""

import stat
import subprocess
import tempfile
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import tiny_models

from tinyedge import errors
from tinyedge.artifact import FAMILY_CONVENTION, load_artifact
from tinyedge.models.family import Member
from tinyedge.registry import TARGETS
from tinyedge.targets import base, qemu
from tinyedge.targets.cortex_m import CortexM0PlusInt8, CortexM4Int8
from tinyedge.targets.session import Limits, probe
from tinyedge.zoo import find

pytestmark = [
    pytest.mark.usefixtures("arm_tools"),
    # The emulator is started from a child without threads; here it is from pytest, where the converters loaded JAX.
    pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning"),
]


@pytest.fixture
def artifact(tmp_path):
    return artifact_of(tmp_path, tiny_models.tflite())


def artifact_of(folder, content):
    path = folder / "model.tflite"
    path.write_bytes(content)
    return load_artifact(path, convention=FAMILY_CONVENTION)


@pytest.fixture(scope="module")
def smallest():
    return find(Member("scalecnn", 4), "shapes").load("tflite-int8")


@pytest.fixture(scope="module")
def batch(shapes_test):
    return shapes_test.sample(200, seed=0).images


@pytest.fixture(scope="module")
def reference(smallest, batch):
    with TARGETS["tflite-int8-reference"].load()().open(smallest, processes=1) as session:
        return session.run(batch)


@pytest.mark.parametrize(
    ("name", "kernels", "words", "arch"),
    [
        ("cortex-m4-int8", "cmsis-nn", "CMSIS-NN 4.0.0 for 13", "Arm v7E-M"),
        ("cortex-m4-int8", "portable", "portable C for 13", "Arm v7E-M"),
        ("cortex-m7-int8", None, "CMSIS-NN 4.0.0 for 13", "Arm v7E-M"),
        ("cortex-m0plus-int8", None, "portable C for 13", "Arm v6S-M"),
    ],
)
def test_firmware_equals_the_reference_kernels_byte_for_byte(smallest, batch, reference, name, kernels, words, arch):
    with TARGETS[name].load()(kernels=kernels).open(smallest, processes=1) as session:
        outputs, facts = session.run(batch), session.facts()
    np.testing.assert_array_equal(outputs, reference)
    assert facts["kernels"].startswith(words)
    assert facts["instruction_set"] == arch
    weights = 20_000
    assert weights < facts["flash_bytes"] < 60_000
    activations, image, scores = 8192, 32 * 32 * 3, 100
    assert facts["arena_bytes"] >= activations
    assert facts["arena_bytes"] + image + scores <= facts["ram_bytes"] < facts["arena_bytes"] + image + scores + 1000
    assert 100 < facts["stack_bytes"] < 4000
    layers = {layer["name"]: layer["instructions"] for layer in facts["layers"]}
    assert list(layers)[:3] == [
        "CONV_2D, operator 1 of 14",
        "CONV_2D, operator 2 of 14",
        "MAX_POOL_2D, operator 3 of 14",
    ]
    assert len(layers) == 13, "a reshape runs nothing"
    assert all(0 < count < facts["instructions"] / 2 for count in layers.values())
    between = 200  # a look at the clock, and a tick of 40 instructions
    assert 0 <= sum(layers.values()) - facts["instructions"] < between * len(layers)
    assert facts["compiler"].startswith("arm-none-eabi-gcc ")
    assert facts["emulator"].startswith("QEMU ")
    assert facts["rewritten"] == []


def test_instructions_are_counted_the_same_each_time_and_vendor_kernels_need_fewer(smallest):
    def facts(target):
        with target.open(smallest, processes=1) as session:
            return session.facts()

    fast, again, slow = facts(CortexM4Int8()), facts(CortexM4Int8()), facts(CortexM4Int8("portable"))
    multiplications = 2_000_000  # at least: the second layer alone has 32 x 32 x 4 x 4 x 9
    assert fast["instructions"] == again["instructions"] > 147_456
    assert slow["instructions"] > max(2 * fast["instructions"], multiplications)


def test_kernels_that_a_core_has_not_are_bad_usage():
    with pytest.raises(errors.UsageError, match="no such kernels"):
        CortexM0PlusInt8("cmsis-nn")
    with pytest.raises(errors.UsageError, match="no such kernels"):
        CortexM4Int8("fast")


@pytest.mark.parametrize(
    ("options", "words"),
    [({"ending": "SOFTMAX"}, "SOFTMAX, operator 4 of 4: "), ({"middle": "CUSTOM"}, "CUSTOM, operator 2 of 3: ")],
)
def test_an_operator_that_it_lacks_is_named(tmp_path, options, words):
    with pytest.raises(errors.TargetRefused, match="BakeNN cannot make firmware") as caught:
        CortexM4Int8().open(artifact_of(tmp_path, tiny_models.tflite(**options)), processes=1)
    assert caught.value.found.startswith(words)
    assert "tflm-int8" in caught.value.fix
    assert caught.value.exit_code == 4


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where this process's temporary files go."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def test_nothing_is_left_behind(artifact, temporary):
    with CortexM4Int8().open(artifact, processes=1) as session:
        session.run(tiny_models.images(3))
        assert not [path for path in temporary.rglob("*") if path.is_file()], "QEMU has read the firmware"
    assert list(temporary.iterdir()) == []


def test_the_emulator_dies_with_its_parent(artifact):
    session = CortexM4Int8().open(artifact, processes=1)
    (emulator,) = Path(f"/proc/{session._children[0].pid}/task/{session._children[0].pid}/children").read_text().split()
    assert "qemu" in Path(f"/proc/{emulator}/comm").read_text()
    session._shut(kill=True)
    for _ in range(50):
        if not Path(f"/proc/{emulator}").exists() or " Z " in Path(f"/proc/{emulator}/stat").read_text():
            return
        time.sleep(0.1)
    pytest.fail("it still runs")


# Programs that are missing or fail


def program(folder, name, script):
    path = folder / name
    path.write_text("#!/bin/sh\n" + textwrap.dedent(script))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Put a script in a program's place."""
    folder = tmp_path / "bin"
    folder.mkdir()
    path = subprocess.os.environ["PATH"]

    def put(name, script):
        program(folder, name, script)
        monkeypatch.setenv("PATH", f"{folder}:{path}")

    return put


@pytest.mark.parametrize("name", ["arm-none-eabi-gcc", "qemu-system-arm"])
def test_a_missing_program_names_the_packages(artifact, monkeypatch, name):
    which = base.shutil.which
    monkeypatch.setattr(base.shutil, "which", lambda program: None if program == name else which(program))
    here = CortexM4Int8.available()
    assert not here.ok
    assert here.missing == {"arm-none-eabi-gcc": "gcc-arm-none-eabi"}.get(name, name)
    with pytest.raises(errors.TargetUnavailable, match="not installed") as caught:
        CortexM4Int8().open(artifact)
    assert caught.value.fix == qemu.INSTALL
    assert caught.value.exit_code == 4


VERSION = 'case "$*" in *--version*) echo "QEMU emulator version 0.1"; exit;; esac\n'
LAST_WORDS = "exit status 1 after 0 of the result's 32 bytes; its last words: no such machine"
SPECS = 'case "$*" in -dumpfullversion) echo 1.2.3; exit;; -print*) echo /nano.specs; exit;; esac\n'


@pytest.mark.parametrize(
    ("script", "kind", "what", "found"),
    [
        ("echo no licence >&2; exit 1", errors.TargetUnavailable, "cannot be run", "exit status 1"),
        ("echo nano.specs", errors.TargetUnavailable, "no C library", "no nano.specs"),
        (SPECS + "echo a bug >&2; exit 4", errors.TargetRefused, "does not compile", "exit status 4: a bug"),
        (SPECS + "exit 0", errors.TargetRefused, "no firmware to measure", "No such file"),
    ],
)
def test_a_compiler_that_fails_is_one_clear_error(artifact, fake, script, kind, what, found):
    fake("arm-none-eabi-gcc", script)
    check(artifact, kind, what, found)


@pytest.mark.parametrize(
    ("script", "kind", "what", "found"),
    [
        ("exit 3", errors.TargetUnavailable, "cannot be run", "exit status 3"),
        ("echo something", errors.TargetUnavailable, "cannot be run", "it says 'something"),
        (VERSION + "echo no such machine >&2; exit 1", errors.TargetCrashed, "did not start", LAST_WORDS),
        (VERSION + "kill -SEGV $$", errors.TargetCrashed, "did not start", "killed by SIGSEGV"),
        (VERSION + "printf TDGE", errors.TargetCrashed, "did not start", "after 4 of the result's 32 bytes"),
        (VERSION + "yes garbage", errors.TargetCrashed, "something else than the result", "bytes 67 61 72 62"),
    ],
)
def test_an_emulator_that_fails_is_one_clear_error(artifact, fake, script, kind, what, found):
    fake("qemu-system-arm", script)
    check(artifact, kind, what, found)


def check(artifact, kind, what, found):
    with pytest.raises(kind, match=what) as caught:
        CortexM4Int8().open(artifact, processes=1)
    assert found in caught.value.found
    assert caught.value.exit_code == 4
    assert caught.value.fix


def test_a_program_that_hangs_is_ended_and_leaves_nothing_behind(artifact, fake, temporary):
    fake("qemu-system-arm", VERSION + "exec sleep 60")
    with pytest.raises(errors.TargetTimeout):
        CortexM4Int8().open(artifact, processes=1, limits=Limits(start_s=8.0))
    assert list(temporary.iterdir()) == []


def test_the_doctor_tries_the_programs(fake):
    probe(CortexM4Int8())
    fake("qemu-system-arm", "exit 127")
    with pytest.raises(errors.TargetUnavailable, match="qemu-system-arm cannot be run"):
        probe(CortexM4Int8())


# Firmware that misbehaves: the real one, with another model in it
