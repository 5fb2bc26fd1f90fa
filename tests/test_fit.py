from __future__ import annotations

import json
from dataclasses import replace

import pytest

import tinyedge.fit as fit_module
from tests.support.made_fit import made_validation
from tinyedge.board import find_board
from tinyedge.board_use import Aim
from tinyedge.data import load_dataset
from tinyedge.errors import ArtifactNotFound, TargetCrashed, TargetRefused, TargetTimeout, TargetUnavailable, UsageError
from tinyedge.fit import fit
from tinyedge.gate import Status, load_policy
from tinyedge.gate.catalogue import GATES

SIZES = {"scalecnn-c4": 32_448, "scalecnn-c6": 58_656}
BETWEEN = 40_000
"""Bytes: more than the smaller file, less than the larger one's weights."""
ONLY_BUDGET = load_policy("".join(f"[{g.name}]\nenabled = false\n" for g in GATES if g.name not in ("budget", "churn")))
"""The other gates are tested elsewhere; churn is settled by few images."""
M4 = find_board("nucleo-f446re")


@pytest.fixture(scope="module")
def few():
    return load_dataset("shapes", "test").sample(20, seed=0)


@pytest.fixture
def made(monkeypatch):
    """No model runs."""
    monkeypatch.setattr(fit_module, "validate", made_validation)


def found_for(data, flash_bytes=10**6, policy=ONLY_BUDGET, **more):
    aim = Aim(replace(M4, flash_bytes=flash_bytes), more.pop("fps", None))
    settings = {"target": "tflite-int8", "family": "scalecnn", "data": data, "policy": policy, "parity_images": 0}
    return fit(aim, **(settings | more))


@pytest.fixture
def between(few, made):
    """A board whose flash holds the smaller of the two members and not the larger."""
    return found_for(few, flash_bytes=BETWEEN, parity_images=5)


def test_the_answer_is_the_largest_and_the_smallest_that_keep_budget_and_gates(between):
    assert [row.model for row in between.passing] == ["scalecnn-c4"]
    assert (between.status, between.exit_code) == (Status.PASS, 0)
    told = between.to_json()
    assert (told["largest"], told["smallest"], told["status"]) == ("scalecnn-c4", "scalecnn-c4", "PASS")
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_members_beyond_the_budget_are_only_sized_where_that_is_asked_for(few, made, between):
    found = found_for(few, flash_bytes=BETWEEN, parity_images=5, within_budget=True)
    small, large = (next(row for row in found.rows if row.model == name) for name in SIZES)
    assert small == between.rows[0]
    assert (large.accuracy, large.bounds, large.gates, large.unsettled, large.images_needed) == (None,) * 3 + ((), None)
    assert (large.budget, large.verdict, large.failed) == (Status.FAIL, Status.FAIL, ("Budget: flash",))
    assert large.flash == between.rows[1].flash
    assert found.exit_code == 0
    none = found_for(few, flash_bytes=1, within_budget=True)
    assert (none.exit_code, none.limits) == (1, {"flash": 1, "ram": M4.ram_bytes})


def test_a_row_says_what_was_measured_and_what_not(between):
    rows = {row.model: row for row in between.rows}
    assert [row.params for row in between.rows] == sorted(row.params for row in between.rows)
    small, large, untrained = rows["scalecnn-c4"], rows["scalecnn-c6"], rows["scalecnn-c8"]
    assert (small.flash.value, small.flash.note) == (SIZES["scalecnn-c4"], "model file")
    assert small.ram.note == "estimate"
    assert small.bounds[0] < small.accuracy < small.bounds[1]
    assert (small.budget, small.gates, small.verdict) == (Status.PASS,) * 3
    assert (large.budget, large.gates, large.verdict) == (Status.FAIL, Status.PASS, Status.FAIL)
    assert large.failed == ("Budget: flash",)
    assert (untrained.trained, untrained.accuracy, untrained.ram, untrained.verdict) == (False, None, None, None)
    # 80,348 parameters in int8 are beyond 40,000 bytes whatever the firmware.
    assert (untrained.budget, untrained.note) == (Status.FAIL, "the weights alone are beyond the flash")
    assert between.limits == {"flash": BETWEEN, "ram": M4.ram_bytes}


