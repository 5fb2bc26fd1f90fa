"""Is the input convention right? A few images under it and under the usual others, before anything is judged.

A model that is fed wrongly looks like a bad model, and a verdict on it says nothing. Nothing is chosen here: where the
figures contradict what is stated, the run stops and shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc

from tinyedge.convention import NORMALIZATIONS, InputConvention
from tinyedge.data.dataset import Dataset
from tinyedge.errors import ConventionUnknown
from tinyedge.evaluate import Model, Session, check_fit, open_session
from tinyedge.stats.paired import tango_interval

IMAGES, FEWEST = 200, 50
"""Images of a probe; with less than ``FEWEST`` nothing could be told, and nothing is said."""
CLEARLY = 0.10
"""How much better another convention has to be, at the least, by the lower 95 % bound of the paired difference."""
_BY_CHANCE = 0.01
_OFF = "--no-probe switches this check off"


@dataclass(frozen=True)
class Score:
    """One convention on the probe.

    Args:
        convention: how the images went in.
        predicted: int64 ``(N,)``.
        correct: bool ``(N,)``.
    """

    convention: InputConvention
    predicted: NDArray[np.int64] = field(repr=False)
    correct: NDArray[np.bool_] = field(repr=False)

    @property
    def accuracy(self) -> float:
        """Share of the images, 0 to 1."""
        return float(self.correct.mean())


def check(*, reference: Model, deployed: Model, data: Dataset, seed: int = 0) -> None:
    """Look at ``IMAGES`` images of ``data`` under the stated conventions, and under the others where that says more.

    The others are only run where they could tell: on the reference unless it is nearly always right, on the deployed
    model where it is clearly worse than the reference.

    Args:
        reference: the float model and what runs it.
        deployed: the model that ships, likewise.
        data: the evaluation set; of less than ``FEWEST`` images nothing is said.
        seed: of the draw.

    Raises:
        ConventionUnknown: where the reference is no better than chance, or either model is clearly better under
            another convention; with each convention's accuracy.
        ClassCountMismatch, ImageSizeMismatch, TargetError, ArtifactError, PredictionsError: as in a run.
    """
    if len(data) < FEWEST:
        return
    drawn = data.take(data.draw(IMAGES, seed=seed))
    stated, others = _scores(reference, drawn, lambda score: score.accuracy <= 1 - CLEARLY)
    where = f"{_named(reference)}, {len(drawn)} images of {data.name} drawn with seed {seed}"
    if others and near_chance(stated, drawn):
        raise _doubt("under the stated convention the reference is no better than chance", where, stated, others, drawn)
    if _better(stated, others):
        raise _doubt("the reference does clearly better under another convention", where, stated, others, drawn)
    shipped, others = _scores(deployed, drawn, lambda score: _lead(stated, score) > CLEARLY)
    if _better(shipped, others):
        where = where.replace(_named(reference), _named(deployed))
        raise _doubt("the deployed model does clearly better under another convention", where, shipped, others, drawn)


def unknown(model: Model, data: Dataset, *, seed: int = 0) -> ConventionUnknown:
    """The error for a model whose convention nobody states: what a probe scores under each of the usual ones.

    Args:
        model: its artifact has any convention, of which only ``resize`` and a stated colour count.
        data: the evaluation set.
        seed: of the draw.
    """
    drawn = data.take(data.draw(IMAGES, seed=seed))
    check_fit(model.artifact, drawn)
    channels = model.artifact.image_shape[2], data.images.shape[3]
    with open_session(model, processes=1) as session:
        found = [_score(session, drawn, each) for each in conventions(model.artifact.convention, *channels)]
    return ConventionUnknown(
        "how a pixel becomes this model's input is not known",
        where=f"{_named(model)}, {len(drawn)} images of {data.name} drawn with seed {seed}",
        found=_table(found),
        expected="a side-car, or the convention that the model was trained with, as flags; tinyedge does not choose",
        fix="give one of these, or --normalize MEAN,STD in pixel units",
    )


def conventions(stated: InputConvention, channels: int, data_channels: int) -> list[InputConvention]:
    """The usual conventions for a model of ``channels`` on images of ``data_channels``, sized as ``stated`` says."""
    pairs = [pair for pair in NORMALIZATIONS.values() if channels == 3 or len(pair[0]) == 1]
    colors = ["RGB", "BGR"] if channels == data_channels == 3 else [stated.color]
    return [InputConvention(*pair, color, stated.resize) for color in colors for pair in pairs]


def near_chance(score: Score, data: Dataset) -> bool:
    """Whether the predictions agree with the labels no more often than if they had nothing to do with each other.

    By chance they agree on the share that predicted and true class frequencies give (as in Cohen's kappa), so that a
    model which always says the commonest class is near chance however common that is.
    """
    n, k = len(data), data.num_classes
    frequencies = (np.bincount(classes, minlength=k) / n for classes in (score.predicted, data.labels))
    chance = float(np.prod(list(frequencies), axis=0).sum())
    right = int(score.correct.sum())
    return right == 0 or bool(bdtrc(right - 1, n, min(chance, 1.0)) > _BY_CHANCE)


def _scores(model: Model, drawn: Dataset, doubtful: Callable[[Score], bool]) -> tuple[Score, list[Score]]:
    """The stated convention's score and, where that is ``doubtful``, the others'."""
    check_fit(model.artifact, drawn)
    stated = model.artifact.convention
    channels = model.artifact.image_shape[2], drawn.images.shape[3]
    with open_session(model, processes=1) as session:
        score = _score(session, drawn, stated)
        if not doubtful(score):
            return score, []
        others = [each for each in conventions(stated, *channels) if each != stated]
        return score, [_score(session, drawn, each) for each in others]


def _score(session: Session, drawn: Dataset, convention: InputConvention) -> Score:
    predicted = session.run(drawn.images, convention=convention).argmax(axis=1).astype(np.int64)
    return Score(convention, predicted, predicted == drawn.labels)


def _lead(first: Score, second: Score) -> float:
    """Lower 95 % bound of how much more often ``first`` is right than ``second``, paired."""
    lost = int((first.correct & ~second.correct).sum())
    gained = int((~first.correct & second.correct).sum())
    return tango_interval(lost, gained, len(first.correct))[0]


def _better(stated: Score, others: Iterable[Score]) -> bool:
    return any(_lead(other, stated) > CLEARLY for other in others)


def _named(model: Model) -> str:
    return f"{model.artifact.path.name} on {model.target}"


def _doubt(what: str, where: str, stated: Score, others: list[Score], data: Dataset) -> ConventionUnknown:
    best = max(others, key=lambda score: score.accuracy)
    advice = []
    if _lead(best, stated) > CLEARLY:
        advice.append(f"if it is {best.convention.flags}: give that (for the reference alone as --reference-normalize)")
    if near_chance(stated, data):
        advice.append("check the labels' order (--labels) and the files")
    return ConventionUnknown(
        what,
        where=where,
        found=_table([stated, *others], stated),
        expected="the convention that the model was trained with",
        fix="; ".join([*advice, _OFF]),
    )


def _table(scores: Iterable[Score], stated: Score | None = None) -> str:
    ranked = sorted(scores, key=lambda score: -score.accuracy)
    rows = [
        f"{score.accuracy:8.1%}  {score.convention.flags}{'  (stated)' if score is stated else ''}" for score in ranked
    ]
    return "\n".join(["accuracy under", *(f"    {row}" for row in rows)])
