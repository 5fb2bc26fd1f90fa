"""Reading a family from a sweep's folder, and every way in which it may be no family."""

import numpy as np
import pytest

from tests.support.made_family import FLOAT, MICRO, family, first, ids_of, setting, trained
from tests.support.spoil_sweep import drop, edit_json, edit_outcomes
from tinyedge.errors import PredictionsError, SweepError, UsageError
from tinyedge.study.family import read_family
from tinyedge.study.members import common, family_of

C4, C6 = "scalecnn-c4-seed0", "scalecnn-c6-seed0"


def test_a_family_is_what_the_sweep_has_of_it(runs, shapes_test):
    found = read_family(runs, "tflm-int8", shapes_test)
    assert [(w.label, w.params, w.seeds) for w in found.widths] == [("c4", 21_936, (0,)), ("c6", 46_570, (0,))]
    assert (found.setting.recipe.epochs, found.setting.precision, found.images) == (30, "bf16", 10_000)
    assert found.told("runtime") == ("TensorFlow Lite Micro",)
    assert (found.missing, found.differences) == ((), ())
    assert found.models[0].error == pytest.approx(1 - 0.5962)
    assert found.models[0].training["epochs"] == 30
    assert (found.ids == shapes_test.ids).all()


def test_the_order_of_the_images_does_not_matter(runs, shapes_test):
    turned = shapes_test.take(np.arange(len(shapes_test))[::-1].copy())
    a, b = (read_family(runs, "onnx-fp32", data) for data in (shapes_test, turned))
    assert a.models[0].figures["ece"] == b.models[0].figures["ece"]
    assert (a.ids == b.ids[::-1]).all()


def test_what_is_planned_and_not_there_is_missing(runs, shapes_test):
    drop(runs, C6, "tflm-int8")
    assert read_family(runs, "tflm-int8", shapes_test).missing == (C6,)


def test_a_target_without_outcomes_lists_those_that_have(runs, shapes_test):
    with pytest.raises(SweepError) as caught:
        read_family(runs, "cortex-m4-int8", shapes_test)
    assert "tflm-int8 (2 models)" in caught.value.found
    with pytest.raises(SweepError) as caught:
        read_family(runs, "tflm-int8", shapes_test, family="mobilenetv2")
    assert "the sweep plans scalecnn" in caught.value.found
    with pytest.raises(UsageError, match="unknown family"):
        read_family(runs, "tflm-int8", shapes_test, family="scalecn")


def test_a_folder_that_is_no_sweep_is_refused(tmp_path, shapes_test):
    file = tmp_path / "sweep.json"
    file.write_text("{}")
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder, found in ((tmp_path / "none", "no folder"), (empty, "a folder without a manifest"), (file, "a file")):
        with pytest.raises(SweepError) as caught:
            read_family(folder, "tflm-int8", shapes_test)
        assert caught.value.found == found


def test_another_evaluation_set_is_refused(runs, shapes_test):
    with pytest.raises(PredictionsError, match="another evaluation set"):
        read_family(runs, "tflm-int8", shapes_test.sample(5000, seed=0))


def test_a_recipe_other_than_the_manifests_is_refused_with_its_epochs(runs, shapes_test):
    edit_json(runs / "sweep.json", lambda m: m["basis"]["recipe"].update(epochs=200))
    with pytest.raises(PredictionsError, match="not of the recipe") as caught:
        read_family(runs, "tflm-int8", shapes_test, mixed=True)
    assert "30 epochs" in caught.value.found
    assert "200 epochs" in caught.value.expected


@pytest.mark.parametrize("basis", [{"precision": "fp32"}, {"results_version": 2}])
def test_another_precision_or_version_of_the_code_is_refused(runs, shapes_test, basis):
    edit_json(runs / "sweep.json", lambda m: m["basis"].update(basis))
    with pytest.raises(PredictionsError, match="not of the recipe"):
        read_family(runs, "tflm-int8", shapes_test, mixed=True)


def test_outcomes_that_have_changed_since_are_refused(runs, shapes_test):
    path = runs / "outcomes" / f"{C4}.tflm-int8.npz"
    path.write_bytes((runs / "outcomes" / f"{C4}.tflite-int8-xnnpack.npz").read_bytes())
    with pytest.raises(PredictionsError) as caught:
        read_family(runs, "tflm-int8", shapes_test)
    assert caught.value.found == f"outcomes/{C4}.tflm-int8.npz changed since"


