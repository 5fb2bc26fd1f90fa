"""The network as the int8 export will round it, for quantization-aware training.

Batch norm is folded into the convolutions first, as it is in the deployed file: its statistics are frozen, and what is
trained are the folded weights and the biases. Weights are rounded per output channel, activations per tensor, where an
int8 runtime stores them; gradients pass through the rounding, and stop where a value is cut off. The input is exact by
the family's convention, and the scores are left alone: their range is the exporter's to choose.

Reference:
    Jacob et al. 2018, arXiv 1712.05877, section 3; ranges here by min and max over representative images, once.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from tinyedge.errors import TrainingError
from tinyedge.models.family import Member
from tinyedge.train.nets import State

_LOW, _HIGH = -128, 127
_SMALLEST = 1e-12
"""Of a step: where all values are zero any will do, and its inverse has to be finite."""


class QuantizedModule:
    """One seed of any member with int8's rounding: a ``Net`` whose state dict is the member's own, folded."""

    def __init__(
        self, member: Member, begun: State, current: State | None, images: torch.Tensor, device: torch.device
    ) -> None:
        """Fold, and choose the ranges.

        Args:
            member: whose network.
            begun: the finished run's state dict.
            current: of a run that goes on; ``None`` at the beginning.
            images: float32 ``(N, C, H, W)``, what the ranges follow with the weights ``begun``.
            device: to compute on.
        """
        module = member.build()
        module.load_state_dict(begun)
        self._graph = fx.symbolic_trace(module.eval()).to(device).to(memory_format=torch.channels_last)
        norms = _fold(self._graph)
        rounded = _insert(self._graph)
        with torch.no_grad():
            for part in torch.split(images, 100):
                self._graph(part)
        for activation in rounded:
            activation.freeze()
        if current is not None:
            self._graph.load_state_dict(current)
        self.parameters: State = dict(self._graph.named_parameters())
        self.buffers: State = dict(self._graph.named_buffers())
        for name in norms:  # a factor of 1: the weights before it say the same
            self.buffers[f"{name}.weight"] = self.parameters.pop(f"{name}.weight").detach()
        self._weights = [name for name, parameter in self.parameters.items() if parameter.dim() > 1]

    def of_seed(self, tensor: torch.Tensor, seed: int) -> torch.Tensor:
        """All of it: there is one seed."""
        return tensor

    def finished(self, state: State) -> State:
        """The state with the rounded weights, which were trained: an export finds them again, with nothing to correct.

        (``bias_correction`` would take the mean error of its own rounding out, which this network has learnt to live
        with.)
        """
        return {name: round_weight(tensor) if name in self._weights else tensor for name, tensor in state.items()}

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """float32 ``(B, C, H, W)`` to float32 ``(1, B, K)``."""
        rounded = {name: round_weight(self.parameters[name]) for name in self._weights}
        logits: torch.Tensor = torch.func.functional_call(self._graph, rounded, (images,))
        return logits[None]


def round_weight(weight: torch.Tensor) -> torch.Tensor:
    """``weight``, float32 ``(O, ...)``, on 255 symmetric steps for each output channel.

    >>> round_weight(torch.tensor([[127.0, 0.4], [0.0, 254.0]]))
    tensor([[127.,   0.],
            [  0., 254.]])
    """
    scale = (weight.detach().abs().flatten(1).amax(1) / _HIGH).clamp(min=_SMALLEST)
    zeros = torch.zeros(len(scale), dtype=torch.int32, device=weight.device)
    return torch.fake_quantize_per_channel_affine(weight, scale, zeros, 0, -_HIGH, _HIGH)


class Rounded(nn.Module):
    """An activation on int8's 256 steps; watches its range until it is frozen, and changes nothing until then."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = 0.0, 0.0  # zero is always a step: padding is exact
        self.scale: float | None = None
        self.zero_point = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape to the same."""
        if self.scale is None:
            self.low, self.high = min(self.low, x.min().item()), max(self.high, x.max().item())
            return x
        return torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero_point, _LOW, _HIGH)

    def freeze(self) -> None:
        """From now on round."""
        self.scale = max((self.high - self.low) / (_HIGH - _LOW), _SMALLEST)
        self.zero_point = max(_LOW, min(_HIGH, _LOW - round(self.low / self.scale)))


def _fold(graph: fx.GraphModule) -> list[str]:
    """Move each batch norm's factor into the convolution before it, and its mean into its bias; the norms' names."""
    norms = []
    for node in graph.graph.nodes:
        norm = _module(graph, node)
        if not isinstance(norm, nn.BatchNorm2d):
            continue
        conv = _module(graph, node.args[0])
        if not isinstance(conv, nn.Conv2d) or conv.bias is not None:
            raise TrainingError(
                "only a batch norm behind a convolution without bias can be folded",
                where=str(node.target),
                found=type(conv).__name__,
            )
        assert norm.running_mean is not None, "the family's norms track it"
        assert norm.running_var is not None, "and this"
        with torch.no_grad():
            factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            conv.weight.mul_(factor[:, None, None, None])
            norm.bias.sub_(norm.running_mean * factor)
            norm.running_mean.zero_()
            norm.running_var.fill_(1.0)
            norm.weight.fill_((1.0 + norm.eps) ** 0.5)
        norms.append(str(node.target))
    return norms


def _insert(graph: fx.GraphModule) -> list[Rounded]:
    """Put a ``Rounded`` behind every value that an int8 runtime stores; an average keeps the steps of what it takes."""
    made: list[Rounded] = []
    for node in list(graph.graph.nodes):
        if not _stored(graph, node):
            continue
        name = f"rounded_{node.name}"
        if _averages(graph, node):
            name = _rounding_before(graph, node)
        else:
            graph.add_submodule(name, Rounded())
            made.append(graph.get_submodule(name))  # type: ignore[arg-type]
        with graph.graph.inserting_after(node):
            rounded = graph.graph.call_module(name, (node,))
        node.replace_all_uses_with(rounded, delete_user_cb=lambda user, own=rounded: user is not own)
    graph.recompile()
    return made


def _stored(graph: fx.GraphModule, node: fx.Node) -> bool:
    module = _module(graph, node)
    if isinstance(module, nn.BatchNorm2d):  # with a ReLU behind it only the ReLU's values are stored
        return not all(isinstance(_module(graph, user), nn.ReLU | nn.ReLU6) for user in node.users)
    return isinstance(module, nn.ReLU | nn.ReLU6) or node.target is operator.add or _averages(graph, node)


def _averages(graph: fx.GraphModule, node: fx.Node) -> bool:
    pools = isinstance(_module(graph, node), nn.AvgPool2d | nn.AdaptiveAvgPool2d)
    return pools or node.target is functional.adaptive_avg_pool2d


def _rounding_before(graph: fx.GraphModule, node: Any) -> str:
    while not isinstance(_module(graph, node), Rounded):
        node = node.args[0]
    return str(node.target)


def _module(graph: fx.GraphModule, node: Any) -> nn.Module | None:
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else None
