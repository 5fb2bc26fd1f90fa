"""The trained models, what they took, and each judged on every target: from committed outcomes alone.

    python benchmarks/results/table.py --data cifar100

prints Markdown. The outcomes name the digest of the evaluation set, whose labels are read from the data set itself.
"""

from __future__ import annotations

import argparse
import json
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
    content = json.loads((HERE / data.name / "models.json").read_text())
    basis, models = content["basis"], content["models"]
    recipe = basis["recipe"]
    print(f"# {data.name}: what is trained, exported and judged\n")
    print(
        f"{len(models)} models; all {len(data):,} test images; recipe {recipe['name']}, {recipe['epochs']} epochs, "
        f"{basis['precision']}. Computed from the per-image outcomes in `{data.name}/` by "
        f"`python benchmarks/results/table.py --data {data.name}`; no model was run for this table.\n"
    )
    print_trained(models)
    print_judged(models, data)
    if data.name == "cifar100":
        print_law(models)


def print_trained(models: list[dict[str, Any]]) -> None:
    """What each model is and took, with accuracy in float and deployed."""
    targets = list(dict.fromkeys(name for model in models for name in model["runs"]))
    titles = ["model", "parameters", "seed", "epochs", "trained on", "seconds", "checkpoint, ONNX, int8 bytes"]
    print_head(titles + [f"{target} %" for target in targets])
    for model in models:
        training, sizes = model["training"], [model["checkpoint_bytes"]]
        sizes += [model["exports"][name]["bytes"] for name in ("onnx-fp32", "tflite-int8") if name in model["exports"]]
        fused = f", {training['fused']} seeds a step" if training.get("fused", 1) > 1 else ""
        where = f"{training['device']}, {training['threads']} thread{'s' if training['threads'] > 1 else ''}{fused}"
        seconds = training["seconds"]
        runs = [f"{100 * model['runs'][t]['accuracy']:.2f}" if t in model["runs"] else "" for t in targets]
        print_row(
            model["name"],
            f"{model['params']:,}",
            str(model["seed"]),
            str(training["epochs"]),
            where,
            "" if seconds is None else f"{seconds:,.0f}",
            " / ".join(f"{size:,}" for size in sizes),
            *runs,
        )


def print_judged(models: list[dict[str, Any]], data: Dataset) -> None:
    """Each deployed model against its float reference."""
    print("\n## Judged by the default policy\n")
    print(f"Reference: {REFERENCE} of the same weights. Pairs: float / deployed. Kernels as in `models.json`.\n")
    print_head(list(JUDGED))
    for model in models:
        seen = {name: read(model["name"], name, data) for name in model["runs"]}
        for target in seen:
            if target not in ("torch-fp32", REFERENCE) and REFERENCE in seen:
                print_row(*judged(model["name"], target, seen))


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


def print_law(models: list[dict[str, Any]]) -> None:
    """ScaleCNN's mean accuracy a width beside what the study's mean exponent implies from its 42 % at 22K."""
    print("\n## Against the study's law\n")
    print_head(["model", "seeds", "float %", "implied by the law %", "difference", "local exponent"])
    last: tuple[int, float] | None = None
    for params in sorted({model["params"] for model in models if model["family"] == "scalecnn"}):
        same = [m for m in models if m["params"] == params and REFERENCE in m["runs"]]
        error = 1 - sum(model["runs"][REFERENCE]["accuracy"] for model in same) / len(same)
        implied = ANCHOR_ERROR * (params / ANCHOR_PARAMS) ** -ALPHA
        local = "" if last is None else f"{math.log(last[1] / error) / math.log(params / last[0]):.3f}"
        name = same[0]["name"].rpartition("-seed")[0]
        figures = [f"{100 * (1 - error):.2f}", f"{100 * (1 - implied):.2f}", f"{100 * (implied - error):+.2f}"]
        print_row(name, str(len(same)), *figures, local)
        last = params, error


def read(model: str, target: str, data: Dataset) -> Outcome:
    return read_outcomes(HERE / data.name / f"{model}.{target}.npz", data).outcome


def print_head(titles: list[str]) -> None:
    print_row(*titles)
    print("|" + "---|" * len(titles))


def print_row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
