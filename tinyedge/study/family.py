"""Reading a family from a sweep's folder: every width and seed that has outcomes on one target."""

from __future__ import annotations

import json
from pathlib import Path

from tinyedge.data.dataset import Dataset
from tinyedge.errors import PredictionsError, SweepError
from tinyedge.files import sha256_file
from tinyedge.models.family import family_module
from tinyedge.outcomes import read_outcomes
from tinyedge.study.members import Family, Setting, Trained, Width, common, family_of
from tinyedge.sweep.folder import MANIFEST, SweepFolder
from tinyedge.sweep.plan import Basis, Model, Plan, Unit

__all__ = [
    "Family",
    "Setting",
    "Trained",
    "Width",
    "common",
    "family_of",
    "open_sweep",
    "read_family",
    "targets_with_outcomes",
]


def read_family(folder: Path, target: str, data: Dataset, *, family: str = "scalecnn", mixed: bool = False) -> Family:
    """Every model of ``family`` whose outcomes on ``target`` are in a sweep's folder.

    Args:
        folder: of a sweep, with its manifest, records and outcomes; checkpoints and exported models are not needed.
        target: that the models ran on.
        data: the evaluation set of the sweep.
        family: one of the manifest's.
        mixed: whether runs of different runtimes, kernels or machines may stand in one family.

    Raises:
        SweepError: where the folder is no sweep's, or holds no outcomes of this family on this target.
        PredictionsError: where the outcomes are of other images; where a record is of another recipe, epochs or
            checkpoint than the manifest says; where runtimes differ and ``mixed`` is not set.
        UsageError: for an unknown family.
    """
    family_module(family)
    sweep, basis, plan = open_sweep(folder)
    if basis.test_digest != data.digest:
        raise PredictionsError(
            "the sweep's outcomes are of another evaluation set",
            where=folder,
            found=f"{basis.data}, {basis.num_classes} classes, digest {basis.test_digest[:12]}",
            expected=f"{data.name} ({data.split}), {data.num_classes} classes, digest {data.digest[:12]}",
            fix=f"give the data that the sweep names: --data {basis.data}",
        )
    wanted = [model for model in plan.models if model.member.family == family]
    found = {model.name: _trained(sweep, basis, model, target, data) for model in wanted}
    models = [trained for trained in found.values() if trained is not None]
    if not models:
        raise _nothing(sweep, plan, family, target)
    setting = Setting(
        family=family,
        target=target,
        data=data.name,
        split=data.split,
        synthetic=data.synthetic,
        recipe=basis.recipe,
        precision=basis.precision,
        results_version=basis.results_version,
    )
    missing = tuple(name for name, trained in found.items() if trained is None)
    return family_of(setting, data.ids, models, missing=missing, mixed=mixed)


def open_sweep(folder: Path) -> tuple[SweepFolder, Basis, Plan]:
    """A sweep's folder with what it is for.

    Raises:
        SweepError: where there is no such folder, or it has no manifest, or one that cannot be read.
    """
    sweep = SweepFolder(folder)
    known = sweep.read_manifest() if folder.is_dir() else None
    if known is None:
        raise SweepError(
            "this is no sweep's folder",
            where=folder,
            found="a folder without a manifest" if folder.is_dir() else "a file" if folder.is_file() else "no folder",
            expected=f"a folder with {MANIFEST}, records/ and outcomes/",
            fix="give the --out of a tinyedge sweep",
        )
    return sweep, *known


def targets_with_outcomes(sweep: SweepFolder, plan: Plan, family: str) -> dict[str, int]:
    """How many models of ``family`` have a finished run, by target."""
    counts: dict[str, int] = {}
    for model in plan.models:
        if model.member.family == family:
            for path in sweep.root.glob(f"records/{model.name}.predict.*.json"):
                target = path.name.removeprefix(f"{model.name}.predict.").removesuffix(".json")
                counts[target] = counts.get(target, 0) + 1
    return dict(sorted(counts.items()))


def _trained(sweep: SweepFolder, basis: Basis, model: Model, target: str, data: Dataset) -> Trained | None:
    """One model's outcome; ``None`` where it has none yet."""
    run, training = Unit(model, "predict", target), Unit(model, "train")
    if not sweep.record_path(run).is_file():
        return None
    record, trained = sweep.done(run, basis), sweep.done(training, basis)
    if record is None or trained is None:
        raise PredictionsError(
            "a model's outcomes are not of the recipe, checkpoint or images that the sweep's manifest names",
            where=sweep.record_path(run),
            found=_found(sweep, run, training, basis),
            expected=f"recipe {basis.recipe.name}, {basis.recipe.epochs} epochs, {basis.precision}, results version "
            f"{basis.results_version}, and files unchanged since",
            fix="keep each recipe in a folder of its own; tinyedge sweep --out makes what does not fit again",
        )
    (path,) = record.files
    stored = read_outcomes(sweep.root / path, data)
    facts = stored.header["facts"]
    if (facts.get("model"), facts.get("params")) != (model.name, model.member.plan.params):
        raise PredictionsError(
            "the outcomes are of another model",
            where=sweep.root / path,
            found=f"{facts.get('model')}, {facts.get('params')} parameters",
            expected=f"{model.name}, {model.member.plan.params} parameters",
            fix="evaluate again",
        )
    return Trained(
        model=model.name,
        width=model.member.width,
        params=model.member.plan.params,
        seed=model.seed,
        outcome=stored.outcome,
        run=dict(stored.header["run"]),
        training=trained.facts,
        artifact_bytes=facts.get("artifact_bytes"),
    )


def _found(sweep: SweepFolder, run: Unit, training: Unit, basis: Basis) -> str:
    """What can be told of a record that is of something else: its key is a hash."""
    if sweep.done(training, basis) is not None:
        return _found_outcomes(sweep, run)
    try:
        epochs = json.loads(sweep.record_path(training).read_text())["facts"]["epochs"]
    except (OSError, ValueError, KeyError, TypeError):
        return "no record of its training"
    return f"a training of {epochs} epochs with another key"


def _found_outcomes(sweep: SweepFolder, run: Unit) -> str:
    """Why a record's outcomes do not count: they are gone, or not what it says, or it is of another exported file."""
    try:
        files = dict(json.loads(sweep.record_path(run).read_text())["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return "a record that cannot be read"
    gone = [path for path in files if not (sweep.root / path).is_file()]
    if gone:
        return f"no file {', '.join(gone)}"
    changed = [path for path, digest in files.items() if sha256_file(sweep.root / path) != digest]
    return f"{', '.join(changed)} changed since" if changed else "a record of the run of another exported file"


def _nothing(sweep: SweepFolder, plan: Plan, family: str, target: str) -> SweepError:
    have = targets_with_outcomes(sweep, plan, family)
    families = sorted({model.member.family for model in plan.models})
    listed = ", ".join(f"{name} ({count} models)" for name, count in have.items())
    return SweepError(
        f"no model of {family} has outcomes on {target} here",
        where=sweep.root,
        found=listed or f"none of {family} on any target; the sweep plans {', '.join(families)}",
        expected=f"at least one model on {target}",
        fix="choose one of these with --target or --reference" if listed else "tinyedge sweep makes them",
    )
