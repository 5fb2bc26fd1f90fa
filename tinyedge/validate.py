"""One validation: two artifacts, one evaluation set, one policy, to a report with a verdict.

    artifacts + images -> Predictions -> Outcome -> metrics and gates -> Report

Each step is handed what it needs by the one before; nothing flows back.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge import __version__
from tinyedge.artifact import Artifact
from tinyedge.board_use import Aim, board_use, estimated, known_facts
from tinyedge.data.dataset import Dataset
from tinyedge.errors import (
    ArtifactUnsupported,
    TargetError,
    TargetUnavailable,
    UsageError,
)
from tinyedge.evaluate import Model, build_target, check_fit, open_session, run_session
from tinyedge.gate import Parity as ParityCount
from tinyedge.gate import Policy, Verdict, judge
from tinyedge.gate.power import PARITY_SAMPLE, PowerRow, power_table
from tinyedge.machine import cpu_flags, cpu_model, package_version
from tinyedge.metrics import compare, evaluate
from tinyedge.metrics.calibration import bins_of, reliability
from tinyedge.metrics.outcome import Outcome
from tinyedge.outcomes import outcome
from tinyedge.overlap import overlapping
from tinyedge.parity import kernels_beside, path_name
from tinyedge.predictions import Predictions, paired
from tinyedge.registry import TARGETS, lookup
from tinyedge.report.changes import class_changes, newly_wrong
from tinyedge.report.codec import encode
from tinyedge.report.file import StoredReport
from tinyedge.report.releases import aligned, compare_releases, rows_of
from tinyedge.report.schema import CONFIDENCE_DIGITS, Examples, Parity, Report, Scaled, Side
from tinyedge.tempered import at_temperature, held, judged_at_own

PARITY_TARGET = "tflm-int8"
PARITY_IMAGES = PARITY_SAMPLE
OnProgress = Callable[[str, int, int], None]
"""Called with a step's name, images done, and images in all."""
_PACKAGES = ("numpy", "scipy", "ai-edge-litert", "onnx", "onnxruntime", "tflite-micro", "bakenn", "torch")


def _silent(step: str, done: int, total: int) -> None:
    """No progress bar."""


