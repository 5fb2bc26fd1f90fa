"""Export trained checkpoints into the zoo and write its index: `make zoo`.

Every finished checkpoint of seed 0 and of a whole recipe under runs/<data>/ is copied and exported to ONNX fp32, TFLite
fp32 and TFLite int8, the small members for CIFAR-100 to the other precisions too. Files that exist beside a checkpoint
of the same hash are kept as they are, so that binaries change only when weights do.

    python benchmarks/zoo/build.py [--runs runs] [--only cifar100/scalecnn-c6-seed0]
    python benchmarks/zoo/build.py --digests

The second only writes the digests of the representative images into side-cars that lack them; no model changes.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from tinyedge.artifact import load_artifact, read_sidecar, write_sidecar
from tinyedge.data import load_dataset
from tinyedge.exporters.base import Options
from tinyedge.exporters.representative import Representative, draw_representative
from tinyedge.exporters.source import from_checkpoint
from tinyedge.files import sha256_file, write_atomic
from tinyedge.overlap import KEY, pack_digests
from tinyedge.registry import EXPORTERS, lookup
from tinyedge.train.checkpoint import load_checkpoint
from tinyedge.train.recipe import RECIPES
from tinyedge.zoo import FOLDER, FORMAT, INDEX

LIMIT_BYTES = 30_000_000
FILES = {
    "checkpoint": ".safetensors",
    "onnx-fp32": ".onnx",
    "tflite-fp32": "-fp32.tflite",
    "tflite-int8": "-int8.tflite",
}
MORE = {
    "onnx-int8": "-int8.onnx",
    "tflite-int16x8": "-int16x8.tflite",
    "tflite-dynamic": "-dynamic.tflite",
    "executorch-int8": "-int8.pte",
}
"""Of the members of CIFAR-100 up to this width; the comparison in docs/precisions.md is of these."""
MORE_UP_TO = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--only", help="DATA/NAME of one checkpoint")
    parser.add_argument("--digests", action="store_true", help="only complete the side-cars")
    chosen = parser.parse_args()
    if chosen.digests:
        complete_sidecars()
        return
    index = json.loads(INDEX.read_text())["models"] if INDEX.is_file() else []
    models = {(m["data"], m["model"], m["seed"]): m for m in index}
    representative: dict[str, Representative] = {}
    for path in sorted(chosen.runs.glob("*/*.safetensors")):
        data = path.parent.name
        if path.name.endswith(".state.safetensors") or (chosen.only and f"{data}/{path.stem}" != chosen.only):
            continue
        key = load_checkpoint(path).key
        if key.seed != 0 or key.recipe.name not in RECIPES:  # of other seeds only what every image got is kept
            continue
        if data not in representative:
            representative[data] = draw_representative(load_dataset(data, "train"))
        entry = build(path, data, representative[data])
        models[data, entry["model"], entry["seed"]] = entry
        size = sum(file["bytes"] for file in entry["files"].values())
        print(f"{data}/{path.stem}: {entry['test_accuracy']:.2%}, {size:,} bytes")
    listed = sorted(models.values(), key=lambda m: (m["data"], m["params"], m["model"], m["seed"]))
    write_atomic(INDEX, json.dumps({"format": FORMAT, "models": listed}, indent=1) + "\n")
    total = sum(p.stat().st_size for p in FOLDER.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    print(f"{len(listed)} models, {total:,} bytes")
    if total > LIMIT_BYTES:
        raise SystemExit(f"the zoo is larger than {LIMIT_BYTES:,} bytes: ship fewer formats of the wide members")


def complete_sidecars() -> None:
    """Draw each int8 file's representative images again, and record their digests if they are the very same."""
    drawn: dict[str, Representative] = {}
    for path in sorted(FOLDER.glob("*/*-int*.*")):
        if path.suffix == ".json":
            continue
        known = load_artifact(path)
        if KEY in read_sidecar(path, known.sha256):
            continue
        data, recorded = path.parent.name, known.origin["representative"]
        if data not in drawn:
            drawn[data] = draw_representative(
                load_dataset(data, "train"), count=recorded["count"], seed=recorded["seed"]
            )
        if drawn[data].origin["images_digest"] != recorded["images_digest"]:
            raise SystemExit(f"{path.name}: other images than at its export")
        write_sidecar(known, **{KEY: pack_digests(drawn[data].images)})
        print(f"{data}/{path.name}: {recorded['count']} digests")


def build(path: Path, data: str, representative: Representative) -> dict[str, Any]:
    """The zoo's entry of one checkpoint, its files written where they are not there yet."""
    checkpoint = load_checkpoint(path)
    key = checkpoint.key
    target = FOLDER / data / path.stem
    suffixes = FILES | (MORE if data == "cifar100" and key.member.width <= MORE_UP_TO else {})
    files = {kind: target.with_name(target.name + suffix) for kind, suffix in suffixes.items()}
    stored = files["checkpoint"]
    current = stored.is_file() and sha256_file(stored) == sha256_file(path)
    missing = [kind for kind, file in files.items() if kind != "checkpoint" and not (current and file.is_file())]
    if not current:
        stored.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, stored)
    source = from_checkpoint(stored) if missing else None
    for kind in missing:
        exporter = lookup(EXPORTERS, "exporter", kind)()
        exporter.export(
            source,
            files[kind],
            representative=representative if exporter.quantized else None,
            options=Options(batch="dynamic" if kind == "onnx-fp32" else "1"),
        )
    return {
        "model": key.member.name,
        "params": key.member.plan.params,
        "data": data,
        "seed": key.seed,
        "recipe": key.recipe.name,
        "epochs": checkpoint.epoch,
        "test_accuracy": checkpoint.facts["test_accuracy"],
        "files": {
            kind: {
                "path": str(file.relative_to(FOLDER)),
                "sha256": sha256_file(file),
                "bytes": file.stat().st_size,
            }
            for kind, file in files.items()
        },
    }


if __name__ == "__main__":
    main()
