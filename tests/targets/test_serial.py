"""Hardware in the loop, with QEMU's UART as the hardware: an answer is right or there is none, whatever the line does.

What stands for the board is the real firmware on an emulated core; what stands for the line is a pseudo-terminal.
"""

import re
import socket
import zlib
from random import Random

import numpy as np
import pytest
import tiny_models
from boards import Emulated, Line, Noise, firmware
from hasty import Hasty, Impatient
from pretend import Pretended, Terminal, changed

from tinyedge import errors
from tinyedge.artifact import FAMILY_CONVENTION, load_artifact
from tinyedge.cli import main
from tinyedge.models.family import Member
from tinyedge.registry import TARGETS
from tinyedge.targets.cortex_m import CortexM0PlusInt8
from tinyedge.targets.frames import Frame, Kind, Splitter, decode, encode, model_id
from tinyedge.targets.serial import SerialInt8
from tinyedge.zoo import find

pytestmark = [
    # QEMU is started from pytest's process, where the converters loaded JAX.
    pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning"),
]
arm = pytest.mark.usefixtures("arm_tools")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    return artifact_of(tmp_path_factory.mktemp("tiny"), tiny_models.tflite())


def artifact_of(folder, content):
    path = folder / "model.tflite"
    path.write_bytes(content)
    return load_artifact(path, convention=FAMILY_CONVENTION)


@pytest.fixture(scope="module")
def expected(artifact):
    """What the same firmware says without a line in between."""
    with TARGETS["cortex-m4-int8"].load()().open(artifact, processes=1) as session:
        return session.run(tiny_models.images(40))


@pytest.fixture
def lines():
    """Lines to boards; all are closed in the end."""
    made = []

    def make(**noise):
        made.append(Line(**noise))
        return made[-1]

    yield make
    for line in made:
        line.close()


@arm
def test_a_board_equals_the_reference_kernels_byte_for_byte(shapes_test):
    smallest, batch = find(Member("scalecnn", 4), "shapes").load("tflite-int8"), shapes_test.sample(20, seed=0).images
    with TARGETS["tflite-int8-reference"].load()().open(smallest, processes=1) as session:
        reference = session.run(batch)
    board = Emulated(firmware(smallest.path, smallest.sha256))
    try:
        with SerialInt8(board.port, 57_600).open(smallest) as session:
            outputs, facts = session.run(batch), session.facts()
    finally:
        board.close()
    np.testing.assert_array_equal(outputs, reference)
    assert facts["kernels"].startswith("CMSIS-NN 4.0.0 for 13")
    assert facts["model_id"] == model_id(smallest.sha256).hex() == smallest.sha256[:32]
    assert (facts["port"], facts["baud"], facts["processes"]) == (board.port, 57_600, 1)
    assert facts["frames_sent"] - facts["frames_resent"] == 21
    assert facts["frames_corrupted"] == facts["resets"] == 0
    assert facts["arena_bytes"] >= 8192
    assert 100 < facts["stack_bytes"] < 4000
    assert "device_us_per_image" not in facts, "an emulator has no time of its own"


@arm
@pytest.mark.parametrize(
    ("there", "back"),
    [
        (Noise(flip=2e-3), Noise(flip=2e-3, seed=1)),
        (Noise(drop=2e-3), Noise(drop=2e-3, seed=1)),
        (Noise(insert=2e-3), Noise(insert=2e-3, seed=1)),
        (Noise(double=0.3), Noise(double=0.3, seed=1)),
        (Noise(silence=1e-3), Noise(silence=2e-3, seed=1)),
    ],
    ids=["flip", "drop", "insert", "double", "silence"],
)
def test_noise_never_changes_an_answer(artifact, expected, lines, there, back):
    line = lines(there=there, back=back)
    line.plug(firmware(artifact.path, artifact.sha256))
    with SerialInt8(line.port).open(artifact) as session:
        np.testing.assert_array_equal(session.run(tiny_models.images(40)), expected)
        facts = session.facts()
    assert there.events > 3
    assert back.events > 3
    assert facts["frames_resent"] + facts["frames_refused"] > 3
    assert facts["resets"] == 0


