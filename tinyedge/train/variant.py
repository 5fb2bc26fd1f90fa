"""How a training step is computed: never what is computed, so that variants differ in rounding alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from tinyedge.errors import TrainingError

LAYOUTS = ("serial", "grouped", "dense", "mixed")
MIXED_INPUTS = 16
"""Layout ``mixed``: up to this many fused input channels a convolution is dense, above it is grouped."""


@dataclass(frozen=True)
class Variant:
    """The way one step is computed.

    Args:
        layout: ``serial``: one seed after the other; the others compute several seeds in one step, their channels side
            by side: ``grouped`` by grouped convolutions, ``dense`` by ordinary convolutions whose weights are zero off
            the diagonal blocks (more arithmetic, fuller vectors), ``mixed`` by whichever suits the layer.
        compiled: batch norm, ReLU and pooling as one compiled kernel forward and one backward.
        graphs: the whole step as a CUDA graph.
    """

    layout: str = "serial"
    compiled: bool = False
    graphs: bool = False

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise TrainingError("unknown layout of a step", found=self.layout, expected=" or ".join(LAYOUTS))

    @property
    def fused(self) -> bool:
        """Whether several seeds go through one step."""
        return self.layout != "serial"

    def on(self, device_type: str, *, seeds: int) -> Variant:
        """The nearest variant that a device can run: no graphs without CUDA, nothing to fuse with one seed."""
        graphs = self.graphs and device_type == "cuda"
        return replace(self, graphs=graphs, layout=self.layout if seeds > 1 else "serial")

    def dense(self, fused_inputs: int) -> bool:
        """Whether a convolution with that many input channels over all seeds is computed densely."""
        return self.layout == "dense" or (self.layout == "mixed" and fused_inputs <= MIXED_INPUTS)

    def __str__(self) -> str:
        parts = [self.layout, "compiled" if self.compiled else "eager"] + ["graphs"] * self.graphs
        return " + ".join(parts)

    def facts(self) -> dict[str, Any]:
        """For a checkpoint."""
        return asdict(self)


def variant_from(facts: dict[str, Any]) -> Variant:
    """The variant that a checkpoint's facts record; the plain one where they record none (earlier versions').

    Raises:
        TrainingError: where it is none of this version's.
    """
    try:
        return Variant(**facts.get("variant", {}))
    except TypeError as error:
        raise TrainingError("the checkpoint's variant is not one that this version knows", found=facts) from error
