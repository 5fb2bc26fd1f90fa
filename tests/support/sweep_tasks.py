"""Tasks that a runner is tried with: each does one thing; Ray's workers import them by name."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tinyedge.sweep.runner import Delivery, Resources

HALF = Resources(cpus=0.5)


@dataclass(frozen=True)
class Steps:
    """``count`` deliveries worked out from its inputs and its data; the last one is finished."""

    name: str
    count: int = 3
    size: int = 10
    data: tuple[str, ...] = ("train",)
    resources: Resources = HALF

    def perform(self, inputs, data, *, seconds):
        begun = b"".join(inputs[path] for path in sorted(inputs))
        for step in range(self.count):
            content = sha256(begun + data["train"].images.tobytes() + bytes([step])).digest() * self.size
            record = {"steps": step + 1} if step == self.count - 1 else None
            yield Delivery(self.name, {f"{self.name}/{step}.bin": content}, record, f"step {step}")


@dataclass(frozen=True)
class WaitsFor:
    """Delivers its process's id, and as soon as the file is there its inputs, finished."""

    name: str
    file: Path
    data: tuple[str, ...] = ()
    resources: Resources = HALF

    def perform(self, inputs, data, *, seconds):
        yield Delivery(self.name, {"pid": str(os.getpid()).encode()})
        while not self.file.exists():
            time.sleep(0.02)
        yield Delivery(self.name, dict(inputs), {"done": True})


@dataclass(frozen=True)
class Raises:
    """A delivery, then the error."""

    name: str
    error: Exception
    data: tuple[str, ...] = ()
    resources: Resources = HALF

    def perform(self, inputs, data, *, seconds):
        yield Delivery(self.name, {"before": b"the error"})
        raise self.error


@dataclass(frozen=True)
class Reports:
    """One delivery with what it was given and how PyTorch finds it."""

    name: str
    resources: Resources
    data: tuple[str, ...] = ("train",)

    def perform(self, inputs, data, *, seconds):
        import warnings

        import torch

        with warnings.catch_warnings(record=True) as seen:
            images = torch.from_numpy(data["train"].images)
        facts = {
            "writeable": data["train"].images.flags.writeable,
            "sum": int(images.sum()),
            "warnings": [str(warning.message) for warning in seen],
            "threads": torch.get_num_threads(),
            "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "seconds": seconds,
            "splits": sorted(data),
        }
        yield Delivery(self.name, {}, facts)
