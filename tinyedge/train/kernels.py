"""Batch norm, ReLU and 2x2 pooling in one: PyTorch's own operators, or a few passes that ``torch.compile`` fuses.

At these widths the convolutions are cheap and batch norm, ReLU and pooling take half of a step, all of it memory
traffic. The compiled form reads the convolution's output once for its sums and once to put out the result, and saves
nothing but that output: the backward pass computes the normalized values again.
"""

from __future__ import annotations

from functools import cache
from types import FunctionType
from typing import Any

import torch
from torch.nn import functional

MOMENTUM = 0.1
EPSILON = 1e-5


def norm_relu_pool(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    running_mean: torch.Tensor,
    running_var: torch.Tensor,
    *,
    pool: bool,
    compiled: bool,
) -> torch.Tensor:
    """``max_pool2d(relu(batch_norm(x)), 2)`` in training mode; without the pooling where ``pool`` is false.

    Args:
        x: ``(N, C, H, W)`` float32 or bfloat16; the result has its type.
        weight: float32 ``(C,)``.
        bias: float32 ``(C,)``.
        running_mean: float32 ``(C,)``, updated in place.
        running_var: float32 ``(C,)``, updated in place.
        pool: whether 2x2 maxima are taken.
        compiled: whether by the compiled passes; they differ in rounding only.
    """
    if compiled:
        result: torch.Tensor = _NormReluPool.apply(x, weight, bias, running_mean, running_var, pool)
        return result
    y = functional.batch_norm(x, running_mean, running_var, weight, bias, True, MOMENTUM, EPSILON)
    y = functional.relu(y, inplace=True)
    return functional.max_pool2d(y, 2) if pool else y


@cache
def why_not_compiled(device_type: str) -> str | None:
    """What ``torch.compile`` lacks here (a C++ compiler on a CPU, Triton on CUDA); ``None`` where it works."""
    probe = torch.ones(8, device=device_type)
    try:
        torch.compile(lambda x: x * 2 + 1)(probe)
    except (RuntimeError, ImportError, OSError) as error:  # everything that dynamo and inductor raise is one of them
        return str(error).strip().partition("\n")[0]
    return None


class _NormReluPool(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        running_mean: torch.Tensor,
        running_var: torch.Tensor,
        pool: bool,
    ) -> torch.Tensor:
        run = _compiled(_forward, (*x.shape, x.dtype, pool))
        y, mean, rstd = run(_nhwc(x), weight, bias, running_mean, running_var, pool)
        ctx.save_for_backward(x, weight, bias, mean, rstd)
        ctx.pool = pool
        result: torch.Tensor = y.permute(0, 3, 1, 2)
        return result

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, bias, mean, rstd = ctx.saved_tensors
        run = _compiled(_backward, (*x.shape, x.dtype, ctx.pool))
        dx, d_weight, d_bias = run(_nhwc(x), _nhwc(grads[0]), weight, bias, mean, rstd, ctx.pool)
        return dx.permute(0, 3, 1, 2), d_weight, d_bias, None, None, None


@cache
def _compiled(function: FunctionType, key: tuple[Any, ...]) -> Any:
    """``function`` compiled for one key. Its code is a copy with a name of its own.

    All that is compiled from one code object shares a limit of 8 shapes, past which it silently runs uncompiled; the
    widths of a sweep have more.
    """
    name = "_".join([function.__name__.strip("_"), *(str(part).removeprefix("torch.") for part in key)])
    own = FunctionType(function.__code__.replace(co_name=name), function.__globals__, name)
    return torch.compile(own, dynamic=False)


def _forward(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    running_mean: torch.Tensor,
    running_var: torch.Tensor,
    pool: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """NHWC in; the result in NHWC, and float32 mean and 1/deviation ``(C,)``."""
    count = x.numel() // x.shape[3]
    # Sums of what is left after the running mean: near the mean, squares do not cancel.
    centre = running_mean.clone()
    left = x.float() - centre
    first, second = _sum(left) / count, _sum(left * left) / count
    mean, var = centre + first, second - first * first
    running_mean.lerp_(mean, MOMENTUM)
    running_var.lerp_(var * (count / (count - 1)), MOMENTUM)
    rstd = torch.rsqrt(var + EPSILON)
    scale = rstd * weight
    y = x.float() * scale + (bias - mean * scale)
    if pool:
        values = _corners(y)
        y = torch.maximum(torch.maximum(values[0], values[1]), torch.maximum(values[2], values[3]))
    return torch.relu(y).to(x.dtype), mean, rstd


def _backward(
    x: torch.Tensor,
    grad: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    mean: torch.Tensor,
    rstd: torch.Tensor,
    pool: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The gradients of x (NHWC), weight and bias."""
    count = x.numel() // x.shape[3]
    scale = rstd * weight
    y = x.float() * scale + (bias - mean * scale)
    centred = x.float() - mean
    if pool:
        routed = _routed(_corners(y), grad.float())
        d_bias = _sum(routed[0] + routed[1] + routed[2] + routed[3])
        products = [d * c for d, c in zip(routed, _corners(centred), strict=True)]
        product = _sum(products[0] + products[1] + products[2] + products[3])
    else:
        routed = [torch.where(y > 0, grad.float(), 0.0)]
        d_bias, product = _sum(routed[0]), _sum(routed[0] * centred)
    d_weight = product * rstd
    slope, offset = -scale * rstd * d_weight / count, -scale * d_bias / count
    parts = _corners(centred) if pool else [centred]
    dx = [(d * scale + c * slope + offset).to(x.dtype) for d, c in zip(routed, parts, strict=True)]
    if pool:
        dx = [torch.stack((torch.stack(dx[:2], 3), torch.stack(dx[2:], 3)), 2)]
    return dx[0].view(x.shape), d_weight, d_bias


def _nhwc(x: torch.Tensor) -> torch.Tensor:
    return x.permute(0, 2, 3, 1).contiguous()


def _sum(x: torch.Tensor) -> torch.Tensor:
    """NHWC summed to ``(C,)``: each image first, which keeps float32's rounding small."""
    return x.sum((1, 2)).sum(0)


def _corners(x: torch.Tensor) -> list[torch.Tensor]:
    """NHWC as the four corners of the 2x2 windows, row by row: ``(N, H/2, W/2, C)`` each."""
    images, height, width, channels = x.shape
    windows = x.view(images, height // 2, 2, width // 2, 2, channels)
    return [windows[:, :, y, :, z] for y in (0, 1) for z in (0, 1)]


def _routed(values: list[torch.Tensor], grad: torch.Tensor) -> list[torch.Tensor]:
    """The gradient at each corner of each window: all of it at the first that holds the maximum, as max_pool2d's."""
    largest = torch.maximum(torch.maximum(values[0], values[1]), torch.maximum(values[2], values[3]))
    rest = torch.where(largest > 0, grad, 0.0)
    routed = []
    for value in values[:3]:
        # Subtracting what is given away needs comparisons alone; masks of booleans do not vectorize on a CPU.
        routed.append(torch.where(value == largest, rest, 0.0))
        rest = rest - routed[-1]
    return [*routed, rest]