def validate(
    *,
    reference: Artifact,
    deployed: Artifact,
    reference_target: str,
    target: str,
    data: Dataset,
    policy: Policy,
    seed: int = 0,
    parity_images: int = PARITY_IMAGES,
    options: Mapping[str, Any] | None = None,
    baseline: StoredReport | None = None,
    aim: Aim | None = None,
    on_progress: OnProgress = _silent,
) -> Report:
    """Run both artifacts on ``data`` and judge what the deployed one does differently.

    Args:
        reference: the float model.
        deployed: the model that ships. Where a temperature was folded into it, the change of the confidence gap is
            judged with the reference at its own (``tinyedge.tempered``); all else with it as it was trained.
        reference_target: which runtime runs the reference, e.g. ``onnx-fp32``.
        target: which runtime and kernels run the deployed model, e.g. ``tflite-int8``.
        data: the evaluation set.
        policy: the gates and their limits.
        seed: of the parity sample.
        parity_images: how many images an int8 TFLite model is also run on in TFLite Micro; 0 for none. A target that
            stands for a microcontroller is held against LiteRT's kernels too, on some of them.
        options: of the target's constructor, e.g. ``kernels``; those that only TFLite Micro takes, such as
            ``arena_bytes``, are for the images that it runs beside.
        baseline: the last release's report, of the same images in any order, to judge the step from it too.
        aim: the board that the model is for, whose budget is judged too.
        on_progress: for a progress bar.

    Raises:
        ReportError: where the last release was judged on other images.
        UsageError: where the reference is the deployed artifact on the same target.
        ClassCountMismatch, ImageSizeMismatch: where model and data do not fit.
        TargetError, ArtifactError, PredictionsError: from the targets.
    """
    if reference.sha256 == deployed.sha256 and reference_target == target:
        raise UsageError(
            "the reference is the deployed artifact on the same target: there is nothing to compare",
            found=f"{reference.path.name} on {target}, twice",
            fix="give the float model as --reference",
        )
    own, beside = split_options(options or {}, target, parity_images)
    for artifact in (reference, deployed):
        check_fit(artifact, data)
    if baseline is not None:  # before the models run, which may take long
        rows_of(baseline, ids=data.ids.tolist(), class_names=data.class_names)
    hold = held(deployed, reference=reference)
    estimate = estimated(aim, deployed)
    before = predict(reference_target, reference, data, on_progress)
    after = predict(target, deployed, data, on_progress, own)
    before, after = paired(before, after)
    parity, parity_note = beside_micro(target, deployed, data, after, parity_images, seed, on_progress, beside)
    kernels = None
    if parity_images and _stands_for_microcontroller(target):
        name = path_name(target, own)
        kernels = kernels_beside(deployed, data, after, name, images=parity_images, seed=seed, on_progress=on_progress)
    outcome_before, outcome_after = outcome(before, data), outcome(after, data)
    examples = _examples(before, after, data, outcome_after.confidence)
    after_side = _side(deployed, after, outcome_after)
    comparison = compare(reference=outcome_before, deployed=outcome_after)
    on_board = known_facts(after.provenance, aim, estimate)
    verdict = judge(
        reference=outcome_before,
        deployed=outcome_after,
        policy=policy,
        parity=judged_parity(target, parity, parity_note),
        facts=file_facts(deployed, after, parity) | on_board,
        baseline="no baseline was given" if baseline is None else aligned(baseline, examples),
        overlap=overlapping(deployed, data) if deployed.precision in ("int8", "int16x8") else 0,
    )
    at_own = outcome(at_temperature(before, hold.reference), data)
    verdict, as_trained = judged_at_own(verdict, hold, reference=at_own, deployed=outcome_after, policy=policy)
    return Report(
        run=_run_facts(target, reference_target, seed),
        data=data_facts(data),
        reference=_side(reference, before, outcome_before),
        deployed=after_side,
        comparison=comparison,
        classes=class_changes(before.labels, reference=before.correct, deployed=after.correct, names=data.class_names),
        newly_wrong=newly_wrong(examples, before.correct & ~after.correct),
        parity=parity,
        parity_note=parity_note,
        policy={"name": policy.name, "digest": policy.digest, "settings": policy.as_dict()},
        verdict=verdict,
        examples=examples,
        power=_power(outcome_after, comparison["discordance"], policy, verdict, parity),
        baseline=None if baseline is None else compare_releases(baseline, examples=examples, deployed=after_side),
        board=board_use(aim, on_board, estimate),
        kernels=kernels,
        scaled=Scaled(hold.folded, hold.reference, hold.basis, as_trained) if hold.basis else None,
    )


def predict(
    target: str,
    artifact: Artifact,
    data: Dataset,
    on_progress: OnProgress = _silent,
    options: Mapping[str, Any] | None = None,
) -> Predictions:
    """What ``artifact`` puts out for ``data`` on the target called ``target``, built with ``options``.

    Raises:
        UsageError: for an unknown target.
        TargetError, ArtifactError, PredictionsError: from the target.
    """
    model = Model(target, artifact, options or {})
    with open_session(model) as session:
        return run_session(session, model, data, lambda done, total: on_progress(target, done, total))


