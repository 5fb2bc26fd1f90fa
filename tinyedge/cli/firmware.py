"""``tinyedge firmware``: a model as C for a board of one's own, with all that ``serial-int8`` asks it for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinyedge.artifact import FAMILY_CONVENTION, load_artifact
from tinyedge.cli.options import KernelsOption, stdout, target_options
from tinyedge.errors import TargetUnavailable, UsageError
from tinyedge.evaluate import build_target
from tinyedge.files import check_writable

_CORES = ("cortex-m4-int8", "cortex-m7-int8", "cortex-m0plus-int8")


def firmware(
    model: Annotated[Path, typer.Argument(help="The int8 .tflite file.")],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    target: Annotated[str, typer.Option(help=f"Whose code: {', '.join(_CORES)}.")] = _CORES[0],
    kernels: KernelsOption = None,
) -> None:
    """Write what goes into a firmware project of your own, to validate on the board itself: docs/hardware.md.

    \b
    Examples:
      tinyedge firmware int8.tflite --out board/model
      tinyedge firmware int8.tflite --out board/model \\
        --target cortex-m0plus-int8
    """
    if target not in _CORES:
        raise UsageError(
            "no code for that target", where="--target", found=target, expected=f"one of {', '.join(_CORES)}"
        )
    core = build_target(target, target_options(kernels=kernels))
    for requirement in core.requirements:
        if requirement.version is None:
            raise TargetUnavailable(
                "code for firmware needs a package that is not installed",
                where=f"tinyedge firmware {model}",
                found=f"no {requirement.distribution}",
                fix=requirement.install,
            )
    # How a pixel becomes the input is no part of the firmware: any convention does.
    artifact = load_artifact(model, convention=FAMILY_CONVENTION)
    core.check(artifact)
    check_writable(out / "README.md")
    from tinyedge.targets.firmware_kit import write_kit

    source = write_kit(model, artifact.sha256, out, profile=core.core.profile, kernels=core.options()["kernels"])
    console = stdout()
    console.print(f"wrote {out}: {source.kernels}", markup=False, soft_wrap=True)
    console.print(f"next: {out / 'README.md'} and port.c in it", markup=False, soft_wrap=True)
