"""The two files: written as the documentation says, and no result survives damage."""

import numpy as np
import pytest

from tinyedge.targets.command_file import BadResults, Call, Expected, pack_images, read_facts, unpack_results

SHA256 = "ab" * 32
CALL = Call(number=7, sha256=SHA256, first=1000, count=3)


def results_of(images, values=7):
    """What a command writes for ``images``, made without the code under test."""
    header, count = bytearray(images[:56]), int.from_bytes(images[12:16], "little")
    wide = int.from_bytes(images[16:20], "little")
    header[:4], header[16:20] = b"TEOU", values.to_bytes(4, "little")
    starts = range(56, 56 + count * (4 + wide), 4 + wide)
    return with_crc(bytes(header) + b"".join(images[at : at + 4 + values] for at in starts))


def with_crc(content):
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    return content + (crc ^ 0xFFFFFFFF).to_bytes(4, "little")


INPUTS = np.random.default_rng(0).integers(-128, 128, (3, 2, 2, 3), np.int8)
EXPECTED = Expected(CALL, "int8", 7)
GOOD = results_of(pack_images(INPUTS, CALL))


def test_the_images_are_written_as_the_documentation_says():
    content = pack_images(INPUTS, CALL)
    assert content[:20].hex() == b"TEIN".hex() + "01000000" + "01000000" + "03000000" + "0c000000"
    assert content[20:56].hex() == SHA256 + "07000000"
    assert content[56:60] == (1000).to_bytes(4, "little")
    assert content[60:72] == INPUTS[0].tobytes()
    assert content == with_crc(content[:-4])
    assert len(content) == 56 + 3 * (4 + 12) + 4


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "float32"])
def test_values_of_each_type_go_there_and_back(dtype):
    inputs = np.random.default_rng(1).integers(0, 100, (3, 1, 1, 7)).astype(dtype)
    found = unpack_results(results_of_typed(pack_images(inputs, CALL)), Expected(CALL, dtype, 7))
    assert found.dtype == dtype
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, inputs.reshape(3, 7))


def results_of_typed(images):
    return with_crc(b"TEOU" + images[4:-4])


def test_good_results_are_taken():
    np.testing.assert_array_equal(unpack_results(GOOD, EXPECTED), INPUTS.reshape(3, -1)[:, :7])


def test_no_result_survives_a_flipped_bit():
    for bit in range(8 * len(GOOD)):
        damaged = bytearray(GOOD)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadResults):
            unpack_results(bytes(damaged), EXPECTED)


def test_no_result_survives_a_cut_or_more_bytes():
    for length in range(len(GOOD)):
        with pytest.raises(BadResults):
            unpack_results(GOOD[:length], EXPECTED)
    with pytest.raises(BadResults, match="stands behind"):
        unpack_results(GOOD + b"\0", EXPECTED)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"number": 8}, "another call"),
        ({"sha256": "cd" * 32}, "another model"),
        ({"count": 2}, "another number of results"),
        ({"first": 999}, "a result for another image"),
    ],
)
def test_whole_results_of_something_else_are_refused(changes, words):
    call = Call(**{**vars(CALL), **changes})
    inputs = INPUTS[: call.count]
    with pytest.raises(BadResults, match=words):
        unpack_results(results_of(pack_images(inputs, call)), EXPECTED)


def test_facts_are_numbers_and_texts_and_the_rest_is_kept_apart():
    told = b"kernels = CMSIS-NN 4.0.0 for 13\r\nflash_bytes=59144\n\nrack=3\nnote=a=b\n"
    assert read_facts(told) == {
        "kernels": "CMSIS-NN 4.0.0 for 13",
        "flash_bytes": 59144,
        "told": {"rack": "3", "note": "a=b"},
    }
    assert read_facts(b"") == {}


@pytest.mark.parametrize(
    "told",
    [b"kernels", b"=x", b"kernels=", b"a=1\na=2", b"flash_bytes=-1", b"flash_bytes=1e3", b"stack_bytes=" + b"9" * 30,
     "arena_bytes=٣".encode(), b"a=\xff", b"a=" + b"x" * 70_000],
)  # fmt: skip
def test_facts_that_are_none_are_refused(told):
    with pytest.raises(BadResults, match="the command's facts"):
        read_facts(told)