def split_options(options: Mapping[str, Any], target: str, parity_images: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Which of ``options`` are for the run, and which for the images on TFLite Micro beside it.

    Raises:
        UsageError: for an unknown target, or options that neither takes.
    """
    takes = lookup(TARGETS, "target", target).option_names()
    beside = lookup(TARGETS, "target", PARITY_TARGET).option_names() if parity_images else ()
    own = {name: value for name, value in options.items() if name in takes or name not in beside}
    build_target(target, own)
    return own, {name: value for name, value in options.items() if name in beside}


def artifact_facts(artifact: Artifact) -> dict[str, Any]:
    """What a report says of a model file: its name, never its whole path."""
    facts = asdict(artifact)
    facts["file"] = facts.pop("path").name
    return facts


def data_facts(data: Dataset) -> dict[str, Any]:
    """What a report says of an evaluation set."""
    return {
        "name": data.name,
        "split": data.split,
        "images": len(data),
        "classes": data.num_classes,
        "digest": data.digest,
        "synthetic": data.synthetic,
        "source": data.source,
    }


def _side(artifact: Artifact, predictions: Predictions, seen: Outcome) -> Side:
    bins = reliability(bins_of(seen.confidence, seen.correct))
    return Side(encode(artifact_facts(artifact)), encode(predictions.provenance), evaluate(seen), bins)


def file_facts(deployed: Artifact, after: Predictions, parity: Parity | None) -> dict[str, float]:
    """What is known of the deployed file: its size, its weights', and the arena: the run's, or TFLite Micro's."""
    arena = after.provenance.get("arena_bytes") or (None if parity is None else parity.facts.get("arena_bytes"))
    found: dict[str, float] = {"size_bytes": deployed.size_bytes}
    if deployed.params is not None:
        found["weight_bytes"] = deployed.params * (4 if deployed.precision == "fp32" else 1)
    return found if arena is None else found | {"arena_bytes": arena}


def beside_micro(
    target: str,
    deployed: Artifact,
    data: Dataset,
    after: Predictions,
    images: int,
    seed: int,
    on_progress: OnProgress,
    options: Mapping[str, Any],
) -> tuple[Parity | None, str | None]:
    """The deployed file on TFLite Micro too, or why not."""
    if deployed.format != "tflite" or deployed.precision != "int8":
        return None, "only int8 TFLite models are run on TFLite Micro too"
    if target == PARITY_TARGET:
        return None, "the run itself is on TFLite Micro"
    if images == 0:
        return None, "switched off"
    index = data.draw(images, seed=seed)
    try:
        micro = predict(PARITY_TARGET, deployed, data.take(index), on_progress, options)
    except (TargetError, ArtifactUnsupported) as error:
        # A beside-job: it only stops the run where it is judged, and a missing package never does.
        if not isinstance(error, TargetUnavailable) and _stands_for_microcontroller(target):
            raise
        return None, f"not run: {error.what}" + (f"; {error.fix}" if error.fix else "")
    run = after.take(index)
    steps, counts = np.unique(run.outputs.astype(np.int64) - micro.outputs.astype(np.int64), return_counts=True)
    flips = int((run.predicted != micro.predicted).sum())
    histogram = {int(step): int(n) for step, n in zip(steps, counts, strict=True)}
    return Parity(PARITY_TARGET, micro.provenance, len(index), flips, histogram), None


def judged_parity(target: str, parity: Parity | None, note: str | None) -> ParityCount | str:
    """Reported for every int8 TFLite model, judged only where the run stands for a microcontroller's arithmetic."""
    if parity is None:
        return str(note)
    if not _stands_for_microcontroller(target):
        return f"{target} does not stand for a microcontroller"
    return ParityCount(parity.images, parity.argmax_flips)


def _stands_for_microcontroller(target: str) -> bool:
    return bool(lookup(TARGETS, "target", target).microcontroller)


def _power(
    seen: Outcome, discordance: float, policy: Policy, verdict: Verdict, parity: Parity | None
) -> tuple[PowerRow, ...]:
    """What each gate that was judged can tell with these images; nothing where there is but one class."""
    classes = int((seen.class_counts > 0).sum())
    if classes < 2:
        return ()
    figures = {gate.name: gate.figure for gate in verdict.gates}
    rows = power_table(
        images=len(seen),
        classes=classes,
        discordance=discordance,
        policy=policy,
        parity_images=None if parity is None else parity.images,
        measured=figures,
    )
    return tuple(row for row in rows if row.gate in figures)


def _examples(before: Predictions, after: Predictions, data: Dataset, confidence: NDArray[np.float64]) -> Examples:
    """``confidence``: ``(N,)``, the deployed model's."""
    return Examples(
        ids=tuple(before.ids.tolist()),
        labels=tuple(before.labels.tolist()),
        reference=tuple(before.predicted.tolist()),
        deployed=tuple(after.predicted.tolist()),
        confidence=tuple(np.minimum(confidence, 1.0).round(CONFIDENCE_DIGITS).tolist()),
        class_names=data.class_names,
        superclasses=data.superclasses,
        superclass_names=data.superclass_names,
    )


def _run_facts(target: str, reference_target: str, seed: int) -> dict[str, Any]:
    return {
        "tinyedge": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "target": target,
        "reference_target": reference_target,
        "seed": seed,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_model(),
        "cpu_flags": list(cpu_flags()),
        "packages": {name: version for name in _PACKAGES if (version := package_version(name))},
    }
