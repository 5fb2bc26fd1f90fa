from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.made_repair import FAIL, OPEN, PASS, START, Told, climbed, ladder, made_repair, verdict
from tinyedge.errors import ExportError, TargetRefused, UsageError
from tinyedge.repair.steps import DEFAULT_STEPS
from tinyedge.report.repair_rows import remarks

BAD = verdict(accuracy=9.0, signed_gap=3.2)
BETTER = verdict(accuracy=0.1, signed_gap=3.2)
GOOD = verdict(accuracy=0.1, signed_gap=0.1)


def steps_of(found):
    return [(trial.step, trial.on, trial.kept) for trial in found.trials]


def test_steps_add_up_until_a_file_passes():
    bench = Told({"given": BAD, "minmax": BETTER, "mse": BAD, "minmax+tempered": GOOD})
    found = climbed(bench, ["ranges", "temperature", "int16x8"])
    assert steps_of(found) == [("before", None, True), ("ranges", 0, True), ("temperature", 1, True)]
    assert found.final == 2
    assert [trial.verdict.status for trial in found.trials] == [FAIL, OPEN, PASS]
    assert [(one.step, one.reason) for one in found.untried] == [
        ("int16x8", "not needed: temperature passes every gate")
    ]
    assert found.trials[2].temperature == 1.08
    assert found.trials[1].says == (
        "range estimator minmax in place of moving-average (of 2 tried, the tuning images chose it)"
    )


def test_of_what_one_step_could_make_only_the_one_chosen_on_tuning_images_is_judged():
    bench = Told({"given": BAD, "minmax": BAD, "mse": GOOD}, tuning={"minmax": BETTER, "mse": BAD})
    found = climbed(bench, ["ranges"])
    assert bench.asked == ["given", "minmax"], "mse would have passed: looking would be one candidate more"
    assert found.final == 0


def test_as_good_files_of_a_step_are_told_apart_by_what_they_change():
    bench = Told({"given": BAD, "minmax": BETTER, "mse": BETTER}, discordances={"minmax": 0.05, "mse": 0.02})
    assert climbed(bench, ["ranges"]).rungs[1].recipe.calibration == "mse"


def test_a_step_that_helps_nothing_is_undone_and_the_next_builds_on_the_last_kept():
    bench = Told(
        {
            "given": BAD,
            "minmax": BETTER,
            "mse": BAD,
            "minmax+s1": BETTER,
            "minmax+n5000": BETTER,
            "minmax+balanced": verdict(accuracy=9.0, signed_gap=3.2),
            "minmax+tempered": GOOD,
        }
    )
    found = climbed(bench, DEFAULT_STEPS)
    assert steps_of(found) == [
        ("before", None, True),
        ("ranges", 0, True),
        ("representative", 1, False),
        ("balanced", 1, False),
        ("temperature", 1, True),
    ]
    assert found.trials[3].harms[0].gate == "accuracy", "an undone step's harm is told too"


def test_what_passes_on_the_judged_images_is_the_result_whatever_the_tuning_images_say():
    bench = Told({"given": BAD, "minmax": GOOD, "mse": BAD}, tuning={"minmax": BAD})
    found = climbed(bench, ["ranges", "temperature"])
    assert (found.final, found.trials[1].kept) == (1, False)
    assert found.trials[1].verdict.status is PASS


def test_a_pass_at_the_policys_own_confidence_is_not_enough_for_a_candidate():
    strict = {"minmax": verdict(accuracy=1.05, signed_gap=0.1)}
    bench = Told({"given": BAD, "minmax": GOOD, "mse": BAD, "minmax+tempered": GOOD}, strict=strict)
    found = climbed(bench, ["ranges", "temperature"])
    assert (found.trials[1].verdict.status, found.trials[1].nominal.status) == (OPEN, PASS)
    assert found.trials[2].verdict.status is PASS, "the ladder went on"


def test_a_step_that_makes_another_gate_worse_is_kept_where_more_is_won_and_says_so():
    found = ladder()
    (harm,) = found.trials[1].harms
    assert found.trials[1].kept
    assert (harm.title, harm.was, harm.now) == ("Ties", PASS, OPEN)
    assert found.trials[found.final].verdict.status is OPEN, "the other gates do not outweigh it"


def test_the_steps_told_of_the_result_are_those_that_its_recipe_has():
    """``ranges`` stays in the file that training made; what distillation replaces is not in it any more."""
    bench = Told(
        {
            "given": verdict(accuracy=9.0, signed_gap=9.0, ties=9.0),
            "minmax": BAD,
            "mse": verdict(accuracy=9.0, signed_gap=3.1, ties=1.0),
            "mse+qat": verdict(accuracy=4.0, signed_gap=3.1, ties=1.0),
            "mse+distill": verdict(accuracy=0.1, signed_gap=0.1, ties=1.0),
        },
        discordances={"minmax": 0.05},
    )
    found = climbed(bench, ["ranges", "qat", "distill"], teacher=Path("big.safetensors"))
    assert [trial.made for trial in found.trials] == [(), ("ranges",), ("ranges", "qat"), ("ranges", "distill")]
    assert [trial.kept for trial in found.trials] == [True] * 4
    recipe = found.rungs[found.final].recipe
    assert (recipe.calibration, recipe.tuning) == ("mse", "distill")
    told = made_repair(found, repaired="bad-repaired.tflite")
    assert "Wrote bad-repaired.tflite: ranges + distill." in remarks(told)
    assert told.to_json()["steps"] == ["ranges", "distill"]


