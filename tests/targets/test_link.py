"""The line to a board: whatever it does to frames, and whatever the board says, no wrong answer is ever accepted."""

import os
import struct
import time
from contextlib import suppress
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from boards import Noise
from pretend import MODEL_ID, Pretended, changed, scores_of

from tinyedge import errors
from tinyedge.targets import link
from tinyedge.targets.frames import Kind, encode
from tinyedge.targets.link import Link


class Wire:
    """A port in memory: what is written the board hears at once, and what it says waits to be read."""

    def __init__(self, board, there=bytes, back=bytes):
        self.board, self._there, self._back = board, there, back
        self._waiting = b""

    def write(self, content):
        self._waiting += self._back(self.board.hear(self._there(content)))

    def read(self):
        content, self._waiting = self._waiting, b""
        if not content:
            time.sleep(0.0005)
        return content


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """In memory an answer is there at once."""
    monkeypatch.setattr(link, "_FIRST_S", 0.002)
    monkeypatch.setattr(link, "_LONGEST_S", 0.02)
    monkeypatch.setattr(link, "_SOON_S", 0.001)


@pytest.fixture
def patient(monkeypatch):
    """Nothing is asked twice only because this machine is busy."""
    monkeypatch.setattr(link, "_FIRST_S", 60.0)
    monkeypatch.setattr(link, "_LONGEST_S", 60.0)


def linked(board, there=bytes, back=bytes, **options):
    options = {"tries": 100, "limit_s": 5.0, **options}
    return Link(Wire(board, there, back), model_id=MODEL_ID, sizes=(48, 8), where="a test", bytes_per_s=1e9, **options)


def images(count, size=48, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.bytes(size) for _ in range(count)]


def right(answer, image):
    return answer.scores.tobytes() == scores_of(image, 8)


def test_a_clean_line_needs_one_frame_an_image(patient):
    line = linked(Pretended())
    hello = line.open()
    assert hello == link.Hello(1, 1_000_000, MODEL_ID, (48, 8), 4096, "kernels (3 operators)")
    for image in images(50):
        answer = line.infer(image)
        assert right(answer, image)
        assert (answer.ticks, answer.stack_bytes) == (1000, 500)
        assert answer.scores.dtype == np.int8
    assert vars(line.counts) == {
        "frames_sent": 51, "frames_resent": 0, "frames_corrupted": 0, "frames_corrupted_there": 0,
        "frames_refused": 1, "resets": 0,
    }  # fmt: skip  # refused: what it said at its start, of no session


@pytest.mark.parametrize("kind", ["flip", "drop", "insert", "double", "silence"])
@pytest.mark.parametrize("way", ["there", "back"])
def test_noise_costs_frames_and_changes_nothing(kind, way):
    noise = Noise(**{kind: 0.3 if kind == "double" else 0.001 if kind == "silence" else 0.003}, silent_s=0.004, seed=7)
    board = Pretended()
    line = linked(board, **{way: noise})
    line.open()
    for image in images(300):
        assert right(line.infer(image), image)
    assert noise.events > 20
    counts = line.counts
    if kind == "double":
        assert counts.frames_refused > 20
        assert board.computed == 300, "a repeated image is answered from memory"
    else:
        assert counts.frames_resent > 10
    assert counts.frames_sent == 301 + counts.frames_resent


def test_a_reset_is_noticed_and_survived(patient):
    board = Pretended()
    line = linked(board)
    line.open()
    for number, image in enumerate(images(60), 1):
        if number % 7 == 0:
            board.reset()
        assert right(line.infer(image), image)
    assert line.counts.resets == board.starts - 1 == 8
    assert line.counts.frames_resent == 0, "asked anew, not again"


FATES = ("lose", "twice", "damage", "cut", "late", "reset")


def fate(board, random):
    """What happens to each frame, either way: it is lost, doubled, damaged, cut, or late; or the board is reset."""
    late = []

    def pass_on(line):
        content = b""
        for frame in [part + b"\0" for part in line.split(b"\0") if part]:
            what = random.choice(FATES) if random.random() < 0.3 else "nothing"
            if what == "late":
                late.append(frame)
            if what == "reset":
                board.reset()
            if what == "damage":
                at = random.randrange(len(frame))
                frame = frame[:at] + bytes([frame[at] ^ random.randrange(1, 256)]) + frame[at + 1 :]
            if what == "cut":
                frame = frame[random.randrange(len(frame)) :]
            if what not in ("lose", "late"):
                content += b"\0" + frame * (2 if what == "twice" else 1)
                while late and random.random() < 0.5:
                    content += b"\0" + late.pop(0)
        return content

    return pass_on


@pytest.mark.parametrize("tries", [3, 30])
@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_to_frames_an_answer_is_right_or_an_error(seed, tries):
    board, random = Pretended(), Random(seed)
    line = linked(board, fate(board, random), fate(board, random), tries=tries)
    answered = 0
    for image in images(20):
        with suppress(errors.TargetError):
            if not answered:
                line.open()
            assert right(line.infer(image), image)
            answered += 1
    assert answered > 0
    assert tries == 3 or answered == 20


def check(line, kind, what, *found):
    with pytest.raises(kind, match=what) as caught:
        line.open(0.5)
        for image in images(3):
            line.infer(image)
    for words in found:
        assert words in caught.value.found
    assert caught.value.exit_code == 4
    assert caught.value.fix
    assert caught.value.expected
    return caught.value


