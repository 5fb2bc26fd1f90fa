r"""Every set of kernels on the same images: who equals whom, who is how far off, from which layer on. As Markdown.

    python benchmarks/parity/matrix.py --data cifar100 --images 1000 --widths 4,6,8 > benchmarks/parity/cifar100.md
    python benchmarks/parity/matrix.py --data cifar100 --images 1000 \
        --file benchmarks/models/mobilenetv2-w0.25-int8.tflite >> benchmarks/parity/cifar100.md

The zoo's models by width, or a file with its side-car.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tinyedge.artifact import Artifact, load_artifact
from tinyedge.data import Dataset, load_dataset
from tinyedge.machine import cpu_model
from tinyedge.models.family import Member
from tinyedge.parity import ALL_PATHS, compare_paths, parse_paths
from tinyedge.report.kernels import KernelMatrix, KernelPair, between, groups
from tinyedge.report.terminal_kernels import histogram
from tinyedge.zoo import find


def main() -> None:
    """Print a section a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="shapes")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--widths", help="of the zoo's ScaleCNN, with commas")
    parser.add_argument("--file", type=Path, help="an int8 .tflite")
    parser.add_argument("--paths", default=",".join(ALL_PATHS))
    asked = parser.parse_args()
    data = load_dataset(asked.data, "test").sample(asked.images, seed=asked.seed)
    widths = [float(width) for width in asked.widths.split(",")] if asked.widths else []
    models = [find(Member("scalecnn", width), asked.data).load("tflite-int8") for width in widths]
    models += [] if asked.file is None else [load_artifact(asked.file)]
    for artifact in models:
        print_section(artifact, data, compare_paths(artifact, data, parse_paths(asked.paths.split(","))), asked.seed)


def print_section(artifact: Artifact, data: Dataset, found: KernelMatrix, seed: int) -> None:
    print(f"## {artifact.model}\n")
    print(
        f"`{artifact.path.name}` ({artifact.sha256[:16]}), {len(data):,} images of {data.name} "
        f"({data.split}, drawn with seed {seed}), on {cpu_model()}.\n"
    )
    print("| | path | top-1 | ties | what ran |")
    print("|---|---|---|---|---|")
    for i, path in enumerate(found.paths, 1):
        version = f"{path.facts['runtime']} {path.facts['runtime_version']}"
        print(f"| {i} | {path.name} | {path.accuracy:.2%} | {path.ties} | {path.facts['kernels']}, {version} |")
    for name, reason in found.left_out.items():
        print(f"| | {name} | | | not run: {reason} |")
    numbers = {path.name: i for i, path in enumerate(found.paths, 1)}
    print("\nImages whose every output is equal (above the diagonal) and argmax flips (below):\n")
    print("| | " + " | ".join(map(str, numbers.values())) + " |")
    print("|---" * (1 + len(numbers)) + "|")
    for row, i in numbers.items():
        pairs = {j: found.pair(row, column) for column, j in numbers.items() if i != j}
        cells = ("" if i == j else shown(pairs[j], above=j > i) for j in numbers.values())
        print(f"| {i} | " + " | ".join(cells) + " |")
    sets = groups(found)
    print()
    for same in sets:
        listed = ", ".join(str(numbers[name]) for name in same)
        if len(same) > 1:
            print(f"- {listed}: byte for byte the same on all {found.images:,} images")
    print("\n| pair | outputs that differ | largest | LSB (first minus second) | argmax flips | they part behind |")
    print("|---|---|---|---|---|---|")
    for pair in between(found, sets):
        print(row_of(pair, numbers), flush=True)
    print()


def shown(pair: KernelPair | None, *, above: bool) -> str:
    assert pair is not None, "each two are paired"
    return f"{pair.images_equal if above else pair.argmax_flips:,}"


def row_of(pair: KernelPair, numbers: dict[str, int]) -> str:
    at = pair.parting
    parting = "not looked for"
    if at is not None:
        shape = "x".join(map(str, at.shape[1:]))
        parting = (
            f"operator {at.layer} of {at.layers}, {at.operator} to {shape}: {at.elements_differ:.3%} differ, "
            f"{at.largest} LSB at most ({at.images_differ} of {at.images} images)"
        )
        if at.unseen:
            parting += f"; before it not seen: {'; '.join(at.unseen)}"
    names = f"{numbers[pair.first]}, {numbers[pair.second]}"
    cells = (names, f"{pair.elements_differ:.3%}", f"{pair.largest} LSB", histogram(pair), f"{pair.argmax_flips}")
    return "| " + " | ".join((*cells, parting)) + " |"


if __name__ == "__main__":
    main()
