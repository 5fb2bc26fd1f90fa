"""Names to implementations, imported on first use: a missing package costs only whoever asks for what needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from tinyedge.errors import UsageError


@dataclass(frozen=True)
class Entry:
    """Where an implementation is, and one line on what it is."""

    location: str
    summary: str

    def load(self) -> Any:
        """Import ``module`` and return its ``object`` (``location`` is ``module:object``)."""
        module, _, name = self.location.partition(":")
        return getattr(import_module(module), name)


TARGETS: dict[str, Entry] = {
    "torch-fp32": Entry("tinyedge.targets.torch_fp32:TorchFp32", "PyTorch, the trained checkpoint itself"),
    "onnx-fp32": Entry("tinyedge.targets.onnx_fp32:OnnxFp32", "ONNX Runtime, CPU"),
    "tflite-fp32": Entry("tinyedge.targets.tflite:TfliteFp32", "LiteRT, built-in kernels"),
    "tflite-int8": Entry(
        "tinyedge.targets.tflite:TfliteInt8", "LiteRT, built-in kernels without delegate: the MCU's arithmetic to 1 LSB"
    ),
    "tflite-int8-reference": Entry("tinyedge.targets.tflite:TfliteInt8Reference", "LiteRT, reference kernels"),
    "tflite-int8-xnnpack": Entry(
        "tinyedge.targets.tflite:TfliteInt8Xnnpack", "LiteRT with XNNPACK: what phones and Python run"
    ),
    "tflm-int8": Entry("tinyedge.targets.tflm:TflmInt8", "TensorFlow Lite Micro itself, on the host"),
    "cortex-m4-int8": Entry("tinyedge.targets.cortex_m:CortexM4Int8", "firmware for a Cortex-M4, in QEMU"),
    "cortex-m7-int8": Entry("tinyedge.targets.cortex_m:CortexM7Int8", "firmware for a Cortex-M7, in QEMU"),
    "cortex-m0plus-int8": Entry(
        "tinyedge.targets.cortex_m:CortexM0PlusInt8", "firmware for a Cortex-M0+, in QEMU on a larger core"
    ),
}

EXPORTERS: dict[str, Entry] = {
    "onnx-fp32": Entry("tinyedge.exporters.onnx_fp32:OnnxFp32", "ONNX float32"),
    "tflite-fp32": Entry("tinyedge.exporters.tflite_fp32:TfliteFp32", "TFLite float32 through litert-torch"),
    "tflite-int8": Entry(
        "tinyedge.exporters.tflite_int8:TfliteInt8", "TFLite int8 through litert-torch and ai-edge-quantizer"
    ),
    "tf-fp32": Entry("tinyedge.exporters.tf_fp32:TfFp32", "TFLite float32 through TensorFlow's converter"),
    "tf-int8": Entry("tinyedge.exporters.tf_int8:TfInt8", "TFLite int8 through TensorFlow's converter"),
}


def lookup(table: Mapping[str, Entry], kind: str, name: str) -> Any:
    """The implementation called ``name``.

    Raises:
        UsageError: for an unknown name, with the close ones.
    """
    if name not in table:
        close = get_close_matches(name, table, n=1)
        raise UsageError(
            f"unknown {kind}",
            found=name,
            expected="one of " + ", ".join(table),
            fix=f"did you mean {close[0]}?" if close else None,
        )
    return table[name].load()
