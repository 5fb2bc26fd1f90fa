"""Somebody's own module through the exporters."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tinyedge.artifact import InputConvention
from tinyedge.errors import ExportError, UsageError
from tinyedge.exporters.onnx_fp32 import OnnxFp32
from tinyedge.exporters.torch_function import from_function
from tinyedge.validate import predict

CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes=5):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(4, classes)

    def forward(self, x):
        return self.head(self.body(x))

def small():
    return Net()

def wide():
    return Net(7)

def grey():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))

def kind():
    return Net

def number():
    return 3

def fails():
    raise RuntimeError("no such file: weights")
"""
RAW = InputConvention((0.0,), (255.0,), "BGR")
SHAPE = (12, 12, 3)


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_nets.py").write_text(CODE)
    yield
    sys.modules.pop("own_nets", None)


@pytest.fixture
def weights(tmp_path):
    source = from_function("own_nets:small", None, SHAPE, RAW)
    torch.manual_seed(5)
    state = {name: torch.randn_like(tensor) for name, tensor in source.module.state_dict().items()}
    save_file(state, tmp_path / "small.safetensors")
    return tmp_path / "small.safetensors"


def test_the_artifact_computes_what_the_module_does_with_those_weights(weights, tmp_path, make_noise):
    source = from_function("own_nets:small", weights, SHAPE, RAW)
    assert source.model == "small"
    assert source.training["function"] == "own_nets:small"
    artifact = OnnxFp32().export(source, tmp_path / "small.onnx")
    assert artifact.convention == RAW
    assert artifact.origin["training"]["checkpoint_sha256"]
    data = make_noise()
    found = predict("onnx-fp32", artifact, data).outputs
    np.testing.assert_allclose(found, source.outputs(data.images), rtol=0, atol=1e-4)
    other = from_function("own_nets:small", None, SHAPE, RAW).outputs(data.images)
    assert np.abs(found - other).max() > 0.1, "the checkpoint's weights, not the function's own"


@pytest.fixture
def make_noise():
    from tinyedge.data import Dataset

    def make():
        pixels = np.random.default_rng(0).integers(0, 256, (20, *SHAPE), np.uint8)
        return Dataset("noise", "test", pixels, np.arange(20) % 5, tuple("abcde"))

    return make


def test_a_grey_model_sees_the_luma_of_coloured_images_of_another_size(tmp_path, make_noise):
    convention = InputConvention((0.0,), (255.0,), "GRAY", "area")
    source = from_function("own_nets:grey", None, (6, 6, 1), convention)
    artifact = OnnxFp32().export(source, tmp_path / "grey.onnx")
    data = make_noise()
    found = predict("onnx-fp32", artifact, data)
    grey = np.stack([np.asarray(Image.fromarray(image).convert("L").reduce(2)) for image in data.images])[..., None]
    np.testing.assert_allclose(found.outputs, source.outputs(grey), rtol=0, atol=1e-3)  # Pillow rounds .5 otherwise
    assert found.provenance["preparation"][:2] == [
        "RGB to grey by ITU-R 601 luma (0.299 R + 0.587 G + 0.114 B)",
        "resized from 12x12 to 6x6, area, no antialiasing",
    ]


@pytest.mark.parametrize(
    ("function", "kind", "words"),
    [
        ("kind", ExportError, ["the class Net", "MyModel()"]),
        ("number", ExportError, ["int", "torch.nn.Module"]),
        ("fails", UsageError, ["RuntimeError: no such file: weights", "own_nets.py line"]),
        ("smal", UsageError, ["did you mean own_nets:small"]),
    ],
)
def test_what_is_no_module_is_refused(function, kind, words):
    with pytest.raises(kind) as caught:
        from_function(f"own_nets:{function}", None, SHAPE, RAW)
    assert all(word in str(caught.value) for word in words)


def test_weights_of_another_module_are_named(weights):
    with pytest.raises(ExportError, match="not the module's") as caught:
        from_function("own_nets:wide", weights, SHAPE, RAW)
    assert "of another shape: head.weight (5, 4) for (7, 4), head.bias (5,) for (7,)" in caught.value.found


def test_missing_and_unknown_tensors_are_named(tmp_path):
    save_file({"head.weight": torch.zeros(5, 4), "tail": torch.zeros(1)}, tmp_path / "part.safetensors")
    with pytest.raises(ExportError, match="not the module's") as caught:
        from_function("own_nets:small", tmp_path / "part.safetensors", SHAPE, RAW)
    assert "not in the checkpoint: body.0.weight, body.0.bias, head.bias" in caught.value.found
    assert "not in the module: tail" in caught.value.found


def test_a_pickle_is_never_opened(tmp_path):
    class Harm:
        def __reduce__(self):
            return (tmp_path / "harm").touch, ()

    torch.save(Harm(), tmp_path / "weights.pt")
    with pytest.raises(ExportError, match=r"(?s)not a safetensors file.*never opened"):
        from_function("own_nets:small", tmp_path / "weights.pt", SHAPE, RAW)
    assert not (tmp_path / "harm").exists()
    with pytest.raises(ExportError, match="no such checkpoint"):
        from_function("own_nets:small", tmp_path / "absent.safetensors", SHAPE, RAW)


def test_images_of_another_shape_than_the_module_takes():
    with pytest.raises(ExportError, match="does not run on one image"):
        from_function("own_nets:small", None, (12, 12, 1), RAW)
