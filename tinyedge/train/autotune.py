"""Which variant a group of seeds trains by: a fixed rule on a CPU, the fastest of a few short trials on CUDA."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from tinyedge.errors import TrainingOutOfMemory
from tinyedge.models.family import Member
from tinyedge.train.batches import Batches
from tinyedge.train.checkpoint import RunKey
from tinyedge.train.kernels import why_not_compiled
from tinyedge.train.steps import Group
from tinyedge.train.variant import Variant

TRIAL_STEPS = 30
CPU_FUSED_WIDTHS: tuple[float, ...] = (4, 6, 8)
"""ScaleCNN's widths at which a CPU trains several seeds in one step: where that was the faster (docs/training.md)."""
CPU_COMPILED_WIDTHS: tuple[float, ...] = (4, 6)
"""Where a CPU trains a single seed by compiled kernels, for the same reason."""
CPU_COMPILED_STEPS = 5_000
"""Fewer steps are done before what compiling them costs (up to a minute) has paid."""
FUSED_SEEDS = 5
"""The study's seeds."""


def choose(keys: Sequence[RunKey], batches: Batches, device: torch.device, on_note: Callable[[str], None]) -> Variant:
    """The variant for seeds that start together.

    On a CPU it follows from the keys (and from whether there is a compiler), so that a run can be repeated bit for bit.
    On CUDA it is timed: a run that is killed goes on with the variant that its state records.

    Raises:
        TrainingOutOfMemory: where no variant fits the accelerator.
    """
    if device.type != "cuda":
        rule = cpu_rule(keys, steps=keys[0].recipe.epochs * len(batches))
        missing = why_not_compiled(device.type) if rule.compiled else None
        if missing:
            on_note(f"trains without compiled kernels, which would be faster: {missing}")
        return replace(rule, compiled=rule.compiled and missing is None)
    options = candidates(keys, why_not_compiled(device.type))
    times: dict[Variant, float] = {}
    for variant in options:
        try:
            times[variant] = seconds_a_step(keys, batches, device, variant)
        except torch.OutOfMemoryError:
            on_note(f"{variant}: too little memory")
        torch.cuda.empty_cache()
    if not times:
        raise TrainingOutOfMemory(
            "no way of computing a step fits the accelerator's memory",
            where=f"{keys[0].member.name}, {len(keys)} seeds",
            found="; ".join(str(variant) for variant in options),
            fix="train fewer seeds together, or --device cpu",
        )
    best = min(times, key=times.__getitem__)
    tried = ", ".join(f"{variant} {seconds * 1e3:.2f} ms" for variant, seconds in times.items())
    on_note(f"trains as {best} (a step of {len(keys)} seeds: {tried})")
    return best


def cpu_rule(keys: Sequence[RunKey], *, steps: int) -> Variant:
    """Fused for several seeds, compiled for one in a long run, each at the widths where it won; else plain."""
    member = keys[0].member
    if not keys[0].fuses:
        return Variant()
    if len(keys) > 1:
        return Variant("mixed" if member.width in CPU_FUSED_WIDTHS else "serial")
    return Variant(compiled=member.width in CPU_COMPILED_WIDTHS and steps >= CPU_COMPILED_STEPS)


def candidates(keys: Sequence[RunKey], not_compiled: str | None) -> list[Variant]:
    """What is tried on CUDA: graphs always, as nothing is faster without; every layout that the member has."""
    several = len(keys) > 1 and keys[0].fuses
    layouts = ["serial", "grouped", "dense"] if several else ["serial"]
    kinds = [False] if not_compiled else [False, True] if len(layouts) == 1 else [True]
    return [Variant(layout, compiled, graphs=True) for layout in layouts for compiled in kinds]


def seconds_a_step(keys: Sequence[RunKey], batches: Batches, device: torch.device, variant: Variant) -> float:
    """Wall-clock seconds in which every seed takes one step, on copies that are thrown away.

    The serial layout is timed with one seed, times their number.
    """
    together = keys if variant.fused else keys[:1]
    group = Group(together, batches, variant, device)
    group.trial(TRIAL_STEPS // 3)  # compiles, captures and warms up
    _wait(device)
    start = time.perf_counter()
    group.trial(TRIAL_STEPS)
    _wait(device)
    return (time.perf_counter() - start) / TRIAL_STEPS * len(keys) / len(together)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def fused_seeds(member: Member, device_type: str) -> int:
    """How many seeds of ``member`` a sweep gives one task: five where they may share steps, else one."""
    fuses = member.family == "scalecnn" and (device_type == "cuda" or member.width in CPU_FUSED_WIDTHS)
    return FUSED_SEEDS if fuses else 1
