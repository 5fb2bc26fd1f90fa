"""Every deployed precision beside its float model, on the whole test set: one table.

    python benchmarks/precisions/compare.py --checkpoint A.safetensors B.safetensors > benchmarks/precisions/cifar100.md

Each checkpoint is exported by each exporter, with the same representative images, and each file runs on all test
images on each of its targets. Takes about 20 minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinyedge.artifact import Artifact
from tinyedge.data import Dataset, load_dataset
from tinyedge.exporters.base import Options
from tinyedge.exporters.representative import Representative, draw_representative
from tinyedge.exporters.source import TorchSource, from_checkpoint
from tinyedge.machine import cpu_model, package_version
from tinyedge.metrics import compare, evaluate
from tinyedge.outcomes import outcome
from tinyedge.predictions import Predictions
from tinyedge.registry import EXPORTERS, lookup
from tinyedge.validate import predict

RUNS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("onnx-fp32", "onnx-fp32", {}),
    ("onnx-int8", "onnx-int8", {}),
    ("tflite-int8", "tflite-int8", {}),
    ("tflite-int8", "tflite-int8-xnnpack", {}),
    ("tflite-int16x8", "tflite-int16x8", {}),
    ("tflite-int16x8", "tflm-int16x8", {}),
    ("tflite-dynamic", "tflite-dynamic", {}),
    ("tflite-dynamic", "tflite-dynamic", {"kernels": "built-in"}),
    ("executorch-int8", "executorch-int8", {}),
)
"""Exporter, target, the target's options; the first is the reference of all."""
PACKAGES = ("torch", "onnxruntime", "litert-torch", "ai-edge-quantizer", "ai-edge-litert", "executorch", "torchao")
HEADER = (
    "target", "accuracy", "Jaccard", "discordance", "worst class drop", "ECE", "signed gap change", "ties",
    "bytes", "us an image", "kernels that ran",
)  # fmt: skip


def main() -> None:
    """Measure each checkpoint and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, nargs="+", required=True)
    parser.add_argument("--data", default="cifar100")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--representative", type=int, default=1000)
    parser.add_argument("--images", type=int, help="a sample of the test images, for a trial")
    asked = parser.parse_args()
    drawn = draw_representative(load_dataset(asked.data, "train", data_dir=asked.data_dir), count=asked.representative)
    test = load_dataset(asked.data, "test", data_dir=asked.data_dir)
    test = test if asked.images is None else test.sample(asked.images, seed=0)
    print(facts(drawn, test))
    for path in asked.checkpoint:
        source = from_checkpoint(path)
        print(f"\n{heading(source)}\n\n| {' | '.join(HEADER)} |\n{'|---' * len(HEADER)}|")
        with tempfile.TemporaryDirectory() as folder:
            for line in rows(source, drawn, test, Path(folder)):
                print(line, flush=True)


def rows(source: TorchSource, drawn: Representative, test: Dataset, folder: Path) -> Iterator[str]:
    """One line for each run, then how far the kernels of one file agree."""
    files: dict[str, Artifact] = {}
    runs: dict[tuple[str, str], Predictions] = {}
    for name, target, options in RUNS:
        if name not in files:
            files[name] = exported(name, source, drawn, folder)
        label = " ".join([target, *options.values()])
        found = runs[name, label] = predict(target, files[name], test, options=options)
        print(f"{source.model}: {label}", file=sys.stderr, flush=True)
        yield row(label, files[name], runs["onnx-fp32", "onnx-fp32"], found, test)
    yield ""
    for name in files:
        (first, one), *others = [(label, found) for (file, label), found in runs.items() if file == name]
        for label, other in others:
            equal = int((one.outputs == other.outputs).all(axis=1).sum())
            flips = int((one.predicted != other.predicted).sum())
            yield (
                f"- {name}: {label} puts out what {first} does, bit for bit, on {equal:,} of {len(test):,} images; "
                f"top-1 differs on {flips:,}."
            )


def exported(name: str, source: TorchSource, drawn: Representative, folder: Path) -> Artifact:
    """The checkpoint through one exporter, with its defaults."""
    exporter = lookup(EXPORTERS, "exporter", name)()
    artifact: Artifact = exporter.export(
        source,
        folder / f"{name}{exporter.suffix}",
        representative=drawn if exporter.quantized else None,
        options=Options(),
    )
    return artifact


def row(label: str, artifact: Artifact, before: Predictions, after: Predictions, test: Dataset) -> str:
    """One run beside the reference."""
    reference, deployed = outcome(before, test), outcome(after, test)
    alone, pair = evaluate(deployed), compare(reference=reference, deployed=deployed)
    cells = [
        label,
        f"{alone['accuracy']:.2%}",
        f"{pair['jaccard']:.3f}",
        f"{pair['discordance']:.2%}",
        f"{round(100 * pair['worst_class_drop'])} pp",
        f"{alone['ece']:.2%}",
        f"{100 * pair['signed_gap_change']:+.2f} pp",
        f"{alone['tie_rate']:.1%}",
        f"{artifact.size_bytes:,}",
        f"{after.provenance['us_per_image']:,.0f}",
        str(after.provenance["kernels"]),
    ]
    return f"| {' | '.join(cells)} |"


def facts(drawn: Representative, test: Dataset) -> str:
    """What all the tables depend on."""
    origin = drawn.origin
    versions = ", ".join(f"{name} {package_version(name)}" for name in PACKAGES)
    seed = origin["seed"]
    return (
        f"{test.name}, {len(test):,} test images; ranges by {origin['count']:,} training images (seed {seed}), the "
        "exporters' default calibrations. Each row beside onnx-fp32 of the same checkpoint. One training seed a model. "
        f"Microseconds are processor time of one thread on {cpu_model()}, which other work shared: only ratios within "
        f"a table mean anything. {versions}."
    )


def heading(source: TorchSource) -> str:
    """The model, and how it was trained."""
    training: dict[str, Any] = source.training
    recipe = training["recipe"]
    return (
        f"**{source.model}**, {source.params:,} parameters, {training['data']}, recipe {recipe['name']}, "
        f"{training['epochs']} of {recipe['epochs']} epochs, training seed {training['seed']}."
    )


if __name__ == "__main__":
    main()
