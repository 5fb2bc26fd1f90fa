"""An evaluation set in pieces gives the very figures of the same set in memory."""

from __future__ import annotations

import numpy as np
import pytest

from tinyedge.data.dataset import Dataset
from tinyedge.data.pieces import pieces
from tinyedge.errors import ClassCountMismatch, DatasetEmpty, ImageSizeMismatch, PredictionsError, UsageError
from tinyedge.evaluate import Model, compare_stream, evaluate_stream
from tinyedge.metrics import PairTally, Tally, compare, compare_counted, evaluate
from tinyedge.models.family import Member
from tinyedge.outcomes import outcome
from tinyedge.validate import predict
from tinyedge.zoo import find


@pytest.fixture(scope="module")
def models(zoo_entry):
    return {
        "reference": Model("onnx-fp32", zoo_entry.load("onnx-fp32")),
        "deployed": Model("tflite-int8", zoo_entry.load("tflite-int8")),
    }


@pytest.fixture(scope="module")
def sample(shapes_test):
    return shapes_test.sample(400, seed=2)


def in_memory(models, data):
    return {side: outcome(predict(m.target, m.artifact, data), data) for side, m in models.items()}


def equal_to_memory(models, data, size):
    whole, seen = in_memory(models, data), []
    found = compare_stream(**models, pieces=pieces(data, size), on_images=seen.append)
    assert seen[-1] == len(data)
    assert len(seen) == -(-len(data) // size)
    assert found.reference.tally == Tally.of(whole["reference"])
    assert found.deployed.tally == Tally.of(whole["deployed"])
    assert found.pair == PairTally.of(**whole)
    figures = evaluate(whole["deployed"])
    figures.pop("adaptive_ece")  # takes all images at once
    assert evaluate(found.deployed.tally) == figures
    assert compare_counted(found.pair) == compare(**whole)
    return found


def test_two_models_in_pieces_equal_the_same_in_memory(models, sample):
    found = equal_to_memory(models, sample, 150)
    assert found.deployed.facts["images"] == 400
    assert "no delegate" in found.deployed.facts["kernels"]
    assert found.reference.facts["target"] == "onnx-fp32"


def test_one_model_in_pieces_of_any_size_gives_the_same(models, sample):
    few = sample.take(np.arange(60))
    tallies = [evaluate_stream(models["deployed"], pieces(few, size)).tally for size in (7, 60)]
    assert tallies[0] == tallies[1] == Tally.of(in_memory(models, few)["deployed"])


def test_real_images_in_pieces(cifar100_test):
    entry = find(Member("scalecnn", 4), "cifar100")
    both = {
        "reference": Model("onnx-fp32", entry.load("onnx-fp32")),
        "deployed": Model("tflite-int8", entry.load("tflite-int8")),
    }
    equal_to_memory(both, cifar100_test.sample(500, seed=3), 200)


def test_no_pieces_are_refused(models):
    with pytest.raises(DatasetEmpty, match="no images"):
        evaluate_stream(models["deployed"], [])
    with pytest.raises(DatasetEmpty, match="no images"):
        compare_stream(reference=models["deployed"], deployed=models["deployed"], pieces=iter(()))


def test_an_unknown_target_is_refused(models, sample):
    with pytest.raises(UsageError, match=r"(?s)unknown target.*tflite-int8"):
        evaluate_stream(Model("tflite-int9", models["deployed"].artifact), pieces(sample))


def test_a_piece_that_does_not_fit_is_refused(models, sample):
    few = sample.take(np.arange(10))
    small = Dataset("toy", "test", few.images[:, ::2, ::2].copy(), few.labels, few.class_names)
    more = Dataset("toy", "test", few.images, few.labels, (*few.class_names, "one more"))
    with pytest.raises(ImageSizeMismatch, match="32x32x3"):
        evaluate_stream(models["deployed"], [few, small])
    with pytest.raises(ClassCountMismatch, match="101 classes in the data"):
        evaluate_stream(models["deployed"], [few, more])


def test_pieces_with_and_without_superclasses_do_not_add_up(models, sample):
    few = sample.take(np.arange(10))
    plain = Dataset("toy", "test", few.images, few.labels, few.class_names)
    with_superclasses = Dataset("toy", "test", few.images, few.labels, few.class_names, tuple(range(100)))
    with pytest.raises(PredictionsError, match="superclasses"):
        evaluate_stream(models["deployed"], [plain, with_superclasses])
