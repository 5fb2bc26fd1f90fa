"""Tune trained members by each method, several seeds at a time: what `tuning.py` then exports and compares.

    python benchmarks/repair/tune.py --width 4 --seeds 0 1 2 [--methods qat plain distill] [--threads 1]

Starts from runs/cifar100, writes runs/cifar100-tuned; goes on where it was stopped, at the end of an epoch.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from tinyedge.data import load_dataset
from tinyedge.models.family import Member
from tinyedge.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tinyedge.train.loop import STATE_EVERY_S, Files, pick_device
from tinyedge.train.tune import tune_together, tuned_key
from tinyedge.train.tuning import METHODS, Tuning

TEACHER = "scalecnn-c16-seed0"
"""The largest member that is trained in full."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=float, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--epochs", type=int, help="default: the method's own")
    parser.add_argument("--rate", type=float, help="learning rate; default: the method's own")
    parser.add_argument("--temperature", type=float, default=Tuning.temperature)
    parser.add_argument("--weight", type=float, default=Tuning.weight)
    parser.add_argument("--runs", type=Path, default=Path("runs/cifar100"))
    parser.add_argument("--out", type=Path, default=Path("runs/cifar100-tuned"))
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    starts = [
        load_checkpoint(chosen.runs / f"{Member('scalecnn', chosen.width).name}-seed{s}.safetensors")
        for s in chosen.seeds
    ]
    teacher = load_checkpoint(chosen.runs / f"{TEACHER}.safetensors")
    for method in chosen.methods:
        tuning = Tuning(method, chosen.epochs, chosen.rate, chosen.temperature, chosen.weight)
        run(starts, tuning, teacher if method == "distill" else None, chosen)


def run(starts: list[Checkpoint], tuning: Tuning, teacher: Checkpoint | None, chosen: argparse.Namespace) -> None:
    """One method, all seeds together."""
    device = pick_device(chosen.device)
    train, test = (load_dataset("cifar100", split, data_dir=chosen.data_dir) for split in ("train", "test"))
    keys = [tuned_key(start, tuning, device, teacher) for start in starts]
    files = [Files(chosen.out, key.name) for key in keys]
    left = [i for i, file in enumerate(files) if not file.final.is_file()]
    states = [load_checkpoint(files[i].state) for i in left if files[i].state.is_file()]
    begun = states if left and len(states) == len(left) else None
    if not left:
        return
    saved = time.monotonic()
    stages = tune_together(
        [keys[i] for i in left],
        [starts[i] for i in left],
        train,
        test,
        device=device,
        teacher=teacher,
        states=begun,
        on_note=print,
    )
    for stage in stages:
        print(f"{', '.join(keys[i].name for i in left)}: epoch {stage.epoch} of {stage.epochs}", flush=True)
        if stage.finished or time.monotonic() - saved >= STATE_EVERY_S:
            saved = time.monotonic()
            for i, checkpoint in zip(left, stage.checkpoints(), strict=True):
                save_checkpoint(files[i].final if stage.finished else files[i].state, checkpoint)
                if stage.finished:
                    files[i].state.unlink(missing_ok=True)
                    print(f"{keys[i].name}: {checkpoint.facts['test_accuracy']:.2%}, {checkpoint.seconds:.0f} s")


if __name__ == "__main__":
    main()
