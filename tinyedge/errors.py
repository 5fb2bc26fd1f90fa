"""Every error that tinyedge raises on purpose.

    TinyedgeError                       exit code
    |- UsageError                       2   a flag, a name or a combination that makes no sense
    |  `- VersionMismatch                   a node of a cluster with another tinyedge than the command's
    |- DataError                        2   a dataset
    |  |- DatasetNotFound
    |  |- DatasetEmpty
    |  |- CorruptImage
    |  |- ImageSizeMismatch
    |  |- ClassCountMismatch
    |  `- LabelOutOfRange
    |- ArtifactError                    2   a model file
    |  |- ArtifactNotFound
    |  |- ArtifactCorrupt
    |  |- ArtifactHashMismatch
    |  |- ArtifactUnsupported               readable, but not what this target or exporter takes
    |  |  `- ConventionUnknown              nothing says how a pixel becomes its input
    |  `- InstallationDamaged               a file that ships with tinyedge is gone or changed
    |- PredictionsError                 2   what a model put out: NaN, wrong shape, sets that do not pair
    |- PolicyError                      2   a policy file
    |- BoardError                       2   a board's file
    |- ReportError                      2   a stored report: not one, of another version, or not of the same images
    |- TrainingError                    2   a recipe, a checkpoint, a diverged run
    |  |- TrainingDiverged                  a loss that is no longer a number
    |  `- TrainingOutOfMemory               the accelerator; fewer seeds at once may fit
    |- SweepError                       2   a sweep's folder: manifest, records, lock
    |- ExportError                      2   a conversion that cannot be done or did not hold
    `- TargetError                      4   a target that could not run
       |- TargetUnavailable                 a prerequisite is missing here
       |- TargetRefused                     the runtime rejects this model (operator, arena)
       |- TargetCrashed                     the child process that ran the native code died
       `- TargetTimeout

Anything else that escapes is a bug in tinyedge: exit code 70. A runtime's own exception is mapped to the
most specific class here and chained (``raise ... from error``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

PASS, GATE_FAILED, BAD_INPUT, INCONCLUSIVE, TARGET_FAILED, INTERNAL = 0, 1, 2, 3, 4, 70


class TinyedgeError(Exception):
    """An error with a message that a person can act on.

    Args:
        what: what went wrong, in one clause.
        where: the file, tensor, flag or image that it is about.
        found: what was there.
        expected: what should have been there.
        fix: what to do; a command where there is one.
    """

    exit_code = BAD_INPUT

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        found: object = None,
        expected: object = None,
        fix: str | None = None,
    ) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.found = None if found is None else str(found)
        self.expected = None if expected is None else str(expected)
        self.fix = fix
        super().__init__(what, self.where, self.found, self.expected, fix)

    def __str__(self) -> str:
        lines = [self.what]
        for label, value in (
            ("where", self.where),
            ("found", self.found),
            ("expected", self.expected),
            ("to do", self.fix),
        ):
            if value is not None:
                lines.append(f"  {label + ':':<10}{value}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, and errors cross process borders.
        return _rebuild, (type(self), self.what, self.where, self.found, self.expected, self.fix), vars(self)


def _rebuild(
    kind: type[TinyedgeError],
    what: str,
    where: str | None,
    found: str | None,
    expected: str | None,
    fix: str | None,
) -> TinyedgeError:
    return kind(what, where=where, found=found, expected=expected, fix=fix)


class UsageError(TinyedgeError):
    """A flag, a name or a combination that makes no sense."""


class VersionMismatch(UsageError):
    """A worker's tinyedge is not the command's; its node would take and fail every task."""


class DataError(TinyedgeError):
    """Something is wrong with a dataset."""


class DatasetNotFound(DataError):
    """The dataset is not where it was looked for."""


class DatasetEmpty(DataError):
    """The dataset has no images."""


class CorruptImage(DataError):
    """An image file cannot be decoded."""


class ImageSizeMismatch(DataError):
    """An image has another size than the dataset or the model."""


class ClassCountMismatch(DataError):
    """The dataset and the model disagree about the number of classes."""


class LabelOutOfRange(DataError):
    """A label is not a class index."""


class ArtifactError(TinyedgeError):
    """Something is wrong with a model file."""


class ArtifactNotFound(ArtifactError):
    """The model file does not exist."""


class ArtifactCorrupt(ArtifactError):
    """The model file is truncated or is not what its name says."""


class ArtifactHashMismatch(ArtifactError):
    """The model file's SHA-256 is not the recorded one."""


class ArtifactUnsupported(ArtifactError):
    """The model file is readable, but not what is asked for here."""


class ConventionUnknown(ArtifactUnsupported):
    """Nothing says how a pixel becomes the model's input, or what is said is contradicted by the model's figures."""


class InstallationDamaged(ArtifactError):
    """A file that ships with tinyedge is gone or changed."""


class PredictionsError(TinyedgeError):
    """A model's output is unusable, or two sets of predictions do not pair."""


class PolicyError(TinyedgeError):
    """Something is wrong with a policy file."""


class BoardError(TinyedgeError):
    """Something is wrong with a board's file."""


class ReportError(TinyedgeError):
    """A stored report cannot be read, contradicts itself, or is not of the images at hand."""


class TrainingError(TinyedgeError):
    """A recipe, a checkpoint or a training run is unusable."""


class TrainingDiverged(TrainingError):
    """The loss of a run is no longer a number.

    Args:
        what: as for every error, like the rest.
        seeds: whose loss it is. Seeds that share a step may have it from one among them: alone, each shows its own.
    """

    def __init__(self, what: str, *, seeds: Sequence[int] = (), **more: Any) -> None:
        super().__init__(what, **more)
        self.seeds = tuple(seeds)


class SweepError(TinyedgeError):
    """Something is wrong with a sweep's folder: its manifest, its records, or who else is at work in it."""


class TrainingOutOfMemory(TrainingError):
    """The accelerator's memory does not hold so many seeds at once."""


class ExportError(TinyedgeError):
    """A model cannot be exported, or the exported file does not hold what it should."""


class TargetError(TinyedgeError):
    """A target could not run."""

    exit_code = TARGET_FAILED


class TargetUnavailable(TargetError):
    """A prerequisite of the target is missing on this machine."""


class TargetRefused(TargetError):
    """The runtime rejects the model: an operator it lacks, an arena too small."""


class TargetCrashed(TargetError):
    """The process that ran the target's native code died."""


class TargetTimeout(TargetError):
    """The target took longer than its limit."""
