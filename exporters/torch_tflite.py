"""PyTorch to a float32 TFLite, through litert-torch: NHWC in, batch 1, batch norm folded."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from tinyedge.exporters.deployable import deployable
from tinyedge.exporters.source import TorchSource

REQUIRES = {"torch": "torch", "litert_torch": "litert-torch", "ai_edge_litert": "ai-edge-litert"}


_converted: WeakKeyDictionary[Any, bytes] = WeakKeyDictionary()


def float_tflite(source: TorchSource) -> bytes:
    """The float model's flatbuffer. Made once for a source, which is never changed: it takes most of an export."""
    if source.module not in _converted:
        _converted[source.module] = _convert(source)
    return _converted[source.module]


def _convert(source: TorchSource) -> bytes:
    import litert_torch

    module: Any = deployable(source.module, source.example(nhwc=False))
    channels_last = litert_torch.to_channel_last_io(module, args=[0]).eval()
    converted = litert_torch.convert(channels_last, (source.example(nhwc=True),))
    with tempfile.TemporaryDirectory() as folder:  # the library only writes files
        path = Path(folder) / "float.tflite"
        converted.export(str(path))
        return path.read_bytes()
