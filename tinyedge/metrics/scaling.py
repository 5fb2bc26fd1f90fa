"""How the error rate falls with a model's size: the power law, its local exponents, and whether they fall.

All of them are weighted sums of the logarithms of the widths' error rates, so that one rule gives the interval of each.
Parameters are counts N, one a width, rising; errors are shares above 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import PredictionsError

FEWEST = 3
"""Widths that a law needs: through two any line fits."""


@dataclass(frozen=True)
class PowerLaw:
    """``err = scale * N^-alpha``, by least squares of log err on log N.

    Args:
        alpha: the exponent.
        scale: the error rate at one parameter: where the line starts, of no meaning by itself.
        r2: the share of the variance of log err that the line explains, 1 where there is none.
        alpha_error: standard error of ``alpha`` from how far the widths are off the line, W - 2 degrees of freedom.
    """

    alpha: float
    scale: float
    r2: float
    alpha_error: float

    def at(self, params: float) -> float:
        """The error rate that the law gives at ``params`` parameters."""
        return float(self.scale * params**-self.alpha)


def power_law(params: NDArray[np.float64], errors: NDArray[np.float64]) -> PowerLaw:
    """Fit.

    >>> law = power_law(np.array([1e4, 1e5, 1e6]), np.array([0.8, 0.4, 0.2]))  # halved at each tenfold: log10 2
    >>> round(law.alpha, 5), round(law.r2, 5), round(law.at(1e5), 5)
    (0.30103, 1.0, 0.4)

    Raises:
        PredictionsError: below three widths, for a width twice, or for an error rate of 0.

    Reference: docs/metrics.md; ordinary least squares.
    """
    x, y = _logs(params, errors)
    weights = exponent_weights(params)
    alpha = float(weights @ y)
    residuals = (y - y.mean()) + alpha * (x - x.mean())
    left, total = float(residuals @ residuals), float(((y - y.mean()) ** 2).sum())
    spread = float(((x - x.mean()) ** 2).sum())
    return PowerLaw(
        alpha=alpha,
        scale=float(np.exp(y.mean() + alpha * x.mean())),
        r2=1 - left / total if np.ptp(y) > 0 else 1.0,
        alpha_error=float(np.sqrt(left / (len(x) - 2) / spread)),
    )


def exponent_weights(params: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(W,)`` weights of log err whose sum is alpha: ``-(x - mean x) / sum (x - mean x)^2``, x = log N."""
    x = np.log(params)
    x = x - x.mean()
    return np.asarray(-x / (x @ x))


def local_weights(params: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(W - 1, W)`` weights of log err whose sums are the local exponents between neighbouring widths.

    >>> local_weights(np.exp([0.0, 2.0, 3.0])).round(3).tolist()
    [[0.5, -0.5, 0.0], [0.0, 1.0, -1.0]]
    """
    steps = np.diff(np.log(params))
    rows = np.zeros((len(steps), len(params)))
    at = np.arange(len(steps))
    rows[at, at], rows[at, at + 1] = 1 / steps, -1 / steps
    return rows


def curvature_weights(params: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(W,)`` weights of log err whose sum is how much the local exponent changes at each tenfold of N.

    Of the least-squares parabola in log N: ``-2 ln 10`` times its quadratic coefficient. Below 0 the local exponents
    fall with scale, as they do where a law saturates; 0 for a law that holds throughout. Three widths give it exactly.

    Raises:
        PredictionsError: below three widths.
    """
    _enough(params)
    x = np.log(params)
    parabola = np.vander(x - x.mean(), 3)  # columns: square, itself, one
    return np.asarray(-2 * np.log(10) * np.linalg.pinv(parabola)[0])


def slope_weights(params: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(W,)`` weights of any figure of the widths whose sum is its least-squares slope at each tenfold of N."""
    return np.asarray(-exponent_weights(params) * np.log(10))


def _logs(params: NDArray[np.float64], errors: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    _enough(params)
    if not (errors > 0).all():
        raise PredictionsError(
            "an error rate of 0 has no logarithm, and no place in a power law",
            found=f"{int((errors <= 0).sum())} of {len(errors)} widths without an error",
            expected="errors at every width",
            fix="a larger or a harder evaluation set",
        )
    return np.log(params), np.log(errors)


def _enough(params: NDArray[np.float64]) -> None:
    if len(np.unique(params)) < max(FEWEST, len(params)):
        raise PredictionsError(
            "too few widths for a law", found=f"{len(np.unique(params))} sizes", expected=f"{FEWEST} or more, each once"
        )
