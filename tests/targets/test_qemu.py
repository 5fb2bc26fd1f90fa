"""The emulator: with firmware of the tests' own, every way in which it stops is one clear error."""

import subprocess

import pytest

from tinyedge import errors
from tinyedge.targets import firmware_build, qemu

pytestmark = [
    pytest.mark.usefixtures("arm_tools"),
    # The emulator is started from a child without threads; here it is from pytest, where the converters loaded JAX.
    pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning"),
]
FIRMWARE = firmware_build.SOURCES


HEADER = """
#include <stdint.h>
#define BKNN_MODEL_INPUT_BYTES 16u
#define BKNN_MODEL_OUTPUT_BYTES 4u
#define BKNN_MODEL_ARENA_SIZE 0u
void bknn_model_infer(uint8_t *arena, const int8_t *input, int8_t *output);
"""
GOOD = "for (int i = 0; i < 4; i++) out[i] = (int8_t)(in[i] + 1);"


def sources(folder, body, before="", defines=(), header=HEADER):
    """Write a model of one's own; where its firmware goes, and the command that builds it."""
    (folder / "bknn_model.h").write_text(header)
    (folder / "model.c").write_text(
        f'#include "bknn_model.h"\n#include "board.h"\n{before}\n'
        f"void bknn_model_infer(uint8_t *arena, const int8_t *in, int8_t *out) {{\n{body}\n}}\n"
    )
    elf = folder / "firmware.elf"
    flags = ["-mcpu=cortex-m4", *firmware_build._FLAGS, *(f"-D{name}" for name in defines)]
    own = (FIRMWARE / f"{name}.c" for name in ("main", "startup", "semihosting"))
    files = [*own, folder / "model.c", "-T", FIRMWARE / "firmware.ld", "-o", elf]
    return elf, ["arm-none-eabi-gcc", *flags, f"-I{folder}", f"-I{FIRMWARE}", *map(str, files)]


@pytest.fixture
def started(tmp_path):
    """An emulator with the firmware around a model of one's own."""
    open_ones = []

    def start(body, *, before="", defines=(), **options):
        elf, command = sources(tmp_path, body, before, defines)
        subprocess.run(command, check=True)
        emulator = qemu.Emulator(elf, "mps2-an386", where="a test", **{"sizes": (16, 4), "image_s": 30.0, **options})
        open_ones.append(emulator)
        return emulator

    yield start
    for emulator in open_ones:
        emulator.close()


def test_images_and_results_go_through_whole_and_in_order(started):
    emulator = started(GOOD)
    for value in range(100):
        result = emulator.infer(bytes([value, value + 1, 0, 255]) + bytes(12))
        assert result.scores.tolist() == [value + 1, value + 2, 1, 0]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("*(volatile uint32_t *)0x90000000 = 1;", "fault: status "),
        ('__asm volatile("udf #0");', "fault: status "),
        ("transport_exit(9);", "exit status 9 after 0 of the result's 36 bytes"),
        ('transport_say("out of luck\\n"); transport_exit(9);', "result's 36 bytes; its last words: out of luck"),
        ("transport_write(out, 3); transport_exit(0);", "exit status 0 after 3 of the result's 36 bytes"),
        ("volatile uint8_t deep[80000]; for (int i = 0; i < 80000; i++) deep[i] = 1;", "stack overflow"),
        # Past the limit, with nothing written near it but a word within 1 KiB.
        ("volatile uint8_t deep[66000]; deep[66000 - 65000] = 1; deep[0] = 1;", "stack overflow"),
    ],
)
def test_firmware_that_stops_says_why(started, body, words):
    emulator = started(body)
    with pytest.raises(errors.TargetCrashed, match="the firmware stopped") as caught:
        emulator.infer(bytes(16))
    assert words in caught.value.found  # its log is pytest's file of what is printed
    assert caught.value.expected == "result 1"


def test_firmware_that_hangs_is_a_time_out(started):
    emulator = started("for (;;) ;", image_s=1.0)
    with pytest.raises(errors.TargetTimeout, match="does not answer") as caught:
        emulator.infer(bytes(16))
    assert "0 of the result's 36 bytes within 1 s" in caught.value.found


def test_garbage_in_front_of_a_result_is_not_taken_for_one(started):
    emulator = started(GOOD + 'transport_write("garbage", 7);')
    with pytest.raises(errors.TargetCrashed, match="something else than the result") as caught:
        emulator.infer(bytes(16))
    assert caught.value.found.startswith("bytes 67 61 72 62 61 67 65 54")


def test_a_result_for_another_image_is_refused(started):
    emulator = started(GOOD)
    emulator.infer(bytes(16))
    emulator._sequence += 1  # as if a result had been lost
    with pytest.raises(errors.TargetCrashed, match="something else than the result"):
        emulator.infer(bytes(16))


def test_firmware_for_another_model_is_refused(started):
    with pytest.raises(errors.TargetCrashed, match="something else than the result"):
        started(GOOD, sizes=(16, 5))


def test_unaligned_access_traps_where_the_core_would(started):
    body = "out[0] = (int8_t)*(const volatile uint16_t *)(in + 1);"
    assert started(body).infer(bytes([0, 7]) + bytes(14)).scores[0] == 7
    with pytest.raises(errors.TargetCrashed, match="the firmware stopped"):
        started(body, defines=["STRICT_ALIGNMENT"]).infer(bytes(16))


@pytest.mark.parametrize(
    ("arena_kib", "found"), [(4096 + 64, "ram overflows by "), (4096 - 32, "no room left for the stack")]
)
def test_a_model_too_large_for_the_board_is_refused(tmp_path, arena_kib, found):
    arena = f"ARENA_SIZE {arena_kib * 1024}u\n#define BKNN_MODEL_ARENA_ALIGNMENT 8u"
    _, command = sources(tmp_path, "out[0] = (int8_t)arena[in[0]];", header=HEADER.replace("ARENA_SIZE 0u", arena))
    with pytest.raises(errors.TargetRefused, match="too large for the emulated board") as caught:
        firmware_build._compile(command, tmp_path / "model.tflite")
    assert caught.value.found.startswith(found)
    assert caught.value.exit_code == 4


def test_the_stack_is_measured(started):
    shallow = started(GOOD).infer(bytes(16)).stack_bytes
    deep = started("volatile uint8_t a[5000]; for (int i = 0; i < 5000; i++) a[i] = 1;" + GOOD).infer(bytes(16))
    assert 4900 <= deep.stack_bytes - shallow < 5100, "start-up leaves its own 64 bytes unpainted"


def test_a_count_is_exact_and_outlasts_the_24_bits_of_its_timer(started):
    loop = '__asm volatile("ldr r0, =%d\\n 1: subs r0, #1\\n bne 1b" ::: "r0", "cc");'
    short, long = (
        started(loop % count, counting=True).infer(bytes(16)).ticks * qemu.INSTRUCTIONS_PER_TICK
        for count in (1_000_000, 400_000_000)
    )
    assert short == pytest.approx(2_000_000, abs=200)
    assert long == pytest.approx(800_000_000, abs=1000), "2**24 ticks are 671 million instructions"
