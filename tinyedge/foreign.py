"""Model files that tinyedge did not make: loaded under what is stated of them, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tinyedge import probe
from tinyedge.artifact import Artifact, load_artifact
from tinyedge.convention import NORMALIZATIONS, Stated
from tinyedge.data.dataset import Dataset
from tinyedge.errors import ConventionUnknown
from tinyedge.evaluate import Model, check_fit


def load(path: Path, stated: Stated, data: Dataset, runs: Callable[[Artifact], Model], *, seed: int = 0) -> Artifact:
    """The model file under its side-car's convention, ``stated`` in its place where both speak.

    Args:
        path: the file.
        stated: what flags say of it.
        data: the evaluation set: where nobody states the normalization, the error shows what each scores on it.
        runs: what would run the artifact.
        seed: of the images that those scores are of.

    Raises:
        ConventionUnknown: where nobody states the normalization.
        ArtifactError, UsageError: as ``load_artifact``.
        ImageSizeMismatch, ClassCountMismatch: where the data does not fit.
    """
    try:
        found = load_artifact(path, stated=stated)
    except ConventionUnknown as error:
        # Any normalization does to look at the file: the probe puts each of the usual ones in its place.
        any_one = load_artifact(path, stated=replace(stated, normalize=NORMALIZATIONS["0..1"]))
        raise probe.unknown(runs(any_one), data, seed=seed) from error
    check_fit(found, data)
    return found


def load_reference(
    path: Path,
    stated: Stated,
    own: Stated,
    data: Dataset,
    runs: Callable[[Artifact], Model],
    *,
    seed: int = 0,
) -> Artifact:
    """As ``load``; a normalization that is stated for both files does not silently replace the reference's side-car.

    Args:
        path: the file.
        stated: what flags say of both files.
        own: what they say of the reference alone; goes before.
        data: as for ``load``.
        runs: likewise.
        seed: likewise.

    Raises:
        ConventionUnknown: also where side-car and flag disagree, with both readings.
        ArtifactError, UsageError: as ``load_artifact``.
    """
    if own.normalize is not None or stated.normalize is None:
        return load(path, replace(stated, normalize=own.normalize), data, runs, seed=seed)
    try:
        convention = load_artifact(path, stated=replace(stated, normalize=None)).convention
    except ConventionUnknown:  # nothing but the flag speaks
        return load(path, stated, data, runs, seed=seed)
    if (convention.mean, convention.std) == stated.normalize:
        return load(path, stated, data, runs, seed=seed)
    flagged = replace(convention, mean=stated.normalize[0], std=stated.normalize[1])
    raise ConventionUnknown(
        "the reference's own convention and the flag disagree",
        where=path,
        found=f"the file or its side-car: {convention.flags}; the flag: {flagged.flags}",
        expected="one reading",
        fix=f"--reference-{convention.flags[2:]} keeps the file's word, and --normalize is then the deployed model's",
    )
