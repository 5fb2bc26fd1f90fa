"""Which route from a float model to an int8 TFLite keeps it: one table, on the microcontroller's arithmetic.

    python benchmarks/converters/compare.py --checkpoint c6.safetensors --data-dir DATA
    python benchmarks/converters/compare.py --routes estimators --name estimators-c6 --checkpoint c6.safetensors

Each route exports the checkpoint with each number of representative images, once a seed, and the file runs on all test
images. Writes results.md and results.json beside this file (or into --out); takes about 20 minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyedge.artifact import Artifact
from tinyedge.data import Dataset, load_dataset
from tinyedge.exporters.base import Options
from tinyedge.exporters.representative import draw_representative
from tinyedge.exporters.source import TorchSource, from_checkpoint
from tinyedge.formats.tflite import operators
from tinyedge.machine import cpu_model, package_version
from tinyedge.metrics import compare, evaluate
from tinyedge.metrics.outcome import Outcome
from tinyedge.outcomes import outcome
from tinyedge.registry import EXPORTERS, lookup
from tinyedge.validate import predict

TARGET = "tflite-int8"
PACKAGES = ("torch", "litert-torch", "ai-edge-quantizer", "ai-edge-litert", "tensorflow", "tflite-micro")


@dataclass(frozen=True)
class Route:
    """An exporter with a calibration, at several numbers of representative images, drawn at random or by class."""

    exporter: str
    calibration: str
    counts: tuple[int, ...]
    balanced: bool = False

    @property
    def label(self) -> str:
        """The calibration, and how the images are drawn where that is not at random."""
        return f"{self.calibration}, balanced" if self.balanced else self.calibration


ROUTES = {
    "converters": (
        Route("tflite-int8", "minmax", (100, 500, 1000)),
        Route("tflite-int8", "minmax-plain", (100, 500, 1000)),
        Route("tf-int8", "minmax", (100, 500, 1000)),
        Route("tflite-int8", "moving-average", (200, 1000)),
    ),
    "estimators": tuple(
        Route("tflite-int8", calibration, (1000,), balanced)
        for calibration in ("minmax", "minmax-plain", "percentile", "mse", "moving-average")
        for balanced in (False, True)
    ),
}


def main() -> None:
    """Measure every route and write the two files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", default="cifar100")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--routes", choices=ROUTES, default="converters")
    parser.add_argument("--seeds", type=int, default=3, help="draws of representative images for each row")
    parser.add_argument("--counts", type=int, nargs="+", help="only these numbers of representative images")
    parser.add_argument("--calibrations", nargs="+", help="only these")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--name", default="results", help="of the two files")
    given = parser.parse_args()
    source = from_checkpoint(given.checkpoint)
    train = load_dataset(given.data, "train", data_dir=given.data_dir)
    test = load_dataset(given.data, "test", data_dir=given.data_dir)
    routes = tuple(r for r in ROUTES[given.routes] if given.calibrations is None or r.calibration in given.calibrations)
    with tempfile.TemporaryDirectory() as folder:
        runs = measure(routes, source, train, test, given.seeds, given.counts, Path(folder))
    content = {"facts": facts(source, test, given.seeds), "runs": runs, "rows": rows(runs)}
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / f"{given.name}.json").write_text(json.dumps(content, indent=1) + "\n")
    (given.out / f"{given.name}.md").write_text(markdown(content))
    print(markdown(content))


def measure(
    routes: tuple[Route, ...],
    source: TorchSource,
    train: Dataset,
    test: Dataset,
    seeds: int,
    counts: list[int] | None,
    folder: Path,
) -> list[dict[str, Any]]:
    """One dictionary for each route, count and seed."""
    reference = lookup(EXPORTERS, "exporter", "onnx-fp32")().export(
        source, folder / "reference.onnx", options=Options(batch="dynamic")
    )
    before = outcome(predict("onnx-fp32", reference, test), test)
    runs = []
    for route in routes:
        exporter = lookup(EXPORTERS, "exporter", route.exporter)()
        for count in [c for c in route.counts if counts is None or c in counts]:
            for seed in range(seeds):
                artifact = exporter.export(
                    source,
                    folder / "model.tflite",
                    representative=draw_representative(train, count=count, seed=seed, balanced=route.balanced),
                    options=Options(calibration=route.calibration),
                )
                runs.append(
                    {"exporter": route.exporter, "calibration": route.label, "count": count, "seed": seed}
                    | judged(artifact, before, test)
                )
                print(runs[-1], file=sys.stderr, flush=True)
    return runs


