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

from tinyedge.artifact import InputConvention
from tinyedge.errors import UsageError


class Format(StrEnum):
    """How a result is printed."""

    TEXT = "text"
    JSON = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="How the result is printed on stdout.")]
DataOption = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="NAME|PATH",
        help="cifar100, shapes (embedded, synthetic), or the path of an image folder, .npz or pack. "
        "auto: cifar100 where --data-dir or $TINYEDGE_DATA is given, else shapes.",
    ),
]
DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Where CIFAR-100 lies (default: $TINYEDGE_DATA).", show_default=False)
]
FamilyOption = Annotated[str, typer.Option("--family", help="scalecnn or mobilenetv2.")]


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


def print_json(content: Any) -> None:
    """A result as JSON on stdout; NaN is refused, as JSON has none."""
    try:
        typer.echo(json.dumps(content, indent=1, allow_nan=False))
    except BrokenPipeError:
        drop_stdout()


def parse_convention(text: str) -> InputConvention:
    """``128,128`` as (pixel - 128)/128.

    Raises:
        UsageError: where it is not two numbers, or the second is not positive.
    """
    try:
        mean, std = (float(part) for part in text.split(","))
        if not std > 0 or not abs(mean) < float("inf") or not std < float("inf"):
            raise ValueError(text)
    except ValueError as error:
        raise UsageError(
            "not an input convention",
            where="--normalize",
            found=text,
            expected="MEAN,STD in pixel units, STD above 0, e.g. 128,128 or 0,255",
        ) from error
    return InputConvention((mean,), (std,))
