"""Outcomes made by hand: right where told, for tests of gates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinyedge.gate import GateResult, Verdict, judge
from tinyedge.metrics import Outcome

NAMES = tuple(f"class {i}" for i in range(100))


def labels_of(n: int = 10_000, classes: int = 100) -> NDArray[np.int64]:
    return np.arange(n) % classes


def outcome(
    correct: NDArray[np.bool_],
    *,
    labels: NDArray[np.int64] | None = None,
    confidence: float | NDArray[np.float64] | None = None,
    tied: int = 0,
    saturated: int = 0,
    quantized: bool = True,
    classes: int = 100,
) -> Outcome:
    """An outcome that is right where told; confidence is the accuracy unless given, so that the gap is 0."""
    n = len(correct)
    labels = labels_of(n, classes) if labels is None else labels
    predicted = np.where(correct, labels, (labels + 1) % classes)
    stated = np.broadcast_to(np.asarray(correct.mean() if confidence is None else confidence, np.float64), (n,))
    rest = (1 - stated) / (classes - 1)  # of each other class
    label_probability = np.where(correct, stated, rest)
    return Outcome(
        labels=labels,
        predicted=predicted,
        confidence=stated.copy(),
        correct=correct,
        tied=np.arange(n) < tied,
        saturated=np.arange(n) < saturated,
        label_probability=label_probability,
        brier=stated**2 + (classes - 1) * rest**2 - 2 * label_probability + 1,
        quantized=quantized,
        class_names=NAMES[:classes],
    )


def reference_correct(n: int = 10_000, accuracy: float = 0.45, seed: int = 0) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random(n) < accuracy


def flipped(correct: NDArray[np.bool_], *, lost: int, gained: int, seed: int = 1) -> NDArray[np.bool_]:
    """``lost`` right answers made wrong and ``gained`` wrong ones right, at random images."""
    rng, changed = np.random.default_rng(seed), correct.copy()
    changed[rng.choice(np.flatnonzero(correct), lost, replace=False)] = False
    changed[rng.choice(np.flatnonzero(~correct), gained, replace=False)] = True
    return changed


RIGHT = reference_correct()
HEALTHY = flipped(RIGHT, lost=110, gained=115)


def gate(verdict: Verdict, name: str) -> GateResult:
    return next(g for g in verdict.gates if g.name == name)


def verdict_of(correct: np.ndarray, **changed: object) -> Verdict:
    # Confidence of both is the reference's accuracy: what varies is what the test names.
    changed.setdefault("confidence", float(RIGHT.mean()))
    return judge(reference=outcome(RIGHT, quantized=False), deployed=outcome(correct, **changed))  # type: ignore[arg-type]
