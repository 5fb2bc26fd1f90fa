"""PyTorch to ONNX int8 in QDQ form, through ONNX Runtime's own static quantization.

Float in and out, as ONNX Runtime's users deploy it: the first and the last node of the graph do the rounding. What was
chosen, and why (docs/precisions.md has the figures):

- ``quant_pre_process`` first: without it convolutions may keep batch norms that stay float.
- Activations uint8, weights int8 by channel. With int8 activations ONNX Runtime leaves a third of MobileNetV2's
  convolutions float on x86-64: its graph optimizer fuses signed ones only in part.
- Min and max over the representative images; the input's range is that of the convention, not of the sample.
- ``reduce_range`` stays off: it takes a bit off every weight for processors without VNNI, whose sums of two products
  would be cut off at 16 bits otherwise.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import ExportError
from tinyedge.exporters.base import Conversion, Exporter, Job
from tinyedge.exporters.expectations import check_close
from tinyedge.exporters.ranges import convention_range
from tinyedge.exporters.running import compared
from tinyedge.exporters.source import TorchSource
from tinyedge.exporters.torch_onnx import REQUIRES, float_onnx, run_onnx
from tinyedge.formats import read_model
from tinyedge.formats.onnx import RuntimeLayers, output_quantization, runtime_layers

_ACTIVATIONS = "QUInt8"
_COMPARED = 1000


class OnnxInt8(Exporter):
    """ONNX int8 (QDQ), NCHW, static batch 1 or a dynamic one; every layer computes with integers here."""

    name = "onnx-int8"
    suffix = ".onnx"
    requires = REQUIRES
    quantized = True
    batches = ("1", "dynamic")
    calibrations = ("minmax",)

    def _convert(self, job: Job) -> Conversion:
        source: TorchSource = job.source
        content = float_onnx(source, job.options.batch)
        images = job.images[:_COMPARED]
        outputs = run_onnx(content, source, images)
        check_close(source.outputs(images), outputs, where=f"the float ONNX of {source.model}")
        return Conversion(_quantized(content, source, job.images), images, outputs)

    def _verify(self, path: Path, converted: Conversion, job: Job) -> dict[str, Any]:
        source: TorchSource = job.source
        import onnx

        where = f"{self.name}, {source.model}"
        onnx.checker.check_model(onnx.load(path), full_check=True)
        facts = read_model(path)
        layers = _as_run(converted.content)
        if facts.precision != "int8" or layers.floating or not layers.integer:
            raise ExportError(
                "ONNX Runtime would compute some layers with floats",
                where=where,
                found=f"{facts.precision}; {layers.found}",
                expected="integers in every layer that multiplies",
                fix="report the model: onnxruntime.quantization cannot quantize one of its layers",
            )
        found = run_onnx(converted.content, source, converted.images)
        scale, zero_point, dtype = output_quantization(path)
        stored = (np.rint(found / np.float32(scale)) + zero_point).astype(dtype)
        return {**compared(stored, converted.expected), "layers": layers.found}


def _quantized(content: bytes, source: TorchSource, images: NDArray[np.uint8]) -> bytes:
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quant_pre_process, quantize_static

    real = np.ascontiguousarray(source.convention.apply(images).transpose(0, 3, 1, 2))

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # the library has no types
        """One image after the other."""

        def __init__(self) -> None:
            self._left = iter(range(len(real)))

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            at = next(self._left, None)
            return None if at is None else {"image": real[at : at + 1]}

    low, high = (np.float32(bound) for bound in convention_range(source.convention))
    with tempfile.TemporaryDirectory() as folder:
        before, ready, after = (Path(folder) / f"{name}.onnx" for name in ("float", "ready", "int8"))
        before.write_bytes(content)
        quant_pre_process(before, ready)
        quantize_static(
            ready,
            after,
            Reader(),
            per_channel=True,
            activation_type=getattr(QuantType, _ACTIVATIONS),
            weight_type=QuantType.QInt8,
            extra_options={"TensorQuantOverrides": {"image": [{"rmin": low, "rmax": high}]}},
        )
        return after.read_bytes()


def _as_run(content: bytes) -> RuntimeLayers:
    """The layers of the graph that ONNX Runtime makes of the file on this processor."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        return runtime_layers(path.read_bytes())
