"""PyTorch to an ExecuTorch program in int8, delegated to XNNPACK: what phones run of PyTorch's own.

PT2E quantization with XNNPACK's quantizer: int8 weights by channel, int8 activations by the histogram of the
representative images (the quantizer's default), float in and out. An extra of its own: ``tinyedge[executorch]``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import ExportError
from tinyedge.exporters.base import Conversion, Exporter, Job
from tinyedge.exporters.running import compared
from tinyedge.exporters.source import TorchSource
from tinyedge.formats import read_model
from tinyedge.formats.executorch import read_program

_BATCH, _COMPARED = 100, 1000


class ExecutorchInt8(Exporter):
    """ExecuTorch int8, NCHW, batch 1; every operator is XNNPACK's."""

    name = "executorch-int8"
    suffix = ".pte"
    requires = {"torch": "torch", "executorch": "executorch", "torchao": "torchao"}  # noqa: RUF012  # never changed
    install = "pip install 'tinyedge[executorch]'"
    quantized = True
    calibrations = ("histogram",)

    def _convert(self, job: Job) -> Conversion:
        source: TorchSource = job.source
        images = job.images[:_COMPARED]
        return Conversion(_program(source, job.images), images, source.outputs(images))

    def _verify(self, path: Path, converted: Conversion, job: Job) -> dict[str, Any]:
        source: TorchSource = job.source
        where = f"{self.name}, {source.model}"
        facts, program = read_model(path), read_program(path)
        if facts.precision != "int8" or program.kernels:
            raise ExportError(
                "XNNPACK did not take the whole model in int8",
                where=where,
                found=f"{facts.precision}; left to portable kernels: {', '.join(program.kernels) or 'nothing'}",
                expected="int8, and nothing left",
                fix="replace the operator, or export with tflite-int8",
            )
        found = _run(converted.content, source, converted.images)
        scores = next((graph.scores for _, graph in program.delegates if graph is not None and graph.scores), None)
        if scores is None:
            raise ExportError("the program's scores are not quantized", where=where, found=program.ends)
        stored = np.rint(found / np.float32(scores[0])) + scores[1]
        return compared(stored.astype(np.int8), converted.expected)


def _program(source: TorchSource, images: NDArray[np.uint8]) -> bytes:
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from executorch.exir import to_edge_transform_and_lower
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    # Observed in batches: one image at a time takes minutes. The program itself is exported for a batch of 1.
    batch = {0: torch.export.Dim("batch", min=1, max=4096)}
    example = source.example(nhwc=False)
    graph = torch.export.export(source.module, (example.repeat(2, 1, 1, 1),), dynamic_shapes=(batch,)).module()
    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(graph, quantizer)
    with torch.no_grad():
        for start in range(0, len(images), _BATCH):
            prepared(_real(source, images[start : start + _BATCH]))
    exported = torch.export.export(convert_pt2e(prepared), (example,))
    lowered = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
    return bytes(lowered.to_executorch().buffer)


def _run(content: bytes, source: TorchSource, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    from executorch.runtime import Runtime

    method = Runtime.get().load_program(content).load_method("forward")
    real = _real(source, images)
    return np.concatenate([method.execute([real[i : i + 1]])[0].numpy().copy() for i in range(len(real))])


def _real(source: TorchSource, images: NDArray[np.uint8]) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(source.convention.apply(images).transpose(0, 3, 1, 2)))
