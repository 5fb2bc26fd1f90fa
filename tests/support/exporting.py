"""A small model with sensible statistics, data for it, and its exports, each made once a session (seconds apiece)."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tinyedge.artifact import Artifact
from tinyedge.data.dataset import Dataset
from tinyedge.exporters.base import Options
from tinyedge.exporters.representative import Representative, draw_representative
from tinyedge.exporters.source import TorchSource, from_checkpoint
from tinyedge.models.family import Member
from tinyedge.registry import EXPORTERS, lookup
from tinyedge.train.checkpoint import Checkpoint, RunKey, save_checkpoint
from tinyedge.train.recipe import PAPER

NAMES = (
    "onnx-fp32", "onnx-int8", "tflite-fp32", "tflite-int8", "tflite-int16x8", "tflite-dynamic", "executorch-int8",
    "tf-fp32", "tf-int8",
)  # fmt: skip
INT8 = ("tflite-int8", "tf-int8")
_FOLDER = tempfile.TemporaryDirectory(prefix="tinyedge-exports-")


@cache
def noise(split: str = "train", count: int = 160, classes: int = 100) -> Dataset:
    """Coarse coloured noise of varying contrast, black to white: what a network reacts to differently each time."""
    rng = np.random.default_rng(0 if split == "train" else 1)
    coarse = rng.normal(0, 1, (count, 8, 8, 3)).repeat(4, 1).repeat(4, 2) * rng.uniform(10, 90, (count, 1, 1, 1))
    images = np.clip(128 + rng.normal(0, 40, (count, 1, 1, 3)) + coarse, 0, 255).astype(np.uint8)
    labels = np.arange(count, dtype=np.int64) % classes
    return Dataset("noise", split, images, labels, tuple(f"class{k}" for k in range(classes)))


def settled(module: nn.Module) -> nn.Module:
    """``module`` with batch-norm statistics of the noise, in evaluation mode."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None  # the plain average over what is seen
    real = torch.from_numpy((noise().images.astype(np.float32) - 128) / 128).permute(0, 3, 1, 2)
    with torch.no_grad():
        module.train()(real)
    return module.eval()


@cache
def checkpoint() -> Path:
    """ScaleCNN c = 4 with random weights, as a finished run's file."""
    torch.manual_seed(0)
    key = RunKey(Member("scalecnn", 4), PAPER, 0, "noise", noise().digest, "fp32")
    model = settled(key.member.build())
    with torch.no_grad():
        model.head.weight.mul_(8)  # logits as far apart as a trained model's
    path = Path(_FOLDER.name) / f"{key.name}.safetensors"
    save_checkpoint(path, Checkpoint(key, PAPER.epochs, 1.0, model.state_dict(), {}, {"test_accuracy": 0.01}))
    return path


@cache
def source() -> TorchSource:
    """The checkpoint as a source."""
    return from_checkpoint(checkpoint())


@cache
def representative() -> Representative:
    """120 of the images."""
    return draw_representative(noise(), count=120, seed=3)


@cache
def exported(name: str, *, calibration: str | None = None, batch: str = "1") -> Artifact:
    """The checkpoint through one exporter."""
    exporter = lookup(EXPORTERS, "exporter", name)()
    return exporter.export(
        source(),
        Path(_FOLDER.name) / f"{name}-{calibration}-{batch}{exporter.suffix}",
        representative=representative() if exporter.quantized else None,
        options=Options(batch, calibration),
    )
