"""Frames: what goes in comes out whole, and what is damaged on the way never comes out at all."""

import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinyedge.targets.frames import HEADER_BYTES, Frame, Kind, Splitter, decode, encode, model_id, stuff, unstuff

U32 = st.integers(0, 2**32 - 1)
CONTENT = st.one_of(st.binary(max_size=700), st.lists(st.sampled_from([0, 1, 255]), max_size=700).map(bytes))
FRAMES = st.builds(Frame, st.sampled_from(Kind), U32, U32, U32, CONTENT)
LIMIT = 4000


@given(CONTENT)
@example(b"")
@example(b"\1" * 254)
@example(b"\1" * 254 + b"\0")
@example(b"\1" * 508)
def test_stuffing_leaves_no_zero_and_is_undone(content):
    stuffed = stuff(content)
    assert 0 not in stuffed
    assert len(stuffed) <= len(content) + len(content) // 254 + 1
    assert unstuff(stuffed) == content


@pytest.mark.parametrize(  # the table in the article on COBS that Wikipedia has, and the paper's own cases
    ("content", "stuffed"),
    [
        ("00", "01 01"),
        ("00 00", "01 01 01"),
        ("00 11 00", "01 02 11 01"),
        ("11 22 00 33", "03 11 22 02 33"),
        ("11 22 33 44", "05 11 22 33 44"),
        ("11 00 00 00", "02 11 01 01 01"),
    ],
)
def test_stuffing_is_the_published_one(content, stuffed):
    assert stuff(bytes.fromhex(content)) == bytes.fromhex(stuffed)
    assert unstuff(bytes.fromhex(stuffed)) == bytes.fromhex(content)


def test_what_stuffing_cannot_have_made_is_nothing():
    assert unstuff(b"\5ab") is None
    assert unstuff(b"\2\1\0") is None
    assert unstuff(b"") == b""


@given(FRAMES)
def test_a_frame_comes_out_as_it_went_in(frame):
    line = encode(frame)
    assert line[0] == line[-1] == 0
    (segment,) = Splitter(LIMIT).feed(line)
    assert decode(segment) == frame


def test_a_frame_is_laid_out_as_the_firmware_reads_it():
    segment = encode(Frame(Kind.IMAGE, 0x01020304, 5, 6, b"ab"))[1:-1]
    body = bytes.fromhex("02000000 04030201 05000000 06000000 02000000") + b"ab"
    assert unstuff(segment) == zlib.crc32(body).to_bytes(4, "little") + body
    assert HEADER_BYTES == 24


@given(FRAMES, st.data())
def test_a_frame_with_any_few_bits_wrong_is_none(frame, data):
    segment = bytearray(encode(frame)[1:-1])
    bits = data.draw(st.sets(st.integers(0, 8 * len(segment) - 1), min_size=1, max_size=5))
    for bit in bits:
        segment[bit // 8] ^= 1 << bit % 8
    assert decode(bytes(segment)) is None


@given(FRAMES, st.data())
def test_a_frame_with_bytes_lost_or_added_is_none(frame, data):
    segment = encode(frame)[1:-1]
    at = data.draw(st.integers(0, len(segment) - 1))
    lost = data.draw(st.integers(1, len(segment) - at))
    assert decode(segment[:at] + segment[at + lost :]) is None
    added = data.draw(st.binary(min_size=1, max_size=20))
    assert decode(segment[:at] + added + segment[at:]) is None


def test_a_length_or_a_kind_that_is_not_so_is_none():
    def segment(kind, length):
        body = b"".join(n.to_bytes(4, "little") for n in (kind, 1, 2, 3, length)) + b"abc"
        return stuff(zlib.crc32(body).to_bytes(4, "little") + body)

    assert decode(segment(2, 3)).payload == b"abc"
    assert decode(segment(2, 2)) is None
    assert decode(segment(2, 2**31)) is None
    assert decode(segment(7, 3)) is None


@given(st.binary(max_size=500))
def test_garbage_is_none(content):
    assert all(decode(segment) is None for segment in Splitter(LIMIT).feed(content + b"\0"))


@given(FRAMES, CONTENT, st.integers(1, 50))
def test_the_frame_after_garbage_comes_out_however_the_bytes_arrive(frame, garbage, step):
    line = garbage + encode(frame)
    splitter, found = Splitter(LIMIT), []
    for at in range(0, len(line), step):
        found += splitter.feed(line[at : at + step])
    assert decode(found[-1]) == frame


def test_what_never_ends_takes_no_memory():
    splitter = Splitter(100)
    for _ in range(1000):
        assert splitter.feed(b"x" * 999) == []
    assert len(splitter.rest) == 100
    frame = Frame(Kind.AGAIN, 1)
    assert [decode(segment) for segment in splitter.feed(encode(frame))] == [None, frame]


def test_a_model_is_known_by_the_start_of_its_hash():
    assert model_id("0123456789abcdef" * 4).hex() == "0123456789abcdef" * 2
