"""Where an inference's instructions go: layer by layer, on each core and kernel set, as a Markdown table.

python benchmarks/firmware/layers.py --data cifar100 --width 6 > benchmarks/firmware/cifar100-c6-layers.md
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from tinyedge.models.family import Member
from tinyedge.registry import TARGETS, lookup
from tinyedge.zoo import find

RUNS = (("cortex-m4-int8", "cmsis-nn"), ("cortex-m4-int8", "portable"), ("cortex-m0plus-int8", "portable"))


def main() -> None:
    """Count on each core and kernel set; a convolution's instructions also for each multiplication."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="shapes")
    parser.add_argument("--width", type=float, default=4)
    asked = parser.parse_args()
    member = Member("scalecnn", asked.width)
    artifact = find(member, asked.data).load("tflite-int8")
    columns = [_facts(artifact, target, kernels) for target, kernels in RUNS]
    macs = iter([layer.macs for layer in member.plan.layers])
    print(f"{artifact.path.name}: instructions, and for each multiply-accumulate; mean of 2 random images.")
    print(f"{columns[0]['compiler']}, {columns[0]['emulator']}.\n")
    titles = [f"{target.removesuffix('-int8')}, {kernels}" for target, kernels in RUNS]
    print("| layer | MACs | " + " | ".join(f"{title} | a MAC" for title in titles) + " |")
    print("|---|" + "--:|" * (1 + 2 * len(RUNS)))
    for row in zip(*(facts["layers"] for facts in columns), strict=True):
        _print(row[0]["name"], [layer["instructions"] for layer in row], next(macs) if "CONV" in row[0]["name"] else 0)
    _print("all", [facts["instructions"] for facts in columns], member.plan.macs)
    _print("stack, bytes", [facts["stack_bytes"] for facts in columns], 0)


def _facts(artifact: Any, target: str, kernels: str) -> dict[str, Any]:
    with lookup(TARGETS, "target", target)(kernels=kernels).open(artifact, processes=1) as session:
        session.run(np.zeros((1, *artifact.image_shape), np.uint8))
        facts: dict[str, Any] = session.facts()
    return facts


def _print(name: str, counts: list[int], macs: int) -> None:
    cells = [f"{count:,} | {count / macs:.1f}" if macs else f"{count:,} | " for count in counts]
    print(f"| {name} | {f'{macs:,}' if macs else ''} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
