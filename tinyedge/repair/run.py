"""A repair from its inputs to its result: the two sets of images, the ladder, the file that is written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinyedge import __version__
from tinyedge.artifact import Artifact
from tinyedge.data.dataset import Dataset
from tinyedge.evaluate import Model
from tinyedge.exporters.representative import DEFAULT_COUNT
from tinyedge.gate import Policy
from tinyedge.registry import EXPORTERS, TARGETS, lookup
from tinyedge.repair.bench import Bench, Candidate, OnProgress, silent
from tinyedge.repair.checks import check, lacks
from tinyedge.repair.climb import Climb, OnStep, climb
from tinyedge.repair.ladder import at_share
from tinyedge.repair.make import Maker
from tinyedge.repair.origin import read_origin
from tinyedge.repair.split import default_tuning, split
from tinyedge.repair.steps import Kit, Recipe, Step
from tinyedge.repair.write import write
from tinyedge.report.repair import Repair, Split
from tinyedge.validate import PARITY_IMAGES, data_facts


@dataclass(frozen=True)
class Job:
    """What is to be repaired, and with what.

    Args:
        deployed: the file.
        reference: the float model that it is judged against.
        target: that runs the file.
        data: the evaluation set, or the sample of it to use.
        policy: the gates and their limits.
        steps: to try, in order.
        checkpoint: that the file was exported from; without it only steps that need the file alone are tried.
        train: the training set, loaded where it is asked for; ``None`` where the data have none.
        teacher: a checkpoint, for ``distill``.
        epochs: of a short training; ``None`` is the method's own.
        tuning: images that tune; ``None``: ``default_tuning``.
        parity_images: as ``validate`` takes it.
        seed: of the split and the parity sample.
        options: of the target's constructor.
        go_on: try all steps, past a file that passes.
        out: a folder for the better file, or ``None``.
    """

    deployed: Artifact
    reference: Model
    target: str
    data: Dataset
    policy: Policy
    steps: tuple[Step, ...]
    checkpoint: Path | None = None
    train: Callable[[], Dataset] | None = None
    teacher: Path | None = None
    epochs: int | None = None
    tuning: int | None = None
    parity_images: int = PARITY_IMAGES
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    go_on: bool = False
    out: Path | None = None


def repair(
    job: Job,
    *,
    on_progress: OnProgress = silent,
    on_step: OnStep = silent,
) -> Repair:
    """Try the steps on the file, and write what is better into ``job.out``.

    Args:
        job: what is to be repaired.
        on_progress: for a progress bar.
        on_step: one line for a person.

    Raises:
        UsageError: where file, checkpoint, teacher, images or folder do not fit, or nothing can be repaired.
        ClassCountMismatch, ImageSizeMismatch: where file and data do not fit.
        TargetError, ArtifactError, PredictionsError: where the file itself cannot be run.
    """
    check(job)
    count = default_tuning(len(job.data)) if job.tuning is None else job.tuning
    tuning, judged = split(job.data, count, seed=job.seed, least=job.policy.min_images)
    tried = [step for step in job.steps if lacks(job) is None or not step.needs_checkpoint]
    bench = Bench(
        reference=job.reference,
        tuning=tuning,
        judged=judged,
        policy=job.policy,
        candidates=len(tried) + job.go_on,  # then the file as it is may be the result beside others that were tried
        parity_images=job.parity_images,
        seed=job.seed,
        options=job.options,
        on_progress=on_progress,
    )
    recipe = recipe_of(job.deployed, job.target, job.checkpoint)
    given = Candidate(job.deployed, job.target)
    with tempfile.TemporaryDirectory(prefix="tinyedge-repair-") as folder:
        maker = Maker(
            given,
            recipe,
            train=lambda: _train(job)(),
            bench=bench,
            folder=Path(folder),
            teacher=job.teacher,
            epochs=job.epochs,
            on_note=on_step,
        )
        kit = Kit(
            calibrations=_calibrations,
            images=lambda: len(_train(job)()),
            teacher=job.teacher,
            format=job.deployed.format,
            lacks=lacks(job),
        )
        found = climb(
            given, recipe, bench=bench, maker=maker, kit=kit, steps=job.steps, go_on=job.go_on, on_step=on_step
        )
        written = _written(job, found, maker)
    return _result(job, bench, found, written)


def recipe_of(deployed: Artifact, target: str, checkpoint: Path | None) -> Recipe:
    """How the file was made, as far as its side-car says; the exporter is that of the target's files.

    A temperature that is in it already may be a wrong one: another is folded in beside it, and an export has none.

    Raises:
        ArtifactCorrupt: where the side-car cannot be read.
    """
    made, runtime = read_origin(deployed), lookup(TARGETS, "target", target)
    return Recipe(
        exporter=f"{runtime.format}-{runtime.precision}",
        target=target,
        checkpoint=checkpoint,
        calibration=made.calibration,
        count=DEFAULT_COUNT if made.count is None else made.count,
        seed=made.seed or 0,
        balanced=made.balanced,
    )


def _train(job: Job) -> Callable[[], Dataset]:
    assert job.train is not None, "steps that export are not reached without"
    return job.train


def _calibrations(exporter: str) -> tuple[str, ...]:
    known: tuple[str, ...] = lookup(EXPORTERS, "exporter", exporter).calibrations
    return known


def _written(job: Job, found: Climb, maker: Maker) -> str | None:
    """The name of what was written, ``None`` where nothing is better or there is no folder for it."""
    if job.out is None or not found.final:
        return None
    rung = found.rungs[found.final]
    weights = None if rung.recipe.tuning is None else maker.checkpoint(rung.recipe)
    return write(rung.candidate.artifact, job.out, job.deployed, status=rung.judged.verdict.status, weights=weights)


def _result(job: Job, bench: Bench, found: Climb, written: str | None) -> Repair:
    policy, strict = job.policy, at_share(job.policy, bench.candidates)
    return Repair(
        run={
            "tinyedge": __version__,
            "file": job.deployed.path.name,
            "model": job.deployed.model,
            "params": job.deployed.params,
            "target": job.target,
            "options": dict(job.options),
            "reference": job.reference.artifact.path.name,
            "reference_target": job.reference.target,
            "policy": policy.name,
            "policy_digest": policy.digest,
            "steps": [step.name for step in job.steps],
            "seed": job.seed,
            "parity_images": job.parity_images,
        },
        data=data_facts(job.data),
        split=Split(
            tuning=len(bench.tuning),
            judged=len(bench.judged),
            seed=job.seed,
            candidates=bench.candidates,
            confidence=policy.confidence,
            shared=strict.confidence,
            given_shares=job.go_on,
        ),
        trials=tuple(found.trials),
        untried=tuple(found.untried),
        final=found.final,
        repaired=written,
        note=found.note,
    )
