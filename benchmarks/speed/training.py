"""How much faster training is than the loop that one would write first, as ratios within one run.

On a CPU the base is plain PyTorch: one seed, float32, NCHW, batches gathered and augmented as here; on CUDA it is the
same with bf16 autocast. Each way is timed in turn, round after round, and the median over the rounds is taken: CPU time
of the process on a CPU (other processes do not count), wall-clock time on CUDA. No accuracy is measured: the images
are noise.

    python benchmarks/speed/training.py --widths 4 6 8 16 --seeds 5 > table.md
    python benchmarks/speed/training.py --device cuda
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from tinyedge.data.dataset import Dataset
from tinyedge.machine import cpu_flags, cpu_model
from tinyedge.models import scalecnn
from tinyedge.models.family import Member
from tinyedge.train.autotune import candidates, choose
from tinyedge.train.batches import Batches
from tinyedge.train.checkpoint import RunKey
from tinyedge.train.kernels import why_not_compiled
from tinyedge.train.loop import pick_device, pick_precision
from tinyedge.train.recipe import PAPER
from tinyedge.train.steps import Group
from tinyedge.train.variant import Variant

IMAGES = 50_000
"""In the real training set: 390 steps an epoch."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=list(scalecnn.WIDTHS))
    parser.add_argument("--seeds", type=int, default=5, help="how many are fused")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, help="a round (default: 5 on a CPU, 100 on CUDA)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--compiled", action="store_true", help="on a CPU, time the compiled kernels too")
    chosen = parser.parse_args()
    device = pick_device(chosen.device)
    precision = pick_precision("auto", device)
    steps = chosen.steps or (100 if device.type == "cuda" else 5)
    print(header(device, precision, chosen.rounds, steps), flush=True)
    totals = {"plain": 0.0, "tinyedge": 0.0}
    for width in chosen.widths:
        ways = contenders(width, chosen.seeds, device, precision, compiled=chosen.compiled)
        times = interleaved(ways, chosen.rounds, steps, device)
        picked = f"tinyedge, {chosen.seeds} seeds"
        for name, seconds in times.items():
            print(row(width, name, seconds, times["plain"]), flush=True)
        if device.type == "cuda":
            totals["plain"] += times["plain"] * PAPER.epochs * (IMAGES // PAPER.batch) * chosen.seeds
            totals["tinyedge"] += times[picked] * PAPER.epochs * (IMAGES // PAPER.batch) * chosen.seeds
    if device.type == "cuda":
        runs = len(chosen.widths) * chosen.seeds
        print(f"\nProjected for {runs} ScaleCNN runs of {PAPER.epochs} epochs, compilation and autotune not counted: ")
        print(", ".join(f"{name} {seconds / 60:.1f} min" for name, seconds in totals.items()))


def contenders(
    width: int, seeds: int, device: torch.device, precision: str, *, compiled: bool
) -> dict[str, tuple[Callable[[int], None], int]]:
    """By name: what takes some steps, and how many seeds it steps."""
    data = noise()
    keys = [RunKey(Member("scalecnn", width), PAPER, s, data.name, data.digest, precision) for s in range(seeds)]
    batches = Batches(data, PAPER, device)

    def group(variant: Variant, count: int) -> tuple[Callable[[int], None], int]:
        return Group(keys[:count], batches, variant, device).trial, count

    ways = {"plain": (Plain(keys[0], batches, device).trial, 1)}
    if device.type == "cuda":
        best = choose(keys, batches, device, print_note)
        ways[f"tinyedge, {seeds} seeds"] = group(best, seeds if best.fused else 1)
        for variant in candidates(keys[:1], why_not_compiled("cuda")):
            ways[f"one seed, {variant}"] = group(variant, 1)
        return ways
    ways["one seed, serial + eager"] = group(Variant(), 1)
    for layout in ("grouped", "dense", "mixed"):
        ways[f"{seeds} seeds, {layout} + eager"] = group(Variant(layout), seeds)
    if compiled:
        ways["one seed, serial + compiled"] = group(Variant(compiled=True), 1)
        ways[f"{seeds} seeds, mixed + compiled"] = group(Variant("mixed", compiled=True), seeds)
    return ways


class Plain:
    """The loop that one would write first."""

    def __init__(self, key: RunKey, batches: Batches, device: torch.device) -> None:
        torch.manual_seed(key.seed)
        self._model = key.member.build().to(device)
        self._device = device
        self._order = batches.order([key.seed], 0)
        self._batches = batches
        recipe = key.recipe
        self._optimizer = torch.optim.SGD(
            self._model.parameters(),
            recipe.learning_rate,
            recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=True,
        )

    def trial(self, steps: int) -> None:
        """Take some steps."""
        for step in range(steps):
            rows = (column[step % len(self._batches)] for column in self._order.tensors())
            images, labels = self._batches.take(*rows)
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"):
                loss = functional.cross_entropy(self._model(images.contiguous()).float(), labels[0])
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()


def noise() -> Dataset:
    """Ten batches of uniform noise."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (10 * PAPER.batch, 32, 32, 3), np.uint8)
    return Dataset("noise", "train", images, rng.integers(0, 100, len(images)), tuple(f"class{k}" for k in range(100)))


def interleaved(
    ways: dict[str, tuple[Callable[[int], None], int]], rounds: int, steps: int, device: torch.device
) -> dict[str, float]:
    """Median seconds in which each way takes one step of one seed."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):  # the first is a warm-up
        for name, (trial, seeds) in ways.items():
            wait(device)
            start = clock()
            trial(steps)
            wait(device)
            if turn:
                taken[name].append((clock() - start) / steps / seeds)
    return {name: statistics.median(values) for name, values in taken.items()}


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def header(device: torch.device, precision: str, rounds: int, steps: int) -> str:
    cuda = device.type == "cuda"
    where = torch.cuda.get_device_name(device) if cuda else f"{cpu_model()} ({', '.join(cpu_flags())})"
    return (
        f"{where}, {platform.machine()}, PyTorch {torch.__version__}, {torch.get_num_threads()} thread(s), "
        f"{precision}; median of {rounds} interleaved rounds of {steps} steps, batch {PAPER.batch}, "
        f"{'wall-clock' if cuda else 'CPU'} time.\n\n"
        "| width | way | ms a step and seed | time over plain | times faster |\n|---|---|---|---|---|"
    )


def row(width: int, name: str, seconds: float, plain: float) -> str:
    return f"| {width} | {name} | {seconds * 1e3:.2f} | {seconds / plain:.2f} | {plain / seconds:.1f} |"


def print_note(note: str) -> None:
    print(f"<!-- {note} -->")


if __name__ == "__main__":
    main()
