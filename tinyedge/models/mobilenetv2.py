"""torchvision's MobileNetV2 over its width multiplier, with the first stride set for 32x32 images.

Sandler et al. 2018, arXiv 1801.04381, table 2. The study's w = 3.0 has 19,803,748 parameters, which is what
``torchvision.models.mobilenet_v2(num_classes=100, width_mult=3.0)`` counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinyedge.errors import UsageError
from tinyedge.models.plan import Conv, Plan

if TYPE_CHECKING:
    from torch import nn

WIDTHS: tuple[float, ...] = (0.1, 0.25, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
IMAGE_SIZE = 32
# Expansion, channels, blocks, stride of the first block: table 2 of the paper.
_BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def plan(width: float, num_classes: int = 100, *, stem_stride: int = 1) -> Plan:
    """The layers at width multiplier ``width``; the parameters do not depend on ``stem_stride``, the MACs do.

    >>> plan(3.0).params
    19803748
    """
    size = _halve(IMAGE_SIZE, _checked(stem_stride))
    inputs = _round8(32 * width)
    layers = [Conv(3, inputs, 3, size)]
    for expansion, channels, blocks, stride in _BLOCKS:
        outputs = _round8(channels * width)
        for block in range(blocks):
            hidden = inputs * expansion
            if expansion != 1:
                layers.append(Conv(inputs, hidden, 1, size))
            size = _halve(size, stride if block == 0 else 1)
            layers.append(Conv(hidden, hidden, 3, size, groups=hidden))
            layers.append(Conv(hidden, outputs, 1, size))
            inputs = outputs
    last = _round8(1280 * max(1.0, width))
    return Plan((*layers, Conv(inputs, last, 1, size), Conv(last, num_classes, 1, 1, bias=True)))


def build(width: float, num_classes: int = 100, *, stem_stride: int = 1) -> nn.Module:
    """The torch module: float32 ``(N, 3, 32, 32)`` in ``[-1, 1)`` to logits ``(N, num_classes)``."""
    from torchvision.models import mobilenet_v2

    stride = _checked(stem_stride)
    model = mobilenet_v2(num_classes=num_classes, width_mult=width)
    model.features[0][0].stride = (stride, stride)
    module: nn.Module = model
    return module


def _checked(stem_stride: int) -> int:
    if stem_stride not in (1, 2):
        raise UsageError("this stem stride does not exist", where="--stem-stride", found=stem_stride, expected="1 or 2")
    return stem_stride


def _halve(size: int, stride: int) -> int:
    return -(-size // stride)  # padding 1 on a 3x3 kernel: ceiling division


def _round8(channels: float) -> int:
    """The nearest multiple of 8, at least 8, never more than 10 % below (as torchvision's ``_make_divisible``)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
