import io
import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from tests.support.reports import baseline, on_firmware
from tests.support.reports import report as full
from tinyedge.gate import DEFAULT_POLICY, judge
from tinyedge.metrics import compare, evaluate
from tinyedge.metrics.outcome import outcome_of
from tinyedge.report import device
from tinyedge.report.schema import ClassChange, Examples, NewlyWrong, Parity, Report, Side
from tinyedge.report.terminal import print_gates, render
from tinyedge.report.words import bounds_of, limit_of, quantity

NAMES = tuple(f"a rather long class name {i}" for i in range(10))


def outcome(predicted, labels):
    outputs = np.full((len(labels), 10), -60, np.int8)
    outputs[np.arange(len(labels)), predicted] = 60
    probabilities = np.full(outputs.shape, 0.01)
    probabilities[np.arange(len(labels)), predicted] = 0.91
    return outcome_of(outputs=outputs, labels=labels, probabilities=probabilities, class_names=NAMES)


@pytest.fixture
def report():
    """2,000 images, 90 % right; the deployed model gives up class 3."""
    labels = np.arange(2000) % 10
    before = np.where(np.arange(2000) % 100 < 90, labels, (labels + 1) % 10)
    after = np.where(labels == 3, 4, before)
    reference, deployed = outcome(before, labels), outcome(after, labels)
    lost = int((reference.correct & ~deployed.correct).sum())
    artifact = {"file": "int8.tflite", "model": "toy", "params": 1000, "size_bytes": 2000, "precision": "int8"}
    facts = {"kernels": "LiteRT built-in (13 operators, no delegate)", "runtime": "LiteRT", "runtime_version": "2.3.0"}
    return Report(
        run={"target": "tflite-int8", "reference_target": "onnx-fp32"},
        data={"name": "toy", "split": "test", "images": 2000, "classes": 10, "synthetic": True},
        reference=Side(artifact, facts, evaluate(reference)),
        deployed=Side(artifact, facts, evaluate(deployed)),
        comparison=compare(reference=reference, deployed=deployed),
        classes=(ClassChange(NAMES[3], 200, 0.9, 0.0, lost, 0),),
        newly_wrong=tuple(NewlyWrong(f"{i:016x}", i, NAMES[3], NAMES[4], 0.91) for i in range(lost)),
        parity=Parity("tflm-int8", facts, 1000, 2, {-1: 40, 0: 9950, 1: 10}),
        parity_note=None,
        policy={},
        verdict=judge(reference=reference, deployed=deployed, policy=DEFAULT_POLICY),
        examples=Examples(
            ids=tuple(f"{i:016x}" for i in range(2000)),
            labels=tuple(labels.tolist()),
            reference=tuple(before.tolist()),
            deployed=tuple(after.tolist()),
            confidence=(0.91,) * 2000,
            class_names=NAMES,
        ),
    )


def printed(report, width=80):
    stream = io.StringIO()
    render(report, Console(file=stream, width=width, color_system=None))
    return stream.getvalue()


def test_it_leads_with_the_verdict_and_says_for_whom(report):
    lines = printed(report).splitlines()
    assert lines[0].startswith("FAIL")
    assert "tflite-int8" in lines[0]
    text = " ".join(" ".join(lines).split())
    assert f"{NAMES[3]} 90% -> 0%" in text
    assert "180 newly wrong, 0 newly right" in text
    assert "0000000000000000"[:8] in text
    assert "synthetic" in text
    assert "2 argmax flips, 0.50% of outputs differ (LSB -1: 40, 0: 9,950, +1: 10)" in text
    assert "no delegate" in text


def test_firmware_says_what_it_takes_of_a_device(report):
    sections = {"flash_bytes": 59_144, "ram_bytes": 17_208, "arena_bytes": 14_016, "stack_bytes": 768}
    tools = {"compiler": "gcc 12.2.1", "emulator": "QEMU 7.2.22", "machine_emulated": "mps2-an386 (Cortex-M4)"}
    facts = {**report.deployed.target, **sections, **tools, "instructions": 6_551_720}
    text = " ".join(printed(replace(report, deployed=replace(report.deployed, target=facts))).split())
    assert "59,144 bytes of flash; 17,208 bytes of RAM, 14,016 of them the arena; 768 bytes of stack" in text
    assert "6,551,720 instructions an inference, counted in an emulator" in text
    assert "built by gcc 12.2.1 run on QEMU 7.2.22, mps2-an386 (Cortex-M4)" in text
    assert "TensorFlow Lite Micro on this machine" not in text
    assert "cycle" not in text


