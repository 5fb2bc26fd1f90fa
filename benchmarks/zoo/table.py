"""Judge every shipped model of a dataset on several targets and write one table.

TINYEDGE_DATA=... python benchmarks/zoo/table.py --data cifar100 > benchmarks/zoo/results-cifar100.md
"""

from __future__ import annotations

import argparse
import math
from datetime import UTC, datetime

from tinyedge.data import Dataset, load_dataset
from tinyedge.gate import DEFAULT_POLICY
from tinyedge.machine import cpu_model, package_version
from tinyedge.validate import validate
from tinyedge.zoo import Entry, entries

TARGETS = ("tflite-int8", "tflite-int8-reference", "tflite-int8-xnnpack", "tflm-int8")
COLUMNS = (
    "model",
    "parameters",
    "epochs",
    "float %",
    "target",
    "int8 %",
    "Jaccard",
    "discordance %",
    "flips %",
    "worst class pp",
    "Gini float / int8",
    "bottom-5 float / int8 %",
    "ECE float / int8 %",
    "saturated %",
    "ties %",
    "parity: argmax flips, outputs that differ %",
    "int8 bytes",
    "verdict",
)
ALPHA, ANCHOR_PARAMS, ANCHOR_ERROR = 0.156, 21_936, 0.58
"""The study's law (arXiv 2603.07365): err ~ N^-0.156, 42 % accuracy at 22K parameters."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar100")
    parser.add_argument("--targets", nargs="+", default=list(TARGETS))
    chosen = parser.parse_args()
    data = load_dataset(chosen.data, "test")
    listed = [entry for entry in entries() if entry.data == data.name]
    print(f"# {data.name}: shipped models, judged\n")
    print(
        f"All {len(data):,} test images, seed {listed[0].seed}, recipe {listed[0].recipe}. Reference: ONNX fp32, ONNX "
        f"Runtime. LiteRT {package_version('ai-edge-litert')}, tflite-micro {package_version('tflite-micro')}, "
        f"{cpu_model()}, {datetime.now(UTC):%Y-%m-%d}. Made by `python benchmarks/zoo/table.py --data {data.name}`.\n"
    )
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
    for entry in listed:
        for target in chosen.targets:
            print("| " + " | ".join(row(entry, target, data)) + " |", flush=True)
    if data.name == "cifar100":
        print_law(listed)


def row(entry: Entry, target: str, data: Dataset) -> list[str]:
    report = validate(
        reference=entry.load("onnx-fp32"),
        deployed=entry.load("tflite-int8"),
        reference_target="onnx-fp32",
        target=target,
        data=data,
        policy=DEFAULT_POLICY,
    )
    parity = report.parity
    before, after, pair = report.reference.metrics, report.deployed.metrics, report.comparison
    return [
        entry.model,
        f"{entry.params:,}",
        str(entry.epochs),
        f"{before['accuracy']:.2%}"[:-1],
        target,
        f"{after['accuracy']:.2%}"[:-1],
        f"{pair['jaccard']:.3f}",
        f"{pair['discordance']:.2%}"[:-1],
        f"{pair['flips']:.2%}"[:-1],
        f"{100 * min(c.change for c in report.classes):+.0f}",
        f"{before['gini']:.3f} / {after['gini']:.3f}",
        f"{100 * before['bottom5']:.1f} / {100 * after['bottom5']:.1f}",
        f"{100 * before['ece']:.2f} / {100 * after['ece']:.2f}",
        f"{100 * after['saturation_rate']:.2f}",
        f"{100 * after['tie_rate']:.2f}",
        "" if parity is None else f"{parity.argmax_flips} of {parity.images:,}, {100 * parity.elements_differ:.2f}",
        f"{report.deployed.artifact['size_bytes']:,}",
        " ".join((report.verdict.status, *(g.title.lower() for g in report.verdict.gates if g.status != "PASS"))),
    ]


def print_law(listed: list[Entry]) -> None:
    """Each width beside what the study's mean exponent implies from its 42 % at 22K."""
    print("\n| model | accuracy % | implied by the law % | difference | local exponent |\n|---|---|---|---|---|")
    last: Entry | None = None
    for entry in listed:
        implied = 1 - ANCHOR_ERROR * (entry.params / ANCHOR_PARAMS) ** -ALPHA
        local = ""
        if last is not None:
            ratio = (1 - last.test_accuracy) / (1 - entry.test_accuracy)
            local = f"{math.log(ratio) / math.log(entry.params / last.params):.3f}"
        print(
            f"| {entry.model} | {100 * entry.test_accuracy:.2f} | {100 * implied:.2f} | "
            f"{100 * (entry.test_accuracy - implied):+.2f} | {local} |"
        )
        last = entry


if __name__ == "__main__":
    main()
