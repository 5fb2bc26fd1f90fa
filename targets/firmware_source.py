"""A TFLite model to C: by BakeNN, with the kernels that it is asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyedge.errors import TargetRefused
from tinyedge.targets.legalize import Legal

CMSIS_NN, PORTABLE = "cmsis-nn", "portable"
_PLACE = re.compile(r"operator\[(\d+)\]")
_STEP = re.compile(r"tflite_(\d+)_")
_INFER = re.compile(r"(void bknn_model_infer\([^)]*\) \{\n)(.*?)(\n\}\n)", re.DOTALL)


@dataclass(frozen=True)
class Layer:
    """A step of the inference that runs code.

    Args:
        place: of its block in the generated function, and of its ticks in what counting firmware says.
        operator: the model's, with its place in the file.
        kernel: what computes it, e.g. ``cmsis_nn.conv2d_s8.v4.0.0``.
    """

    place: int
    operator: str
    kernel: str


@dataclass(frozen=True)
class Source:
    """A model as C.

    Args:
        model: the C file with ``bknn_model_infer``.
        others: the C files that it needs.
        includes: folders of headers.
        defines: that the C files are compiled with.
        sizes: bytes of an input and of an output.
        arena_bytes: what the layers share.
        steps: blocks in the generated function; a view's holds no code.
        layers: those that do.
        kernels: what computes each operator, in words.
    """

    model: Path
    others: tuple[Path, ...]
    includes: tuple[Path, ...]
    defines: tuple[str, ...]
    sizes: tuple[int, int]
    arena_bytes: int
    steps: int
    layers: tuple[Layer, ...]
    kernels: str

    def counting(self) -> Path:
        """A copy of the C file that calls ``layer_done(place)`` after every step."""
        path = self.model.with_name("counting.c")
        path.write_text(_marked(self.model.read_text(), self.steps))
        return path


def generate(legal: Legal, folder: Path, *, profile: str, kernels: str, where: Path) -> Source:
    """Write the model's C into ``folder``.

    Args:
        legal: the model.
        folder: is made where it is not there.
        profile: BakeNN's name for the instruction set.
        kernels: ``cmsis-nn`` or ``portable``.
        where: the model file, for errors.

    Raises:
        TargetRefused: where BakeNN lacks an operator.
    """
    import bakenn

    policy = bakenn.KernelPolicy.PORTABLE if kernels == PORTABLE else bakenn.KernelPolicy.STATIC_PRIORITY
    options = bakenn.CBackendOptions(
        kernel_policy=policy, enable_cmsis_nn=kernels == CMSIS_NN, target=bakenn.resolve_target(profile)
    )
    try:
        written = bakenn.compile_tflite(legal.model, folder, name="model", backend_options=options).artifacts
    except (bakenn.BakeNNError, ValueError) as error:
        raise _not_taken(error, legal, where) from error
    memory = written.memory_report
    ids = [step.kernel_id for step in memory.steps]
    return Source(
        model=Path(written.model_source),
        others=tuple(Path(p) for p in (written.weights_source, written.kernels_source, *written.support_sources)),
        includes=(folder, *(Path(p) for p in written.support_include_dirs)),
        # BakeNN's own memcpy for CMSIS-NN: the C library's would differ from one toolchain to the next.
        defines=("BAKENN_CMSIS_NN_BUILTIN_MEMORY",) if written.support_sources else (),
        sizes=(memory.input_bytes, memory.output_bytes),
        arena_bytes=memory.arena_bytes,
        steps=len(ids),
        layers=tuple(
            Layer(place, _operator(step.name, legal), step.kernel_id)
            for place, step in enumerate(memory.steps)
            if not _is_view(step.kernel_id)
        ),
        kernels=_kernels(ids),
    )


def _marked(code: str, steps: int) -> str:
    """The generated function is one block a step, with an empty line between two."""
    found = _INFER.search(code)
    blocks = found[2].split("\n\n") if found else []
    if found is None or len(blocks) != steps:
        raise TargetRefused(
            "the layers of the generated C cannot be told apart",
            found=f"{len(blocks)} blocks of code",
            expected=f"one for each of {steps} steps",
            fix="report this: another release of bakenn may write it differently",
        )
    body = "\n\n".join(f"{block}\n    layer_done({place}u);" for place, block in enumerate(blocks))
    return f'{code[: found.start()]}#include "board.h"\n{found[1]}{body}{found[3]}{code[found.end() :]}'


def _operator(name: str, legal: Legal) -> str:
    """``tflite_3_conv_2d`` is the model's fourth operator."""
    found = _STEP.match(name)
    return legal.operators[int(found[1])] if found else name


def _is_view(kernel: str) -> bool:
    """A view copies nothing and runs nothing."""
    return "_view" in kernel


def _kernels(ids: list[str]) -> str:
    """``cmsis_nn.conv2d_s8.v4.0.0`` and the like, counted."""
    running = [name for name in ids if not _is_view(name)]
    vendor = [name for name in running if name.startswith("cmsis_nn.")]
    views = len(ids) - len(running)
    parts = []
    if vendor:
        parts.append(f"CMSIS-NN {vendor[0].partition('.v')[2]} for {len(vendor)}")
    if portable := sum(name.startswith("portable.") for name in running):
        parts.append(f"portable C for {portable}")
    if other := len(running) - len(vendor) - portable:
        parts.append(f"BakeNN's own for {other}")
    if views:
        parts.append(f"no code for {views}")
    return f"{', '.join(parts)} ({len(ids)} operators)"


def _not_taken(error: Any, legal: Legal, where: Path) -> TargetRefused:
    diagnostic = getattr(error, "diagnostic", None)
    place = _PLACE.search(str(getattr(diagnostic, "location", "")))
    reason = " ".join(str(getattr(diagnostic, "reason", error)).split())[:500]
    at = f"{legal.operators[int(place[1])]}: " if place else ""
    return TargetRefused(
        "BakeNN cannot make firmware of this model",
        where=where,
        found=at + reason,
        expected="convolutions, average and max pools, fully connected layers, additions, pads and reshapes, in int8",
        fix="run it on tflm-int8, which has more operators; or put a layer in its place that is in that list",
    )
