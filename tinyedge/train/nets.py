"""The networks in training: one or several seeds of a member, their parameters by the names of its state dict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn
from torch.nn import functional

from tinyedge.errors import TrainingError
from tinyedge.models.family import Member
from tinyedge.train.kernels import norm_relu_pool
from tinyedge.train.variant import Variant

State = dict[str, torch.Tensor]


class Net(Protocol):
    """S seeds of one member in one step.

    ``parameters`` and ``buffers`` are by the names of the member's state dict; ``of_seed`` gives one seed's part of any
    tensor shaped like one of them (its momentum, say) as a view.
    """

    parameters: State
    buffers: State

    def of_seed(self, tensor: torch.Tensor, seed: int) -> torch.Tensor:
        """The part of the seed at position ``seed``."""

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """float32 ``(B, S*3, H, W)`` to float32 ``(S, B, K)``, in training mode."""

    def finished(self, state: State) -> State:
        """What a finished run's file holds, of one seed's state dict."""


def build_net(member: Member, states: Sequence[State], variant: Variant, precision: str, device: torch.device) -> Net:
    """The net of ``variant`` with one state a seed.

    Raises:
        TrainingError: where the family cannot be fused (MobileNetV2) and several seeds are asked for.
    """
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    net: Net
    if member.family == "scalecnn":
        net = StackedScaleCNN(member, len(states), variant, dtype, device)
    elif len(states) == 1:
        net = SingleModule(member, variant, dtype, device)
    else:
        raise TrainingError(
            "only ScaleCNN trains several seeds in one step", found=member.name, fix="give the variant as serial"
        )
    with torch.no_grad():
        for seed, state in enumerate(states):
            for name, tensor in (net.parameters | net.buffers).items():
                net.of_seed(tensor, seed).copy_(state[name])
    return net


def fresh_state(member: Member, seed: int) -> State:
    """The initial state dict of a seed."""
    torch.manual_seed(seed)
    return dict(member.build().state_dict())


@dataclass(frozen=True)
class _Block:
    conv: str
    norm: str
    pool: bool


class StackedScaleCNN:
    """S seeds of a ScaleCNN, their channels side by side; S = 1 is the ordinary network.

    Every tensor is the state dict's with a leading axis of seeds. Seeds share nothing but the kernel launches: block s
    of a layer's channels depends on block s of the layer before alone.
    """

    def __init__(self, member: Member, seeds: int, variant: Variant, dtype: torch.dtype, device: torch.device) -> None:
        model = member.build()
        self._seeds, self._variant, self._dtype = seeds, variant, dtype
        self._blocks, self._head = _layers(model)
        self.parameters: State = {}
        self.buffers: State = {}
        for name, parameter in model.named_parameters():
            self.parameters[name] = torch.zeros((seeds, *parameter.shape), device=device).requires_grad_()
        for name, buffer in model.named_buffers():
            self.buffers[name] = torch.zeros((seeds, *buffer.shape), dtype=buffer.dtype, device=device)
        self._counters = [t for name, t in self.buffers.items() if name.endswith("num_batches_tracked")]

    def of_seed(self, tensor: torch.Tensor, seed: int) -> torch.Tensor:
        """The part of the seed at position ``seed``."""
        return tensor[seed]

    def finished(self, state: State) -> State:
        """The state as it is."""
        return state

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """float32 ``(B, S*3, H, W)`` to float32 ``(S, B, K)``, in training mode."""
        x = images.to(self._dtype)
        for block in self._blocks:
            x = self._convolution(x, self.parameters[f"{block.conv}.weight"])
            x = norm_relu_pool(
                x,
                self.parameters[f"{block.norm}.weight"].view(-1),
                self.parameters[f"{block.norm}.bias"].view(-1),
                self.buffers[f"{block.norm}.running_mean"].view(-1),
                self.buffers[f"{block.norm}.running_var"].view(-1),
                pool=block.pool,
                compiled=self._variant.compiled,
            )
        torch._foreach_add_(self._counters, 1)
        weight, bias = self.parameters[f"{self._head}.weight"], self.parameters[f"{self._head}.bias"]
        features = x.to(weight.dtype).mean((2, 3)).view(len(x), self._seeds, -1).transpose(0, 1)
        return torch.baddbmm(bias[:, None], features, weight.transpose(1, 2))

    def _convolution(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        s, outputs, inputs, *kernel = weight.shape
        weight = weight.to(self._dtype)
        groups = s
        if s > 1 and self._variant.dense(s * inputs):
            diagonal = torch.eye(s, dtype=weight.dtype, device=weight.device)[:, None, :, None, None, None]
            weight, groups = (weight[:, :, None] * diagonal).view(s * outputs, s * inputs, *kernel), 1
        else:
            weight = weight.reshape(s * outputs, inputs, *kernel)
        return functional.conv2d(x, weight.contiguous(memory_format=torch.channels_last), padding=1, groups=groups)


class SingleModule:
    """One seed of any member, as its own module: autocast, and ``torch.compile`` over the whole of it."""

    def __init__(self, member: Member, variant: Variant, dtype: torch.dtype, device: torch.device) -> None:
        module = member.build().to(device).to(memory_format=torch.channels_last).train()
        self._device_type, self._dtype = device.type, dtype
        self._forward = torch.compile(module, dynamic=False) if variant.compiled else module
        self.parameters: State = dict(module.named_parameters())
        self.buffers: State = dict(module.named_buffers())

    def of_seed(self, tensor: torch.Tensor, seed: int) -> torch.Tensor:
        """All of it: there is one seed."""
        return tensor

    def finished(self, state: State) -> State:
        """The state as it is."""
        return state

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """float32 ``(B, 3, H, W)`` to float32 ``(1, B, K)``, in training mode."""
        with torch.autocast(self._device_type, self._dtype, enabled=self._dtype != torch.float32):
            logits: torch.Tensor = self._forward(images)
        return logits.float()[None]


def _layers(model: nn.Module) -> tuple[list[_Block], str]:
    """ScaleCNN's modules in order as blocks of convolution, norm, ReLU and perhaps pooling; and the head's name."""
    blocks: list[_Block] = []
    conv = head = ""
    for name, layer in model.named_children():
        if isinstance(layer, nn.Conv2d):
            conv = name
        elif isinstance(layer, nn.BatchNorm2d):
            blocks.append(_Block(conv, name, pool=False))
        elif isinstance(layer, nn.MaxPool2d):
            blocks[-1] = _Block(blocks[-1].conv, blocks[-1].norm, pool=True)
        elif isinstance(layer, nn.Linear):
            head = name
    return blocks, head