def test_two_that_pass_are_told_apart(few, made):
    found = found_for(few, parity_images=5)
    assert (found.to_json()["smallest"], found.to_json()["largest"]) == ("scalecnn-c4", "scalecnn-c6")
    assert {row.budget for row in found.rows if not row.trained} == {None, Status.FAIL}


def test_none_that_fits_fails_and_none_that_is_settled_is_open(few, made):
    assert found_for(few, flash_bytes=1000, parity_images=5).exit_code == 1
    no_arena = found_for(few)  # without TensorFlow Lite Micro nothing says what RAM it takes
    assert (no_arena.status, no_arena.exit_code) == (Status.INCONCLUSIVE, 3)
    assert no_arena.rows[0].unsettled == ("Budget: RAM",)
    rate = found_for(few, fps=5, parity_images=5)  # and nothing counts instructions
    assert rate.rows[0].unsettled == ("Budget: instructions",)
    assert "work" not in rate.limits or rate.limits["work"] > 0


def test_one_that_the_target_refuses_is_a_row_and_all_of_them_an_error(few, monkeypatch):
    def refuses(names):
        def validate(**arguments):
            if any(name in arguments["deployed"].path.name for name in names):
                raise TargetRefused("too large for the emulated board")
            return made_validation(**arguments)

        return validate

    monkeypatch.setattr(fit_module, "validate", refuses(["c6"]))
    found = found_for(few, parity_images=5)
    assert [row.model for row in found.passing] == ["scalecnn-c4"]
    assert next(row.note for row in found.rows if row.model == "scalecnn-c6") == "too large for the emulated board"
    monkeypatch.setattr(fit_module, "validate", refuses(["c4", "c6"]))
    with pytest.raises(TargetRefused, match="too large"):
        found_for(few)


@pytest.mark.parametrize("kind", [TargetCrashed, TargetTimeout])
def test_one_that_cannot_run_is_a_row_that_never_passes_and_the_others_are_kept(few, monkeypatch, kind):
    def breaks(names, error):
        def validate(**arguments):
            if any(name in arguments["deployed"].path.name for name in names):
                raise error
            return made_validation(**arguments)

        return validate

    monkeypatch.setattr(fit_module, "validate", breaks(["c4"], kind("the child died")))
    found = found_for(few, parity_images=5)
    assert [row.model for row in found.passing] == ["scalecnn-c6"]
    broken = next(row for row in found.rows if row.model == "scalecnn-c4")
    assert (broken.note, broken.verdict, broken.accuracy) == ("could not run: the child died", Status.FAIL, None)
    monkeypatch.setattr(fit_module, "validate", breaks(["c4", "c6"], kind("the child died")))
    with pytest.raises(kind) as caught:
        found_for(few)
    assert caught.value.exit_code == 4
    monkeypatch.setattr(fit_module, "validate", breaks(["c6"], TargetUnavailable("no emulator here")))
    with pytest.raises(TargetUnavailable):
        found_for(few)


@pytest.mark.parametrize("target", ["tflite-fp32", "tflm-int16x8"])
def test_files_of_another_precision_than_the_untrained_rows_are_refused(few, target):
    with pytest.raises(UsageError, match="int8 weights"):
        found_for(few, target=target)


def test_a_family_of_which_nothing_ships_is_bad_input(few):
    with pytest.raises(ArtifactNotFound, match="no member of mobilenetv2") as caught:
        found_for(few, family="mobilenetv2")
    assert "scalecnn on shapes" in caught.value.found
    with pytest.raises(UsageError, match="unknown family"):
        found_for(few, family="scalecnnn")


def test_a_board_with_an_npu_is_judged_by_estimates(few):
    aim = Aim(find_board("ethos-u55-128"), 1000)
    found = fit(aim, target="tflite-int8", family="scalecnn", data=few, policy=ONLY_BUDGET, parity_images=0)
    assert found.unit == "cycles"
    assert found.label.startswith("estimated by ethos-u-vela")
    ran = [row for row in found.rows if row.accuracy is not None]
    assert {row.flash.note for row in ran} == {row.ram.note for row in ran} == {row.work.note for row in ran}
    assert all(row.work.value <= found.limits["work"] == 500_000 for row in ran)
    assert all(row.max_fps == pytest.approx(500e6 / row.work.value) for row in ran)
