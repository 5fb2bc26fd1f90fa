"""Did the quantizer see what the model is now judged on? Exact digests, recorded at the export, looked up here.

An evaluation image that chose the ranges flatters the int8 model. The side-car holds a digest of each representative
image's shape and pixels, without its label: an image is the same image under any label.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinyedge.artifact import Artifact, read_sidecar, sidecar_path
from tinyedge.data.dataset import Dataset
from tinyedge.data.info import pixel_digests
from tinyedge.errors import ArtifactCorrupt

KEY = "representative_digests"
"""Of the side-car."""
_DIGITS = 16
"""Hexadecimal digits kept of each digest: of 10,000 images against 1,000, one in 10^12 would match by chance."""


def pack_digests(images: NDArray[np.uint8]) -> str:
    """The digests of uint8 ``(N, H, W, C)``, sorted, each once, one behind the other: 16 KB for 1,000 images."""
    return "".join(sorted(_short(images)))


def overlapping(artifact: Artifact, data: Dataset) -> int | None:
    """How many of ``data``'s images were among those that the artifact's ranges were chosen by.

    Returns:
        ``None`` where that is not known: the file was not quantized by tinyedge, or by an earlier release.

    Raises:
        ArtifactCorrupt: where the side-car's digests cannot be read.
    """
    packed = read_sidecar(artifact.path, artifact.sha256).get(KEY)
    if packed is None:
        return None
    if not isinstance(packed, str) or len(packed) % _DIGITS or set(packed) - set("0123456789abcdef"):
        raise ArtifactCorrupt(
            "the side-car's digests of the representative images cannot be read",
            where=sidecar_path(artifact.path),
            expected=f"{_DIGITS} hexadecimal digits an image",
            fix="export it again",
        )
    seen = {packed[i : i + _DIGITS] for i in range(0, len(packed), _DIGITS)}
    return sum(digest.hex()[:_DIGITS] in seen for digest in pixel_digests(data.images))


def _short(images: NDArray[np.uint8]) -> set[str]:
    return {digest.hex()[:_DIGITS] for digest in pixel_digests(images)}
