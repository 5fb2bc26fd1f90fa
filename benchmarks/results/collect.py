"""Take what a sweep found into the repository: records and per-image outcomes, without weights and model files.

    python benchmarks/results/collect.py runs/cifar100

The folder beside this file is a sweep's folder too: with `tinyedge sweep --merge benchmarks/results/cifar100` another
machine goes on where this one stopped, and trains nothing twice.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tinyedge.sweep.folder import SweepFolder
from tinyedge.sweep.merge import merge

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of a sweep")
    source = SweepFolder(parser.parse_args().folder)
    known = source.read_manifest()
    if known is None:
        raise SystemExit(f"{source.root}: there is no sweep")
    target = SweepFolder(HERE / known[0].data)
    with source.lock(), target.lock():
        done = merge(target, source, keep=lambda path: path.startswith("outcomes/"))
    (target.root / ".lock").unlink()
    files = list((target.root / "outcomes").glob("*"))
    size = sum(path.stat().st_size for path in files)
    print(f"{target.root.name}: {done.taken} units taken, {done.both} there already, {len(done.differing)} differ")
    print(f"{len(files)} outcome files, {size:,} bytes")


if __name__ == "__main__":
    main()
