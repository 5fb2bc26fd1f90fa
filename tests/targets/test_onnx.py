import pytest
import tiny_models

from tinyedge import errors
from tinyedge.artifact import FAMILY_CONVENTION, load_artifact
from tinyedge.targets.onnx import OnnxFp32, OnnxInt8


def artifact_of(folder, content):
    path = folder / "model.onnx"
    path.write_bytes(content)
    return load_artifact(path, convention=FAMILY_CONVENTION)


def test_the_layers_are_those_of_the_graph_that_runs(tmp_path):
    with OnnxInt8().open(artifact_of(tmp_path, tiny_models.onnx_int8_bytes()), processes=1) as session:
        kernels = session.facts()["kernels"]
    assert "2 of 2 layers with integers" in kernels
    assert "QLinearConv" in kernels


def test_a_layer_that_looks_int8_and_runs_float_is_refused(tmp_path):
    artifact = artifact_of(tmp_path, tiny_models.onnx_int8_bytes(float_layer=True))
    assert artifact.precision == "int8", "the file alone does not tell"
    with pytest.raises(errors.TargetRefused, match="some layers of this model with floats") as caught:
        OnnxInt8().open(artifact, processes=1)
    assert "1 of 2 layers with integers" in caught.value.found
    assert "float: " in caught.value.found
    assert "Conv" in caught.value.found.partition("float: ")[2]
    assert "QUInt8" in caught.value.fix
    assert caught.value.exit_code == 4


def test_an_int8_file_is_not_run_as_float(tmp_path):
    artifact = artifact_of(tmp_path, tiny_models.onnx_int8_bytes())
    with pytest.raises(errors.ArtifactUnsupported, match="onnx-fp32 runs fp32 models") as caught:
        OnnxFp32().open(artifact)
    assert "--target onnx-int8" in caught.value.fix
