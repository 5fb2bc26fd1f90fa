"""Peak memory of an evaluation in pieces and of the same evaluation in memory, at 10,000 and 100,000 real images.

    python benchmarks/streaming/memory.py --data-dir FOLDER --out benchmarks/streaming/results.md

Every figure comes from a fresh process that does one thing. The peak is its ``ru_maxrss`` less that of a process that
imports the same and runs one image. The runtime's own child processes are not counted: they get a few hundred images at
a time either way. The images are written as ``.npz`` to a temporary folder and removed afterwards.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SIZES = (10_000, 100_000)
TARGET, WIDTH = "tflite-int8", 4
WAYS = ("one image", "in pieces", "in memory")
COLUMNS_ONLY = "adaptive_ece"
"""Takes every confidence at once, so only the evaluation in memory has it."""


def main() -> None:
    """Measure, or be one of the measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="where CIFAR-100 is")
    parser.add_argument("--out", type=Path, help="the table, as Markdown")
    parser.add_argument("--task", choices=("write", *WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--images", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task == "write":
        write(given.file, given.images, given.data_dir)
    elif given.task is not None:
        print(json.dumps(measured(given.task, given.file)))
    else:
        text = table(measure_all(given.data_dir))
        print(text)
        if given.out is not None:
            given.out.write_text(text)


def write(path: Path, images: int, data_dir: Path) -> None:
    """The first ``images`` of: the test images, the training images, both mirrored left to right."""
    import numpy as np

    from tinyedge.data import load_dataset

    parts = [load_dataset("cifar100", split, data_dir=data_dir) for split in ("test", "train")]
    x, y = np.concatenate([p.images for p in parts]), np.concatenate([p.labels for p in parts])
    x, y = np.concatenate([x, x[:, :, ::-1]])[:images], np.concatenate([y, y])[:images]
    np.savez(path, x=x, y=y, class_names=np.array(parts[0].class_names))


def measured(way: str, file: Path) -> dict[str, Any]:
    """The figures, the time and the peak memory of one way, in this process."""
    import numpy as np

    from tinyedge.data import load_dataset
    from tinyedge.data.stream import stream_dataset
    from tinyedge.evaluate import Model, evaluate_stream
    from tinyedge.metrics import evaluate
    from tinyedge.models.family import Member
    from tinyedge.outcomes import outcome
    from tinyedge.validate import predict
    from tinyedge.zoo import find

    model = Model(TARGET, find(Member("scalecnn", WIDTH), "cifar100").load(TARGET))
    started = time.perf_counter()
    if way == "in memory":
        data = load_dataset(str(file), "test")
        found = evaluate(outcome(predict(model.target, model.artifact, data), data))
    elif way == "in pieces":
        found = evaluate(evaluate_stream(model, stream_dataset(str(file), "test")).tally)
    else:
        one = next(stream_dataset(str(file), "test", images=1)).take(np.arange(1))
        found = evaluate(outcome(predict(model.target, model.artifact, one), one))
    return {
        "metrics": found,
        "seconds": time.perf_counter() - started,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,  # Linux counts in KiB
    }


def measure_all(data_dir: Path) -> list[dict[str, Any]]:
    """One row a size and way; fails where the two ways do not give the same figures."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for images in SIZES:
            file = Path(folder) / f"{images}.npz"
            _child("write", file, data_dir, images)
            runs = {way: json.loads(_child(way, file, data_dir)) for way in WAYS}
            whole = dict(runs["in memory"]["metrics"])
            del whole[COLUMNS_ONLY]
            if runs["in pieces"]["metrics"] != whole:
                raise SystemExit(f"{images} images: the two ways do not give the same figures")
            rows += [
                {
                    "images": images,
                    "way": way,
                    "over_mb": (runs[way]["peak"] - runs["one image"]["peak"]) / 1e6,
                    **{key: runs[way][key] for key in ("peak", "seconds")},
                    "figures": len(whole),
                    "accuracy": whole["accuracy"],
                }
                for way in WAYS
            ]
            file.unlink()
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown, with what they were measured on."""
    from tinyedge.machine import cpu_model

    lines = [
        "# Memory of an evaluation in pieces and in memory",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {cpu_model()}, Python {platform.python_version()}, one run each. "
        f"ScaleCNN c = {WIDTH}, {TARGET}.",
        "10,000 images: the CIFAR-100 test set. 100,000: the 10,000 test and 50,000 training images, and the first",
        "40,000 of those again, mirrored left to right: a load, not an evaluation; its accuracy means nothing.",
        "Pieces of 5,461 images (16 MiB). The images lie in an uncompressed `.npz`.",
        "Peak: `ru_maxrss` of a fresh process; *above one image*: less that of the process that runs one image.",
        "",
        "| images | way | peak, MB | above one image, MB | bytes an image | seconds |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['images']:,} | {r['way']} | {r['peak'] / 1e6:.0f} | {r['over_mb']:.0f} | "
        f"{r['over_mb'] * 1e6 / r['images']:,.0f} | {r['seconds']:.1f} |"
        for r in rows
    ]
    same = ", ".join(f"{r['images']:,} images {r['figures']}" for r in rows if r["way"] == "in memory")
    lines += [
        "",
        f"Figures that both ways give, equal to the last bit: {same}; `{COLUMNS_ONLY}` only in memory.",
        "Seconds are of a machine that did other work besides.",
        "",
    ]
    return "\n".join(lines)


def _child(task: str, file: Path, data_dir: Path, images: int = 0) -> str:
    command = [sys.executable, __file__, "--data-dir", str(data_dir), "--task", task, "--file", str(file)]
    command += ["--images", str(images)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