def test_training_alone_is_not_credited_with_what_another_estimator_did():
    found = climbed(Told({"given": BAD, "minmax+qat": GOOD}), ["qat"])
    assert found.rungs[1].recipe.calibration == "minmax"
    assert "and range estimator minmax in place of moving-average" in found.trials[1].says
    assert found.trials[1].made == ("ranges", "qat")


def test_partial_repairs_add_up():
    bench = Told({"given": BAD, "minmax": verdict(accuracy=4.0, signed_gap=3.2), "mse": BAD})
    bench.judged["minmax+tempered"] = verdict(accuracy=1.5, signed_gap=3.2)
    found = climbed(bench, ["ranges", "temperature"])
    assert steps_of(found) == [("before", None, True), ("ranges", 0, True), ("temperature", 1, True)]
    assert (found.final, found.trials[2].verdict.status) == (2, FAIL), "better, and not repaired"


def test_under_all_the_file_as_it_is_is_one_of_the_candidates():
    bench = Told({"given": GOOD, "minmax": GOOD, "mse": GOOD}, strict={"given": BETTER})
    found = climbed(bench, ["ranges"], go_on=True)
    assert found.trials[0].verdict.status is OPEN, "judged with its share, as the others are"
    assert found.final == 1


def test_all_goes_on_past_a_pass_and_takes_the_first():
    bench = Told({"given": BAD, "minmax": GOOD, "mse": BAD, "minmax+tempered": GOOD})
    found = climbed(bench, ["ranges", "temperature"], go_on=True)
    assert [trial.verdict.status for trial in found.trials] == [FAIL, PASS, PASS]
    assert found.final == 1


def test_a_file_that_passes_is_left_alone_unless_all_is_tried():
    bench = Told({"given": GOOD, "minmax": GOOD, "mse": GOOD})
    found = climbed(bench, ["ranges"])
    assert (len(found.trials), found.note) == (1, "nothing to repair: it passes every gate as it is")
    found = climbed(bench, ["ranges"], go_on=True)
    assert (len(found.trials), found.final) == (2, 0), "what is tried is shown, and takes nobody's place"


def test_what_is_better_on_the_tuning_images_alone_is_not_the_result():
    bench = Told({"given": BAD, "minmax": BAD, "mse": BAD}, tuning={"minmax": GOOD})
    found = climbed(bench, ["ranges"])
    assert (found.final, found.trials[1].kept) == (0, True)
    assert "no better on the judged ones" in found.note


def test_what_cannot_be_made_is_said_and_the_ladder_goes_on():
    refuses = {
        "minmax": ExportError("the converter failed", found="operator X"),
        "mse": TargetRefused("the runtime refuses the model"),
    }
    bench = Told({"given": BAD, "moving-average+tempered": GOOD})
    found = climbed(bench, ["ranges", "temperature"], refuses=refuses)
    assert [trial.step for trial in found.trials] == ["before", "temperature"]
    (one,) = found.untried
    assert "the converter failed (operator X)" in one.reason
    assert "the runtime refuses the model" in one.reason


def test_one_that_can_be_made_is_enough():
    refuses = {"minmax": ExportError("the converter failed")}
    found = climbed(Told({"given": BAD, "mse": GOOD}), ["ranges"], refuses=refuses)
    assert found.rungs[found.final].recipe.calibration == "mse"
    assert not found.untried


def test_without_a_checkpoint_only_the_file_alone_is_worked_on():
    bench = Told({"given": BETTER, "default+tempered": GOOD})
    bare = replace(START, checkpoint=None, calibration=None)
    found = climbed(bench, [*DEFAULT_STEPS, "qat"], start=bare, lacks="needs --checkpoint")
    assert [trial.step for trial in found.trials] == ["before", "temperature"]
    assert [one.reason for one in found.untried] == ["needs --checkpoint"] * 3 + [
        "not needed: temperature passes every gate"
    ]


def test_where_nothing_is_kept_the_file_stays():
    bench = Told({"given": BAD, "minmax": BAD, "mse": BAD})
    start = replace(START, calibration="minmax")
    found = climbed(bench, ["ranges"], start=start, calibrations=lambda exporter: ("minmax", "mse"))
    assert found.final == 0
    assert found.note == "no step is kept: the file stays as it is"


def test_a_file_whose_size_alone_fails_is_refused():
    bench = Told({"given": verdict(accuracy=0.1, floors__size=70_000)})
    with pytest.raises(UsageError, match="no step of the repair changes") as told:
        climbed(bench, DEFAULT_STEPS)
    assert "It is 70000" in told.value.found
    assert bench.asked == ["given"]


def test_a_size_that_fails_beside_others_stays_in_the_table_and_the_verdict():
    heavy = {"floors__size": 70_000}
    bench = Told(
        {"given": verdict(accuracy=9.0, **heavy), "minmax": verdict(accuracy=0.1, **heavy), "mse": verdict(accuracy=9)}
    )
    found = climbed(bench, ["ranges"])
    assert found.final == 1
    assert found.trials[1].verdict.status is FAIL
    assert found.note == "cannot pass: Floors.size: It is 70000; no step changes that"
