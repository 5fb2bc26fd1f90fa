"""What quantization-aware training and distillation do to the deployed int8 model, against the plain export.

    python benchmarks/repair/tuning.py run --data-dir ../shared      # exports and runs what tune.py left; minutes
    python benchmarks/repair/tuning.py table > benchmarks/repair/tuning.md

`run` takes the checkpoints in runs/cifar100-tuned, exports each to int8, runs the file on TensorFlow Lite Micro and the
float model in PyTorch on all test images, and keeps the outcomes in benchmarks/repair/tuned/. `table` reads only
outcomes: those, and the ones of the untuned models in benchmarks/results/cifar100.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from tinyedge.artifact import load_artifact
from tinyedge.data import Dataset, load_dataset
from tinyedge.exporters.representative import draw_representative
from tinyedge.exporters.source import from_checkpoint
from tinyedge.exporters.tflite_int8 import TfliteInt8
from tinyedge.metrics import compare, evaluate
from tinyedge.metrics.outcome import Outcome
from tinyedge.outcomes import StoredOutcome, outcome_facts, read_outcomes, write_outcomes
from tinyedge.train.tuning import METHODS
from tinyedge.validate import predict

HERE = Path(__file__).parent
KEPT, TRAINED = HERE / "tuned", HERE.parent / "results" / "cifar100" / "outcomes"
FLOAT, MICRO = "torch-fp32", "tflm-int8"
WIDTHS = (4, 6)
TEACHER = "scalecnn-c16-seed0"
"""As in tune.py."""
METHOD_NAMES = {
    "as trained": "as trained",
    "plain": f"plain, {METHODS['plain'].epochs} more epochs",
    "distill": f"distilled, {METHODS['distill'].epochs} more epochs",
    "distill-t2-w0.5": f"distilled more gently, {METHODS['distill'].epochs} more epochs",
    "qat": f"quantization-aware, {METHODS['qat'].epochs} more epochs",
}


@dataclass(frozen=True)
class Run:
    """One seed after one method: figures in per cent or as they are."""

    seed: int
    figures: dict[str, float]


def main() -> None:
    """Run or table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--runs", type=Path, default=Path("runs/cifar100-tuned"))
    parser.add_argument("--data-dir", type=Path)
    chosen = parser.parse_args()
    test = load_dataset("cifar100", "test", data_dir=chosen.data_dir)
    if chosen.what == "table":
        print_tables(test)
        return
    train = load_dataset("cifar100", "train", data_dir=chosen.data_dir)
    for checkpoint in sorted(chosen.runs.glob("*.safetensors")):
        if ".state." not in checkpoint.name:
            run(checkpoint, train, test)


