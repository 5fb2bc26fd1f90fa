"""Families made by hand or drawn at random: error rates, widths and seeds as told, in memory or as a sweep's folder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tests.support.outcomes import outcome
from tinyedge.models.family import Member
from tinyedge.study.members import Family, Setting, Trained, family_of
from tinyedge.train.recipe import PAPER

FLOAT = {"target": "onnx-fp32", "runtime": "ONNX Runtime", "runtime_version": "1", "kernels": "MLAS", "machine": "x"}
MICRO = {"target": "tflm-int8", "runtime": "TFLM", "runtime_version": "2", "kernels": "reference", "machine": "x"}


def setting(target: str = "onnx-fp32", **changes: object) -> Setting:
    fields = {"family": "scalecnn", "target": target, "data": "toy", "split": "test", "synthetic": True}
    fields |= {"recipe": PAPER, "precision": "bf16", "results_version": 1}
    return Setting(**{**fields, **changes})


def trained(
    wrong: NDArray[np.bool_], width: float = 4, seed: int = 0, run: dict[str, str] | None = None, **changes: object
) -> Trained:
    """A model that errs where told; ``changes`` go to the outcome."""
    member = Member("scalecnn", width)
    changes.setdefault("classes", 10)
    return Trained(
        model=f"{member.name}-seed{seed}",
        width=width,
        params=member.plan.params,
        seed=seed,
        outcome=outcome(~wrong, **changes),
        run=dict(FLOAT if run is None else run),
        training={"epochs": PAPER.epochs},
    )


def family(
    wrong: dict[float, Sequence[NDArray[np.bool_]]], *, run: dict[str, str] | None = None, **changes: object
) -> Family:
    """Error sets by width, one a seed."""
    models = [trained(w, width, seed, run, **changes) for width, sets in wrong.items() for seed, w in enumerate(sets)]
    target = (run or FLOAT)["target"]
    return family_of(setting(target), ids_of(len(models[0].outcome)), models)


def ids_of(n: int) -> NDArray[np.str_]:
    return np.array([f"{i:016x}" for i in range(n)])


def first(count: int, n: int = 1000) -> NDArray[np.bool_]:
    """An error set: the first ``count`` of ``n`` images."""
    return np.arange(n) < count


def drawn(
    rng: np.random.Generator,
    *,
    widths: Sequence[float] = (4, 6, 8, 12, 16),
    seeds: Sequence[int] | int = 5,
    alpha: float = 0.2,
    at_smallest: float = 0.6,
    spread: float = 0.01,
    n: int = 1000,
    noise: float = 0.3,
) -> dict[float, list[NDArray[np.bool_]]]:
    """Error sets of a law with exponent ``alpha``: images have a difficulty, seeds a rate and noise of their own.

    Args:
        rng: of all draws.
        widths: of ScaleCNN.
        seeds: how many, of each width or of all.
        alpha: of the law.
        at_smallest: error rate of the first width.
        spread: relative deviation of a seed's error rate.
        n: images.
        noise: of each model's view of an image's difficulty.
    """
    counts = [seeds] * len(widths) if isinstance(seeds, int) else seeds
    params = np.array([Member("scalecnn", width).plan.params for width in widths], float)
    difficulty = rng.normal(size=n)
    found = {}
    for width, size, count in zip(widths, params, counts, strict=True):
        rate = at_smallest * (size / params[0]) ** -alpha
        found[width] = []
        for _ in range(count):
            seen = difficulty + noise * rng.normal(size=n)
            wrong = round(n * rate * (1 + spread * rng.normal()))
            found[width].append(seen >= np.sort(seen)[-wrong])
    return found
