"""Real runtimes on tiny models: where they part is known beforehand."""

import numpy as np
import pytest
import tiny_models

from tinyedge.artifact import FAMILY_CONVENTION, load_artifact
from tinyedge.data.dataset import Dataset
from tinyedge.errors import ArtifactUnsupported, ClassCountMismatch, ImageSizeMismatch, TargetUnavailable
from tinyedge.parity import Path, compare_paths, find_partings, kernels_beside, parse_paths
from tinyedge.predictions import Predictions
from tinyedge.registry import TARGETS
from tinyedge.targets.base import Availability

HOST = ("tflite-int8-reference", "tflite-int8", "tflm-int8")


@pytest.fixture(scope="module")
def data():
    batch = tiny_models.images(150)
    labels = np.arange(len(batch)) % tiny_models.CLASSES
    return Dataset("tiny", "test", batch, labels, tuple(f"class {i}" for i in range(tiny_models.CLASSES)))


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    return artifact_of(tmp_path_factory.mktemp("model"))


def artifact_of(folder, **options):
    path = folder / "tiny.tflite"
    path.write_bytes(tiny_models.tflite(**options))
    return load_artifact(path, convention=FAMILY_CONVENTION)


@pytest.fixture(scope="module")
def found(artifact, data):
    return compare_paths(artifact, data, parse_paths(HOST))


def test_a_fully_connected_layer_is_where_tflite_micro_parts_from_the_reference(found):
    """One rounds once, the other twice (docs/kernels.md); everything before it they compute alike."""
    pair = found.pair("tflite-int8-reference", "tflm-int8")
    assert pair.largest == 1
    assert 0 < pair.images_equal < pair.images == 150
    at = pair.parting
    assert (at.operator, at.layer, at.layers, at.shape) == ("FULLY_CONNECTED", 3, 3, (1, tiny_models.CLASSES))
    assert at.largest == 1
    assert at.images == at.images_differ == min(32, 150 - pair.images_equal)
    assert at.seen_on == ("tflite-int8-reference", "tflm-int8")
    assert at.unseen == ()


def test_the_figures_of_each_path_are_there(found):
    assert [path.name for path in found.paths] == list(HOST)
    assert found.left_out == {}
    for path in found.paths:
        assert 0 <= path.accuracy <= 1
        assert path.facts["target"] == path.name
    for pair in found.pairs:
        assert (pair.parting is None) == (pair.images_equal == pair.images)


def test_layers_are_not_looked_for_unless_asked_for(artifact, data):
    quick = compare_paths(artifact, data, parse_paths(HOST), layers=False)
    assert [pair.parting for pair in quick.pairs] == [None] * 3


def test_an_earlier_layer_is_found_first(artifact, data, monkeypatch):
    """The other path gets a value of the pool wrong, and with it some of the outputs."""
    outputs = {"a": np.zeros((150, 7), np.int8), "b": np.eye(150, 7, dtype=np.int8)}
    monkeypatch.setattr("tinyedge.parity.parting._run", lambda path, cut, images: pooled(path, cut, len(images)))

    def pooled(path, cut, n):
        values = np.zeros((n, cut.num_classes), np.int8)
        if path.name == "b" and cut.num_classes == tiny_models.CHANNELS:
            values[:, 2] = 3
        return values

    partings = find_partings(artifact, data.images, [Path("a", "a"), Path("b", "b")], outputs, quiet)
    at = partings["a", "b"]
    assert (at.operator, at.layer, at.largest) == ("AVERAGE_POOL_2D", 2, 3)
    assert at.elements_differ == 1 / tiny_models.CHANNELS
    assert at.images == at.images_differ == 7, "all of those whose outputs differ"


def quiet(step, done, total):
    """No progress bar."""


def test_a_layer_that_a_path_cannot_be_asked_for_is_told(artifact, data, monkeypatch):
    outputs = {"a": np.zeros((150, 7), np.int8), "b": np.eye(150, 7, dtype=np.int8)}
    monkeypatch.setattr("tinyedge.parity.parting._run", lambda path, cut, images: "b: it will not")
    at = find_partings(artifact, data.images, [Path("a", "a"), Path("b", "b")], outputs, quiet)["a", "b"]
    assert (at.operator, at.layer) == ("FULLY_CONNECTED", 3), "the outputs are known"
    assert at.unseen == ("CONV_2D, operator 1: b: it will not", "AVERAGE_POOL_2D, operator 2: b: it will not")