def silent(frame):
    return None


@pytest.mark.parametrize(
    ("board", "kind", "what", "found"),
    [
        (Pretended(say=silent), errors.TargetTimeout, "does not answer", "tried 5 times"),
        (
            Pretended(say=silent, banner=b"\r\nRIOT OS 2026.01\r\nno model\r\n"),
            errors.TargetCrashed, "is no answer", "its last words: RIOT OS 2026.01 no model",
        ),
        (
            Pretended(say=lambda frame: b"\0Hello, I am a shell.\r\n> \0"),
            errors.TargetCrashed, "is no answer", "its last words: Hello, I am a shell. >",
        ),
        (Pretended(say=lambda frame: os.urandom(3) + b"\xfe\xfd\0"), errors.TargetCrashed, "is no answer", "bytes "),
        (Pretended(say=lambda frame: encode(frame)[:-9] + b"\0"), errors.TargetCrashed, "is no answer", "6 broken"),
        (Pretended(model_id=bytes(16)), errors.TargetRefused, "another model", "model 0000000000000000"),
        (Pretended(sizes=(48, 12)), errors.TargetRefused, "another model", "48 bytes in, 12 out"),
        (Pretended(protocol=2), errors.TargetRefused, "another protocol", "protocol 2"),
        (Pretended(say=changed(Kind.HELLO, payload=b"")), errors.TargetRefused, "another protocol", "0 bytes"),
        (Pretended(say=changed(Kind.HELLO, session=9)), errors.TargetTimeout, "does not answer", "tried"),
        (Pretended(say=changed(Kind.RESULT, image=9)), errors.TargetCrashed, "for another image", "CRC-32 00000009"),
        (Pretended(say=changed(Kind.RESULT, payload=b"ab")), errors.TargetCrashed, "not one of this model", "2 bytes"),
        (Pretended(say=changed(Kind.RESULT, sequence=9)), errors.TargetTimeout, "any more", "tried 5 times"),
        (Pretended(say=changed(Kind.RESULT, session=9)), errors.TargetTimeout, "any more", "tried 5 times"),
        (Pretended(say=changed(Kind.RESULT, kind=Kind.AGAIN)), errors.TargetTimeout, "any more", "board saw 5"),
        (Pretended(say=changed(Kind.RESULT, kind=Kind.HELLO, session=0)), errors.TargetCrashed, "anew", "10 resets"),
    ],
)  # fmt: skip
def test_a_board_that_makes_no_sense_is_one_clear_error(board, kind, what, found):
    check(linked(board, tries=5), kind, what, found)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"\r\nRIOT OS 2026.01\r\nno model\r\n" * 9, "RIOT OS 2026.01 no model"),
        (b"waiting\n" * 40 + b"fault: status 0x4\n", "waiting fault: status 0x4"),
        (b"fault\nboot\nfault\n", "boot fault"),
        (b"one\nno one\n", "one no one"),
    ],
)
def test_last_words_that_are_said_again_and_again_are_told_once(said, words):
    board = Pretended(say=lambda frame: said + b"\0")
    assert check(linked(board, tries=3), errors.TargetCrashed, "is no answer").found.endswith(f"last words: {words}")


def test_a_result_that_says_it_is_of_other_sizes_is_refused():
    def say(frame):
        if frame.kind is not Kind.RESULT:
            return frame
        return replace(frame, payload=frame.payload[:8] + struct.pack("<I", 47) + frame.payload[12:])

    check(linked(Pretended(say=say)), errors.TargetCrashed, "not one of this model")


def test_a_fault_in_the_middle_is_told_in_the_boards_own_words():
    def say(frame):
        return b"fault: status 0x00000400, address 0x0\n" if frame.kind is Kind.RESULT else frame

    error = check(linked(Pretended(say=say), tries=4), errors.TargetCrashed, "any more", "fault: status 0x00000400")
    assert error.where == "a test, image 1 of the session"
    assert "4 times" in error.found


def test_another_model_after_a_reset_is_refused():
    board = Pretended()
    line = linked(board)
    line.open()
    line.infer(images(1)[0])
    board.model_id = bytes(16)
    board.reset()
    with pytest.raises(errors.TargetRefused, match="another model"):
        line.infer(images(1)[0])


def test_an_answer_that_comes_late_is_taken_however_often_it_was_asked_for():
    """A board that is slower than was expected: the answer to the first try comes after the fifth."""
    held = []

    def say(frame):
        if frame.kind is not Kind.RESULT:
            return frame
        held.append(encode(frame))
        return b"".join(held) if len(held) % 5 == 0 else None

    board = Pretended(say=say)
    line = linked(board)
    line.open()
    for image in images(3):
        assert right(line.infer(image), image)
    assert board.computed == 3
    assert line.counts.frames_resent >= 12
    assert line.counts.frames_refused > 8


def test_the_wrong_image_is_not_accepted_where_the_board_mixes_up_its_buffers():
    """The frame is whole, the number is the one that was asked for: only the image's checksum tells."""
    previous = []

    def say(frame):
        if frame.kind is not Kind.RESULT:
            return frame
        previous.append(frame)
        return replace(previous[-2], sequence=frame.sequence) if len(previous) > 1 else frame

    line = linked(Pretended(say=say))
    line.open()
    first, second, _ = images(3)
    assert right(line.infer(first), first)
    with pytest.raises(errors.TargetCrashed, match="for another image"):
        line.infer(second)
