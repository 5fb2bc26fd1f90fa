"""Take what a sweep found into the repository: per-image outcomes, and what each model is and took.

    python benchmarks/results/collect.py runs/cifar100

writes benchmarks/results/<data>/models.json and the outcome files of every finished model; weights stay outside (the
zoo has seed 0's). Models that are there already and not in the sweep stay.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tinyedge.files import write_atomic
from tinyedge.sweep.folder import SweepFolder
from tinyedge.sweep.plan import Basis, Model, Plan, Unit

HERE = Path(__file__).parent
_TIMES = ("start_seconds", "seconds", "us_per_image", "processes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of a sweep")
    folder = SweepFolder(parser.parse_args().folder)
    known = folder.read_manifest()
    if known is None:
        raise SystemExit(f"{folder.root}: there is no sweep")
    basis, plan = known
    target = HERE / basis.data
    stored = target / "models.json"
    kept = json.loads(stored.read_text())["models"] if stored.is_file() else []
    models = {entry["name"]: entry for entry in kept}
    for model in plan.models:
        entry = collect(folder, basis, plan, model, target)
        if entry is not None:
            models[model.name] = entry
    listed = sorted(models.values(), key=lambda entry: (entry["family"], entry["params"], entry["seed"]))
    content = {"basis": asdict(basis), "models": listed}
    write_atomic(stored, json.dumps(content, indent=1) + "\n")
    size = sum(path.stat().st_size for path in target.glob("*.npz"))
    print(f"{stored}: {len(listed)} models; {len(list(target.glob('*.npz')))} outcome files, {size:,} bytes")


def collect(folder: SweepFolder, basis: Basis, plan: Plan, model: Model, target: Path) -> dict[str, Any] | None:
    """What is known of ``model``, its outcomes copied to ``target``; ``None`` where it is not trained."""
    trained = folder.done(Unit(model, "train"), basis)
    if trained is None:
        return None
    exports, runs = {}, {}
    for unit in Plan((model,), plan.targets).units():
        record = folder.done(unit, basis)
        if record is None or unit.kind == "train":
            continue
        if unit.kind == "export":
            exports[unit.what] = record.facts
            continue
        for path in record.files:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder.root / path, target / Path(path).name)
        runs[unit.what] = {name: fact for name, fact in record.facts.items() if name not in _TIMES}
    (checkpoint,) = trained.files
    return {
        "name": model.name,
        "family": model.member.family,
        "width": model.member.width,
        "params": model.member.plan.params,
        "seed": model.seed,
        "training": trained.facts,
        "checkpoint_sha256": trained.files[checkpoint],
        "checkpoint_bytes": (folder.root / checkpoint).stat().st_size,
        "exports": exports,
        "runs": runs,
    }


if __name__ == "__main__":
    main()
