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
    "onnx-fp32": Entry("tinyedge.targets.onnx:OnnxFp32", "ONNX Runtime, CPU"),
    "onnx-int8": Entry("tinyedge.targets.onnx:OnnxInt8", "ONNX Runtime, CPU, integers in every layer"),
    "tflite-fp32": Entry("tinyedge.targets.tflite:TfliteFp32", "LiteRT, built-in kernels"),
    "tflite-int8": Entry(
        "tinyedge.targets.tflite:TfliteInt8",
        "LiteRT, built-in kernels without delegate: the MCU's arithmetic, a layer to 1 LSB",
    ),
    "tflite-int8-reference": Entry("tinyedge.targets.tflite:TfliteInt8Reference", "LiteRT, reference kernels"),
    "tflite-int8-xnnpack": Entry(
        "tinyedge.targets.tflite:TfliteInt8Xnnpack", "LiteRT with XNNPACK: what phones and Python run"
    ),
    "tflite-int16x8": Entry("tinyedge.targets.tflite:TfliteInt16x8", "LiteRT, int16 activations and int8 weights"),
    "tflite-dynamic": Entry(
        "tinyedge.targets.tflite:TfliteDynamic", "LiteRT, int8 weights and float activations: phones, not MCUs"
    ),
    "tflm-int8": Entry("tinyedge.targets.tflm:TflmInt8", "TensorFlow Lite Micro itself, on the host"),
    "tflm-int16x8": Entry(
        "tinyedge.targets.tflm:TflmInt16x8", "TensorFlow Lite Micro, int16 activations and int8 weights"
    ),
    "executorch-int8": Entry("tinyedge.targets.executorch:ExecutorchInt8", "ExecuTorch with XNNPACK, on the host"),
    "cortex-m4-int8": Entry("tinyedge.targets.cortex_m:CortexM4Int8", "firmware for a Cortex-M4, in QEMU"),
    "cortex-m7-int8": Entry("tinyedge.targets.cortex_m:CortexM7Int8", "firmware for a Cortex-M7, in QEMU"),
    "cortex-m0plus-int8": Entry(
        "tinyedge.targets.cortex_m:CortexM0PlusInt8", "firmware for a Cortex-M0+, in QEMU on a larger core"
    ),
    "serial-int8": Entry("tinyedge.targets.serial:SerialInt8", "firmware on a board at a serial port: --port"),
    "command-int8": Entry("tinyedge.targets.command:CommandInt8", "any executable: --command"),
    "command-fp32": Entry("tinyedge.targets.command:CommandFp32", "any executable: --command"),
}

EXPORTERS: dict[str, Entry] = {
    "onnx-fp32": Entry("tinyedge.exporters.onnx_fp32:OnnxFp32", "ONNX float32"),
    "onnx-int8": Entry("tinyedge.exporters.onnx_int8:OnnxInt8", "ONNX int8 (QDQ) through onnxruntime.quantization"),
    "tflite-fp32": Entry("tinyedge.exporters.tflite_fp32:TfliteFp32", "TFLite float32 through litert-torch"),
    "tflite-int8": Entry(
        "tinyedge.exporters.tflite_int8:TfliteInt8", "TFLite int8 through litert-torch and ai-edge-quantizer"
    ),
    "tflite-int16x8": Entry(
        "tinyedge.exporters.tflite_int16x8:TfliteInt16x8", "TFLite with int16 activations and int8 weights"
    ),
    "tflite-dynamic": Entry(
        "tinyedge.exporters.tflite_dynamic:TfliteDynamic", "TFLite with int8 weights and float activations"
    ),
    "executorch-int8": Entry(
        "tinyedge.exporters.executorch_int8:ExecutorchInt8", "ExecuTorch program in int8, delegated to XNNPACK"
    ),
    "tf-fp32": Entry("tinyedge.exporters.tf_fp32:TfFp32", "TFLite float32 through TensorFlow's converter"),
    "tf-int8": Entry("tinyedge.exporters.tf_int8:TfInt8", "TFLite int8 through TensorFlow's converter"),
}

ESTIMATORS: dict[str, Entry] = {
    "vela": Entry("tinyedge.targets.vela:estimate", "ethos-u-vela's own estimates for an Ethos-U NPU"),
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