def run(checkpoint: Path, train: Dataset, test: Dataset) -> None:
    """Export one checkpoint, run it in float and on the microcontroller's runtime, and keep both outcomes."""
    if all((KEPT / f"{checkpoint.stem}.{target}.npz").is_file() for target in (FLOAT, MICRO)):
        return
    KEPT.mkdir(exist_ok=True)
    source = from_checkpoint(checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        deployed = TfliteInt8().export(
            source, Path(folder) / f"{checkpoint.stem}.tflite", representative=draw_representative(train)
        )
        for target, artifact in ((FLOAT, load_artifact(checkpoint)), (MICRO, deployed)):
            facts = outcome_facts(artifact) | {"tuned": source.training["tuned"], "recipe": source.training["recipe"]}
            path = KEPT / f"{checkpoint.stem}.{target}.npz"
            write_outcomes(path, predict(target, artifact, test), test, facts)
            print(f"{path.name}: {evaluate(read_outcomes(path, test).outcome)['accuracy']:.2%}", flush=True)


def print_tables(test: Dataset) -> None:
    """Both tables of each width."""
    teacher = evaluate(read_outcomes(TRAINED / f"{TEACHER}.onnx-fp32.npz", test).outcome)["accuracy"]
    print("# Tuned: quantization-aware training and distillation\n")
    print(
        f"CIFAR-100, all {len(test):,} test images, ScaleCNN trained 200 epochs (recipe paper), then as each row says: "
        + "; ".join(f"{m}: {r.epochs} epochs from rate {r.learning_rate:g}" for m, r in METHODS.items())
        + f". Distilled from {TEACHER} ({teacher:.2%} in float) at temperature 4, 0.9 of the loss; more "
        "gently: 2, 0.5. int8 by the default "
        "export, on TensorFlow Lite Micro; float on PyTorch. A cell: the mean over the seeds, then the change against "
        "the export of the same seed as trained, with the 95 % t interval over the seeds. Computed from outcomes by "
        "`python benchmarks/repair/tuning.py table`.\n"
    )
    for width in WIDTHS:
        runs = {method: collected(width, method, test) for method in METHOD_NAMES}
        tuned = {r.seed for method, found in runs.items() if method != "as trained" for r in found}
        runs["as trained"] = [r for r in runs["as trained"] if r.seed in tuned]
        print_width(width, {method: found for method, found in runs.items() if found})


def collected(width: int, method: str, test: Dataset) -> list[Run]:
    """Every seed that is there."""
    found = []
    for seed in range(5):
        stem = f"scalecnn-c{width}-seed{seed}"
        trained = _read(TRAINED / f"{stem}.onnx-fp32.npz", test)
        if method == "as trained":
            own, deployed = trained, _read(TRAINED / f"{stem}.{MICRO}.npz", test)
        else:
            own, deployed = (_read(KEPT / f"{stem}-{method}.{target}.npz", test) for target in (FLOAT, MICRO))
        if trained is not None and own is not None and deployed is not None:
            found.append(Run(seed, figures(trained.outcome, own.outcome, deployed.outcome)))
    return found


def figures(trained: Outcome, own: Outcome, deployed: Outcome) -> dict[str, float]:
    """What a row shows.

    Args:
        trained: the float model as it was trained.
        own: the float model after tuning.
        deployed: its int8 file.
    """
    alone = evaluate(deployed)
    to_own, to_trained = (compare(reference=r, deployed=deployed) for r in (own, trained))
    return {
        "float %": 100 * evaluate(own)["accuracy"],
        "int8 %": 100 * alone["accuracy"],
        "drop pp": 100 * to_own["accuracy_drop"],
        "Jaccard to its float": to_own["jaccard"],
        "flips to its float %": 100 * to_own["flips"],
        "Jaccard to the trained float": to_trained["jaccard"],
        "bottom-5 %": 100 * alone["bottom5"],
        "Gini": alone["gini"],
        "Gini, corrected": alone["gini_corrected"],
        "ECE pp": 100 * alone["ece"],
        "gap pp": 100 * alone["signed_gap"],
        "NLL": alone["nll"],
    }


def print_width(width: int, runs: dict[str, list[Run]]) -> None:
    """A row a figure, a column a method; the export of the model as trained beside it has the same seeds."""
    print(f"## c = {width}\n")
    if not runs:
        print("Nothing is tuned yet.\n")
        return
    before = {r.seed: r for r in runs["as trained"]}
    titles = [METHOD_NAMES[method] + f" (seeds {_seeds(found)})" for method, found in runs.items()]
    print(f"| int8 of the model | {' | '.join(titles)} |\n|---{'|---' * len(titles)}|")
    for figure in next(iter(before.values())).figures:
        cells = [_shown(figure, statistics.fmean(r.figures[figure] for r in runs["as trained"]))]
        for method, found in runs.items():
            if method != "as trained":
                mean = statistics.fmean(r.figures[figure] for r in found)
                changes = [r.figures[figure] - before[r.seed].figures[figure] for r in found]
                cells.append(f"{_shown(figure, mean)}: {_change(figure, changes)}")
        print(f"| {figure} | {' | '.join(cells)} |")
    print()


def _change(title: str, differences: list[float]) -> str:
    """The mean difference to the untuned model of the same seed, with its t interval over the seeds."""
    mean = statistics.fmean(differences)
    if len(differences) < 2:
        return f"{_shown(title, mean, sign=True)} (one seed)"
    half = float(stats.t.ppf(0.975, len(differences) - 1) * np.std(differences, ddof=1) / len(differences) ** 0.5)
    return f"{_shown(title, mean, sign=True)} ({_shown(title, mean - half)} to {_shown(title, mean + half)})"


def _shown(title: str, value: float, *, sign: bool = False) -> str:
    digits = 2 if title.endswith(("%", "pp")) else 3
    return f"{value:{'+' if sign else ''}.{digits}f}"


def _seeds(found: list[Run]) -> str:
    return ", ".join(str(r.seed) for r in found)


def _read(path: Path, test: Dataset) -> StoredOutcome | None:
    return read_outcomes(path, test) if path.is_file() else None


if __name__ == "__main__":
    main()
