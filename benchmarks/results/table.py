"""The trained models, what they took, and each judged on every target: from committed outcomes alone.

    python benchmarks/results/table.py --data cifar100

prints Markdown. The outcomes name the digest of the evaluation set, whose labels are read from the data set itself.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from tinyedge.data import load_dataset
from tinyedge.data.dataset import Dataset
from tinyedge.gate import Parity, judge
from tinyedge.gate.policy import DEFAULT_POLICY
from tinyedge.metrics import compare, evaluate
from tinyedge.metrics.catalogue import class_table
from tinyedge.metrics.outcome import Outcome
from tinyedge.outcomes import read_outcomes
from tinyedge.sweep.folder import SweepFolder
from tinyedge.sweep.status import ModelRow, model_rows

HERE = Path(__file__).parent
REFERENCE, MICRO = "onnx-fp32", "tflm-int8"
ALPHA, ANCHOR_PARAMS, ANCHOR_ERROR = 0.156, 21_936, 0.58
"""The study's law (arXiv 2603.07365): err ~ N^-0.156, 42 % accuracy at 22K parameters."""
JUDGED = (
    "model",
    "target",
    "float %",
    "deployed %",
    "Jaccard",
    "discordance %",
    "flips %",
    "worst class pp",
    "Gini",
    "bottom-5 %",
    "ECE %",
    "gap pp",
    "saturated %",
    "ties %",
    "argmax flips against TFLite Micro",
    "verdict",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar100")
    parser.add_argument("--data-dir", type=Path)
    chosen = parser.parse_args()
    data = load_dataset(chosen.data, "test", data_dir=chosen.data_dir)
    folder = SweepFolder(HERE / data.name)
    known = folder.read_manifest()
    if known is None:
        raise SystemExit(f"{folder.root}: collect a sweep first")
    basis, plan = known
    rows = [row for row in model_rows(folder, basis, plan) if row.state == "trained"]
    print(f"# {data.name}: what is trained, exported and judged\n")
    print(
        f"{len(rows)} models of the {len(plan.models)} that the manifest lists; all {len(data):,} test images; recipe "
        f"{basis.recipe.name}, {basis.recipe.epochs} epochs, {basis.precision}. Computed from the outcomes in "
        f"`{data.name}/` by `python benchmarks/results/table.py --data {data.name}`; no model was run for it.\n"
    )
    print_trained(rows, plan.targets)
    print_judged(rows, data)
    if data.name == "cifar100":
        print_law(rows)


def print_trained(rows: list[ModelRow], targets: tuple[str, ...]) -> None:
    """What each model is and took, with accuracy in float and deployed."""
    titles = ["model", "parameters", "epochs", "trained on", "seconds", "ONNX, int8 bytes"]
    print_head(titles + [f"{target} %" for target in targets])
    for row in rows:
        training = row.training
        sizes = [f"{row.exports[name]['bytes']:,}" for name in ("onnx-fp32", "tflite-int8") if row.exports.get(name)]
        seconds = training["seconds"]
        print_row(
            row.model,
            f"{row.params:,}",
            str(training["epochs"]),
            trained_on(training),
            "" if seconds is None else f"{seconds:,.0f}",
            " / ".join(sizes),
            *("" if share is None else f"{100 * share:.2f}" for share in row.accuracy.values()),
        )


def trained_on(training: dict[str, Any]) -> str:
    seeds = training.get("fused", 1)
    threads = training["threads"]
    where = f"{training['device']}, {threads} thread{'s' if threads > 1 else ''}, torch {training['torch']}"
    return where + (f", {seeds} seeds a step" if seeds > 1 else "")


def print_judged(rows: list[ModelRow], data: Dataset) -> None:
    """Each deployed model against its float reference."""
    print("\n## Judged by the default policy\n")
    print(f"Reference: {REFERENCE} of the same weights. Pairs: float / deployed. Kernels and versions: the records.\n")
    print_head(list(JUDGED))
    for row in rows:
        seen = {target: read(row.model, target, data) for target, share in row.accuracy.items() if share is not None}
        for target in seen:
            if target not in ("torch-fp32", REFERENCE) and REFERENCE in seen:
                print_row(*judged(row.model, target, seen))


def judged(name: str, target: str, seen: dict[str, Outcome]) -> list[str]:
    reference, deployed = seen[REFERENCE], seen[target]
    flips: int | None = None
    parity: Parity | str = "TFLite Micro was not run"
    if MICRO in seen:
        flips = int((deployed.predicted != seen[MICRO].predicted).sum())
        stands_for = target == "tflite-int8"
        parity = Parity(len(deployed), flips) if stands_for else f"{target} does not stand for a microcontroller"
    verdict = judge(reference=reference, deployed=deployed, policy=DEFAULT_POLICY, parity=parity)
    before, after, pair = evaluate(reference), evaluate(deployed), compare(reference=reference, deployed=deployed)
    drop = class_table(deployed).accuracy - class_table(reference).accuracy

    def both(metric: str, scale: float, digits: int) -> str:
        return f"{scale * before[metric]:.{digits}f} / {scale * after[metric]:.{digits}f}"

    return [
        name,
        target,
        f"{100 * before['accuracy']:.2f}",
        f"{100 * after['accuracy']:.2f}",
        f"{pair['jaccard']:.3f}",
        f"{100 * pair['discordance']:.2f}",
        f"{100 * pair['flips']:.2f}",
        f"{100 * drop.min():+.0f}",
        both("gini", 1, 3),
        both("bottom5", 100, 1),
        both("ece", 100, 2),
        both("signed_gap", 100, 2),
        f"{100 * after['saturation_rate']:.2f}",
        f"{100 * after['tie_rate']:.2f}",
        "" if flips is None or target == MICRO else f"{flips} of {len(deployed):,}",
        " ".join((verdict.status, *(gate.title.lower() for gate in verdict.gates if gate.status != "PASS"))),
    ]


def print_law(rows: list[ModelRow]) -> None:
    """ScaleCNN's mean accuracy a width beside what the study's mean exponent implies from its 42 % at 22K."""
    print("\n## Against the study's law\n")
    print_head(["member", "seeds", "float %", "implied by the law %", "difference", "local exponent"])
    found: dict[tuple[int, str], list[float]] = {}
    for row in rows:
        share = row.accuracy.get(REFERENCE)
        if row.model.startswith("scalecnn") and share is not None:
            found.setdefault((row.params, row.model.rpartition("-seed")[0]), []).append(share)
    last: tuple[int, float] | None = None
    for (params, member), shares in sorted(found.items()):
        error = 1 - sum(shares) / len(shares)
        implied = ANCHOR_ERROR * (params / ANCHOR_PARAMS) ** -ALPHA
        local = "" if last is None else f"{math.log(last[1] / error) / math.log(params / last[0]):.3f}"
        figures = [f"{100 * (1 - error):.2f}", f"{100 * (1 - implied):.2f}", f"{100 * (implied - error):+.2f}"]
        print_row(member, str(len(shares)), *figures, local)
        last = params, error


def read(model: str, target: str, data: Dataset) -> Outcome:
    return read_outcomes(HERE / data.name / "outcomes" / f"{model}.{target}.npz", data).outcome


def print_head(titles: list[str]) -> None:
    print_row(*titles)
    print("|" + "---|" * len(titles))


def print_row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
