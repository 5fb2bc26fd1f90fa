"""Every path on the same images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from tinyedge.artifact import Artifact
from tinyedge.data.dataset import Dataset
from tinyedge.errors import ArtifactUnsupported, TargetError, TargetUnavailable, TinyedgeError
from tinyedge.evaluate import Model, build_target, check_fit, open_session
from tinyedge.parity.matrix import matrix_of
from tinyedge.parity.parting import find_partings
from tinyedge.parity.paths import Path, parse_paths
from tinyedge.predictions import Predictions
from tinyedge.report.kernels import KernelMatrix

BESIDE_PATHS = ("tflite-int8-reference", "tflite-int8", "tflite-int8-xnnpack", "tflm-int8")
BESIDE_IMAGES = 200
BESIDE_STEP = "other kernels"
COMPARED = ("tflite", "int8")
"""Format and precision of the models whose bytes can be compared."""
OnProgress = Callable[[str, int, int], None]
"""Called with a step's name, what is done of it, and what there is in all."""


def _silent(step: str, done: int, total: int) -> None:
    """No progress bar."""


def compare_paths(
    artifact: Artifact,
    data: Dataset,
    paths: Sequence[Path],
    *,
    layers: bool = True,
    on_progress: OnProgress = _silent,
) -> KernelMatrix:
    """Run an int8 TFLite model on each of ``paths``, compare each two, and find where they part.

    A path that cannot run here, or refuses the model, is left out with the reason.

    Args:
        artifact: the model.
        data: images that fit it, with labels.
        paths: at least two, as ``parse_paths`` returns them.
        layers: whether to look for the first layer at which two paths part.
        on_progress: for a progress bar.

    Raises:
        ArtifactUnsupported: for a model that is not int8 TFLite.
        ClassCountMismatch, ImageSizeMismatch: where the images do not fit.
        TargetUnavailable: where fewer than two paths can run.
    """
    check_int8(artifact)
    check_fit(artifact, data)
    outputs, facts, left_out = run_paths(artifact, data, paths, on_progress)
    if len(outputs) < 2:
        raise TargetUnavailable(
            "fewer than two paths can run: there is nothing to compare",
            where=artifact.path.name,
            found="; ".join(f"{name}: {reason}" for name, reason in left_out.items()),
            expected="at least two",
            fix="tinyedge doctor says what is missing",
        )
    found = matrix_of(outputs, data.labels, facts=facts, left_out=left_out)
    if not layers:
        return found
    ran = [path for path in paths if path.name in outputs]
    partings = find_partings(artifact, data.images, ran, outputs, on_progress)
    pairs = tuple(replace(pair, parting=partings.get((pair.first, pair.second))) for pair in found.pairs)
    return replace(found, pairs=pairs)


def run_paths(
    artifact: Artifact, data: Dataset, paths: Sequence[Path], on_progress: OnProgress = _silent
) -> tuple[dict[str, NDArray[Any]], dict[str, dict[str, Any]], dict[str, str]]:
    """Outputs ``(N, K)`` and facts by path, and why the others did not run.

    Raises:
        PredictionsError, ArtifactCorrupt, ArtifactHashMismatch: where the file is not what it says.
    """
    outputs: dict[str, NDArray[Any]] = {}
    facts: dict[str, dict[str, Any]] = {}
    left_out: dict[str, str] = {}
    for path in paths:
        here = build_target(path.target, path.options).available()
        if not here.ok:
            left_out[path.name] = f"not installed: {here.missing} ({here.install})"
            continue

        def step(done: int, total: int, name: str = path.name) -> None:
            on_progress(name, done, total)

        try:
            with open_session(Model(path.target, artifact, path.options)) as session:
                outputs[path.name] = session.run(data.images, on_progress=step)
                facts[path.name] = session.facts()
        except (TargetError, ArtifactUnsupported) as error:
            left_out[path.name] = reason(error)
    return outputs, facts, left_out


def kernels_beside(
    artifact: Artifact,
    data: Dataset,
    run: Predictions,
    name: str,
    *,
    images: int,
    seed: int,
    on_progress: OnProgress = _silent,
) -> KernelMatrix | None:
    """A run against the paths that this machine is quick to compute; ``None`` where the model is not int8 TFLite.

    Args:
        artifact: the model.
        data: what the run was of.
        run: the outputs, in the order of ``data``.
        name: the run's path (``path_name``).
        images: of ``data`` to draw, at most ``BESIDE_IMAGES``: the reference kernels are slow.
        seed: of the draw.
        on_progress: for a progress bar.
    """
    if (artifact.format, artifact.precision) != COMPARED:
        return None
    index = data.draw(min(images, BESIDE_IMAGES), seed=seed)
    sample = data.take(index)
    paths = [path for path in parse_paths(BESIDE_PATHS) if path.name != name]
    names = [path.name for path in paths]
    outputs, facts, left_out = run_paths(
        artifact, sample, paths, lambda step, *_: on_progress(BESIDE_STEP, names.index(step), len(names))
    )
    on_progress(BESIDE_STEP, len(names), len(names))
    return matrix_of(
        {name: run.outputs[index]} | outputs,
        sample.labels,
        facts={name: run.provenance} | facts,
        pairs=[(name, other) for other in outputs],
        left_out=left_out,
    )


def reason(error: TinyedgeError) -> str:
    """An error in one line."""
    parts = (error.what, error.found, error.fix)
    return " ".join("; ".join(part for part in parts if part is not None).split())


def check_int8(artifact: Artifact) -> None:
    """Whether there are bytes to compare.

    Raises:
        ArtifactUnsupported: for a model that is not int8 TFLite.
    """
    if (artifact.format, artifact.precision) != COMPARED:
        raise ArtifactUnsupported(
            "parity is of int8 TFLite models",
            where=artifact.path,
            found=f"{artifact.format}, {artifact.precision}",
            expected="tflite, int8",
            fix="tinyedge export --to tflite-int8",
        )
