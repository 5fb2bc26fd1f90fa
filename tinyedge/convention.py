"""How a uint8 image becomes a model's input: colours, size, then ``(pixel - mean) / std``. Nothing here is guessed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import UsageError
from tinyedge.resize import METHODS, resize

COLORS = ("RGB", "BGR", "GRAY")
LAYOUTS = ("NHWC", "NCHW")
NORMALIZATIONS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "0..255": ((0.0,), (1.0,)),
    "0..1": ((0.0,), (255.0,)),
    "-1..1": ((127.5,), (127.5,)),
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
}
"""What ``--normalize`` takes by name: mean and std in pixel units. ImageNet's as torchvision's models have them."""
_LUMA = (19595, 38470, 7471)
"""ITU-R 601: 0.299 R + 0.587 G + 0.114 B in steps of 1/65536, as Pillow and libjpeg compute it."""


@dataclass(frozen=True)
class InputConvention:
    """How a uint8 image becomes the model's real input.

    Args:
        mean: one value, or one a channel in the model's order, in pixel units.
        std: likewise.
        color: of the model's channels: ``RGB``, ``BGR``, or ``GRAY`` (one channel; RGB images become luma, ITU-R 601).
        resize: how images of another size come to the model's: ``bilinear``, ``nearest``, ``area``; ``None``: they
            are refused.

    Raises:
        UsageError: for anything but finite numbers, ``std`` above 0, one or three of each, and known names.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    color: str = "RGB"
    resize: str | None = None

    def __post_init__(self) -> None:
        numbers = all(isinstance(v, int | float) and math.isfinite(v) for v in (*self.mean, *self.std))
        sizes = {len(self.mean), len(self.std)} <= {1, 3}
        names = self.color in COLORS and self.resize in (None, *METHODS)
        if not (numbers and sizes and names and all(v > 0 for v in self.std)):
            raise UsageError(
                "not an input convention",
                found=f"mean {self.mean}, std {self.std}, color {self.color}, resize {self.resize}",
                expected="mean and std in pixel units, one or three finite numbers each, std above 0; "
                f"{', '.join(COLORS)}; {', '.join(METHODS)} or none",
            )

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self:
        """From its fields as JSON has them.

        Raises:
            KeyError, TypeError, UsageError: where they are not a convention's.
        """
        return cls(tuple(stored["mean"]), tuple(stored["std"]), stored["color"], stored.get("resize"))

    @property
    def flags(self) -> str:
        """What states this convention on the command line."""
        named = {_joined(*pair): name for name, pair in NORMALIZATIONS.items()}
        numbers = _joined(self.mean, self.std)
        text = f"--normalize {named.get(numbers, numbers)}"
        text += "" if self.color == "RGB" else f" --color {self.color}"
        return text if self.resize is None else f"{text} --resize {self.resize}"

    def lacks(self, found: tuple[int, ...], wanted: tuple[int, int, int]) -> str | None:
        """What has to be stated so that images of ``found`` can go into a model of ``wanted``, both ``(H, W, C)``.

        Returns:
            ``None`` where nothing is missing, else what to do.
        """
        if found[2] == 3 and wanted[2] == 1 and self.color != "GRAY":
            return "--color GRAY makes luma of RGB (ITU-R 601), if that is what the device does"
        if found[:2] != wanted[:2] and self.resize is None:
            return f"--resize {' or '.join(METHODS)}: the one that the device does; or resize the images beforehand"
        return None

    def steps(self, found: tuple[int, ...], wanted: tuple[int, int, int]) -> tuple[str, ...]:
        """What is done to an image of ``found`` for a model of ``wanted``, both ``(H, W, C)``, as a report says it."""
        done = []
        if found[2] == 3 and wanted[2] == 1:
            done.append("RGB to grey by ITU-R 601 luma (0.299 R + 0.587 G + 0.114 B)")
        if found[2] == 1 and wanted[2] == 3:
            done.append("each grey value used as red, green and blue")
        if found[:2] != wanted[:2]:
            sizes = f"{found[0]}x{found[1]} to {wanted[0]}x{wanted[1]}"
            done.append(f"resized from {sizes}, {self.resize}, no antialiasing")
        if self.color == "BGR":
            done.append("channels in the order blue, green, red")
        unchanged = (self.mean, self.std) == NORMALIZATIONS["0..255"]
        numbers = f"(pixel - {_numbers(self.mean)}) / {_numbers(self.std)}"
        return (*done, "pixels as they are, 0 to 255" if unchanged else numbers)

    def apply(self, images: NDArray[np.uint8], image_shape: tuple[int, int, int] | None = None) -> NDArray[np.float32]:
        """uint8 ``(N, H, W, C)`` to float32 ``(N, *image_shape)``; the images' own shape if ``None``."""
        pixels = images if image_shape is None else self._fitted(images, image_shape)
        if self.color == "BGR":
            pixels = pixels[..., ::-1]
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        return (pixels.astype(np.float32) - mean) / std

    def _fitted(self, images: NDArray[np.uint8], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        pixels = images
        if images.shape[3] == 3 and shape[2] == 1:
            pixels = luma(images)
        if images.shape[1:3] != shape[:2]:
            assert self.resize is not None, "whoever feeds has asked what is lacking"
            pixels = resize(pixels, shape[:2], self.resize)
        return np.broadcast_to(pixels, (len(pixels), *shape))


@dataclass(frozen=True)
class Stated:
    """What flags say of a model's input; ``None`` where they say nothing, so that the side-car's word holds.

    Args:
        normalize: mean and std in pixel units.
        color: see ``InputConvention``.
        resize: likewise.
        layout: ``NHWC`` or ``NCHW``, for a shape that can be read both ways.
    """

    normalize: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    color: str | None = None
    resize: str | None = None
    layout: str | None = None

    def over(self, known: InputConvention | None) -> InputConvention | None:
        """``known`` with what is stated in its place; ``None`` where neither says how pixels are normalized."""
        if self.normalize is not None:
            base = InputConvention(*self.normalize)
            known = base if known is None else replace(known, mean=base.mean, std=base.std)
        if known is None:
            return None
        return replace(known, color=self.color or known.color, resize=self.resize or known.resize)


def luma(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 ``(N, H, W, 3)``, RGB, to grey ``(N, H, W, 1)`` by ITU-R 601, rounded half up."""
    total = (images.astype(np.uint32) * np.asarray(_LUMA, np.uint32)).sum(axis=3, keepdims=True, dtype=np.uint32)
    return np.asarray((total + 0x8000) >> 16, np.uint8)


def parse_normalize(text: str, flag: str = "--normalize") -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std in pixel units of ``0..255``, ``MEAN,STD`` or ``m1,m2,m3,s1,s2,s3``.

    >>> parse_normalize("0..1")
    ((0.0,), (255.0,))

    Raises:
        UsageError: where it is none of these; or where the numbers look as if they were in units of 0..1, with both
            readings.
    """
    if text in NORMALIZATIONS:
        return NORMALIZATIONS[text]
    try:
        numbers = [float(part) for part in text.split(",")]
        half = len(numbers) // 2
        if len(numbers) not in (2, 6):
            raise ValueError(text)
        found = InputConvention(tuple(numbers[:half]), tuple(numbers[half:]))
    except (ValueError, UsageError) as error:
        raise UsageError(
            "not an input convention",
            where=flag,
            found=text,
            expected=f"{', '.join(NORMALIZATIONS)}; MEAN,STD in pixel units, STD above 0, e.g. 128,128; "
            "or a mean and then a std for each of three channels",
        ) from error
    if min(found.std) < 1:
        _refuse_small(found, text, flag)
    return found.mean, found.std


def _refuse_small(found: InputConvention, text: str, flag: str) -> None:
    """Libraries state mean and std in units of 0..1: those numbers read as pixels give inputs in the hundreds."""
    low, high = ((np.asarray(pixel) - found.mean) / found.std for pixel in (0.0, 255.0))
    scaled = InputConvention(tuple(255 * m for m in found.mean), tuple(255 * s for s in found.std))
    small, large = ((np.asarray(pixel) - scaled.mean) / scaled.std for pixel in (0.0, 255.0))
    raise UsageError(
        "the numbers can be read in two ways",
        where=flag,
        found=f"{text}: in pixel units the inputs would run from {low.min():.4g} to {high.max():.4g}; "
        f"in units of 0..1 (as torchvision states them) from {small.min():.4g} to {large.max():.4g}",
        expected="mean and std in pixel units",
        fix=f"if they are in units of 0..1: {scaled.flags}",
    )


def _joined(mean: tuple[float, ...], std: tuple[float, ...]) -> str:
    return ",".join(f"{value:.10g}" for value in (*mean, *std))


def _numbers(values: tuple[float, ...]) -> str:
    return f"{values[0]:g}" if len(values) == 1 else f"({', '.join(f'{v:g}' for v in values)})"


FAMILY_CONVENTION = InputConvention(mean=(128.0,), std=(128.0,))
"""(pixel - 128)/128: int8 input with scale 1/128 and zero point 0 is then pixel - 128, without loss."""
