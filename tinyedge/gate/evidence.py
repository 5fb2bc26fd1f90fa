"""Gate: is there anything to judge by? Every other gate can be passed vacuously; this one, always on, is why not."""

from __future__ import annotations

import numpy as np

from tinyedge.gate.result import EVIDENCE, OVERLAP, Case, GateResult, Status
from tinyedge.metrics.outcome import Outcome
from tinyedge.stats.proportion import share_interval

NAME, TITLE = EVIDENCE, "Evidence"
_OVERLAP = 0.01
"""Share of the images that may be known to the quantizer: it moves no figure by more than that."""


def judge_evidence(case: Case) -> tuple[GateResult, ...]:
    """PASS where enough images were seen by a reference that knows something and is not the deployed model itself.

    Images that the quantizer has seen are a result of their own, where there are any: they can flatter the deployed
    model, so that it cannot pass, but where it fails in spite of that, it fails.
    """
    n = len(case.reference)
    status, detail, needed = _find(case)
    if case.overlap is None:
        detail += " Whether the quantizer's representative images are among these is not known."
    found = GateResult(
        NAME, TITLE, status, float(n), "images", None, float(case.min_images), detail, needed, at_least=True
    )
    return (found, _overlap(case.overlap, n)) if case.overlap else (found,)


def _overlap(count: int, n: int) -> GateResult:
    what = f"{count:,} of {n:,} images are in the representative dataset that the deployed model was quantized with"
    if count > _OVERLAP * n:
        status, warning = Status.INCONCLUSIVE, None
        detail = f"{what}: it was fitted to what it is judged on. Take them out of one of the two."
    else:
        status, warning = Status.PASS, f"{count:,} of {n:,} images are in the representative dataset too"
        detail = f"{what}: too few to move a figure by more than that share."
    return GateResult(OVERLAP, "Overlap", status, 100 * count / n, "%", None, 100 * _OVERLAP, detail, warning=warning)


def _find(case: Case) -> tuple[Status, str, int | None]:
    reference, deployed, n = case.reference, case.deployed, len(case.reference)
    counts = reference.class_counts
    right = int(reference.correct.sum())
    guessing = float(counts.max() / n)
    if n < case.min_images:
        return Status.INCONCLUSIVE, f"{n:,} images are too few to conclude anything from.", case.min_images
    if (counts > 0).sum() < 2:
        only = reference.class_names[int(reference.labels[0])]
        return Status.INCONCLUSIVE, f"All {n:,} images are of one class, {only!r}: nothing can be confused.", None
    if share_interval(right, n, tail=case.tail)[0] <= guessing:
        return (
            Status.INCONCLUSIVE,
            f"The reference is right on {right / n:.2%}, not clearly above the {guessing:.2%} of always naming the "
            "most frequent class: preserving that shows nothing. Check preprocessing and label order.",
            None,
        )
    if (deployed.predicted == deployed.predicted[0]).all():
        name = deployed.class_names[int(deployed.predicted[0])]
        return Status.FAIL, f"The deployed model names {name!r} for all {n:,} images: its output is constant.", None
    if _equal(reference, deployed):
        return (
            Status.INCONCLUSIVE,
            "Reference and deployed outputs are equal bit for bit on every image: a model was compared with itself.",
            None,
        )
    seen = int((counts > 0).sum())
    return Status.PASS, f"{n:,} images of {seen} classes; the reference is right on {right / n:.2%}.", None


def _equal(reference: Outcome, deployed: Outcome) -> bool:
    """Two models that are not one never agree in all of this on every image, so the other K - 2 outputs add nothing."""
    columns = ("predicted", "confidence", "label_probability")
    return all(np.array_equal(getattr(reference, name), getattr(deployed, name)) for name in columns)
