"""A torch module from somebody's own code: ``--from module:function``, and its weights from a safetensors file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinyedge.artifact import InputConvention
from tinyedge.entry_point import call_entry_point
from tinyedge.errors import ExportError, TargetUnavailable
from tinyedge.exporters.source import TorchSource
from tinyedge.files import sha256_file

_SHOWN = 3


def from_function(
    text: str, checkpoint: Path | None, image_shape: tuple[int, int, int], convention: InputConvention
) -> TorchSource:
    """The module that ``module:function`` returns, with the weights in ``checkpoint``.

    Args:
        text: the function takes nothing and returns a ``torch.nn.Module``, float ``(N, C, H, W)`` to ``(N, K)``.
        checkpoint: a state dict, as ``safetensors.torch.save_file(module.state_dict(), path)`` writes it; ``None``
            where the function loads its own weights.
        image_shape: ``(H, W, C)``.
        convention: how a uint8 image becomes the module's input.

    Raises:
        UsageError: where the function cannot be imported or called, or raises.
        ExportError: where it returns no module, or the weights are not the module's.
        TargetUnavailable: without torch.
    """
    try:
        from torch import nn
    except ImportError as error:
        raise TargetUnavailable(
            "PyTorch is not installed", found=error, fix="pip install 'tinyedge[export]'"
        ) from error

    module = call_entry_point(text, "--from")
    if not isinstance(module, nn.Module):
        kind = type(module)
        raise ExportError(
            "the function does not return a PyTorch module",
            where=f"--from {text}",
            found=f"the class {module.__qualname__}" if isinstance(module, type) else kind.__qualname__,
            expected="a torch.nn.Module",
            fix="return an instance: MyModel()" if isinstance(module, type) else "save a Keras model and give its file",
        )
    training: dict[str, Any] = {"function": text}
    if checkpoint is not None:
        _load(module, checkpoint, text)
        training["checkpoint_sha256"] = sha256_file(checkpoint)
    return TorchSource(module, image_shape, text.partition(":")[2], convention, training)


def _load(module: Any, checkpoint: Path, text: str) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(checkpoint)
    except FileNotFoundError as error:
        raise ExportError("there is no such checkpoint", where=checkpoint, fix="check the path") from error
    except (SafetensorError, OSError) as error:
        raise ExportError(
            "the checkpoint is not a safetensors file",
            where=checkpoint,
            found=error,
            expected="a state dict as safetensors has it: a pickled .pt or .pth can run code and is never opened",
            fix="safetensors.torch.save_file(module.state_dict(), path)",
        ) from error
    own = module.state_dict()
    wrong = {
        "not in the checkpoint": [name for name in own if name not in state],
        "not in the module": [name for name in state if name not in own],
        "of another shape": [
            f"{name} {tuple(state[name].shape)} for {tuple(own[name].shape)}"
            for name in own
            if name in state and state[name].shape != own[name].shape
        ],
    }
    if any(wrong.values()):
        raise ExportError(
            "the checkpoint's weights are not the module's",
            where=f"{checkpoint}, for {text}",
            found="; ".join(f"{what}: {_listed(names)}" for what, names in wrong.items() if names),
            expected=f"the {len(own)} tensors of the module's state dict",
            fix="give the function the arguments that the model was trained with, or save its state_dict() alone",
        )
    module.load_state_dict(state)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
