"""Has any class become worse? A hundred classes dip by chance; the largest dip of an unchanged model is not evidence.

If deployment changed nothing, then on each image the two models are interchangeable. Swapping them changes only the
images on which exactly one is right, and makes each of those lost or gained like a coin: of the m_k such images of
class k, a binomial(m_k, 1/2) number is lost, independently of the other classes. So the permutation distribution (swap
per image, statistic the largest class drop) is known exactly, and nothing need be drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc


@dataclass(frozen=True)
class ClassDrops:
    """The drop of each class that has images (M of K), with what is known against chance.

    Args:
        classes: int64 ``(M,)`` class indices.
        counts: int64 ``(M,)`` images.
        lost: int64 ``(M,)`` images that only the reference gets right.
        gained: int64 ``(M,)`` images that only the deployed model gets right.
        drop: float64 ``(M,)``, ``(lost - gained) / count``.
        p_any: max-T: probability, for an unchanged model, that some class drops at least as far as the worst does here.
        p_class: float64 ``(M,)`` Holm-adjusted one-sided p-values, to name classes by.
    """

    classes: NDArray[np.int64] = field(repr=False)
    counts: NDArray[np.int64] = field(repr=False)
    lost: NDArray[np.int64] = field(repr=False)
    gained: NDArray[np.int64] = field(repr=False)
    drop: NDArray[np.float64] = field(repr=False)
    p_any: float
    p_class: NDArray[np.float64] = field(repr=False)

    @property
    def worst(self) -> int:
        """Position (not class index) of the largest drop; the lowest class index where several tie."""
        return int(self.drop.argmax())

    @property
    def p(self) -> NDArray[np.float64]:
        """float64 ``(M,)``: p-values to decide by: an unchanged model has one below alpha with probability alpha.

        Where all classes have equally many images max-T decides, and Holm names further classes. Where they differ, a
        small class that drops far by chance would hide from max-T, which compares raw drops, a large one that is surely
        worse. Holm's test decides beside it then, each of the two at half of alpha: so p is twice the smaller.
        """
        if (self.counts == self.counts[0]).all():
            p = np.maximum(self.p_class, self.p_any)
            p[self.worst] = self.p_any
            return p
        p = self.p_class.copy()
        p[self.worst] = min(p[self.worst], self.p_any)
        return np.minimum(2 * p, 1.0)


def class_drops(
    labels: NDArray[np.int64], *, reference: NDArray[np.bool_], deployed: NDArray[np.bool_], num_classes: int
) -> ClassDrops:
    """Every class's drop in accuracy, tested together.

    Args:
        labels: ``(N,)``.
        reference: ``(N,)`` whether the reference is right.
        deployed: ``(N,)`` whether the deployed model is right.
        num_classes: K.

    >>> found = class_drops(np.array([0, 0, 1, 1]), reference=np.array([True, True, True, False]),
    ...                     deployed=np.array([False, False, True, False]), num_classes=2)
    >>> found.drop.tolist(), round(found.p_any, 4)  # both images of class 0 lost: a chance of 1/4
    ([1.0, 0.0], 0.25)

    Reference: Westfall and Young 1993 (max-T), here with its exact distribution; Holm 1979.
    """
    counts = np.bincount(labels, minlength=num_classes)
    classes = np.flatnonzero(counts)
    lost = np.bincount(labels[reference & ~deployed], minlength=num_classes)[classes]
    gained = np.bincount(labels[~reference & deployed], minlength=num_classes)[classes]
    counts = counts[classes]
    drop = (lost - gained) / counts
    return ClassDrops(
        classes.astype(np.int64),
        counts.astype(np.int64),
        lost.astype(np.int64),
        gained.astype(np.int64),
        drop,
        chance_of_drop(lost + gained, counts, float(drop.max())),
        holm(bdtrc(lost - 1, lost + gained, 0.5)),
    )


def chance_of_drop(discordant: NDArray[np.int64], counts: NDArray[np.int64], drop: float) -> float:
    """Probability, for an unchanged model, that some class drops at least so far.

    ``P(max_k (2 X_k - m_k) / n_k >= drop)``, ``X_k`` independent binomial(m_k, 1/2).

    Args:
        discordant: ``(M,)`` m, images of each class on which exactly one of the two is right.
        counts: ``(M,)`` n, images of each class.
        drop: a share.
    """
    # The smallest X_k that reaches it; rounding must not turn "equal" into "just below".
    reach = np.ceil((drop * counts + discordant) / 2 - 1e-9)
    # The tail itself (1 - bdtr would lose a small one), which bdtrc knows up to k = m only: it is 0 there and beyond.
    reached = bdtrc(np.minimum(reach - 1, discordant), discordant, 0.5)
    return float(-np.expm1(np.log1p(-reached).sum())) if (reached < 1).all() else 1.0


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """p-values ``(M,)`` adjusted so that naming those below alpha names a wrong one with probability at most alpha.

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]

    Reference: Holm 1979.
    """
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(stepped)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
