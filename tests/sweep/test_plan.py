import dataclasses

import pytest

from tests.support.fake_sweep import BASIS, plan_of
from tinyedge.errors import UsageError
from tinyedge.models.family import Member
from tinyedge.sweep.plan import (
    DEFAULT_TARGETS,
    Model,
    Plan,
    Selection,
    Unit,
    basis_from_json,
    exporter_of,
    plan_from_json,
    plan_to_json,
)
from tinyedge.train.recipe import SHAPES

C4 = Model(Member("scalecnn", 4), 0)


def test_the_whole_study_is_ninety_models():
    plan = Selection().plan(None, 100)
    assert len(plan.models) == 2 * 9 * 5
    assert plan.targets == DEFAULT_TARGETS
    families = [model.member.family for model in plan.models]
    assert families == ["scalecnn"] * 45 + ["mobilenetv2"] * 45
    assert plan.models[0].member.width < plan.models[5].member.width


def test_a_width_goes_with_the_family_that_has_it():
    plan = Selection(widths=(0.25, 6), seeds=(3,)).plan(None, 10)
    assert [model.name for model in plan.models] == ["scalecnn-c6-seed3", "mobilenetv2-w0.25-seed3"]
    assert {model.member.num_classes for model in plan.models} == {10}


def test_a_stem_stride_is_mobilenet_s():
    plan = Selection(widths=(0.25, 6), seeds=(0,), stem_stride=2).plan(None, 100)
    assert [model.member.stem_stride for model in plan.models] == [1, 2]


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (Selection(families=("scalecn",)), "did you mean scalecnn"),
        (Selection(widths=(5,)), "scalecnn: 4, 6, 8"),
        (Selection(families=("scalecnn",), widths=(4, 0.25)), "found:    0.25"),
        (Selection(targets=("tflite-in8",)), "did you mean tflite-int8"),
        (Selection(targets=("command-int8",)), "none is given"),
        (Selection(widths=(0.25,), stem_stride=3), "1 or 2"),
        (Selection(seeds=()), "an empty list"),
    ],
)
def test_what_does_not_exist_is_said(selection, words):
    with pytest.raises(UsageError) as caught:
        selection.plan(None, 100)
    assert words in str(caught.value)


def test_what_is_not_asked_for_is_the_manifest_s():
    known = plan_of(4, 6)
    assert Selection().plan(known, 100) == known
    more = Selection(targets=("tflm-int8",)).plan(known, 100)
    assert (more.models, more.targets) == (known.models, ("tflm-int8",))
    assert Selection(targets=()).plan(known, 100).targets == ()
    more = Selection(seeds=(7,)).plan(known, 100)
    assert [model.name for model in more.models] == ["scalecnn-c4-seed7", "scalecnn-c6-seed7"]
    fewer = Selection(widths=(6,), seeds=(0,)).plan(known, 100)
    assert ([m.name for m in fewer.models], fewer.targets) == (["scalecnn-c6-seed0"], known.targets)


def test_each_target_needs_the_file_that_it_runs():
    assert exporter_of("torch-fp32") == "checkpoint"
    assert exporter_of("tflite-int8-xnnpack") == exporter_of("tflm-int8") == "tflite-int8"
    units = list(Plan((C4,), ("torch-fp32", "tflite-int8", "tflm-int8")).units())
    assert [unit.name for unit in units] == [
        "scalecnn-c4-seed0 train",
        "scalecnn-c4-seed0 export tflite-int8",
        "scalecnn-c4-seed0 predict torch-fp32",
        "scalecnn-c4-seed0 predict tflite-int8",
        "scalecnn-c4-seed0 predict tflm-int8",
    ]
    assert units[2].needs == units[0]
    assert units[4].needs == units[1]


def test_plans_join_without_doubling():
    joined = plan_of(4, seeds=(0, 1)).joined(plan_of(6, 4, seeds=(1,), targets=("tflm-int8",)))
    assert [model.name for model in joined.models] == ["scalecnn-c4-seed0", "scalecnn-c4-seed1", "scalecnn-c6-seed1"]
    assert joined.targets == ("onnx-fp32", "tflite-int8", "tflm-int8")


def test_a_key_holds_all_that_decides_and_nothing_else():
    train = Unit(C4, "train")
    keys = {
        train.key(BASIS, {}),
        Unit(Model(C4.member, 1), "train").key(BASIS, {}),
        Unit(Model(Member("scalecnn", 6), 0), "train").key(BASIS, {}),
        train.key(dataclasses.replace(BASIS, recipe=SHAPES), {}),
        train.key(dataclasses.replace(BASIS, precision="bf16"), {}),
        train.key(dataclasses.replace(BASIS, train_digest="other"), {}),
        train.key(dataclasses.replace(BASIS, results_version=2), {}),
    }
    assert len(keys) == 7
    assert train.key(dataclasses.replace(BASIS, test_digest="other"), {}) == train.key(BASIS, {})
    predict = Unit(C4, "predict", "onnx-fp32")
    keys = {
        predict.key(BASIS, {"a": "1"}),
        predict.key(BASIS, {"a": "2"}),
        predict.key(dataclasses.replace(BASIS, test_digest="other"), {"a": "1"}),
        Unit(C4, "predict", "tflite-int8").key(BASIS, {"a": "1"}),
    }
    assert len(keys) == 4


def test_plans_and_bases_survive_json():
    plan = plan_of(4, 6).joined(plan_of(8, seeds=(7,)))
    assert plan_from_json(plan_to_json(plan)) == plan
    assert basis_from_json(dataclasses.asdict(BASIS)) == BASIS
