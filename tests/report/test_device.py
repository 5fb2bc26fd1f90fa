import json
from dataclasses import replace

import pytest

from tests.support.reports import FIRMWARE, LAYERS, on_firmware, report
from tinyedge.errors import ReportError
from tinyedge.gate import GateResult, Status
from tinyedge.report import device
from tinyedge.report.schema import BoardUse, Report, Scaled


def texts(made):
    return {row.title: row.text for row in device.rows(made)}


def with_facts(**facts):
    made = report()
    return replace(made, deployed=replace(made.deployed, target=made.deployed.target | facts))


def test_a_run_on_this_machine_has_kernels_parity_and_the_arena_beside():
    assert texts(report()) == {
        "Kernels": "LiteRT built-in, LiteRT 2.3.0",
        "Parity": "1,000 images on tflm-int8 too: 2 argmax flips, 0.50% of outputs differ "
        "(LSB -1: 40, 0: 9,950, +1: 10)",
        "Arena": "18,288 bytes in TensorFlow Lite Micro on this machine",
    }
    assert texts(replace(report(), parity=None, parity_note="switched off"))["Parity"] == "switched off"
    assert set(texts(replace(report(), parity=None))) == {"Kernels"}


def test_firmware_has_what_it_takes_and_where_that_is_from():
    found = texts(on_firmware(report()))
    assert list(found)[2:] == ["Memory", "Work", "Most work", "Built by", "Run on", "Board"]
    assert found["Memory"] == (
        "59,144 bytes of flash; 17,208 bytes of RAM, 14,016 of them the arena; 768 bytes of stack"
    )
    assert found["Work"] == "9,990,000 instructions an inference, counted in an emulator"
    assert found["Built by"] == "arm-none-eabi-gcc 12.2.1 for Arm v7E-M"
    assert found["Run on"] == "QEMU 7.2.22, mps2-an386 (Cortex-M4)"
    assert found["Board"] == (
        "NUCLEO-F446RE: cortex-m4, 180 MHz, 524,288 bytes of flash, 16,384 of RAM; 10 inferences a second asked for; "
        "no more than 18 a second can be"
    )
    fast = replace(on_firmware(report()).board, fps=None, max_fps=8466.3)
    assert texts(replace(report(), board=fast))["Board"].endswith("16,384 of RAM; no more than 8,466 a second can be")


def test_a_board_names_both_clocks_and_what_was_not_looked_up():
    use = on_firmware(report()).board
    facts = use.facts | {"clock_hz": 25_000_000, "npu": {"clock_hz": 500_000_000}, "unchecked": ["flash_bytes", "npu"]}
    told = texts(replace(report(), board=replace(use, facts=facts)))["Board"]
    assert "cortex-m4, 25 MHz, NPU 500 MHz, " in told
    assert told.endswith("; not looked up: flash_bytes, npu")


def test_a_board_on_a_line_says_what_happened_there():
    line = {
        "port": "/dev/ttyACM0", "baud": 115_200, "frames_sent": 1_270, "frames_resent": 68, "frames_corrupted": 4,
        "frames_corrupted_there": 61, "frames_refused": 2, "resets": 1,
    }  # fmt: skip
    found = texts(with_facts(**line))
    assert found["Line"] == (
        "/dev/ttyACM0, 115,200 baud; 1,270 frames sent, 68 of them again; broken: 4 here, 61 there; 2 refused; 1 resets"
    )
    assert "Arena" not in found, "that would be TensorFlow Lite Micro's on this machine"
    assert device.recorded(with_facts(**line))["target.frames_resent"] == 68
    assert "Line" not in texts(with_facts(**(line | {"resets": None})))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"stack_bytes": 768}, {"Memory": "768 bytes of stack"}),
        ({"flash_bytes": 10, "arena_bytes": 7}, {"Memory": "10 bytes of flash; 7 bytes of arena"}),
        ({"ram_bytes": 0}, {"Memory": "0 bytes of RAM"}),
        ({"instructions": 5, "device": "a board"}, {"Work": "5 instructions an inference", "Run on": "a board"}),
    ],
)
def test_only_what_is_known_is_told(facts, expected):
    found = texts(with_facts(**facts))
    assert {title: found[title] for title in found if title not in ("Kernels", "Parity")} == expected


def test_layers_are_in_the_models_order_with_their_share():
    found = device.layers(FIRMWARE)
    assert [layer.name for layer in found] == [layer["name"] for layer in LAYERS]
    assert [layer.share for layer in found] == [0.2, 0.05, 0.75]
    assert device.layers({"layers": [LAYERS[0] | {"instructions": 0}]})[0].share == 0
    assert device.layers({}) == ()


