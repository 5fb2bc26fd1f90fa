"""The embedded default: 100 procedural classes, so that everything runs without a download. Synthetic, and says so.

A class is a shape family, a texture and a palette, e.g. ``ring-checker-warm``; its superclass is the family. Each class
has its own hardness: with it grow noise, occlusion, clutter and the jitter of angle, size, place and hue, and contrast
falls. A small model is therefore right on nearly all images of some classes and on few of others.

Everything is int32 arithmetic on raw generator words (numpy keeps a bit generator's stream stable, not its
distributions), so the same (version, seed, split) gives the same pixels on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tinyedge.data.dataset import Dataset
from tinyedge.errors import UsageError

VERSION = 1
"""Part of the random key: raise it with any change to a pixel."""
PER_CLASS = {"train": 200, "test": 100}
SIZE = 32

Grid = NDArray[np.int32]
"""int32, ``(N, 32, 32)`` or broadcasting to it."""

# Fixed point: one radius of a shape, one period of a texture and full opacity are all 256.
_TURN = 1024  # steps in a full turn
_COS = np.array([round(1024 * math.cos(2 * math.pi * i / _TURN)) for i in range(_TURN)], np.int32)


def load_shapes(split: str, seed: int = 0, *, per_class: int | None = None) -> Dataset:
    """Draw the synthetic set.

    Args:
        split: ``train`` (200 images a class) or ``test`` (100 a class); the two share no random number.
        seed: another seed is another sample of the same classes.
        per_class: images a class instead of the split's own number; each class's first images stay the same
            only up to the noise drawn after them, so a smaller set is not a subset.

    Returns:
        32x32 RGB, 100 classes in the order of their names, classes one after another.

    Raises:
        UsageError: for another split, a negative seed or an empty class.
    """
    if split not in PER_CLASS:
        raise UsageError("shapes has no such split", where="--split", found=split, expected="train or test")
    count = PER_CLASS[split] if per_class is None else per_class
    if count < 1 or seed < 0:
        raise UsageError(
            "shapes cannot be drawn so", found=f"{count} images a class, seed {seed}", expected="1 or more, seed >= 0"
        )
    images = np.empty((len(CLASS_NAMES), count, SIZE, SIZE, 3), np.uint8)
    for k in range(len(CLASS_NAMES)):
        family, texture, palette = CLASS_NAMES[k].split("-")
        draws = _Draws((VERSION, seed, tuple(PER_CLASS).index(split), k), count)
        images[k] = _draw_class(FAMILIES[family], TEXTURES[texture], PALETTES[palette], HARDNESS[k], draws)
    return Dataset(
        "shapes",
        split,
        images.reshape(-1, SIZE, SIZE, 3),
        np.repeat(np.arange(len(CLASS_NAMES), dtype=np.int64), count),
        CLASS_NAMES,
        tuple(k // (len(TEXTURES) * len(PALETTES)) for k in range(len(CLASS_NAMES))),
        tuple(FAMILIES),
        synthetic=True,
        source=f"shapes version {VERSION}, seed {seed} (synthetic)",
    )


class _Draws:
    """Integers for ``count`` images from one reproducible stream of raw 64-bit words."""

    def __init__(self, key: tuple[int, ...], count: int) -> None:
        self._words = np.random.PCG64(np.random.SeedSequence(key))
        self.count = count

    def between(self, low: int | Grid, high: int | Grid, columns: int = 1) -> Grid:
        """int32 ``(N, columns, 1, 1)``, or ``(N, 1, 1)`` for one column; each of ``low .. high`` equally likely."""
        shape = (self.count, 1, 1) if columns == 1 else (self.count, columns, 1, 1)
        top24 = (self._words.random_raw(self.count * columns) >> np.uint64(40)).astype(np.int64).reshape(shape)
        first, last = np.asarray(low, np.int64), np.asarray(high, np.int64)
        drawn: Grid = (first + (top24 * (last - first + 1) >> 24)).astype(np.int32)
        return drawn

    def noise(self, channels: int) -> Grid:
        """int32 ``(N, channels, 32, 32)``: the sum of two bytes less 255, a triangle with deviation 104."""
        size = self.count * channels * SIZE * SIZE
        words = self._words.random_raw(size * 2 // 8).astype("<u8").view(np.uint8)
        pair = words.reshape(2, self.count, channels, SIZE, SIZE).astype(np.int32)
        centred: Grid = pair[0] + pair[1] - 255
        return centred


def _draw_class(
    inside: Callable[[Grid, Grid], Grid],
    texture: Callable[[Grid, Grid], Grid],
    hues: tuple[int, int],
    hardness: int,
    draws: _Draws,
) -> NDArray[np.uint8]:
    """All images of one class, uint8 ``(N, 32, 32, 3)``; ``hardness`` from 0 to 256."""
    hard = np.clip(hardness + draws.between(-64, 64), 0, 256).astype(np.int32)
    axis = np.arange(1 - SIZE, SIZE, 2, dtype=np.int32)  # half pixels from the centre: no pixel is at 0
    x, y = axis[None, None, :], axis[None, :, None]

    shift = 4 + (hard * 8 >> 8)
    dx, dy = x - draws.between(-shift, shift), y - draws.between(-shift, shift)
    radius = draws.between(22 - (hard * 10 >> 8), 26 - (hard * 6 >> 8))
    swing = 20 + (hard * 140 >> 8)
    u, v = _turned(dx, dy, draws.between(-swing, swing), (65536 // radius).astype(np.int32), 18)
    shape = _opacity(-inside(u, v), 6)

    twist = 12 + (hard * 100 >> 8)
    period = draws.between(9, 13)  # half pixels
    s, t = _turned(x, y, draws.between(-twist, twist), (65536 // period).astype(np.int32), 18)
    weave = texture(s + draws.between(0, 255), t + draws.between(0, 255))

    spread = hard * 40 >> 8
    hue = draws.between(hues[0] - spread, hues[1] + spread) & 255
    light = draws.between(150, 255)
    bright = _rgb(hue, draws.between(150, 255), light)
    dark = _rgb(hue, draws.between(150, 255), light * (70 + (hard * 140 >> 8)) >> 8)
    grey = draws.between(30, 220)[:, None]
    backdrop = grey + draws.between(-20, 20, 3)
    slope = draws.between(-24, 24) * x + draws.between(-24, 24) * y >> 5
    canvas: Grid = backdrop + slope[:, None]

    canvas = _clutter(canvas, hard, x, y, draws)
    fill = dark[..., None, None] + ((bright - dark)[..., None, None] * weave[:, None] >> 8)
    strength = 256 - (hard * 190 >> 8)
    canvas = canvas + ((fill - canvas) * (shape * strength >> 8)[:, None] >> 8)
    canvas = _occluder(canvas, backdrop, hard, x, y, draws)
    canvas = canvas + (draws.noise(3) * (12 + (hard * 124 >> 8))[:, None] >> 8)
    return np.clip(canvas, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)


def _turned(x: Grid, y: Grid, angle: Grid, scale: Grid, shift: int) -> tuple[Grid, Grid]:
    """The coordinates turned by ``angle`` (1024 is a full turn) and scaled by ``scale * 1024 / 2**shift``."""
    cos, sin = _COS[angle & (_TURN - 1)] * scale, _COS[(angle - _TURN // 4) & (_TURN - 1)] * scale
    return (x * cos + y * sin) >> shift, (y * cos - x * sin) >> shift


def _opacity(depth: Grid, steepness: int) -> Grid:
    """0 well outside, 256 well inside, a ramp of about a pixel between: the shapes have soft edges."""
    return np.clip(depth * steepness + 128, 0, 256)


def _rgb(hue: Grid, saturation: Grid, value: Grid) -> Grid:
    """int32 ``(N, 3)`` from hue (256 is a full circle), saturation and value (0 to 255 each)."""
    lanes = np.concatenate([hue, hue - 85, hue + 85], axis=1)[..., 0]  # red, green, blue: a third of a circle apart
    ramp = np.clip(2 * 128 - 3 * np.abs(((lanes + 128) & 255) - 128) * 2, -128, 128) + 128
    rgb: Grid = value[..., 0] * (255 * 256 - saturation[..., 0] * (256 - ramp)) // (255 * 256)
    return rgb


def _clutter(canvas: Grid, hard: Grid, x: Grid, y: Grid, draws: _Draws) -> Grid:
    """Up to two small coloured discs behind the shape, likelier and larger in hard images."""
    for _ in range(2):
        there = draws.between(0, 255) < hard * 3 // 4
        radius = draws.between(5, 5 + (hard * 5 >> 8))
        dx, dy = x - draws.between(-28, 28), y - draws.between(-28, 28)
        spot = _opacity(radius * radius - dx * dx - dy * dy, 8) * there
        colour = _rgb(draws.between(0, 255), draws.between(120, 255), draws.between(80, 255))
        canvas = canvas + ((colour[..., None, None] - canvas) * spot[:, None] >> 8)
    return canvas


def _occluder(canvas: Grid, backdrop: Grid, hard: Grid, x: Grid, y: Grid, draws: _Draws) -> Grid:
    """A bar in the backdrop's colour, upright or lying, over part of the shape; wider in hard images."""
    half = (hard * draws.between(2, 12) >> 8) * (draws.between(0, 255) < hard)
    along = np.where(draws.between(0, 1) == 1, x, y) - draws.between(-16, 16)
    bar = np.where(np.abs(along) < half, 256, 0).astype(np.int32)
    covered: Grid = canvas + ((backdrop - canvas) * bar[:, None] >> 8)
    return covered


