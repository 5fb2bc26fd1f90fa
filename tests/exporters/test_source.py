from __future__ import annotations

import dataclasses

import exporting
import numpy as np
import pytest
import torch
from torch import nn

from tinyedge.artifact import InputConvention
from tinyedge.errors import ExportError, TrainingError
from tinyedge.exporters.source import KerasSource, TorchSource, from_checkpoint
from tinyedge.models.family import Member
from tinyedge.train.checkpoint import load_checkpoint, save_checkpoint


def linear(classes: int = 10) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(4 * 4 * 3, classes))


def test_a_checkpoint_becomes_its_member_with_where_it_came_from():
    source = exporting.source()
    assert source.model == "scalecnn-c4"
    assert source.params == 21_936
    assert source.num_classes == 100
    assert source.family_member
    assert source.training["seed"] == 0
    assert source.training["epochs"] == 200


def test_the_module_is_a_copy_in_evaluation_mode():
    module = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(48, 10)).train()
    source = TorchSource(module, (4, 4, 3), "m")
    assert module.training
    assert not source.module.training


def test_outputs_follow_the_convention_and_the_layout():
    module = linear()
    source = TorchSource(module, (4, 4, 3), "m", InputConvention((100.0,), (50.0,)))
    image = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    real = (image.astype(np.float32) - 100) / 50
    expected = real.transpose(0, 3, 1, 2).reshape(3, -1) @ module[1].weight.detach().numpy().T
    expected += module[1].bias.detach().numpy()
    np.testing.assert_allclose(source.outputs(image), expected, rtol=1e-5, atol=1e-5)


def test_a_module_that_does_not_take_the_image_is_an_error():
    with pytest.raises(ExportError, match="does not run on one image"):
        TorchSource(linear(), (5, 5, 3), "m")


def test_a_module_without_scores_a_class_is_an_error():
    with pytest.raises(ExportError, match="not a classifier"):
        TorchSource(nn.Conv2d(3, 8, 3), (4, 4, 3), "m")


def test_a_truncated_checkpoint_is_an_error(tmp_path):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(exporting.checkpoint().read_bytes()[:-1000])
    with pytest.raises(TrainingError, match="cannot be read"):
        from_checkpoint(path)


def test_a_missing_checkpoint_is_an_error(tmp_path):
    with pytest.raises(TrainingError, match="no such checkpoint"):
        from_checkpoint(tmp_path / "none.safetensors")


def test_weights_of_another_member_are_an_error(tmp_path):
    checkpoint = load_checkpoint(exporting.checkpoint())
    other = dataclasses.replace(checkpoint.key, member=Member("scalecnn", 6))
    save_checkpoint(tmp_path / "mixed.safetensors", dataclasses.replace(checkpoint, key=other))
    with pytest.raises(ExportError, match="not those of its member"):
        from_checkpoint(tmp_path / "mixed.safetensors")


def test_nan_in_a_checkpoint_is_an_error(tmp_path):
    checkpoint = load_checkpoint(exporting.checkpoint())
    broken = {**checkpoint.model, "conv1a.weight": torch.full_like(checkpoint.model["conv1a.weight"], float("nan"))}
    save_checkpoint(tmp_path / "nan.safetensors", dataclasses.replace(checkpoint, model=broken))
    with pytest.raises(ExportError, match=r"NaN or infinite"):
        from_checkpoint(tmp_path / "nan.safetensors")


def test_a_keras_source_is_one_thing(tmp_path):
    with pytest.raises(ExportError, match="neither"):
        KerasSource("m")
    with pytest.raises(ExportError, match="both"):
        KerasSource("m", tmp_path, keras=object())
    with pytest.raises(ExportError, match="no such model"):
        KerasSource("m", tmp_path / "none.keras")
