"""Reading a model file's own facts: in pure Python, without a runtime, so that a broken file cannot crash anything."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from tinyedge.errors import ArtifactUnsupported
from tinyedge.formats.facts import ModelFacts

_BY_SUFFIX = {
    ".tflite": "tinyedge.formats.tflite",
    ".onnx": "tinyedge.formats.onnx",
    ".pte": "tinyedge.formats.executorch",
    ".safetensors": "tinyedge.formats.checkpoint",
}

__all__ = ["ModelFacts", "read_model"]


def read_model(path: Path, layout: str | None = None) -> ModelFacts:
    """What the file says of itself.

    Args:
        path: an existing ``.tflite``, ``.onnx``, ``.pte`` or ``.safetensors``; the suffix decides how it is read.
        layout: ``NHWC`` or ``NCHW``: settles an input shape that can be read both ways.

    Raises:
        ArtifactUnsupported: for another suffix, or a model that is not an image classifier as targets run them.
        ArtifactCorrupt: where the file is truncated or is not what its suffix says.
    """
    module = _BY_SUFFIX.get(path.suffix.lower())
    if module is None:
        raise ArtifactUnsupported(
            "the model file's format is not known",
            where=path,
            found=f"suffix {path.suffix!r}",
            expected=", ".join(_BY_SUFFIX),
            fix="rename the file if only its name is wrong; convert a foreign model with: tinyedge export",
        )
    facts: ModelFacts = import_module(module).read(path, layout)
    return facts
