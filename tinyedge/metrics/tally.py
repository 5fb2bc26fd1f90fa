"""What metrics need of an evaluation set, in counts and sums that add up: of parts, on many machines, in any order.

All are integers (sums are fixed-point, see ``exact``), so that adding is associative and commutative to the last bit:
a set in one piece and the same set in a thousand give the very same figures.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import PredictionsError
from tinyedge.metrics.calibration import Bins, bins_of, surprise
from tinyedge.metrics.error_sets import Joint
from tinyedge.metrics.exact import added, exact_sum
from tinyedge.metrics.outcome import Outcome, check_pair


@dataclass(frozen=True)
class Tally:
    """One model on N images of K classes, counted. Its size does not depend on N.

    Args:
        class_counts: images of each class.
        class_right: of those, how many the model gets right.
        superclass_right: of those, how many it puts in the right superclass; ``None`` without superclasses.
        bins: the images by confidence.
        nll: sum of the negative log-likelihoods, in units of ``1 / ONE``.
        brier: sum of the Brier scores likewise, or ``None`` where they are not known.
        tied: images whose largest stored output two or more classes share.
        saturated: images whose largest stored logit is the largest value of its type.
    """

    class_counts: tuple[int, ...] = field(repr=False)
    class_right: tuple[int, ...] = field(repr=False)
    superclass_right: tuple[int, ...] | None = field(repr=False)
    bins: Bins = field(repr=False)
    nll: int = field(repr=False)
    brier: int | None = field(repr=False)
    tied: int
    saturated: int

    @classmethod
    def of(cls, outcome: Outcome) -> Tally:
        """Count."""
        o, superclasses = outcome, outcome.superclasses
        return cls(
            class_counts=_by_class(o, np.ones(len(o), np.bool_)),
            class_right=_by_class(o, o.correct),
            superclass_right=None
            if superclasses is None
            else _by_class(o, superclasses[o.labels] == superclasses[o.predicted]),
            bins=bins_of(o.confidence, o.correct),
            nll=exact_sum(surprise(o.label_probability)),
            brier=None if o.brier is None else exact_sum(o.brier),
            tied=int(o.tied.sum()),
            saturated=int(o.saturated.sum()),
        )

    @property
    def images(self) -> int:
        """N."""
        return sum(self.class_counts)

    @property
    def right(self) -> int:
        """Images that the model gets right."""
        return sum(self.class_right)

    def __add__(self, other: Tally) -> Tally:
        """The tally of both sets of images together.

        Raises:
            PredictionsError: where the two are not of one model on one list of classes, as far as it can be told.
        """
        if self._kind != other._kind:
            raise PredictionsError(
                "the two tallies are not of one model on one set of classes",
                found=f"{self._kind} and {other._kind}",
                expected="the same number of classes, and both or neither with superclasses and Brier scores",
            )
        return Tally(
            added(self.class_counts, other.class_counts),
            added(self.class_right, other.class_right),
            None
            if self.superclass_right is None or other.superclass_right is None
            else added(self.superclass_right, other.superclass_right),
            self.bins + other.bins,
            self.nll + other.nll,
            None if self.brier is None or other.brier is None else self.brier + other.brier,
            self.tied + other.tied,
            self.saturated + other.saturated,
        )

    @property
    def _kind(self) -> tuple[str, str, str]:
        return (
            f"{len(self.class_counts)} classes",
            "no superclasses" if self.superclass_right is None else "superclasses",
            "no Brier scores" if self.brier is None else "Brier scores",
        )


@dataclass(frozen=True)
class PairTally:
    """Two models on the same N images of K classes, counted: what no two ``Tally`` can tell.

    Args:
        both_right: images of each class that both get right.
        lost: that the reference gets right and the deployed model wrong.
        gained: that the reference gets wrong and the deployed model right.
        both_wrong: that both get wrong.
        flips: images whose predicted class differs.
        reference_confidence: sum of the reference's confidences, in units of ``1 / ONE``.
        deployed_confidence: the deployed model's.
    """

    both_right: tuple[int, ...] = field(repr=False)
    lost: tuple[int, ...] = field(repr=False)
    gained: tuple[int, ...] = field(repr=False)
    both_wrong: tuple[int, ...] = field(repr=False)
    flips: int
    reference_confidence: int = field(repr=False)
    deployed_confidence: int = field(repr=False)

    @classmethod
    def of(cls, *, reference: Outcome, deployed: Outcome) -> PairTally:
        """Count.

        Raises:
            PredictionsError: where the two are not of the same examples in the same order.
        """
        check_pair(reference, deployed)
        before, after = reference.correct, deployed.correct
        return cls(
            both_right=_by_class(reference, before & after),
            lost=_by_class(reference, before & ~after),
            gained=_by_class(reference, ~before & after),
            both_wrong=_by_class(reference, ~before & ~after),
            flips=int((reference.predicted != deployed.predicted).sum()),
            reference_confidence=exact_sum(reference.confidence),
            deployed_confidence=exact_sum(deployed.confidence),
        )

    @property
    def joint(self) -> Joint:
        """The counts of all classes together."""
        return Joint(sum(self.both_right), sum(self.lost), sum(self.gained), sum(self.both_wrong))

    @property
    def class_counts(self) -> tuple[int, ...]:
        """Images of each class."""
        return added(added(self.both_right, self.lost), added(self.gained, self.both_wrong))

    def __add__(self, other: PairTally) -> PairTally:
        """The tally of both sets of images together.

        Raises:
            PredictionsError: where the two are of different numbers of classes.
        """
        if len(self.lost) != len(other.lost):
            raise PredictionsError(
                "the two tallies are not of one set of classes",
                found=f"{len(self.lost)} and {len(other.lost)} classes",
                expected="the same number",
            )
        return PairTally(
            added(self.both_right, other.both_right),
            added(self.lost, other.lost),
            added(self.gained, other.gained),
            added(self.both_wrong, other.both_wrong),
            self.flips + other.flips,
            self.reference_confidence + other.reference_confidence,
            self.deployed_confidence + other.deployed_confidence,
        )


def _by_class(outcome: Outcome, mask: NDArray[np.bool_]) -> tuple[int, ...]:
    """How many images of each class are in ``mask``."""
    return tuple(np.bincount(outcome.labels[mask], minlength=outcome.num_classes).tolist())