def test_outcomes_that_are_gone_are_not_called_changed(runs, shapes_test):
    (runs / "outcomes" / f"{C4}.tflm-int8.npz").unlink()
    with pytest.raises(PredictionsError) as caught:
        read_family(runs, "tflm-int8", shapes_test)
    assert caught.value.found == f"no file outcomes/{C4}.tflm-int8.npz"


def test_a_record_of_another_exported_file_is_not_called_changed_outcomes(runs, shapes_test):
    edit_json(runs / "records" / f"{C4}.predict.tflm-int8.json", lambda r: r.update(key="0" * 64))
    with pytest.raises(PredictionsError) as caught:
        read_family(runs, "tflm-int8", shapes_test)
    assert caught.value.found == "a record of the run of another exported file"


def test_outcomes_of_another_model_are_refused(runs, shapes_test):
    edit_outcomes(runs, C4, "tflm-int8", lambda h: h["facts"].update(model="scalecnn-c4-seed3"))
    with pytest.raises(PredictionsError, match="another model"):
        read_family(runs, "tflm-int8", shapes_test)


def test_mixed_runtimes_are_refused_unless_they_are_asked_for_and_then_said(runs, shapes_test):
    edit_outcomes(runs, C6, "tflm-int8", lambda h: h["run"].update(runtime_version="0.dev2025"))
    with pytest.raises(PredictionsError, match="did not run alike") as caught:
        read_family(runs, "tflm-int8", shapes_test)
    assert f"0.dev2025 ({C6})" in caught.value.found
    assert "--mixed" in caught.value.fix
    found = read_family(runs, "tflm-int8", shapes_test, mixed=True)
    assert len(found.differences) == 1
    assert found.differences[0].startswith("runtime_version: ")


def test_models_of_different_epochs_are_no_family_whatever_is_asked_for():
    short = trained(first(500), 4, 1)
    short.training["epochs"] = 30
    with pytest.raises(PredictionsError, match="different training") as caught:
        family_of(setting(), ids_of(1000), [trained(first(500)), short], mixed=True)
    assert "30 epochs: scalecnn-c4-seed1" in caught.value.found


def test_models_of_different_images_or_twice_are_no_family():
    with pytest.raises(PredictionsError, match="not of the same examples"):
        family_of(setting(), ids_of(1000), [trained(first(500)), trained(first(5, 10), 6)])
    with pytest.raises(PredictionsError, match="twice"):
        family_of(setting(), ids_of(1000), [trained(first(500)), trained(first(400))])
    with pytest.raises(PredictionsError, match="at least one"):
        family_of(setting(), ids_of(1000), [])
    with pytest.raises(PredictionsError, match="do not pair"):
        family_of(setting(), ids_of(10), [trained(first(500))])


def test_two_kinds_of_stem_are_no_family():
    from dataclasses import replace

    models = [replace(trained(first(500)), model=f"mobilenetv2-w0.1{stem}-seed0") for stem in ("", "-s2")]
    with pytest.raises(PredictionsError, match="two kinds of stem"):
        family_of(setting(), ids_of(1000), models)


def test_two_families_are_compared_on_the_models_that_both_have():
    a, b = family({4: [first(500)] * 3, 6: [first(400)]}), family({4: [first(500)] * 2}, run=MICRO)
    before, after = common(reference=a, deployed=b)
    assert [m.model for m in before.models] == [m.model for m in after.models] == [C4, "scalecnn-c4-seed1"]
    assert before.missing == ("scalecnn-c4-seed2", C6)
    with pytest.raises(PredictionsError, match="no model has outcomes on both"):
        common(reference=family({8: [first(300)]}), deployed=b)
    with pytest.raises(PredictionsError, match="same examples"):
        common(reference=a, deployed=family({4: [first(5, 10)]}, run=MICRO))
    other = family_of(setting(precision="fp32"), ids_of(1000), [trained(first(500), run=FLOAT)])
    with pytest.raises(PredictionsError, match="one family and training"):
        common(reference=other, deployed=b)
