"""ScaleCNN: the width family of arXiv 2603.07365, as worked out from its published parameter counts.

Four stages of two 3x3 convolutions (padding 1, no bias, batch norm, ReLU) with c, 2c, 4c, 8c channels, 2x2 max pooling
after stages 1 to 3, the average over the last 4x4 map, one linear layer with bias.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from tinyedge.models.plan import Conv, Plan

if TYPE_CHECKING:
    from torch import nn

WIDTHS: tuple[float, ...] = (4, 6, 8, 12, 16, 24, 32, 48, 64)
IMAGE_SIZE = 32
_STAGES = (1, 2, 4, 8)


def plan(width: float, num_classes: int = 100) -> Plan:
    """The layers of the member with base width ``width``.

    >>> plan(6).params
    46570
    """
    layers, inputs, size = [], 3, IMAGE_SIZE
    for stage, multiple in enumerate(_STAGES):
        outputs = int(width) * multiple
        size = IMAGE_SIZE >> stage
        layers += [Conv(inputs, outputs, 3, size), Conv(outputs, outputs, 3, size)]
        inputs = outputs
    return Plan((*layers, Conv(inputs, num_classes, 1, 1, bias=True)))


def build(width: float, num_classes: int = 100) -> nn.Module:
    """The torch module: float32 ``(N, 3, 32, 32)`` in ``[-1, 1)`` to logits ``(N, num_classes)``."""
    from torch import nn

    layers: OrderedDict[str, nn.Module] = OrderedDict()
    inputs = 3
    for stage, multiple in enumerate(_STAGES, start=1):
        outputs = int(width) * multiple
        for part in "ab":
            layers[f"conv{stage}{part}"] = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
            layers[f"norm{stage}{part}"] = nn.BatchNorm2d(outputs)
            layers[f"relu{stage}{part}"] = nn.ReLU(inplace=True)
            inputs = outputs
        if stage < len(_STAGES):
            layers[f"pool{stage}"] = nn.MaxPool2d(2)
    # AvgPool2d, not a mean over axes: it converts to AVERAGE_POOL_2D, which every microcontroller runtime has.
    layers["average"] = nn.AvgPool2d(IMAGE_SIZE >> (len(_STAGES) - 1))
    layers["flatten"] = nn.Flatten()
    layers["head"] = nn.Linear(inputs, num_classes)
    return nn.Sequential(layers)