def damaged(random, sizes):
    """Frames of every kind and size, with bits, bytes and whole pieces of the line wrong."""
    line = bytearray()
    for session in range(1, 8):
        line += encode(Frame(Kind.OPEN, session))
        for number in range(1, 20):
            image = random.randbytes(random.choice([*[sizes[0]] * 8, 0, sizes[0] - 1, sizes[0] + 1, 1000]))
            named = session if random.random() < 0.9 else session - 1
            line += encode(Frame(Kind.IMAGE, named, number - (random.random() < 0.1), zlib.crc32(image), image))
    for _ in range(60):
        at = random.randrange(len(line))
        what = random.choice(["flip", "drop", "insert", "twice"])
        if what == "flip":
            line[at] ^= 1 << random.randrange(8)
        elif what == "drop":
            del line[at : at + random.randrange(1, 300)]
        else:
            line[at:at] = line[max(at - 300, 0) : at] if what == "twice" else random.randbytes(random.randrange(1, 500))
    return bytes(line)


def heard(frame):
    return (frame.kind, frame.session, *((frame.sequence, frame.image) if frame.kind is Kind.RESULT else ()))


@arm
def test_the_firmware_makes_of_a_damaged_line_what_python_makes_of_it(artifact, tmp_path):
    """Two implementations of one protocol: they take and refuse the same frames, each in its place."""
    pretended = like(artifact)
    line = damaged(Random(5), pretended.sizes) + encode(Frame(Kind.OPEN, 99))
    expected = [heard(decode(segment)) for segment in Splitter(10_000).feed(pretended.hear(line))]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "line"))
        listener.listen()
        board = Emulated(firmware(artifact.path, artifact.sha256), f"unix:{tmp_path / 'line'}")
        wire, _ = listener.accept()
        found, splitter = [], Splitter(10_000)
        try:
            wire.sendall(line)
            wire.settimeout(60)
            while (Kind.HELLO, 99) not in found:
                found += [heard(decode(segment)) for segment in splitter.feed(wire.recv(4096))]
        finally:
            wire.close()
            board.close()
    assert found == expected
    kinds = [kind for kind, *_ in expected]
    assert min(kinds.count(kind) for kind in (Kind.HELLO, Kind.RESULT, Kind.AGAIN)) > 10


@arm
@pytest.mark.parametrize("how", ["reset button", "power cycle"])
def test_a_reset_in_the_middle_is_survived(artifact, expected, lines, how):
    line, elf = lines(), firmware(artifact.path, artifact.sha256)
    board = line.plug(elf)
    with SerialInt8(line.port).open(artifact) as session:
        line.after(5000, board.reset if how == "reset button" else lambda: line.plug(elf))
        np.testing.assert_array_equal(session.run(tiny_models.images(40)), expected)
        assert session.facts()["resets"] == 1


@arm
def test_another_model_on_the_board_is_refused_at_the_start_and_in_the_middle(artifact, tmp_path, lines):
    other = artifact_of(tmp_path, tiny_models.tflite(io="uint8"))
    line, elf = lines(), firmware(other.path, other.sha256)
    line.plug(elf)
    with pytest.raises(errors.TargetRefused, match="another model") as caught:
        SerialInt8(line.port).open(artifact)
    assert caught.value.found.startswith(f"model {other.sha256[:32]}")
    assert caught.value.expected.startswith(f"model {artifact.sha256[:32]}")
    line.plug(firmware(artifact.path, artifact.sha256))
    with SerialInt8(line.port).open(artifact) as session:
        line.after(5000, lambda: line.plug(elf))
        with pytest.raises(errors.TargetRefused, match="another model"):
            session.run(tiny_models.images(40))


@arm
def test_a_fault_is_told_in_the_boards_own_words(artifact):
    bad = "*(volatile int *)0x70000000 = 1; /* nothing is there */"
    board = Emulated(firmware(artifact.path, artifact.sha256, first=bad))
    try:
        with (
            pytest.raises(errors.TargetCrashed, match="does not answer any more") as caught,
            Impatient(board.port).open(artifact) as session,
        ):
            session.run(tiny_models.images(1))
    finally:
        board.close()
    assert re.search(r"its last words: fault: status 0x\w{8}, address 0x70000000, at 0x", caught.value.found)
    assert caught.value.where.endswith("image 1 of the session")


