"""PyTorch, float32: the trained checkpoint itself, before any conversion."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tinyedge.artifact import Artifact
from tinyedge.errors import ArtifactCorrupt
from tinyedge.formats import checkpoint
from tinyedge.targets.base import Requirement, Target

_INSTALL = "pip install 'tinyedge[train]'"


class TorchFp32(Target):
    """``torch-fp32``. Batches of fixed size, the last one filled up: one image at a time is several times slower."""

    name = "torch-fp32"
    runtime = "PyTorch"
    format = "checkpoint"
    precision = "fp32"
    kernels = "PyTorch eager, CPU"
    requirements: ClassVar = (
        Requirement("torch", "torch", _INSTALL),
        Requirement("safetensors", "safetensors.torch", _INSTALL),
    )
    batch = 50
    memory_bytes = None  # torch maps tens of gigabytes of libraries where it was built for CUDA

    _module: Any

    def _open(self, artifact: Artifact, model: bytes) -> dict[str, Any]:
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load

        torch.set_num_threads(1)
        self._module = checkpoint.read_member(artifact.path).build()
        try:
            state = {
                name.removeprefix(checkpoint.PREFIX): tensor
                for name, tensor in load(model).items()
                if name.startswith(checkpoint.PREFIX)
            }
            self._module.load_state_dict(state)
        except (SafetensorError, RuntimeError) as error:
            raise ArtifactCorrupt(
                "the checkpoint's weights are not those of its model",
                where=artifact.path,
                found=" ".join(str(error).split())[:500],
                expected=artifact.model,
                fix="train again, or restore the file",
            ) from error
        self._module.eval()
        library = "oneDNN" if torch.backends.mkldnn.is_available() else "ATen"  # type: ignore[no-untyped-call]
        return {"kernels": f"PyTorch eager, CPU, {library}, {torch.backends.cpu.get_cpu_capability()}"}

    def _run(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            result: NDArray[np.float32] = self._module(torch.from_numpy(inputs)).numpy()
        return result
