"""Which examples a model gets wrong, and how two models' error sets differ.

E(m) is the set of images that model m gets wrong. Two models can be equally accurate and fail on different images: that
is what these see and accuracy does not. All of it follows from four counts, which add up over parts of a set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Joint:
    """How many images each of the two models gets right.

    Args:
        both_right: right by both.
        lost: right by the reference, wrong by the deployed model.
        gained: wrong by the reference, right by the deployed model.
        both_wrong: wrong by both: the intersection of the error sets.
    """

    both_right: int
    lost: int
    gained: int
    both_wrong: int

    @property
    def images(self) -> int:
        """N."""
        return self.both_right + self.lost + self.gained + self.both_wrong

    @property
    def errors(self) -> tuple[int, int]:
        """Images that the reference and the deployed model get wrong."""
        return self.both_wrong + self.gained, self.both_wrong + self.lost


def joint(*, reference: NDArray[np.bool_], deployed: NDArray[np.bool_]) -> Joint:
    """Count, from ``(N,)`` whether each model is right."""
    both, before, after = (int(mask.sum()) for mask in (reference & deployed, reference, deployed))
    return Joint(both, before - both, after - both, len(reference) - before - after + both)


def jaccard(of: Joint) -> float:
    """Overlap of the error sets, ``|A and B| / |A or B|``, in 0..1; symmetric; 1 where neither model errs.

    >>> jaccard(Joint(both_right=1, lost=0, gained=2, both_wrong=1))
    0.3333333333333333

    Reference: docs/metrics.md. Two empty sets are equal, hence 1 by convention.
    """
    union = of.images - of.both_right
    return of.both_wrong / union if union else 1.0


def jaccard_nested(of: Joint) -> float:
    """The largest Jaccard that these two error rates allow: one error set inside the other, ``e2 / e1``, e1 >= e2.

    >>> jaccard_nested(Joint(both_right=2, lost=1, gained=0, both_wrong=1))
    0.5
    """
    return min(of.errors) / max(of.errors) if max(of.errors) else 1.0


def jaccard_independent(of: Joint) -> float:
    """Jaccard of two models that err independently at these rates, ``e1 e2 / (e1 + e2 - e1 e2)``; 1 for no errors.

    >>> jaccard_independent(Joint(both_right=0, lost=1, gained=1, both_wrong=0))
    0.3333333333333333
    """
    e1, e2 = (errors / of.images for errors in of.errors)
    union = e1 + e2 - e1 * e2
    return e1 * e2 / union if union > 0 else 1.0


def redistribution(of: Joint) -> float:
    """How far the overlap is below the nested one: 0 where deployment only adds (or only mends) errors."""
    # Both are quotients of counts; rounding must not push the smaller one above the larger.
    return max(0.0, jaccard_nested(of) - jaccard(of))


def discordance(of: Joint) -> float:
    """d: the share of images on which exactly one of the two is right. ``J = (e1 + e2 - d) / (e1 + e2 + d)``."""
    return (of.lost + of.gained) / of.images


def negative_flips(of: Joint) -> float:
    """The share of images that were right and are now wrong: what a user notices after an update."""
    return of.lost / of.images


def positive_flips(of: Joint) -> float:
    """The share of images that were wrong and are now right."""
    return of.gained / of.images


def accuracy_drop(of: Joint) -> float:
    """Accuracy of the reference less that of the deployed model, -1 to 1."""
    return (of.lost - of.gained) / of.images


def class_changes(
    counts: Sequence[int], lost: Sequence[int], gained: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The change of each class's accuracy, deployed less reference, of the classes that have images.

    Args:
        counts: images of each of the K classes.
        lost: of those, right before and wrong now.
        gained: of those, wrong before and right now.

    Returns:
        class indices int64 ``(M,)`` and changes float64 ``(M,)`` in -1..1; negative is worse.

    >>> classes, change = class_changes([2, 1, 0], [1, 0, 0], [0, 1, 0])
    >>> classes.tolist(), change.tolist()
    ([0, 1], [-0.5, 1.0])
    """
    images = np.asarray(counts, np.int64)
    present = np.flatnonzero(images)
    change = np.asarray(gained, np.int64) - np.asarray(lost, np.int64)
    return present.astype(np.int64), change[present] / images[present]
