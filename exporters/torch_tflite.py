"""PyTorch to a float32 TFLite, through litert-torch: NHWC in, batch 1, batch norm folded."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tinyedge.exporters.deployable import deployable
from tinyedge.exporters.source import TorchSource

REQUIRES = {"torch": "torch", "litert_torch": "litert-torch", "ai_edge_litert": "ai-edge-litert"}


def float_tflite(source: TorchSource) -> bytes:
    """The float model's flatbuffer."""
    import litert_torch

    module: Any = deployable(source.module, source.example(nhwc=False))
    channels_last = litert_torch.to_channel_last_io(module, args=[0]).eval()
    converted = litert_torch.convert(channels_last, (source.example(nhwc=True),))
    with tempfile.TemporaryDirectory() as folder:  # the library only writes files
        path = Path(folder) / "float.tflite"
        converted.export(str(path))
        return path.read_bytes()
