"""Firmware against LiteRT's reference kernels: equal images, sections and instructions, as a Markdown table.

python benchmarks/firmware/equality.py --data cifar100 --width 6 --images 1000 > benchmarks/firmware/cifar100-c6.md
"""

from __future__ import annotations

import argparse

from tinyedge.data import load_dataset
from tinyedge.models.family import Member
from tinyedge.registry import TARGETS, lookup
from tinyedge.zoo import find

RUNS = (
    ("cortex-m4-int8", "cmsis-nn"),
    ("cortex-m4-int8", "portable"),
    ("cortex-m7-int8", "cmsis-nn"),
    ("cortex-m7-int8", "portable"),
    ("cortex-m0plus-int8", "portable"),
)
COLUMNS = ("instructions", "flash_bytes", "ram_bytes", "arena_bytes", "stack_bytes")


def main() -> None:
    """Run the shipped model on each core and kernel set, and print one row each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="shapes")
    parser.add_argument("--width", type=float, default=4)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    artifact = find(Member("scalecnn", asked.width), asked.data).load("tflite-int8")
    data = load_dataset(asked.data, "test").sample(asked.images, seed=asked.seed)
    with lookup(TARGETS, "target", "tflite-int8-reference")().open(artifact) as session:
        expected = session.run(data.images)
    print(f"{artifact.path.name}, {len(data):,} images of {data.name} (test, drawn with seed {asked.seed}).\n")
    print("| target | kernels | compiler | emulator | equal | " + " | ".join(COLUMNS) + " |")
    print("|---" * (5 + len(COLUMNS)) + "|")
    for target, kernels in RUNS:
        with lookup(TARGETS, "target", target)(kernels=kernels).open(artifact) as session:
            equal = int((session.run(data.images) == expected).all(axis=1).sum())
            facts = session.facts()
        figures = [f"{facts[name]:,}" for name in COLUMNS]
        row = [target, kernels, facts["compiler"], facts["emulator"], f"{equal:,} of {len(expected):,}"]
        print("| " + " | ".join([*map(str, row), *figures]) + " |", flush=True)


if __name__ == "__main__":
    main()
