"""Batch norm, ReLU and 2x2 pooling in one: PyTorch's own operators, or a few passes that ``torch.compile`` makes fast.

At these widths the convolutions are cheap and batch norm, ReLU and pooling take half of a step, all of it memory
traffic. The compiled form reads the convolution's output once for its sums and once to put out the result, and saves
nothing but that output: the backward pass computes the normalized values again.

On a CPU the passes see channels-last memory as rows of a multiple of 16 values, so that even 6 channels fill a vector
register. On CUDA each direction is compiled as a whole, because there a dozen small operators between the passes would
cost more than the passes.
"""

from __future__ import annotations

import math
from functools import cache
from types import FunctionType
from typing import Any

import torch
from torch.nn import functional

MOMENTUM = 0.1
EPSILON = 1e-5
_VECTOR = 16
"""float32 values in the widest vector register."""


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
        y, mean, rstd = _whole(_forward, x.device.type)(_nhwc(x), weight, bias, running_mean, running_var, pool)
        ctx.save_for_backward(x, weight, bias, mean, rstd)
        ctx.pool = pool
        result: torch.Tensor = y.permute(0, 3, 1, 2)
        return result

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, bias, mean, rstd = ctx.saved_tensors
        whole = _whole(_backward, x.device.type)
        dx, d_weight, d_bias = whole(_nhwc(x), _nhwc(grads[0]), weight, bias, mean, rstd, ctx.pool)
        return dx.permute(0, 3, 1, 2), d_weight, d_bias, None, None, None


def _nhwc(x: torch.Tensor) -> torch.Tensor:
    return x.permute(0, 2, 3, 1).contiguous()


