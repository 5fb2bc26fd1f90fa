"""What the class gates share: a class of too few images could have collapsed unseen."""

from __future__ import annotations

import numpy as np

from tinyedge.gate.result import Case

MIN_IMAGES = 50
MIN_IMAGES_SAYS = "with fewer images in any class the gate cannot pass"


def thin_classes(case: Case, minimum: int) -> tuple[str, int] | None:
    """Where some class has fewer than ``minimum`` images: a sentence's beginning, and images needed in all."""
    counts, names = case.reference.class_counts, case.reference.class_names
    thin = np.flatnonzero(counts < minimum)
    if not len(thin):
        return None
    first = f"{names[int(thin[0])]!r} has {int(counts[thin[0]])}"
    sentence = f"{len(thin)} of {len(counts)} classes have fewer than {minimum} images ({first})"
    return sentence, int(np.maximum(counts, minimum).sum())
