"""A temperature folded into deployed int8 files: calibration before and after, and what it costs on the device.

    python benchmarks/repair/temperature.py --data-dir DATA > benchmarks/repair/temperature.md
    python benchmarks/repair/temperature.py --training --data-dir DATA > benchmarks/repair/temperature-training.md

T is fitted on some test images, on what TensorFlow Lite Micro puts out for them; every figure is of other images. The
file with T in it is run again, and its outputs are compared with the file's before, integer by integer. Takes about
half an hour on 2 cores; the second table needs the Arm compiler and QEMU. With ``--training``: what a T fitted on
training images would have done instead, on LiteRT's built-in kernels.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyedge.artifact import Artifact
from tinyedge.data import Dataset, load_dataset
from tinyedge.exporters.temperature import fold_temperature
from tinyedge.machine import package_version
from tinyedge.metrics import evaluate
from tinyedge.metrics.temperature import fit_temperature
from tinyedge.models.family import Member
from tinyedge.outcomes import outcome
from tinyedge.predictions import Predictions
from tinyedge.tempered import at_temperature
from tinyedge.validate import predict
from tinyedge.zoo import find

MICRO, HOST = "tflm-int8", "tflite-int8"
FIRMWARE = ("cortex-m4-int8", "cortex-m7-int8")
COSTS = ("instructions", "flash_bytes", "ram_bytes", "stack_bytes")
FEW = " So few cannot show what T does to the ECE: a perfectly calibrated model shows the floor."
RESAMPLES = 100
MODELS = (
    "model", "params", "T", "in the file", "where", "ECE before", "after", "floor", "debiased before", "after",
    "signed gap before", "after", "NLL before", "after", "accuracy before", "after", "integers that differ",
    "bytes before", "after",
)  # fmt: skip
TRAINING = (
    "model", "right of training images", "of test images", "T on test images", "T on training images",
    "ECE without T", "test T", "training T", "signed gap without T", "test T", "training T", "NLL without T", "test T",
    "training T",
)  # fmt: skip
DEVICES = (
    "model", "target", "as TFLite Micro", "ECE before", "after", "floor", "integers that differ",
    "instructions before", "after", "flash before", "after", "RAM before", "after", "stack before", "after",
)  # fmt: skip


@dataclass(frozen=True)
class Folded:
    """One model before and after, on the judged images."""

    files: tuple[Artifact, Artifact]
    runs: tuple[Predictions, Predictions]
    temperature: float
    deviation: float


def main() -> None:
    """Fit, fold, run again, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--widths", type=float, nargs="+", default=[4, 6, 8, 12, 16])
    parser.add_argument("--firmware", type=float, nargs="*", default=[4, 6, 8], help="widths that are built for a core")
    parser.add_argument("--fit", type=int, default=2000, help="test images that T is fitted on, and nothing else")
    parser.add_argument("--device-images", type=int, default=8000, help="of the judged ones, on firmware")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--training", action="store_true", help="the table of T fitted on training images")
    asked = parser.parse_args()
    test = load_dataset("cifar100", "test", data_dir=asked.data_dir)
    chosen = np.zeros(len(test), np.bool_)
    chosen[test.draw(asked.fit, seed=asked.seed)] = True
    if asked.training:
        train = load_dataset("cifar100", "train", data_dir=asked.data_dir).sample(asked.fit, seed=asked.seed)
        print(
            f"cifar100: T fitted on {asked.fit:,} test or training images (seed {asked.seed}), every figure on the "
            f"other {int((~chosen).sum()):,} test images. Models of the zoo, training seed 0, {HOST}.\n"
        )
        print(_line(TRAINING) + _rule(TRAINING), flush=True, end="")
        for width in asked.widths:
            print(_line(training_row(width, test, chosen, train)), flush=True, end="")
        return
    print(
        f"cifar100, test split: T fitted on {asked.fit:,} images (seed {asked.seed}), every figure on the other "
        f"{int((~chosen).sum()):,}. Models of the zoo, training seed 0. T +- its standard deviation over {RESAMPLES} "
        f"resamples of the images that it was fitted on. {MICRO}: tflite-micro {package_version('tflite-micro')}.\n"
    )
    print(_line(MODELS) + _rule(MODELS), flush=True, end="")
    judged = test.take(np.flatnonzero(~chosen))
    with tempfile.TemporaryDirectory() as folder:
        done = {}
        for width in asked.widths:
            done[width] = measured(width, test, chosen, Path(folder))
            print(_line(model_row(done[width], judged)), flush=True, end="")
        index = judged.draw(asked.device_images, seed=asked.seed)
        few = FEW if len(index) < len(judged) else ""
        print(f"\nOn firmware, {len(index):,} of the judged images (seed {asked.seed}), CMSIS-NN, in QEMU.{few}\n")
        print(_line(DEVICES) + _rule(DEVICES), flush=True, end="")
        for width in asked.firmware:
            for row in device_rows(done[width], judged, index):
                print(_line(row), flush=True, end="")


