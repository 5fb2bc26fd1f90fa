from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.made_repair import START
from tinyedge.errors import UsageError
from tinyedge.exporters.tflite_int8 import TfliteInt8
from tinyedge.repair.steps import DEFAULT_STEPS, STEPS, Kit, chosen
from tinyedge.repair.steps import Step as OneStep

KIT = Kit(calibrations=lambda exporter: TfliteInt8.calibrations, images=lambda: 50_000)


def variants(name, recipe=START, kit=KIT):
    (step,) = chosen([name])
    return step.variants(recipe, kit)


def test_the_free_steps_come_first_and_are_the_default():
    free = [step.free for step in STEPS]
    assert free == sorted(free, reverse=True)
    assert DEFAULT_STEPS == ("ranges", "representative", "balanced", "temperature")
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
    assert (wide.exporter, wide.target, wide.calibration) == ("tflite-int16x8", "tflm-int16x8", None)
    assert "more RAM" in words
    assert "cortex-m4-int8" in variants("int16x8", replace(START, target="cortex-m4-int8"))
    assert "int8's rounding" in variants("qat", wide)


def test_distillation_needs_a_teacher():
    assert variants("distill") == "needs --teacher"
    ((learned, words),) = variants("distill", kit=replace(KIT, teacher=Path("big.safetensors")))
    assert learned.tuning == "distill"
    assert "big.safetensors" in words