def test_a_fast_path_with_the_same_bytes_stands_in_for_firmware(artifact, data, found):
    """The firmware here is none: opening it would fail."""
    reference, micro = (parse_paths(HOST)[i] for i in (0, 2))
    outputs = {path.name: np.zeros((150, 7), np.int8) for path in (reference, micro)}
    outputs[micro.name][5, 2] = 1
    firmware = Path("firmware", "no such target", slow=True)
    outputs["firmware"] = outputs[micro.name].copy()
    partings = find_partings(artifact, data.images, [firmware, reference, micro], outputs, quiet)
    assert set(partings) == {("firmware", reference.name), (reference.name, micro.name)}
    assert partings["firmware", reference.name].seen_on == (micro.name, reference.name)


def test_what_is_missing_is_left_out_by_name_and_one_path_alone_is_nothing(artifact, data, monkeypatch):
    kind = TARGETS["tflm-int8"].load()
    monkeypatch.setattr(kind, "available", classmethod(lambda cls: Availability(False, "tflite-micro", "pip it")))
    some = compare_paths(artifact, data, parse_paths(HOST), layers=False)
    assert [path.name for path in some.paths] == list(HOST[:2])
    assert some.left_out == {"tflm-int8": "not installed: tflite-micro (pip it)"}
    with pytest.raises(TargetUnavailable, match="fewer than two") as caught:
        compare_paths(artifact, data, parse_paths(HOST[1:]))
    assert caught.value.exit_code == 4
    assert "tflm-int8: not installed: tflite-micro" in caught.value.found


def test_firmware_refuses_what_it_lacks_and_says_where_and_who_could(tmp_path, data, arm_tools):
    soft = artifact_of(tmp_path, ending="SOFTMAX")
    paths = parse_paths(["tflite-int8-reference", "tflm-int8", "cortex-m4-int8"])
    reason = compare_paths(soft, data, paths, layers=False).left_out["cortex-m4-int8:cmsis-nn"]
    assert "SOFTMAX, operator 4 of 4" in reason
    assert "tflm-int8" in reason
    assert "\n" not in reason


def test_firmware_is_asked_for_its_layers_where_nothing_stands_in_for_it(artifact, data, arm_tools):
    paths = parse_paths(["tflite-int8-reference", "cortex-m4-int8:portable"])
    (pair,) = compare_paths(artifact, data, paths).pairs
    assert pair.parting.operator == "FULLY_CONNECTED", "it rounds as TensorFlow Lite Micro does"
    assert pair.parting.seen_on == ("tflite-int8-reference", "cortex-m4-int8:portable")


def test_bad_input(tmp_path, artifact, data):
    float_model = artifact_of(tmp_path, precision="fp32")
    with pytest.raises(ArtifactUnsupported, match="int8 TFLite") as caught:
        compare_paths(float_model, data, parse_paths(HOST))
    assert caught.value.found == "tflite, fp32"
    large = Dataset("large", "test", np.zeros((2, 9, 9, 3), np.uint8), data.labels[:2], data.class_names)
    with pytest.raises(ImageSizeMismatch, match="do not fit"):
        compare_paths(artifact, large, parse_paths(HOST))
    more = Dataset("more", "test", data.images, data.labels, (*data.class_names, "one more"))
    with pytest.raises(ClassCountMismatch):
        compare_paths(artifact, more, parse_paths(HOST))


def test_beside_a_run_each_path_is_held_against_it(artifact, data, found):
    outputs = np.zeros((150, 7), np.int8)
    run = Predictions(outputs, data.labels, data.ids, "logits", provenance={"kernels": "made up"})
    matrix = kernels_beside(artifact, data, run, "tflm-int8", images=30, seed=1)
    assert [path.name for path in matrix.paths] == ["tflm-int8", *HOST[:2], "tflite-int8-xnnpack"]
    assert [(pair.first, pair.second) for pair in matrix.pairs] == [
        ("tflm-int8", name) for name in (*HOST[:2], "tflite-int8-xnnpack")
    ]
    assert matrix.images == 30
    assert matrix.paths[0].facts == {"kernels": "made up"}
    assert matrix.paths[0].ties == 30
    taken = data.take(data.draw(30, seed=1))
    assert matrix.paths[0].accuracy == (taken.labels == 0).mean()


def test_beside_a_run_of_another_kind_of_model_there_is_nothing(tmp_path, data):
    run = Predictions(np.zeros((150, 7), np.float32), data.labels, data.ids, "logits")
    float_model = artifact_of(tmp_path, precision="fp32")
    assert kernels_beside(float_model, data, run, "tflite-fp32", images=30, seed=1) is None
