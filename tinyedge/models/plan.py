"""What a network costs, worked out from its layers without building it.

A plan is a list of layers with the shapes that they see. Parameters, multiply-accumulates and int8 bytes follow by
arithmetic, so that a run-time-only install (no torch) can say which member fits a budget.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Conv:
    """A convolution or (``kernel=1``, ``size=1``) a linear layer; ``size`` is the output's height and width."""

    inputs: int
    outputs: int
    kernel: int
    size: int
    groups: int = 1
    bias: bool = False

    @property
    def weights(self) -> int:
        """Weights without bias."""
        return self.outputs * (self.inputs // self.groups) * self.kernel**2

    @property
    def macs(self) -> int:
        """Multiply-accumulates an image."""
        return self.weights * self.size**2


@dataclass(frozen=True)
class Plan:
    """A network as a list of convolutions, each followed by batch norm unless it has a bias."""

    layers: tuple[Conv, ...]

    @property
    def params(self) -> int:
        """Trainable parameters: weights, biases, and two a channel for each batch norm."""
        return sum(c.weights + (c.outputs if c.bias else 2 * c.outputs) for c in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates an image."""
        return sum(c.macs for c in self.layers)

    @property
    def int8_bytes(self) -> int:
        """Bytes of constants once batch norm is folded and weights are int8, biases int32, scales float32 a channel.

        The file is larger by the graph itself (a few KB); a board's flash holds at least this.
        """
        return sum(c.weights + 8 * c.outputs for c in self.layers)
