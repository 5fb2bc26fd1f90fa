"""ExecuTorch on the processor, with XNNPACK: what runs PyTorch models on phones."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

from numpy.typing import NDArray

from tinyedge.artifact import Artifact
from tinyedge.errors import ArtifactCorrupt, TargetRefused
from tinyedge.formats.executorch import METHOD, read_program
from tinyedge.targets import native_log
from tinyedge.targets.base import Requirement, Target

_INSTALL = "pip install 'tinyedge[executorch]'"


class ExecutorchInt8(Target):
    """``executorch-int8``: one image at a time, one thread."""

    name = "executorch-int8"
    runtime = "ExecuTorch"
    format = "executorch"
    precision = "int8"
    input_dtypes = ("float32",)  # the program's first and last operator round
    kernels = "XNNPACK"
    rounding = "up to several LSB away from LiteRT's reference kernels; depends on the processor"
    requirements: ClassVar = (
        Requirement("executorch", "executorch.extension", _INSTALL),
        Requirement("torch", "torch", "pip install 'tinyedge[train]'"),
    )
    memory_bytes = None  # it hands over torch's tensors, and torch maps tens of gigabytes where it was built for CUDA

    _method: Any

    def _open(self, artifact: Artifact, model: bytes) -> dict[str, Any]:
        import torch  # noqa: F401  # before the bindings: they are linked against its libraries
        from executorch.extension.pybindings import _C

        # What executorch.runtime wraps; that one imports the exporters too, which takes each process six seconds.
        _C._unsafe_reset_threadpool(1)  # the processes share the images
        self._artifact, self._model = artifact, model  # the program reads its bytes for as long as it runs
        start = native_log.position()
        try:
            self._program = _C._load_program_from_buffer(
                model, program_verification=_C.Verification.InternalConsistency
            )
            self._method = self._program.load_method(METHOD)
        except (RuntimeError, ValueError, TypeError) as error:
            raise ArtifactCorrupt(
                "ExecuTorch cannot read the program",
                where=artifact.path,
                found=_said(error, start),
                expected="a valid program for the installed release of executorch",
                fix="export the model again: tinyedge export --to executorch-int8",
            ) from error
        return {"kernels": _kernels(artifact), "threads_per_process": _C._threadpool_get_thread_count()}

    def _run(self, inputs: NDArray[Any]) -> NDArray[Any]:
        import torch

        start = native_log.position()
        try:
            output: NDArray[Any] = self._method.call([torch.from_numpy(inputs)])[0].numpy()
        except (RuntimeError, ValueError) as error:
            raise TargetRefused(
                "ExecuTorch refuses the model",
                where=self._artifact.path,
                found=_said(error, start),
                fix="export it for the installed release of executorch: tinyedge export --to executorch-int8",
            ) from error
        return output


def _kernels(artifact: Artifact) -> str:
    """Delegated and portable operators, by the program itself: where it says XNNPACK, XNNPACK runs or loading fails."""
    program = read_program(artifact.path)
    nodes = [name for _, graph in program.delegates if graph is not None for name in graph.nodes]
    layers = sum(len(graph.layers) for _, graph in program.delegates if graph is not None)
    left = ", ".join(f"{count} {name}" for name, count in sorted(Counter(program.kernels).items()))
    parts = f"{len(program.delegates)} part{'s' if len(program.delegates) > 1 else ''}"
    return (
        f"XNNPACK for {len(nodes)} of {len(nodes) + len(program.kernels)} operators in {parts}, "
        f"{layers} layers with integers" + (f"; portable: {left}" if left else "")
    )


def _said(error: Exception, start: int) -> str:
    printed = native_log.last_lines(native_log.since(start))
    text = " ".join(str(error).split())[:500]
    return f"{text} | {printed}" if printed else text
