"""Options that several commands share, so that they read and behave the same everywhere."""

from __future__ import annotations

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from tinyedge.convention import InputConvention, Stated, parse_normalize
from tinyedge.errors import UsageError


class Format(StrEnum):
    """How a result is printed."""

    TEXT = "text"
    JSON = "json"


class Color(StrEnum):
    """The order of a model's channels."""

    RGB = "RGB"
    BGR = "BGR"
    GRAY = "GRAY"


class Layout(StrEnum):
    """The order of a model's input dimensions."""

    NHWC = "NHWC"
    NCHW = "NCHW"


class Resize(StrEnum):
    """How images come to the model's size."""

    BILINEAR = "bilinear"
    NEAREST = "nearest"
    AREA = "area"


FormatOption = Annotated[Format, typer.Option("--format", help="How the result is printed on stdout.")]
DataOption = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="NAME|PATH",
        help="cifar10, cifar100, shapes (embedded, synthetic), the path of an image folder, .npz or pack, or "
        "module:function of your own. "
        "auto: cifar100 where --data-dir or $TINYEDGE_DATA is given, else shapes.",
    ),
]
DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Where CIFAR lies (default: $TINYEDGE_DATA).", show_default=False)
]
NORMALIZE = "0..255|0..1|-1..1|MEAN,STD"
NormalizeOption = Annotated[
    str | None,
    typer.Option(
        "--normalize",
        metavar=NORMALIZE,
        help="How a pixel becomes the input of a model without a side-car: (pixel - MEAN)/STD in pixel units, or a "
        "range that 0 to 255 is mapped to; with three channels also m1,m2,m3,s1,s2,s3.",
        show_default=False,
    ),
]
ColorOption = Annotated[
    Color | None,
    typer.Option(
        "--color", help="The model's channels (default: RGB). GRAY: RGB images become luma.", show_default=False
    ),
]
LayoutOption = Annotated[
    Layout | None,
    typer.Option("--layout", help="Only for an input shape that can be read both ways.", show_default=False),
]
ResizeOption = Annotated[
    Resize | None,
    typer.Option("--resize", help="Bring images to the model's size, as the device does.", show_default=False),
]
ArenaOption = Annotated[
    int | None,
    typer.Option(
        "--arena-bytes", min=1, help="The firmware's tensor arena: TFLite Micro refuses a model that needs more."
    ),
]
KernelsOption = Annotated[
    str | None,
    typer.Option(
        "--kernels",
        help="Where a target has several sets, e.g. cmsis-nn or portable (default: its first).",
        show_default=False,
    ),
]
PortOption = Annotated[
    str | None,
    typer.Option("--port", help="The serial port of the board, e.g. /dev/ttyACM0 (serial-int8).", show_default=False),
]
BaudOption = Annotated[
    int | None,
    typer.Option("--baud", min=1, help="Bits a second on --port (default: 115200).", show_default=False),
]
CommandOption = Annotated[
    str | None,
    typer.Option(
        "--command",
        help="What the targets command-* start: three paths are put behind it, model, images, results "
        "(docs/command.md).",
        show_default=False,
    ),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option("--timeout-s", help="How long one start of --command may take (default: 300).", show_default=False),
]
BoardOption = Annotated[
    str | None,
    typer.Option(
        "--board",
        metavar="NAME|PATH",
        help="The board that the model is for (tinyedge boards, or a .toml file): its flash and RAM are limits too.",
        show_default=False,
    ),
]
FpsOption = Annotated[
    float | None,
    typer.Option("--fps", help="Inferences a second that the board must not be ruled out for.", show_default=False),
]
PolicyOption = Annotated[
    Path | None, typer.Option("--policy", help="A policy file (TOML; default: the built-in policy).")
]
ImagesOption = Annotated[
    int | None,
    typer.Option(
        "--images", min=1, help="A seeded sample of this many images (default: all; in an emulator at most 1,000)."
    ),
]
FamilyOption = Annotated[str, typer.Option("--family", help="scalecnn or mobilenetv2.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", min=1, max=1024, help="CPU threads (default: PyTorch's).", show_default=False)
]


class _Stdout(Console):
    def on_broken_pipe(self) -> None:
        """Go on silently: rich would exit with 1, which here means that a gate failed."""
        drop_stdout()


def drop_stdout() -> None:
    """The reader (head, less) has gone: what is still written goes nowhere, and the exit code stays what it is."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def stdout() -> Console:
    """For results. Plain when piped; never wider than the terminal, 80 columns when there is none."""
    console = _Stdout(highlight=False)
    return console if console.is_terminal else _Stdout(highlight=False, width=80, no_color=True)


def stderr() -> Console:
    """For progress and notes, so that stdout holds the result alone."""
    return Console(stderr=True, highlight=False)


def print_json(content: Any, *, indent: int | None = 1) -> None:
    """A result as JSON on stdout, on one line where ``indent`` is ``None``; NaN is refused, as JSON has none."""
    try:
        typer.echo(json.dumps(content, indent=indent, allow_nan=False))
    except BrokenPipeError:
        drop_stdout()


def target_options(**flags: Any) -> dict[str, Any]:
    """Those of a target's flags that were given: what its constructor takes."""
    return {name: value for name, value in flags.items() if value is not None}


def parse_formats(text: str) -> list[str]:
    """Names between commas.

    Raises:
        UsageError: where there is none.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError("no report format", where="--report", found=repr(text), expected="e.g. html,junit")
    return names


def parse_convention(text: str) -> InputConvention:
    """``--normalize`` as a whole convention, RGB.

    Raises:
        UsageError: as ``parse_normalize``.
    """
    return InputConvention(*parse_normalize(text))


def stated_input(
    normalize: str | None,
    color: Color | None = None,
    layout: Layout | None = None,
    resize: Resize | None = None,
    *,
    flag: str = "--normalize",
) -> Stated:
    """What the flags say of a model's input.

    Raises:
        UsageError: as ``parse_normalize``.
    """
    return Stated(
        None if normalize is None else parse_normalize(normalize, flag),
        None if color is None else color.value,
        None if resize is None else resize.value,
        None if layout is None else layout.value,
    )