# Shapes: at (u, v), v downwards, the distance outside the outline (negative inside), 256 being the radius.


def _disc(u: Grid, v: Grid, radius: int = 256) -> Grid:
    outside: Grid = (u * u + v * v - radius * radius) >> 9
    return outside


def _box(u: Grid, v: Grid, width: int, height: int) -> Grid:
    outside: Grid = np.maximum(np.abs(u) - width, np.abs(v) - height)
    return outside


def _bars(u: Grid, v: Grid) -> Grid:
    return _box(np.abs(u) - 150, v, 75, 230)


def _chevron(u: Grid, v: Grid) -> Grid:
    outside: Grid = np.maximum(np.abs(v - np.abs(u) + 90) - 90, np.abs(u) - 235)
    return outside


def _crescent(u: Grid, v: Grid) -> Grid:
    return np.maximum(_disc(u, v), -_disc(u - 120, v, 200))


def _ell(u: Grid, v: Grid) -> Grid:
    return np.minimum(_box(u + 110, v, 70, 230), _box(u, v - 160, 180, 70))


def _jay(u: Grid, v: Grid) -> Grid:
    return _ell(-u, v)


def _plus(u: Grid, v: Grid) -> Grid:
    return np.minimum(_box(u, v, 250, 80), _box(u, v, 80, 250))


