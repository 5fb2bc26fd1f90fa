"""The tiny classifier as ExecuTorch programs: what tests/support/*.pte hold. Needs executorch; run by hand.

python tests/support/make_pte.py

Kept as files, so that what reads and runs them is tested where ExecuTorch's exporter is not installed, and in seconds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tiny_models
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer, get_symmetric_quantization_config
from executorch.exir import to_edge_transform_and_lower
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

FOLDER = Path(__file__).parent


def module() -> nn.Module:
    """The same weights as in every format of tiny_models."""
    w = tiny_models.weights()
    conv, head = nn.Conv2d(3, tiny_models.CHANNELS, 3, stride=2), nn.Linear(tiny_models.CHANNELS, tiny_models.CLASSES)
    conv.weight.data = torch.from_numpy(w["conv"].transpose(0, 3, 1, 2).copy())
    conv.bias.data, head.weight.data = torch.from_numpy(w["conv_bias"]), torch.from_numpy(w["head"])
    head.bias.data = torch.from_numpy(w["head_bias"])
    return nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), conv, nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(), head).eval()


def program(source: nn.Module, *, quantize: bool = False, delegate: bool = True) -> bytes:
    """A module as a program's bytes."""
    example = (torch.zeros(1, 3, tiny_models.SIZE, tiny_models.SIZE),)
    graph = torch.export.export(source, example)
    if quantize:
        quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
        prepared = prepare_pt2e(graph.module(), quantizer)
        real = (tiny_models.images(40).astype(np.float32) - 128) / 128
        for image in torch.from_numpy(real.transpose(0, 3, 1, 2).copy()):
            prepared(image[None])
        graph = torch.export.export(convert_pt2e(prepared), example)
    lowered = to_edge_transform_and_lower(graph, partitioner=[XnnpackPartitioner()] if delegate else None)
    return bytes(lowered.to_executorch().buffer)


def main() -> None:
    """Write all of them."""
    softmax = nn.Sequential(module(), nn.Softmax(1))
    sigmoid = nn.Sequential(module(), nn.Sigmoid())
    for name, content in {
        "int8": program(module(), quantize=True),
        "fp32": program(module()),
        "portable": program(module(), delegate=False),
        "softmax": program(softmax),
        "sigmoid": program(sigmoid),
    }.items():
        (FOLDER / f"tiny_{name}.pte").write_bytes(content)


if __name__ == "__main__":
    main()
