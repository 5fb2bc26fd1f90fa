import numpy as np
import pytest
import tiny_models

from tinyedge import errors
from tinyedge.artifact import FAMILY_CONVENTION, load_artifact
from tinyedge.targets.tflite import (
    TfliteDynamic,
    TfliteFp32,
    TfliteInt8,
    TfliteInt8Reference,
    TfliteInt8Xnnpack,
    TfliteInt16x8,
    delegated,
)
from tinyedge.targets.tflm import TflmInt8


def artifact_of(folder, content):
    path = folder / "model.tflite"
    path.write_bytes(content)
    return load_artifact(path, convention=FAMILY_CONVENTION)


def kernels(target, artifact):
    with target.open(artifact, processes=1) as session:
        return session.facts()["kernels"]


def test_the_kernels_are_those_of_the_runtimes_own_list(tmp_path):
    artifact = artifact_of(tmp_path, tiny_models.tflite())
    assert kernels(TfliteInt8(), artifact) == "LiteRT built-in (3 operators, no delegate)"
    assert kernels(TfliteInt8Reference(), artifact) == "LiteRT reference (3 operators, no delegate)"
    # Which operators XNNPACK takes is its release's choice; that it took the convolution is what its name promises.
    found = kernels(TfliteInt8Xnnpack(), artifact)
    assert found.startswith(("XNNPACK for 2 of 3", "XNNPACK for 3 of 3"))


def test_the_kernels_asked_for_are_those_that_run(tmp_path):
    dynamic = artifact_of(tmp_path, tiny_models.tflite("dynamic"))
    assert kernels(TfliteDynamic(), dynamic).startswith("XNNPACK for")
    assert kernels(TfliteDynamic("built-in"), dynamic) == "LiteRT built-in (3 operators, no delegate)"
    finer = artifact_of(tmp_path, tiny_models.tflite("int16x8"))
    assert kernels(TfliteInt16x8(), finer) == "LiteRT built-in (3 operators, no delegate)"
    assert kernels(TfliteInt16x8("reference"), finer) == "LiteRT reference (3 operators, no delegate)"
    for kind in (TfliteDynamic, TfliteInt16x8):
        with pytest.raises(errors.UsageError, match="no such kernels") as caught:
            kind("cmsis-nn")
        assert caught.value.expected == " or ".join(kind.kernel_sets)


def test_tflite_micro_refuses_float_activations_even_where_the_file_is_passed_off_as_int8(tmp_path):
    artifact = artifact_of(tmp_path, tiny_models.tflite("dynamic"))
    with pytest.raises(errors.TargetRefused, match="TensorFlow Lite Micro refuses") as caught:
        in_this_process(TflmInt8(), artifact)
    assert "Hybrid models are not supported" in caught.value.found


class PretendsNoDelegate(TfliteInt8):
    """As another release might: asks for the default kernels, which bring XNNPACK."""

    resolver = "AUTO"


class PretendsXnnpack(TfliteInt8Xnnpack):
    """The other way round."""

    resolver = "BUILTIN_WITHOUT_DEFAULT_DELEGATES"


def in_this_process(target, artifact):
    return target._open(artifact, artifact.path.read_bytes())


def test_kernels_that_are_not_the_promised_ones_are_refused(tmp_path):
    artifact = artifact_of(tmp_path, tiny_models.tflite())
    with pytest.raises(errors.TargetRefused, match="a delegate took over"):
        in_this_process(PretendsNoDelegate(), artifact)
    with pytest.raises(errors.TargetRefused, match="XNNPACK takes no operator"):
        in_this_process(PretendsXnnpack(), artifact)


def test_delegated_counts_what_lies_between_a_parts_outputs_and_inputs():
    def node(name, inputs, outputs):
        return {"op_name": name, "inputs": np.array(inputs), "outputs": np.array(outputs)}

    chain = [node("A", [0], [1]), node("B", [1], [2]), node("C", [2], [3]), node("D", [3], [4])]
    assert delegated(chain) == set()
    assert delegated([*chain, node("DELEGATE", [0], [2]), node("DELEGATE", [3], [4])]) == {0, 1, 3}
    assert delegated([*chain, node("DELEGATE", [0], [4])]) == {0, 1, 2, 3}


def test_an_operator_that_litert_lacks_is_refused(tmp_path):
    artifact = artifact_of(tmp_path, tiny_models.tflite(middle="CUSTOM"))
    with pytest.raises(errors.TargetRefused, match="LiteRT refuses the model") as caught:
        TfliteInt8().open(artifact, processes=1)
    assert "MyOperator" in caught.value.found
    assert caught.value.exit_code == 4


def test_a_float_model_in_channels_first_layout_is_fed_in_it(tmp_path):
    artifact = artifact_of(tmp_path, tiny_models.tflite("fp32", channels_first=True))
    assert artifact.input.layout == "NCHW"
    # The convolution reads NHWC: with a 3x8x8 input it has 8 channels where its weights have 3.
    with pytest.raises(errors.TargetRefused):
        TfliteFp32().open(artifact, processes=1)