def measured(width: float, test: Dataset, chosen: np.ndarray[Any, Any], folder: Path) -> Folded:
    """One model, run on all test images, fitted on some, and run again with T in it on the others."""
    before = find(Member("scalecnn", width), "cifar100").load("tflite-int8")
    print(f"{before.model}: {MICRO}", file=sys.stderr, flush=True)
    all_of_it = predict(MICRO, before, test)
    fit, kept = all_of_it.take(np.flatnonzero(chosen)), all_of_it.take(np.flatnonzero(~chosen))
    temperature = fit_temperature(fit.logits, fit.labels)
    rng = np.random.default_rng(0)
    again = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(0, len(fit), len(fit))
        again.append(fit_temperature(fit.logits[drawn], fit.labels[drawn]))
    after = fold_temperature(before, temperature, folder / f"c{width:g}.tflite")
    runs = kept, predict(MICRO, after, test.take(np.flatnonzero(~chosen)))
    return Folded((before, after), runs, temperature, float(np.std(again, ddof=1)))


def training_row(width: float, test: Dataset, chosen: np.ndarray[Any, Any], train: Dataset) -> tuple[str, ...]:
    """Both temperatures, and what each does on images that neither was fitted on."""
    artifact = find(Member("scalecnn", width), "cifar100").load("tflite-int8")
    tested, trained = predict(HOST, artifact, test), predict(HOST, artifact, train)
    held_out, judged = tested.take(np.flatnonzero(chosen)), tested.take(np.flatnonzero(~chosen))
    fits = [fit_temperature(run.logits, run.labels) for run in (held_out, trained)]
    images = test.take(np.flatnonzero(~chosen))
    found = [evaluate(outcome(at_temperature(judged, t), images)) for t in (1.0, *fits)]
    return (
        artifact.model, f"{evaluate(outcome(trained, train))['accuracy']:.2%}", f"{found[0]['accuracy']:.2%}",
        *(f"{t:.4f}" for t in fits), *(f"{one['ece']:.2%}" for one in found),
        *(f"{100 * one['signed_gap']:+.2f} pp" for one in found), *(f"{one['nll']:.4f}" for one in found),
    )  # fmt: skip


def model_row(folded: Folded, judged: Dataset) -> tuple[str, ...]:
    """Calibration and bytes, before and after."""
    before, after = folded.files
    told = after.origin["temperature"]
    x, y = (evaluate(outcome(run, judged)) for run in folded.runs)
    return (
        before.model, f"{before.params:,}", f"{folded.temperature:.4f} +- {folded.deviation:.4f}",
        f"{told['folded']:.6f}", told["into"],
        *(f"{found['ece']:.2%}" for found in (x, y)), f"{y['ece_floor']:.2%}",
        *(f"{found['ece_debiased']:.2%}" for found in (x, y)),
        *(f"{100 * found['signed_gap']:+.2f} pp" for found in (x, y)),
        *(f"{found['nll']:.4f}" for found in (x, y)),
        *(f"{found['accuracy']:.2%}" for found in (x, y)),
        f"{differing(*folded.runs)} of {folded.runs[0].outputs.size:,}",
        f"{before.size_bytes:,}", f"{after.size_bytes:,}",
    )  # fmt: skip


def device_rows(
    folded: Folded, judged: Dataset, index: np.ndarray[Any, np.dtype[np.int64]]
) -> Iterator[tuple[str, ...]]:
    """The same two files as firmware on each core."""
    images = judged.take(index)
    micro = folded.runs[0].outputs[index]
    for target in FIRMWARE:
        print(f"{folded.files[0].model}: {target}", file=sys.stderr, flush=True)
        runs = [predict(target, artifact, images) for artifact in folded.files]
        equal = [int((run.outputs == micro).all(axis=1).sum()) for run in runs]
        x, y = (evaluate(outcome(run, images)) for run in runs)
        facts = [f"{run.provenance[name]:,}" for name in COSTS for run in runs]
        yield (
            folded.files[0].model, target, f"{min(equal):,} of {len(index):,} images",
            f"{x['ece']:.2%}", f"{y['ece']:.2%}", f"{y['ece_floor']:.2%}", f"{differing(*runs)} of {micro.size:,}",
            *facts,
        )  # fmt: skip


def differing(before: Predictions, after: Predictions) -> int:
    """How many stored outputs are not the same integer."""
    return int((before.outputs != after.outputs).sum())


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _rule(cells: tuple[str, ...]) -> str:
    return "|---" * len(cells) + "|\n"


if __name__ == "__main__":
    main()
