from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tinyedge.board import find_board
from tinyedge.board_use import Aim, board_use, choose_target, estimated, known_facts, most_fps
from tinyedge.errors import BoardError, UsageError
from tinyedge.report.codec import decode, encode
from tinyedge.report.schema import BoardUse

M4, XTENSA, U55 = (find_board(name) for name in ("nucleo-f446re", "esp32-s3-devkitc-1", "ethos-u55-128"))
ESTIMATE = {"cycles": 97_889, "sram_bytes": 12_768, "flash_bytes": 55_712, "cpu_operators": ["GATHER"], "label": "x"}


@pytest.mark.parametrize("fps", [0, -1, math.inf, math.nan, 1e-308, 1e300])
def test_a_rate_that_is_none_is_bad_usage(fps):
    with pytest.raises(UsageError, match="not a frame rate"):
        Aim(M4, fps)


def test_the_board_names_its_target():
    assert choose_target(None, None) == "tflite-int8"
    assert choose_target(Aim(M4), None) == "cortex-m4-int8"
    assert choose_target(Aim(XTENSA), None) == "tflm-int8"
    assert choose_target(Aim(U55), None) == "tflite-int8-reference"
    assert choose_target(None, "cortex-m7-int8") == "cortex-m7-int8"


def test_a_target_of_ones_own_choice_is_taken_unless_its_firmware_is_anothers():
    for asked in ("tflite-int8", "tflm-int8", "onnx-fp32", "cortex-m4-int8"):
        assert choose_target(Aim(M4), asked) == asked
    for board, asked in ((M4, "cortex-m7-int8"), (M4, "cortex-m0plus-int8"), (XTENSA, "cortex-m4-int8")):
        with pytest.raises(UsageError, match="another core") as caught:
            choose_target(Aim(board), asked)
        assert board.core in str(caught.value.found)
    with pytest.raises(UsageError, match="unknown target"):
        choose_target(Aim(M4), "cortex-m5-int8")


def test_what_is_known_is_what_ran_and_what_the_board_has():
    ran = {"flash_bytes": 1, "ram_bytes": 2, "stack_bytes": 3, "instructions": 4, "kernels": "x", "arena_bytes": 5}
    assert known_facts(ran, None, None) == {"flash_bytes": 1, "ram_bytes": 2, "stack_bytes": 3, "instructions": 4}
    assert known_facts({"instructions": None}, None, None) == {}
    found = known_facts(ran, Aim(M4, 10), None)
    assert found["fps"] == 10
    assert (found["board_flash_bytes"], found["board_ram_bytes"]) == (524_288, 131_072)
    assert found["board_instructions_per_s"] == 180_000_000
    assert "board_instructions_per_s" not in known_facts({}, Aim(XTENSA), None)
    on_npu = known_facts({}, Aim(U55), ESTIMATE)
    assert (on_npu["npu_cycles"], on_npu["npu_cpu_operators"], on_npu["board_npu_hz"]) == (97_889, 1, 500_000_000)


def test_frames_a_second_are_bound_by_what_counts_the_work():
    assert most_fps(known_facts({"instructions": 6_000_000}, Aim(M4), None)) == 30
    assert most_fps(known_facts({"instructions": 6_000_000}, Aim(replace(M4, instructions_per_clock=2)), None)) == 60
    assert most_fps(known_facts({}, Aim(U55), ESTIMATE)) == pytest.approx(5107.8, abs=0.1)  # as vela's own table has it
    assert most_fps(known_facts({}, Aim(XTENSA), None)) is None


def test_an_npu_of_another_clock_than_its_compiler_counts_with_is_refused(zoo_entry):
    """Cycles of one clock over the hertz of another would be a frame rate of no system."""
    artifact = zoo_entry.load("tflite-int8")
    assert estimated(Aim(U55), artifact)["core_clock_hz"] == U55.npu.clock_hz
    with pytest.raises(BoardError, match="not the one") as caught:
        estimated(Aim(replace(U55, npu=replace(U55.npu, clock_hz=10**9))), artifact)
    assert "500,000,000" in caught.value.expected


def test_without_an_npu_nothing_is_estimated(zoo_entry):
    assert estimated(None, zoo_entry.load("tflite-int8")) is None
    assert estimated(Aim(M4), zoo_entry.load("tflite-int8")) is None


def test_the_report_keeps_board_and_rate():
    assert board_use(None, {}, None) is None
    for aim, estimate in ((Aim(M4, 12.5), None), (Aim(U55), ESTIMATE)):
        used = board_use(aim, known_facts({"instructions": 9}, aim, estimate), estimate)
        assert used is not None
        assert decode(BoardUse, encode(used), "board") == used
        assert (used.name, used.fps, used.estimate) == (aim.board.name, aim.fps, estimate)
        assert used.facts["sources"]["flash_bytes"] == aim.board.sources["flash_bytes"]