@arm
def test_the_other_cores_speak_it_too(artifact, expected):
    core = CortexM0PlusInt8.core
    elf = firmware(artifact.path, artifact.sha256, core, "portable")
    board = Emulated(elf, machine=core.machine)
    try:
        with SerialInt8(board.port).open(artifact) as session:
            np.testing.assert_array_equal(session.run(tiny_models.images(40)), expected)
    finally:
        board.close()


@pytest.fixture
def terminal():
    """A board in Python at a pseudo-terminal."""
    made = []

    def make(board):
        made.append(Terminal(board))
        return made[-1].port

    yield make
    for one in made:
        one.close()


def like(artifact, **lies):
    return Pretended((192, 7), model_id=model_id(artifact.sha256), **lies)


@pytest.mark.parametrize(
    ("lies", "kind", "what", "found"),
    [
        ({"say": lambda frame: None}, errors.TargetTimeout, "does not answer", "tried"),
        (
            {"say": lambda frame: None, "banner": b"U-Boot 2026.01\r\nautoboot in 3\r\n"},
            errors.TargetCrashed, "is no answer", "its last words: U-Boot 2026.01 autoboot in 3",
        ),
        ({"protocol": 3}, errors.TargetRefused, "another protocol", "protocol 3"),
        ({"say": changed(Kind.RESULT, image=1)}, errors.TargetCrashed, "another image", "CRC-32 00000001"),
    ],
)  # fmt: skip
def test_a_board_that_makes_no_sense_is_one_clear_error(artifact, terminal, lies, kind, what, found):
    with pytest.raises(kind, match=what) as caught, Hasty(terminal(like(artifact, **lies))).open(artifact) as session:
        session.run(tiny_models.images(3))
    assert found in caught.value.found
    assert "serial-int8, model.tflite, /dev/pts/" in caught.value.where
    assert caught.value.exit_code == 4
    assert caught.value.fix


def test_a_board_with_a_clock_says_how_long_an_image_takes(artifact, terminal):
    with SerialInt8(terminal(like(artifact))).open(artifact) as session:
        session.run(tiny_models.images(3))
        facts = session.facts()
    assert facts["device_us_per_image"] == 1000.0  # 1,000 ticks at 1 MHz
    assert facts["kernels"] == "kernels (3 operators)"


def test_two_sessions_do_not_share_a_port(artifact, terminal):
    port = terminal(like(artifact))
    with SerialInt8(port).open(artifact), pytest.raises(errors.TargetUnavailable, match="in use"):
        SerialInt8(port).open(artifact)
    with SerialInt8(port).open(artifact, processes=4) as session:
        assert session.facts()["processes"] == 1


def test_the_command_line_has_its_flags(artifact, terminal, capsys, tmp_path):
    model = ["evaluate", "--model", str(artifact.path), "--normalize", "128,128", "--target", "serial-int8"]
    assert main.run(model) == 2
    assert "serial-int8 needs a port" in capsys.readouterr().err
    assert main.run([*model, "--port", "/dev/null", "--baud", "0"]) == 2
    assert "--baud" in capsys.readouterr().err
    pixels = tmp_path / "data.npz"
    np.savez(pixels, x=tiny_models.images(9), y=np.arange(9) % 7)
    assert main.run([*model, "--port", "/dev/null", "--data", str(pixels)]) == 4
    assert "that is no serial port" in capsys.readouterr().err
    port = terminal(like(artifact))
    assert main.run([*model, "--port", port, "--data", str(pixels), "--format", "json"]) == 0
    assert f'"port": "{port}"' in capsys.readouterr().out


def test_a_rate_of_nothing_is_bad_usage():
    with pytest.raises(errors.UsageError, match="no line runs at that rate"):
        SerialInt8("/dev/null", 0)