def test_firmware_with_everything_fits_80_columns():
    made = on_firmware(full(lost=0.05, given_up=True))
    lines = printed(made).splitlines()
    text = " ".join(" ".join(lines).split())
    assert max(map(len, lines)) <= 80
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    for row in device.rows(made):
        assert f"{row.title.lower()} {row.text}" in text
    assert "CONV_2D, operator 3 of 3: 75%; CONV_2D, operator 1 of 3: 20%; MAX_POOL_2D, operator 2 of 3: 5%" in text
    assert "tflite-int8-reference 100 0.00% 0 0 90.00%" in text
    assert "tflite-int8-xnnpack 20 10.00% 3 2 88.00%" in text
    assert "not run: tflm-int8 (not installed: tflite-micro)" in text
    assert "NUCLEO-F446RE: cortex-m4, 180 MHz" in text


@pytest.mark.parametrize("width", [80, 120])
def test_it_fits_the_terminal(report, width):
    lines = printed(report, width).splitlines()
    assert max(map(len, lines)) <= width
    unwell = sum(gate.status != "PASS" or gate.warning is not None for gate in report.verdict.gates)
    assert len(lines) <= 35 + 2 * unwell, "a gate that does not simply pass says why in two lines"


def test_every_gate_and_every_skipped_gate_is_there(report):
    text = " ".join(printed(report).split())
    for gate in report.verdict.gates:
        assert gate.title in text
    for skipped in report.verdict.skipped:
        assert skipped.title in text


def test_a_failed_gate_says_why(report):
    failed = [g for g in report.verdict.gates if g.status == "FAIL"]
    assert {"accuracy", "worst_class"} <= {g.name for g in failed}
    text = " ".join(printed(report).split())
    for gate in failed:
        assert " ".join(gate.detail.split()) in text


def test_names_from_outside_are_not_markup(report):
    report.deployed.artifact["file"] = "[red]x[/red].tflite"
    assert "[red]x[/red].tflite" in printed(report)


def test_names_from_outside_give_no_command_to_a_ci_system(report):
    report.deployed.artifact["file"] = "x\n::error::y ##[error]z \x1b[31m"
    text = printed(report, 40)
    assert "::error" not in text
    assert "##[" not in text
    assert "\x1b" not in text
    assert "x\\n" in text


@pytest.mark.parametrize("name", ["safety-critical", "x" * 64, "a name of several words " * 2])
def test_a_long_name_takes_no_room_from_the_verdict_and_the_figures(report, name):
    gates = [
        replace(gate, title=f"Floor: {name}, {what}", warning="w" if gate.status == "PASS" else None)
        for gate, what in zip(report.verdict.gates, itertools.cycle(("accuracy", "drop")), strict=False)
    ]
    stream = io.StringIO()
    print_gates(replace(report.verdict, gates=tuple(gates), skipped=()), Console(file=stream, width=80))
    text = stream.getvalue()
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    assert max(map(len, text.splitlines())) <= 80
    for gate in gates:
        shown = (quantity(gate.figure, gate.unit), bounds_of(gate), limit_of(gate).removeprefix("at most "))
        row = re.compile(rf"{gate.status}( \(warning\))? +" + " +".join(re.escape(cell) for cell in shown if cell))
        assert row.search(text), gate.name


def test_a_whole_report_has_nothing_cut_off_at_80_columns(report):
    assert "\N{HORIZONTAL ELLIPSIS}" not in printed(report)


def test_the_step_from_the_last_release_has_a_line(report):
    assert "since the last release" not in printed(report)
    text = " ".join(printed(replace(report, baseline=baseline(report.classes))).split())
    assert f"since the last release: 1 newly wrong, most in the classes {NAMES[3]} 90% -> 0%" in text
