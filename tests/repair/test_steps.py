from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.made_repair import START
from tinyedge.errors import UsageError
from tinyedge.exporters.tflite_int8 import TfliteInt8
from tinyedge.exporters.tflite_int16x8 import TfliteInt16x8
from tinyedge.repair.steps import COSTLY_STEPS, DEFAULT_STEPS, STEPS, TEACHER_STEPS, Kit, Recipe, chosen, steps_in
from tinyedge.repair.steps import Step as OneStep

KIT = Kit(calibrations=lambda exporter: TfliteInt8.calibrations, images=lambda: 50_000)

EXPORTERS = {"tflite-int8": TfliteInt8, "tflite-int16x8": TfliteInt16x8}
TAUGHT = replace(KIT, teacher=Path("big.safetensors"), calibrations=lambda exporter: EXPORTERS[exporter].calibrations)


def variants(name, recipe=START, kit=KIT):
    (step,) = chosen([name])
    return step.variants(recipe, kit)


def test_the_free_steps_come_first_and_are_the_default():
    free = [step.free for step in STEPS]
    assert free == sorted(free, reverse=True)
    assert DEFAULT_STEPS == ("ranges", "representative", "balanced", "temperature")
    assert (COSTLY_STEPS, TEACHER_STEPS) == (("qat", "int16x8"), ("distill",))
    assert [step.name for step in STEPS if not step.needs_checkpoint] == ["temperature"]
    assert all(isinstance(step, OneStep) for step in STEPS)


def test_steps_are_tried_in_the_ladders_order():
    assert [step.name for step in chosen(["qat", "temperature", "ranges"])] == ["ranges", "temperature", "qat"]


@pytest.mark.parametrize(("names", "says"), [(["temprature"], "did you mean temperature?"), ([], "no step")])
def test_an_unknown_step_is_refused_with_the_close_one(names, says):
    with pytest.raises(UsageError) as told:
        chosen(names)
    assert says in str(told.value)


def test_ranges_tries_every_estimator_but_its_own_and_the_one_that_ruins():
    tried = [recipe.calibration for recipe, _ in variants("ranges")]
    assert tried == [name for name in TfliteInt8.calibrations if name != "moving-average"]
    again = [recipe.calibration for recipe, _ in variants("ranges", replace(START, calibration="minmax"))]
    assert again == [name for name in tried if name != "minmax"]
    assert "no other" in variants("ranges", kit=replace(KIT, calibrations=lambda exporter: ()))


def test_representative_draws_again_and_draws_more_where_there_are_more():
    changed = [(recipe.seed, recipe.count) for recipe, _ in variants("representative")]
    assert changed == [(1, 1000), (0, 5000)]
    assert len(variants("representative", kit=replace(KIT, images=lambda: 1000))) == 1


def test_a_step_that_is_done_already_says_so():
    assert "already" in variants("balanced", replace(START, balanced=True))
    assert "already" in variants("temperature", replace(START, tempered=True))
    assert "onnx" in variants("temperature", kit=replace(KIT, format="onnx"))


def test_wider_activations_need_a_runtime_that_has_them():
    ((wide, words),) = variants("int16x8", replace(START, target="tflm-int8"))
    assert (wide.exporter, wide.target) == ("tflite-int16x8", "tflm-int16x8")
    assert "more RAM" in words
    assert "cortex-m4-int8" in variants("int16x8", replace(START, target="cortex-m4-int8"))
    assert "int8's rounding" in variants("qat", wide)


def test_distillation_needs_a_teacher():
    assert variants("distill") == "needs --teacher"
    ((learned, words),) = variants("distill", kit=replace(KIT, teacher=Path("big.safetensors")))
    assert learned.tuning == "distill"
    assert "big.safetensors" in words
    ((_, words),) = variants("distill", replace(START, tuning="qat"), kit=replace(KIT, teacher=Path("big.safetensors")))
    assert "in place of qat, not on top of it" in words


@pytest.mark.parametrize("name", ["qat", "distill", "int16x8"])
@pytest.mark.parametrize(
    ("was", "is_", "says"),
    [
        ("minmax-plain", "minmax-plain", None),
        ("moving-average", "minmax", "and range estimator minmax in place of moving-average"),
        ("nobody's", "minmax", "and range estimator minmax in place of nobody's"),
        (None, "minmax", "and range estimator minmax (the file does not say which it had)"),
    ],
)
def test_the_range_estimator_stays_or_its_change_is_said(name, was, is_, says):
    ((made, words),) = variants(name, replace(START, calibration=was), kit=TAUGHT)
    assert made.calibration == is_
    assert (says is None and "estimator" not in words) or says in words


def test_an_estimator_that_the_wider_exporter_does_not_know_is_left_and_said():
    ((made, words),) = variants("int16x8", replace(START, calibration="mse"), kit=TAUGHT)
    assert made.calibration == "minmax"
    assert "range estimator minmax in place of mse" in words
    ((made, words),) = variants("qat", replace(START, calibration="mse"), kit=TAUGHT)
    assert made.calibration == "mse"


@pytest.mark.parametrize("name", ["representative", "balanced"])
def test_a_step_on_the_images_changes_the_images_alone_or_says_so(name):
    assert all(made.calibration == "moving-average" for made, _ in variants(name))
    for made, words in variants(name, replace(START, calibration=None)):
        assert made.calibration == "minmax"
        assert "range estimator minmax (the file does not say which it had)" in words


def test_what_a_file_has_in_it_is_told_by_its_recipe():
    assert steps_in(START, START) == ()
    made = replace(START, calibration="mse", seed=1, tempered=True, tuning="distill")
    assert steps_in(made, START) == ("ranges", "representative", "temperature", "distill")
    assert steps_in(replace(made, calibration="moving-average", seed=0), START) == ("temperature", "distill")
    every = Recipe("tflite-int16x8", "tflm-int16x8", START.checkpoint, "mse", 5000, 0, True, True, "qat")
    assert steps_in(every, START) == tuple(step.name for step in STEPS if step.name != "distill")
