"""PyTorch to a float32 ONNX file, through the TorchScript-based exporter.

The newer one (``dynamo=True``) was tried: the same operators, but a file larger by an eighth, with the shape of every
intermediate value and notes on the exporting code in each node, in 1.3 to 5 s where this one takes 0.1 s. What the
exporters check would hold for either, so that a change of mind costs one argument.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyedge.exporters.source import TorchSource

REQUIRES = {"torch": "torch", "onnx": "onnx", "onnxruntime": "onnxruntime"}
OPSET = 17


def float_onnx(source: TorchSource, batch: str) -> bytes:
    """The model's file, NCHW, input ``image`` and output ``scores``; ``batch`` is ``1`` or ``dynamic``."""
    import torch

    dynamic = {"image": {0: "batch"}, "scores": {0: "batch"}} if batch == "dynamic" else None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            source.module,
            (source.example(nhwc=False),),
            path,
            input_names=["image"],
            output_names=["scores"],
            opset_version=OPSET,
            dynamic_axes=dynamic,
            dynamo=False,
        )
        return path.read_bytes()


def run_onnx(content: bytes, source: TorchSource, images: NDArray[np.uint8], step: int = 1) -> NDArray[np.float32]:
    """What the file puts out, ``(N, K)``, for uint8 ``(N, H, W, C)``, ``step`` images at a time."""
    import onnxruntime

    real = np.ascontiguousarray(source.convention.apply(images).transpose(0, 3, 1, 2))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"image": real[i : i + step]})[0] for i in range(0, len(real), step)])
