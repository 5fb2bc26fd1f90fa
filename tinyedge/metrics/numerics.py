"""What an integer output does to the top-1 class. Converters can ruin a model in ways that only these show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def tie_rate(tied: NDArray[np.bool_]) -> float:
    """The share of images whose largest stored output is reached by two or more classes; the lowest index wins.

    A high rate says that the output's scale is too coarse to tell the classes apart.
    """
    return float(np.mean(tied))


def saturation_rate(saturated: NDArray[np.bool_]) -> float:
    """The share of images whose largest stored logit is the integer type's maximum: it was probably cut off there."""
    return float(np.mean(saturated))