def judged(artifact: Artifact, before: Outcome, test: Dataset) -> dict[str, Any]:
    """The file next to the float model on all test images, and its arena in TFLite Micro."""
    after = outcome(predict(TARGET, artifact, test), test)
    micro = predict("tflm-int8", artifact, test.take(np.arange(1, dtype=np.int64)))
    alone, pair, float_alone = evaluate(after), compare(reference=before, deployed=after), evaluate(before)
    return {
        "float_accuracy": float_alone["accuracy"],
        "accuracy": alone["accuracy"],
        "jaccard": pair["jaccard"],
        "discordance": pair["discordance"],
        "flips": pair["flips"],
        "worst_class_drop": pair["worst_class_drop"],
        "saturation_rate": alone["saturation_rate"],
        "tie_rate": alone["tie_rate"],
        "nll": alone["nll"],
        "nll_change": alone["nll"] - float_alone["nll"],
        "ece": alone["ece"],
        "float_ece": float_alone["ece"],
        "size_bytes": artifact.size_bytes,
        "bytes_per_parameter": artifact.size_bytes / artifact.params if artifact.params else None,
        "arena_bytes": micro.provenance["arena_bytes"],
        "input": [artifact.input.scale, artifact.input.zero_point],
        "output": [artifact.output.scale, artifact.output.zero_point],
        "operators": sorted(set(operators(artifact.path))),
    }


def rows(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Runs of one route and count as one row: the mean, and the worst of what has a bar."""
    found: list[dict[str, Any]] = []
    for key in dict.fromkeys((r["exporter"], r["calibration"], r["count"]) for r in runs):
        same = [r for r in runs if (r["exporter"], r["calibration"], r["count"]) == key]
        row: dict[str, Any] = dict(zip(("exporter", "calibration", "count"), key, strict=True))
        for name, value in same[0].items():
            if name not in row and isinstance(value, float):
                row[name] = statistics.fmean(r[name] for r in same)
        row["worst_jaccard"] = min(r["jaccard"] for r in same)
        for name in ("saturation_rate", "tie_rate", "worst_class_drop", "size_bytes", "arena_bytes"):
            row[f"worst_{name}"] = max(r[name] for r in same)
        found.append(row)
    return found


def facts(source: TorchSource, test: Dataset, seeds: int) -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "model": source.model,
        "params": source.params,
        "training": source.training,
        "test_data": {"name": test.name, "images": len(test), "digest": test.digest},
        "target": f"{TARGET}: LiteRT, built-in kernels without delegate",
        "representative_seeds": seeds,
        "versions": {name: package_version(name) for name in PACKAGES},
        "cpu": cpu_model(),
    }


def markdown(content: dict[str, Any]) -> str:
    """The table for docs/converters.md."""
    about, table = content["facts"], content["rows"]
    training = about["training"]
    lines = [
        f"{about['model']} ({about['params']:,} parameters), {training['data']}, recipe {training['recipe']['name']}, "
        f"{training['epochs']} of {training['recipe']['epochs']} epochs, training seed {training['seed']}; "
        f"float accuracy {table[0]['float_accuracy']:.2%} on all {about['test_data']['images']:,} test images, "
        f"ECE {table[0]['float_ece']:.2%}. Kernels: {about['target']}. "
        f"Mean over {about['representative_seeds']} draws of the representative images; in brackets the worst draw. "
        + ", ".join(f"{name} {version}" for name, version in about["versions"].items())
        + ".",
        "",
        "| exporter | calibration | images | accuracy | Jaccard | discordance | worst class drop | saturated top-1 "
        "| ties | NLL change | ECE | bytes | a parameter | arena |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['exporter']} | {r['calibration']} | {r['count']:,} | {r['accuracy']:.2%} "
        f"| {r['jaccard']:.3f} ({r['worst_jaccard']:.3f}) | {r['discordance']:.1%} "
        f"| {100 * r['worst_class_drop']:.1f} pp ({100 * r['worst_worst_class_drop']:.0f}) "
        f"| {r['saturation_rate']:.2%} ({r['worst_saturation_rate']:.2%}) "
        f"| {r['tie_rate']:.1%} ({r['worst_tie_rate']:.1%}) | {r['nll_change']:+.3f} | {r['ece']:.2%} "
        f"| {r['worst_size_bytes']:,} | {r['bytes_per_parameter']:.2f} | {r['worst_arena_bytes']:,} |"
        for r in table
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
