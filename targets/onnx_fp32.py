"""ONNX Runtime on the processor, float32."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tinyedge.artifact import Artifact
from tinyedge.errors import ArtifactCorrupt, TargetRefused, TinyedgeError
from tinyedge.targets.base import Requirement, Target


class OnnxFp32(Target):
    """``onnx-fp32``. One image at a time: a batch gains little here, and could change the order of summation."""

    name = "onnx-fp32"
    runtime = "ONNX Runtime"
    format = "onnx"
    precision = "fp32"
    kernels = "CPUExecutionProvider (MLAS)"
    requirements: ClassVar = (Requirement("onnxruntime", "onnxruntime", "pip install onnxruntime"),)

    _session: Any

    def _open(self, artifact: Artifact, model: bytes) -> dict[str, Any]:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's exceptions have no common base but this one
            raise _mapped(error, artifact) from error
        self._input, self._output = artifact.input.name, artifact.output.name
        self._artifact = artifact
        return {"kernels": f"{', '.join(self._session.get_providers())} (MLAS), graph optimizations on"}

    def _run(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        try:
            (output,) = self._session.run([self._output], {self._input: inputs})
        except Exception as error:  # as above
            raise _mapped(error, self._artifact) from error
        result: NDArray[np.float32] = output
        return result


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
