"""How many representative images it takes: the share of test images whose largest logit lies above all of theirs.

    python benchmarks/converters/draws.py --checkpoint c6.safetensors --data-dir DATA

Needs the float model only (a range by min and max ends at the largest logit seen), so that hundreds of draws can be
looked at. Writes draws.md beside this file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from tinyedge.data import load_dataset
from tinyedge.exporters.source import from_checkpoint

COUNTS = (20, 50, 100, 250, 500, 1000, 2000)
DRAWS = 300
LIMIT = 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", default="cifar100")
    parser.add_argument("--data-dir", type=Path)
    given = parser.parse_args()
    source = from_checkpoint(given.checkpoint)
    train, test = (
        source.outputs(load_dataset(given.data, split, data_dir=given.data_dir).images).max(axis=1)
        for split in ("train", "test")
    )
    rng = np.random.default_rng(0)
    lines = [
        f"{source.model}, {given.data}: {DRAWS} draws (seed 0) from {len(train):,} training images, "
        f"saturation on {len(test):,} test images.",
        "",
        f"| images | mean | 95th percentile | worst | draws above {LIMIT:.0%} |",
        "|---|---|---|---|---|",
    ]
    for count in COUNTS:
        share = np.array(
            [(test > train[rng.choice(len(train), count, replace=False)].max()).mean() for _ in range(DRAWS)]
        )
        lines.append(
            f"| {count:,} | {share.mean():.2%} | {np.percentile(share, 95):.2%} | {share.max():.2%} "
            f"| {(share > LIMIT).mean():.1%} |"
        )
    text = "\n".join(lines) + "\n"
    (Path(__file__).parent / "draws.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