def _ring(u: Grid, v: Grid) -> Grid:
    return np.maximum(_disc(u, v), -_disc(u, v, 140))


def _square(u: Grid, v: Grid) -> Grid:
    return _box(u, v, 205, 205)


def _triangle(u: Grid, v: Grid) -> Grid:
    outside: Grid = np.maximum(v - 140, (np.abs(u) * 222 - v * 128 >> 8) - 115)
    return outside


# Textures: at (s, t), one period being 256, how much of the bright colour (0 to 256) the dark one gets.


def _wave(phase: Grid) -> Grid:
    return _opacity(64 - np.abs((phase & 255) - 128), 6)


def _checker(s: Grid, t: Grid) -> Grid:
    a, b = _wave(s * 3 >> 2), _wave(t * 3 >> 2)
    return a + b - (a * b >> 7)


def _dots(s: Grid, t: Grid) -> Grid:
    return np.minimum(_wave(s), _wave(t))


def _falling(s: Grid, t: Grid) -> Grid:
    return _wave((t - s) * 181 >> 8)


def _rising(s: Grid, t: Grid) -> Grid:
    return _wave((t + s) * 181 >> 8)


def _solid(s: Grid, _: Grid) -> Grid:
    return np.full_like(s, 256)


FAMILIES: dict[str, Callable[[Grid, Grid], Grid]] = {
    "bars": _bars,
    "chevron": _chevron,
    "crescent": _crescent,
    "disc": _disc,
    "ell": _ell,
    "jay": _jay,
    "plus": _plus,
    "ring": _ring,
    "square": _square,
    "triangle": _triangle,
}
TEXTURES: dict[str, Callable[[Grid, Grid], Grid]] = {
    "checker": _checker,
    "dots": _dots,
    "falling": _falling,
    "rising": _rising,
    "solid": _solid,
}
PALETTES = {"cool": (90, 180), "warm": (-30, 45)}
"""Hue ranges, 256 being the full circle from red over green and blue; in hard classes they widen and meet."""

CLASS_NAMES = tuple(f"{f}-{t}-{p}" for f in FAMILIES for t in TEXTURES for p in PALETTES)
"""Sorted, so that an image folder of this set has the same labels."""
HARDNESS = tuple(
    20 + int(rank) * 212 // 99
    for rank in np.argsort(np.random.PCG64(np.random.SeedSequence((VERSION, 2))).random_raw(len(CLASS_NAMES)))
)
"""For each class, out of 256: every step once, in an order that has nothing to do with family, texture or palette."""
