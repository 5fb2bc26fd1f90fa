"""Which variant a group of seeds trains by: a fixed rule on a CPU, the fastest of a few short trials on CUDA."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from tinyedge.models.family import Member
from tinyedge.train.batches import Batches
from tinyedge.train.checkpoint import RunKey
from tinyedge.train.variant import Variant


def choose(keys: Sequence[RunKey], batches: Batches, device: torch.device, on_note: Callable[[str], None]) -> Variant:
    """The variant for ``keys`` on ``device``."""
    return Variant()


def fused_seeds(member: Member, device_type: str) -> int:
    """How many seeds of ``member`` to train in one step: the sweep cuts its tasks by it."""
    return 5 if device_type == "cuda" and member.family == "scalecnn" else 1
