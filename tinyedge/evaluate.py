"""A model, or two, on an evaluation set that may be larger than memory: one session a model, counts that add up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from tinyedge.artifact import Artifact, InputConvention
from tinyedge.data.dataset import Dataset
from tinyedge.errors import ClassCountMismatch, DatasetEmpty, UsageError
from tinyedge.metrics.outcome import Outcome
from tinyedge.metrics.tally import PairTally, Tally
from tinyedge.outcomes import outcome
from tinyedge.predictions import Predictions
from tinyedge.registry import TARGETS, lookup

OnImages = Callable[[int], None]
"""Called with the images done so far; how many there are in all is not known beforehand."""


def _silent(done: int) -> None:
    """No progress bar."""


class Session(Protocol):
    """What this module needs of ``tinyedge.targets.session.Session``, which the core does not import."""

    def run(
        self,
        images: NDArray[np.uint8],
        on_progress: Callable[[int, int], None] | None = None,
        *,
        convention: InputConvention | None = None,
    ) -> NDArray[Any]:
        """``(N, K)`` outputs, in the images' order; ``convention`` in place of the artifact's."""

    def facts(self) -> dict[str, Any]:
        """What ran."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


@dataclass(frozen=True)
class Model:
    """An artifact and what runs it.

    Args:
        target: e.g. ``tflite-int8``.
        artifact: the model file.
        options: of the target's constructor, e.g. ``kernels``.
    """

    target: str
    artifact: Artifact
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """One model on a whole evaluation set.

    Args:
        tally: what ``tinyedge.metrics.evaluate`` takes.
        facts: runtime, version, kernels that ran, time.
    """

    tally: Tally
    facts: dict[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Comparison:
    """Two models on the same whole evaluation set.

    Args:
        reference: the float model.
        deployed: the model that ships.
        pair: both together, for ``tinyedge.metrics.compare_counted``.
    """

    reference: Evaluation
    deployed: Evaluation
    pair: PairTally


def evaluate_stream(model: Model, pieces: Iterable[Dataset], on_images: OnImages = _silent) -> Evaluation:
    """Run ``model`` on an evaluation set piece by piece; takes memory for one piece, however many there are.

    Args:
        model: what to run, on what.
        pieces: of one evaluation set (``tinyedge.data.stream``), each image in one of them.
        on_images: for a progress bar.

    Raises:
        UsageError: for an unknown target.
        ClassCountMismatch, ImageSizeMismatch: where model and data do not fit.
        DatasetEmpty: where there are no pieces.
        TargetError, ArtifactError, PredictionsError, DataError: from the target or the data.
    """
    tally: Tally | None = None
    with open_session(model) as session:
        for piece in pieces:
            part = Tally.of(_outcome(session, model, piece))
            tally = part if tally is None else tally + part
            on_images(tally.images)
            del piece  # before the next is read
        facts = session.facts()
    if tally is None:
        raise _empty()
    return Evaluation(tally, facts)


def compare_stream(
    *, reference: Model, deployed: Model, pieces: Iterable[Dataset], on_images: OnImages = _silent
) -> Comparison:
    """Run both models on an evaluation set piece by piece, as ``evaluate_stream``; each piece is read once.

    Raises:
        As ``evaluate_stream``.
    """
    found: tuple[Tally, Tally, PairTally] | None = None
    with ExitStack() as stack:
        first, second = (stack.enter_context(open_session(model)) for model in (reference, deployed))
        for piece in pieces:
            before, after = _outcome(first, reference, piece), _outcome(second, deployed, piece)
            part = Tally.of(before), Tally.of(after), PairTally.of(reference=before, deployed=after)
            found = part if found is None else (found[0] + part[0], found[1] + part[1], found[2] + part[2])
            on_images(found[0].images)
            del piece, before, after  # before the next is read
        facts = first.facts(), second.facts()
    if found is None:
        raise _empty()
    return Comparison(Evaluation(found[0], facts[0]), Evaluation(found[1], facts[1]), found[2])


def open_session(model: Model, *, processes: int | None = None) -> Session:
    """Start the model's target; to be used in a ``with`` block.

    Args:
        model: what to run, and on what.
        processes: that share the images; the processors at hand if ``None``. Outputs do not depend on it.

    Raises:
        UsageError: for an unknown target, or an option that it does not take.
        TargetError, ArtifactError: from the target.
    """
    session: Session = build_target(model.target, model.options).open(model.artifact, processes=processes)
    return session


def build_target(target: str, options: Mapping[str, Any]) -> Any:
    """The target called ``target``, a ``tinyedge.targets.base.Target``; nothing is started.

    Raises:
        UsageError: for an unknown target, options that it does not take, or one that it lacks.
    """
    kind = lookup(TARGETS, "target", target)
    takes = kind.option_names()
    for name, value in options.items():
        if name not in takes:
            raise UsageError(
                f"{target} has no such option",
                where=flag(name),
                found=value,
                expected=" or ".join(flag(one) for one in takes) or "none: there is nothing to choose",
            )
    built = kind(**options)
    built.check_options()
    return built


def flag(name: str) -> str:
    """A target's option as the command line spells it."""
    return "--" + name.replace("_", "-")


def run_session(
    session: Session, model: Model, data: Dataset, on_progress: Callable[[int, int], None] | None = None
) -> Predictions:
    """What an open session puts out for ``data``.

    Raises:
        TargetError, PredictionsError, ImageSizeMismatch: from the target.
    """
    outputs = session.run(data.images, on_progress=on_progress)
    artifact = model.artifact
    return Predictions(
        outputs=outputs,
        labels=data.labels,
        ids=data.ids,
        output_kind=artifact.output_kind,
        scale=artifact.output.scale,
        zero_point=artifact.output.zero_point,
        provenance={"target": model.target, **session.facts()},
    )


def check_fit(artifact: Artifact, data: Dataset) -> None:
    """Whether the images can go into the model and the classes are as many as its outputs.

    Raises:
        ClassCountMismatch, ImageSizeMismatch: where they are not.
    """
    where = f"{artifact.path.name} on {data.name}"
    artifact.check_images(data.images.shape[1:], where)
    if artifact.num_classes != data.num_classes:
        raise ClassCountMismatch(
            "model and data have different numbers of classes",
            where=where,
            found=f"{data.num_classes} classes in the data",
            expected=f"{artifact.num_classes} outputs in the model",
            fix="evaluate on the classes that the model was trained for",
        )


def _outcome(session: Session, model: Model, piece: Dataset) -> Outcome:
    check_fit(model.artifact, piece)
    return outcome(run_session(session, model, piece), piece)


def _empty() -> DatasetEmpty:
    return DatasetEmpty("the evaluation set has no images", found="no pieces", expected="at least 1 image")