def test_other_kernels_are_held_against_the_run():
    made = on_firmware(report())
    same, other = device.beside(made.kernels)
    assert (same.name, same.equal, same.differ, same.largest, same.flips) == ("tflite-int8-reference", 100, 0, 0, 0)
    assert (other.equal, other.largest, other.flips, other.accuracy) == (20, 3, 2, 0.88)
    assert other.differ == pytest.approx(0.1)
    assert (same.parting, other.parting) == (None, "CONV_2D, operator 1 of 3")
    turned = replace(made.kernels.pairs[1], first="tflite-int8-xnnpack", second="tflite-int8-reference")
    (third,) = device.beside(replace(made.kernels, pairs=(turned,)))
    assert third.name == "tflite-int8-xnnpack, tflite-int8-reference"


def test_what_the_budget_found_stands_beside_what_the_board_has():
    flash, ram, work = device.uses(on_firmware(report()))
    assert (flash.title, flash.takes, flash.limit, flash.has) == ("flash", "59,144 bytes", "524,288", "524,288 bytes")
    assert flash.share == pytest.approx(59_144 / 524_288)
    assert (ram.status, ram.share, ram.note) == ("FAIL", 1, "firmware")
    assert (work.takes, work.limit, work.has) == ("9,990,000", "18,000,000", None)
    assert device.uses(report()) == ()


def test_an_npu_says_that_its_figures_are_estimates():
    estimate = {"accelerator": "ethos-u55-128", "label": "estimated by X", "cycles": 1_000_000, "sram_bytes": 2000}
    estimate |= {"flash_bytes": 50_000, "cpu_operators": ["SOFTMAX", "SOFTMAX"]}
    board = BoardUse("corstone-300", "Corstone-300", on_firmware(report()).board.facts, None, None, estimate)
    assert texts(replace(report(), board=board))["NPU"] == (
        "ethos-u55-128, estimated by X: 1,000,000 cycles an inference, 2,000 bytes of SRAM, 50,000 of flash; left to "
        "the CPU: SOFTMAX"
    )


def test_machines_get_what_was_recorded_under_its_own_name():
    found = device.recorded(on_firmware(report()))
    assert found["target.flash_bytes"] == 59_144
    assert found["target.kernels"] == "LiteRT built-in"
    assert found["board"] == "nucleo-f446re"
    assert set(device.recorded(report())) == {"target.kernels", "target.runtime", "target.runtime_version"}


def test_a_report_with_all_of_it_is_read_back_and_an_old_one_without_it_too():
    made = with_facts(**FIRMWARE)
    content = json.loads(json.dumps(made.to_json()))
    assert Report.from_json(content) == made
    del content["kernels"], content["board"]
    assert Report.from_json(content) == made


@pytest.mark.parametrize(
    "facts",
    [
        {"flash_bytes": "many"},
        {"stack_bytes": -1},
        {"instructions": 1.5},
        {"compiler": ["gcc"]},
        {"layers": "all"},
        {"layers": [{"name": "CONV_2D", "kernel": "x"}]},
        {"layers": [LAYERS[0] | {"instructions": -5}]},
        {"layers": [LAYERS[0] | {"kernel": None}]},
    ],
)
def test_a_file_that_says_what_cannot_be_is_refused(facts):
    content = json.loads(json.dumps(with_facts(**facts).to_json()))
    with pytest.raises(ReportError, match="the report"):
        Report.from_json(content)


GATE = GateResult("gap_change", "Confidence gap change", Status.FAIL, -2.9, "pp", (-3.2, -2.6), 1.5, "It fell.")


def scaled(**changes):
    return replace(report(), scaled=replace(Scaled(1.0825, 1.0810, "fitted on 2,000 images", GATE), **changes))


def test_a_temperature_is_told_with_what_was_judged_and_what_would_have_been():
    start = "the file has a temperature in its output, logits / 1.0825; the change of the confidence gap is "
    assert texts(scaled())["Scaled"] == (
        f"{start}judged with the float model at its own, logits / 1.0810, fitted on 2,000 images; to the float model "
        "as trained it is -2.90 pp, which would be FAIL (at most 1.50). All else is of the float model as trained"
    )
    assert texts(scaled(reference=1.0, basis="none is known"))["Scaled"] == (
        f"{start}judged with the float model as trained: none is known"
    )
    assert texts(scaled(as_trained=None))["Scaled"] == f"{start}not judged"
    assert "Scaled" not in texts(report())


def test_a_report_of_a_scaled_file_is_read_back_and_one_that_cannot_be_is_refused():
    for made in (scaled(), scaled(as_trained=None)):
        content = json.loads(json.dumps(made.to_json()))
        assert Report.from_json(content) == made
    passed = replace(GATE, status=Status.PASS)
    for wrong in (
        {"folded": 0.0},
        {"reference": -1.0},
        {"as_trained": passed},
        {"as_trained": replace(GATE, name="ece")},
    ):
        with pytest.raises(ReportError, match="the report has"):
            Report.from_json(json.loads(json.dumps(scaled(**wrong).to_json())))
    content = json.loads(json.dumps(report().to_json()))
    assert content.pop("scaled") is None
    assert Report.from_json(content) == report()
