"""Image files to arrays: one place that knows Pillow, so that every bad file ends in the same few errors."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import CorruptImage, DataError, ImageSizeMismatch

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_MODES = {"L": 1, "1": 1, "RGB": 3, "P": 3}


def decode_image(path: Path, *, expected: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Decode one 8-bit image.

    Args:
        path: of a PNG, JPEG, BMP or WebP file.
        expected: ``(H, W)``, looked at before any pixel is decoded.

    Returns:
        uint8, ``(H, W, 1)`` for a grey image, else ``(H, W, 3)``.

    Raises:
        CorruptImage: where the file is missing, truncated or no image.
        ImageSizeMismatch: where it has another size than ``expected``.
        DataError: where decoding would lose something: transparency, more than 8 bits, several frames.
    """
    from PIL import Image  # on first use: whoever works on arrays does not pay for it

    try:
        with warnings.catch_warnings():
            # Pillow warns of a decompression bomb above 89 million pixels; no image set has such a file.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if expected is not None and (image.height, image.width) != expected:
                    raise ImageSizeMismatch(
                        "an image has another size than it should",
                        where=path,
                        found=f"{image.height} x {image.width} (height x width)",
                        expected=f"{expected[0]} x {expected[1]}",
                        fix="resize the images before packing: tinyedge never resizes",
                    )
                _refuse_lossy(image, path)
                channels = _MODES[image.mode]
                pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    except DataError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise CorruptImage(
            "the image claims more pixels than any image set holds", where=path, found=error, fix="remove the file"
        ) from error
    except Exception as error:
        # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more for damaged files.
        raise CorruptImage(
            "the image cannot be decoded",
            where=path,
            found=f"{error} ({path.stat().st_size:,} bytes)" if path.is_file() else "no such file",
            expected="a whole PNG, JPEG, BMP or WebP file",
            fix="copy the file again from its source, or remove it",
        ) from error
    return pixels.reshape(*pixels.shape[:2], channels)


def _refuse_lossy(image: ImageFile, path: Path) -> None:
    lost = None
    if image.mode not in _MODES and image.mode not in ("RGBA", "LA", "PA"):
        lost = f"pixels of Pillow's mode {image.mode}"
    elif image.mode not in _MODES or image.has_transparency_data:
        lost = "transparency"
    elif (frames := getattr(image, "n_frames", 1)) > 1:  # only formats that can hold several have it
        lost = f"{frames} frames"
    if lost is not None:
        raise DataError(
            "the image does not fit 8-bit grey or RGB without a loss",
            where=path,
            found=lost,
            expected="one frame of 8-bit grey or RGB, opaque",
            fix="convert the image the way that your device's camera delivers it",
        )
