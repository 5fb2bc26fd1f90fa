"""What an exporter starts from: a torch module that puts out ``(N, K)`` from an image, or a Keras model.

A trained checkpoint is the first; ``from_checkpoint`` builds it.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.artifact import FAMILY_CONVENTION, InputConvention
from tinyedge.errors import ExportError
from tinyedge.files import sha256_file

if TYPE_CHECKING:
    from torch import nn

_BATCH = 250


@dataclass(frozen=True)
class TorchSource:
    """A torch module, frozen for export: a copy in evaluation mode, on the CPU.

    Args:
        module: float32 ``(N, C, H, W)`` to float32 ``(N, K)``.
        image_shape: ``(H, W, C)``.
        model: what reports call it.
        convention: how a uint8 image becomes the module's input.
        training: member, recipe, seed, data and the like, where known: recorded in the artifact's origin.
        family_member: True for tinyedge's own families, whose artifacts have to hold more than a foreign model's
            (no TRANSPOSE, no MEAN: what every microcontroller runtime has).

    Raises:
        ExportError: where the module has weights that are not finite, or does not map one image to ``(1, K)``.
    """

    module: nn.Module = field(repr=False)
    image_shape: tuple[int, int, int]
    model: str
    convention: InputConvention = FAMILY_CONVENTION
    training: dict[str, Any] = field(default_factory=dict, repr=False)
    family_member: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "module", copy.deepcopy(self.module).cpu().eval())
        for name, tensor in self.module.state_dict().items():
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                raise ExportError(
                    "the model has weights that are NaN or infinite",
                    where=f"{self.model}, {name}",
                    found=f"{int((~tensor.isfinite()).sum())} of {tensor.numel()} values",
                    expected="finite weights",
                    fix="the training run diverged: train again, or take an earlier checkpoint",
                )
        _ = self.num_classes

    @property
    def params(self) -> int:
        """Trainable parameters."""
        return sum(p.numel() for p in self.module.parameters())

    @cached_property
    def num_classes(self) -> int:
        """K, by running one black image."""
        import torch

        try:
            with torch.no_grad():
                shape = tuple(self.module(self.example(nhwc=False)).shape)
        except Exception as error:
            raise ExportError(
                "the module does not run on one image",
                where=self.model,
                found=f"{type(error).__name__}: {error}",
                expected=f"float32 (1, C, H, W) in, for (H, W, C) = {self.image_shape}",
            ) from error
        if len(shape) != 2:
            raise ExportError(
                "the module's output is not a classifier's", where=self.model, found=shape, expected="(N, K)"
            )
        return int(shape[1])

    def example(self, *, nhwc: bool) -> Any:
        """One image of zeros, as a torch tensor in the layout asked for."""
        import torch

        h, w, c = self.image_shape
        return torch.zeros((1, h, w, c) if nhwc else (1, c, h, w))

    def outputs(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the module puts out, ``(N, K)`` float32, for uint8 ``(N, H, W, C)``."""
        import torch

        found = []
        with torch.inference_mode():
            for start in range(0, len(images), _BATCH):
                real = self.convention.apply(images[start : start + _BATCH]).transpose(0, 3, 1, 2)
                found.append(self.module(torch.from_numpy(np.ascontiguousarray(real))).numpy())
        return np.concatenate(found)


@dataclass(frozen=True)
class KerasSource:
    """A Keras model or a SavedModel, for TensorFlow's converter.

    Args:
        model: what reports call it.
        location: a ``.keras`` or ``.h5`` file or a SavedModel folder; or
        keras: the model itself.
        convention: how a uint8 image becomes the model's input; a model with its own rescaling takes (0, 1).
        training: recorded in the artifact's origin.
    """

    model: str
    location: Path | None = None
    keras: Any = field(default=None, repr=False)
    convention: InputConvention = FAMILY_CONVENTION
    training: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if (self.location is None) == (self.keras is None):
            raise ExportError(
                "a Keras source is a path or a model", found="both" if self.keras is not None else "neither"
            )
        if self.location is not None and not self.location.exists():
            raise ExportError(
                "there is no such model",
                where=self.location,
                expected="a .keras or .h5 file, or a SavedModel folder",
                fix="check the path given to --from",
            )


Source = TorchSource | KerasSource


def from_checkpoint(path: Path) -> TorchSource:
    """The trained member in a tinyedge checkpoint, with where it came from.

    Raises:
        TrainingError: where the file is missing, truncated or not a tinyedge checkpoint.
        ExportError: where its weights are not the member's, or not finite.
    """
    from tinyedge.train.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(path)
    key = checkpoint.key
    module = key.member.build()
    try:
        module.load_state_dict(checkpoint.model)
    except RuntimeError as error:
        raise ExportError(
            "the checkpoint's weights are not those of its member", where=path, found=error, expected=key.member.name
        ) from error
    training = {
        "checkpoint_sha256": sha256_file(path),
        "member": asdict(key.member),
        "recipe": asdict(key.recipe),
        "recipe_digest": key.recipe.digest,
        "epochs": checkpoint.epoch,
        "finished": checkpoint.epoch == key.recipe.epochs,
        "seed": key.seed,
        "data": key.data,
        "data_digest": key.data_digest,
        "precision": key.precision,
        **({} if key.tuned is None else {"tuned": asdict(key.tuned)}),
        **checkpoint.facts,
    }
    size = 32  # both families are defined for it
    return TorchSource(module, (size, size, 3), key.member.name, FAMILY_CONVENTION, training, family_member=True)