def _forward(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    running_mean: torch.Tensor,
    running_var: torch.Tensor,
    pool: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """NHWC in; the result in NHWC, and float32 mean and 1/deviation ``(C,)``."""
    channels = x.shape[3]
    count = x.numel() // channels
    rows, repeat = _rows(x)
    # Sums of what is left after the running mean: near the mean, squares do not cancel.
    centre = running_mean.clone()
    first, second = (_fold(s, channels) / count for s in _pass(_sums, rows)(rows, centre.repeat(repeat)))
    mean, var = centre + first, second - first * first
    running_mean.lerp_(mean, MOMENTUM)
    running_var.lerp_(var * (count / (count - 1)), MOMENTUM)
    rstd = torch.rsqrt(var + EPSILON)
    scale = rstd * weight
    shift = bias - mean * scale
    if pool:
        windows = _windows(x)
        return _pass(_apply_pooled, windows)(windows, scale, shift).view(_half(x)), mean, rstd
    y = _pass(_apply, rows)(rows, torch.stack((scale, shift)).repeat(1, repeat))
    return y.view(x.shape), mean, rstd


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
    channels = x.shape[3]
    count = x.numel() // channels
    scale = rstd * weight
    shift = bias - mean * scale
    if pool:
        seen, repeat = _windows(x), 1
        grad = grad.view(seen.shape[0], seen.shape[2], channels)
        sums, apply = _pass(_sums_back_pooled, seen), _pass(_apply_back_pooled, seen)
    else:
        seen, repeat = _rows(x)
        grad = grad.view(seen.shape)
        sums, apply = _pass(_sums_back, seen, grad), _pass(_apply_back, seen, grad)
    known = torch.stack((scale, shift, mean)).repeat(1, repeat)
    d_bias, product = (_fold(s, channels) for s in sums(seen, grad, known))
    d_weight = product * rstd
    slope, offset = -scale * rstd * d_weight / count, -scale * d_bias / count
    dx = apply(seen, grad, known, torch.stack((slope, offset)).repeat(1, repeat))
    return dx.view(x.shape), d_weight, d_bias


def _sums(rows: torch.Tensor, centre: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    d = rows.float() - centre
    return d.sum(1), (d * d).sum(1)


def _apply(rows: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    return torch.relu(rows.float() * known[0] + known[1]).to(rows.dtype)


def _apply_pooled(windows: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    y = windows.float() * scale + shift
    return torch.relu(torch.amax(y, (1, 3))).to(windows.dtype)


def _sums_back(rows: torch.Tensor, grad: torch.Tensor, known: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    x = rows.float()
    d = torch.where(x * known[0] + known[1] > 0, grad.float(), 0.0)
    return d.sum(1), (d * (x - known[2])).sum(1)


def _apply_back(rows: torch.Tensor, grad: torch.Tensor, known: torch.Tensor, line: torch.Tensor) -> torch.Tensor:
    x = rows.float()
    d = torch.where(x * known[0] + known[1] > 0, grad.float(), 0.0)
    return (d * known[0] + (x - known[2]) * line[0] + line[1]).to(rows.dtype)


_CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))


def _routed(windows: torch.Tensor, grad: torch.Tensor, known: torch.Tensor) -> list[torch.Tensor]:
    """The gradient at each corner of each window: all of it at the first that holds the maximum, as max_pool2d's."""
    values = [windows[:, y, :, x].float() * known[0] + known[1] for y, x in _CORNERS]
    largest = torch.maximum(torch.maximum(values[0], values[1]), torch.maximum(values[2], values[3]))
    rest = torch.where(largest > 0, grad.float(), 0.0)
    routed = []
    for value in values[:3]:
        # Subtracting what is given away keeps it to comparisons that vectorize; masks of booleans do not.
        routed.append(torch.where(value == largest, rest, 0.0))
        rest = rest - routed[-1]
    return [*routed, rest]


def _sums_back_pooled(
    windows: torch.Tensor, grad: torch.Tensor, known: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    routed = _routed(windows, grad, known)
    products = [d * (windows[:, y, :, x].float() - known[2]) for d, (y, x) in zip(routed, _CORNERS, strict=True)]
    total, product = (
        routed[0] + routed[1] + routed[2] + routed[3],
        products[0] + products[1] + products[2] + products[3],
    )
    return total.sum(1), product.sum(1)


def _apply_back_pooled(
    windows: torch.Tensor, grad: torch.Tensor, known: torch.Tensor, line: torch.Tensor
) -> torch.Tensor:
    dx = [
        (d * known[0] + (windows[:, y, :, x].float() - known[2]) * line[0] + line[1]).to(windows.dtype)
        for d, (y, x) in zip(_routed(windows, grad, known), _CORNERS, strict=True)
    ]
    return torch.stack((torch.stack(dx[:2], 2), torch.stack(dx[2:], 2)), 1)


def _rows(x: torch.Tensor) -> tuple[torch.Tensor, int]:
    """NHWC as ``(N, rows, repeat*C)``; on a CPU the rows are whole vectors, where the size allows it."""
    images, height, width, channels = x.shape
    repeat = _VECTOR // math.gcd(channels, _VECTOR) if x.device.type == "cpu" else 1
    if height * width % repeat:
        repeat = 1
    return x.view(images, height * width // repeat, repeat * channels), repeat


def _windows(x: torch.Tensor) -> torch.Tensor:
    """NHWC as ``(N*H/2, 2, W/2, 2, C)``: [.., y, .., x, ..] is a corner of a pooling window."""
    images, height, width, channels = x.shape
    return x.view(images * height // 2, 2, width // 2, 2, channels)


def _half(x: torch.Tensor) -> tuple[int, int, int, int]:
    return x.shape[0], x.shape[1] // 2, x.shape[2] // 2, x.shape[3]


def _fold(partial: torch.Tensor, channels: int) -> torch.Tensor:
    return partial.view(-1, channels).sum(0)


def _whole(function: Any, device_type: str) -> Any:
    """``_forward`` or ``_backward``: on CUDA compiled as they are, once for every shape."""
    return torch.compile(function, dynamic=False) if device_type == "cuda" else function


def _pass(function: Any, seen: torch.Tensor, *others: torch.Tensor) -> Any:
    """One pass over the data: compiled on a CPU; on CUDA it is traced as a part of the compiled whole.

    Rows are compiled once for all map sizes, as their number alone differs.
    """
    if seen.device.type != "cpu":
        return function
    if seen.dim() == 3:
        for tensor in (seen, *others):
            torch._dynamo.maybe_mark_dynamic(tensor, 1)
        return _compiled(function, (len(seen), seen.shape[2], seen.dtype))
    return _compiled(function, (*seen.shape, seen.dtype))


@cache
def _compiled(function: FunctionType, key: tuple[Any, ...]) -> Any:
    """``function`` compiled for one key. Its code is a copy with a name of its own.

    All that is compiled from one code object shares a limit of 8 shapes, and dimensions that differ between them
    (the channels, on which the speed depends) would be compiled as unknown ones.
    """
    name = "_".join([function.__name__.strip("_"), *(str(part).removeprefix("torch.") for part in key)])
    own = FunctionType(function.__code__.replace(co_name=name), function.__globals__, name)
    return torch.compile(own)
