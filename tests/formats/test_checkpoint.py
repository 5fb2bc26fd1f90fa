import json
import subprocess
import sys

import pytest

from tinyedge import errors
from tinyedge.artifact import FAMILY_CONVENTION, load_artifact
from tinyedge.formats import read_model
from tinyedge.formats.checkpoint import FORMAT, read_member
from tinyedge.models.family import Member

KEY = {
    "member": {"family": "scalecnn", "width": 4.0, "num_classes": 100, "stem_stride": 1},
    "recipe": {"name": "paper"},
    "seed": 3,
    "data": "cifar100",
    "data_digest": "ab",
    "precision": "fp32",
}


def checkpoint(folder, *, about=None, format=FORMAT, dtype="F32", end=12, extra=b"", metadata=None):
    """A checkpoint's bytes as safetensors lays them out, from its specification: length, JSON, values."""
    header = {
        "__metadata__": metadata or {"format": format, "tinyedge": json.dumps(about or {"key": KEY, "epoch": 200})},
        "model.head.bias": {"dtype": dtype, "shape": [3], "data_offsets": [0, end]},
    }
    text = json.dumps(header).encode()
    path = folder / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(12) + extra)
    return path


def test_facts_and_convention(tmp_path):
    path = checkpoint(tmp_path)
    facts = read_model(path)
    assert (facts.format, facts.precision, facts.params, facts.output_kind) == ("checkpoint", "fp32", 21_936, "logits")
    assert facts.input.shape == (-1, 3, 32, 32)
    assert facts.output.shape == (-1, 100)
    assert read_member(path) == Member("scalecnn", 4.0)
    artifact = load_artifact(path)  # no side-car, no flags
    assert artifact.convention == FAMILY_CONVENTION
    assert artifact.model == "scalecnn-c4"
    assert artifact.origin["seed"] == 3
    assert artifact.image_shape == (32, 32, 3)


def test_it_is_what_training_writes(tmp_path):
    from tinyedge.train import checkpoint as training
    from tinyedge.train.recipe import PAPER

    assert training.FORMAT == FORMAT
    member = Member("scalecnn", 6, 10)
    state = member.build().state_dict()
    key = training.RunKey(member, PAPER, 1, "none", "0", "fp32")
    path = tmp_path / "model.safetensors"
    training.save_checkpoint(path, training.Checkpoint(key, 7, 1.0, state))
    facts = read_model(path)
    assert facts.model == "scalecnn-c6"
    assert facts.output.shape == (-1, 10)
    assert facts.origin["epoch"] == 7


@pytest.mark.parametrize("kept", [0, 5, 8, 60, -1, -13])
def test_a_truncated_file_is_corrupt(tmp_path, kept):
    path = checkpoint(tmp_path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(errors.ArtifactCorrupt):
        read_model(path)


@pytest.mark.parametrize(
    "options",
    [
        {"extra": b"\0"},
        {"end": 8},
        {"end": 1 << 40},
        {"dtype": "F99"},
        {"about": {"epoch": 3}},
        {"about": [1]},
        {"metadata": {"format": FORMAT, "tinyedge": "{"}},
        {"metadata": {"format": FORMAT}},
    ],
)
def test_a_header_that_does_not_fit_is_corrupt(tmp_path, options):
    with pytest.raises(errors.ArtifactCorrupt):
        read_model(checkpoint(tmp_path, **options))


@pytest.mark.parametrize("content", [b"\xff" * 40, b"\x02" + bytes(7) + b"[]", b"\x04" + bytes(7) + b"null"])
def test_garbage_is_corrupt(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(errors.ArtifactCorrupt):
        read_model(path)


def test_somebody_elses_safetensors_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(errors.ArtifactUnsupported, match="not a tinyedge checkpoint") as caught:
        read_model(checkpoint(tmp_path, metadata={"format": "pt"}))
    assert "ONNX or TFLite" in caught.value.fix


@pytest.mark.parametrize("change", [{"family": "resnet"}, {"width": 5}])
def test_an_unknown_member_is_refused(tmp_path, change):
    about = {"key": {**KEY, "member": {**KEY["member"], **change}}, "epoch": 1}
    with pytest.raises(errors.ArtifactUnsupported, match="no known model"):
        read_model(checkpoint(tmp_path, about=about))


def test_half_precision_weights_are_refused(tmp_path):
    path = checkpoint(tmp_path, dtype="BF16", end=6)
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(errors.ArtifactUnsupported, match="not float32"):
        read_model(path)


def test_an_unknown_suffix_is_refused(tmp_path):
    path = tmp_path / "model.h5"
    path.write_bytes(b"x")
    with pytest.raises(errors.ArtifactUnsupported, match="format is not known") as caught:
        read_model(path)
    assert ".tflite" in caught.value.expected


def test_no_training_package_is_imported(tmp_path):
    code = (
        "import sys; from pathlib import Path; from tinyedge.formats import read_model; "
        f"read_model(Path({str(checkpoint(tmp_path))!r})); "
        "raise SystemExit(bool({'torch', 'safetensors', 'tensorflow', 'onnxruntime'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
