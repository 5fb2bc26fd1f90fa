"""Which examples a model gets wrong, and how two models' error sets differ.

E(m) is the set of indices that model m gets wrong; ``correct`` arrays (bool, ``(N,)``) are its complement.
Two models can be equally accurate and fail on different inputs: that is what these see and accuracy does not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def jaccard(*, reference: NDArray[np.bool_], deployed: NDArray[np.bool_]) -> float:
    """Overlap of the error sets, ``|A and B| / |A or B|``, in 0..1; symmetric; 1 where neither model errs.

    Args:
        reference: ``(N,)`` whether the reference is right.
        deployed: ``(N,)`` whether the deployed model is right.

    >>> jaccard(reference=np.array([False, False, True, True]), deployed=np.array([False, True, False, True]))
    0.3333333333333333

    Reference: docs/metrics.md. Two empty sets are equal, hence 1 by convention.
    """
    union = int((~reference | ~deployed).sum())
    return float((~reference & ~deployed).sum() / union) if union else 1.0


def jaccard_nested(*, reference: NDArray[np.bool_], deployed: NDArray[np.bool_]) -> float:
    """The largest Jaccard that these two error rates allow: one error set inside the other, ``e2 / e1``, e1 >= e2.

    >>> jaccard_nested(reference=np.array([False, True, True, True]), deployed=np.array([False, False, True, True]))
    0.5
    """
    errors = sorted((int((~reference).sum()), int((~deployed).sum())))
    return errors[0] / errors[1] if errors[1] else 1.0


def jaccard_independent(*, reference: NDArray[np.bool_], deployed: NDArray[np.bool_]) -> float:
    """Jaccard of two models that err independently at these rates, ``e1 e2 / (e1 + e2 - e1 e2)``; 1 for no errors.

    >>> jaccard_independent(reference=np.array([False, True]), deployed=np.array([True, False]))
    0.3333333333333333
    """
    e1, e2 = float(np.mean(~reference)), float(np.mean(~deployed))
    union = e1 + e2 - e1 * e2
    return e1 * e2 / union if union > 0 else 1.0


def redistribution(*, reference: NDArray[np.bool_], deployed: NDArray[np.bool_]) -> float:
    """How far the overlap is below the nested one: 0 where deployment only adds (or only mends) errors."""
    # Both are quotients of counts; rounding must not push the smaller one above the larger.
    return max(
        0.0, jaccard_nested(reference=reference, deployed=deployed) - jaccard(reference=reference, deployed=deployed)
    )


def discordance(*, reference: NDArray[np.bool_], deployed: NDArray[np.bool_]) -> float:
    """d: the share of images on which exactly one of the two is right. ``J = (e1 + e2 - d) / (e1 + e2 + d)``."""
    return float(np.mean(reference != deployed))


def negative_flips(*, reference: NDArray[np.bool_], deployed: NDArray[np.bool_]) -> float:
    """The share of images that were right and are now wrong: what a user notices after an update."""
    return float(np.mean(reference & ~deployed))


def positive_flips(*, reference: NDArray[np.bool_], deployed: NDArray[np.bool_]) -> float:
    """The share of images that were wrong and are now right."""
    return float(np.mean(~reference & deployed))


def flips(*, reference: NDArray[np.int64], deployed: NDArray[np.int64]) -> float:
    """The share of images whose predicted class differs, from ``(N,)`` predicted classes; wrong to wrong counts."""
    return float(np.mean(reference != deployed))


def class_changes(
    labels: NDArray[np.int64], *, reference: NDArray[np.bool_], deployed: NDArray[np.bool_], num_classes: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The change of each class's accuracy, deployed less reference, of the classes that have images.

    Returns:
        class indices int64 ``(M,)`` and changes float64 ``(M,)`` in -1..1; negative is worse.

    >>> classes, change = class_changes(
    ...     np.array([0, 0, 1]), reference=np.array([True, True, False]),
    ...     deployed=np.array([True, False, True]), num_classes=2)
    >>> change.tolist()
    [-0.5, 1.0]
    """
    counts = np.bincount(labels, minlength=num_classes)
    change = np.bincount(labels, weights=deployed.astype(float) - reference, minlength=num_classes)
    present = np.flatnonzero(counts)
    return present.astype(np.int64), change[present] / counts[present]
