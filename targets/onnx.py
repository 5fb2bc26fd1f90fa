"""ONNX Runtime on the processor, float32 and int8."""

from __future__ import annotations

import platform
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray

from tinyedge.artifact import Artifact
from tinyedge.errors import ArtifactCorrupt, TargetRefused, TinyedgeError
from tinyedge.formats.onnx import runtime_layers
from tinyedge.targets.base import Requirement, Target


class _OnnxRuntime(Target):
    """What the two share. One image at a time: a batch gains little here, and could change the order of summation."""

    runtime = "ONNX Runtime"
    format = "onnx"
    kernels = "CPUExecutionProvider (MLAS)"
    requirements: ClassVar = (Requirement("onnxruntime", "onnxruntime", "pip install onnxruntime"),)

    _session: Any

    def _open(self, artifact: Artifact, model: bytes) -> dict[str, Any]:
        self._load(artifact, model)
        return {"kernels": f"{', '.join(self._session.get_providers())} (MLAS), graph optimizations on"}

    def _load(self, artifact: Artifact, model: bytes, optimized: Path | None = None) -> None:
        """Start the session; ``optimized`` is where to write the graph that the runtime made of ``model``."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        if optimized is not None:
            options.optimized_model_filepath = str(optimized)
            options.log_severity_level = 3  # a graph fit for this processor only: it warns of that
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's exceptions have no common base but this one
            raise _mapped(error, artifact) from error
        self._input, self._output = artifact.input.name, artifact.output.name
        self._artifact = artifact

    def _run(self, inputs: NDArray[Any]) -> NDArray[Any]:
        try:
            (output,) = self._session.run([self._output], {self._input: inputs})
        except Exception as error:  # as above
            raise _mapped(error, self._artifact) from error
        result: NDArray[Any] = output
        return result


class OnnxFp32(_OnnxRuntime):
    """``onnx-fp32``."""

    name = "onnx-fp32"
    precision = "fp32"


class OnnxInt8(_OnnxRuntime):
    """``onnx-int8``: QDQ models, and those in QLinear operators. What stays float in the runtime is refused.

    A QDQ model only states where values are rounded; whether a layer then computes with integers is decided when the
    runtime optimizes the graph, on the processor at hand.
    """

    name = "onnx-int8"
    precision = "int8"
    input_dtypes = ("float32", "int8", "uint8")
    kernels = "CPUExecutionProvider (MLAS), integer"
    rounding = (
        "each layer scales by a float32 factor; on x86-64 without VNNI pairs of products are cut off at 16 bits"
        if platform.machine() in ("x86_64", "AMD64")
        else "each layer scales by a float32 factor"
    )

    def _open(self, artifact: Artifact, model: bytes) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            optimized = Path(folder) / "optimized.onnx"
            self._load(artifact, model, optimized)
            layers = runtime_layers(optimized.read_bytes())
        if layers.floating:
            raise TargetRefused(
                "ONNX Runtime computes some layers of this model with floats",
                where=artifact.path,
                found=layers.found,
                expected="integers in every layer that multiplies",
                fix="tinyedge export --to onnx-int8; with onnxruntime.quantization: quant_pre_process first, and "
                "activation_type=QuantType.QUInt8 on x86-64",
            )
        return {"kernels": f"{', '.join(self._session.get_providers())} (MLAS), {layers.found}"}


def _mapped(error: Exception, artifact: Artifact) -> TinyedgeError:
    """The runtime's exception as tinyedge's: by its class's name, which is the runtime's status code."""
    found = " ".join(str(error).split())[:500]
    if type(error).__name__ in ("InvalidProtobuf", "InvalidGraph"):
        return ArtifactCorrupt(
            "ONNX Runtime cannot read the model",
            where=artifact.path,
            found=found,
            expected="a valid ONNX model",
            fix="export the model again",
        )
    return TargetRefused(
        "ONNX Runtime refuses the model",
        where=artifact.path,
        found=found,
        fix="export the model with an opset and operators that the installed onnxruntime has, or upgrade it",
    )
