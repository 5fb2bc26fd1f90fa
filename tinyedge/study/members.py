"""The trained models of a family, width by width, checked to belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import PredictionsError
from tinyedge.metrics import Outcome, check_pair, evaluate
from tinyedge.study.alike import check_epochs, check_stems, differing
from tinyedge.study.draws import Draws, image_draws
from tinyedge.train.recipe import Recipe

MIXABLE = ("runtime", "runtime_version", "kernels", "rounding", "machine")
"""What of a run may differ between models where the caller insists; recipe, epochs, precision and images never may."""


@dataclass(frozen=True)
class Trained:
    """One trained model of a family, and what every image got on one target.

    Args:
        model: its name, e.g. ``scalecnn-c6-seed0``.
        width: of the family.
        params: N, trainable parameters.
        seed: of the training.
        outcome: in the order of the dataset.
        run: target, runtime, runtime_version, kernels, rounding, machine: as far as the outcomes say.
        training: facts of the training run: epochs, device, torch, seconds.
        artifact_bytes: of the model file that ran.
    """

    model: str
    width: float
    params: int
    seed: int
    outcome: Outcome = field(repr=False)
    run: dict[str, Any] = field(default_factory=dict, repr=False)
    training: dict[str, Any] = field(default_factory=dict, repr=False)
    artifact_bytes: int | None = None

    @property
    def member(self) -> str:
        """The width's name, e.g. ``scalecnn-c6``."""
        return self.model.rpartition("-seed")[0]

    @property
    def error(self) -> float:
        """Share of the images that the model gets wrong."""
        return float(1 - self.outcome.correct.mean())

    @cached_property
    def figures(self) -> dict[str, float]:
        """Every metric of one model, by name."""
        return evaluate(self.outcome)


@dataclass(frozen=True)
class Width:
    """The models of one width, by seed.

    Args:
        member: its name, e.g. ``scalecnn-c6``.
        width: of the family.
        params: N.
        models: one a seed, in the order of the seeds.
    """

    member: str
    width: float
    params: int
    models: tuple[Trained, ...] = field(repr=False)

    @property
    def label(self) -> str:
        """``c6``, ``w0.25``: the family is said elsewhere."""
        return self.member.partition("-")[2] or self.member

    @property
    def seeds(self) -> tuple[int, ...]:
        """Which were trained."""
        return tuple(trained.seed for trained in self.models)

    @cached_property
    def wrong(self) -> NDArray[np.bool_]:
        """``(S, N)`` whether each seed's model gets each image wrong."""
        return ~np.stack([trained.outcome.correct for trained in self.models])


@dataclass(frozen=True)
class Setting:
    """What all models of a family share.

    Args:
        family: ``scalecnn`` or ``mobilenetv2``.
        target: that the models ran on.
        data: the dataset's name.
        split: of it.
        synthetic: whether its images are generated.
        recipe: of the training.
        precision: of the training, ``bf16`` or ``fp32``.
        results_version: of the code that made the results.
    """

    family: str
    target: str
    data: str
    split: str
    synthetic: bool
    recipe: Recipe
    precision: str
    results_version: int


@dataclass(frozen=True)
class Family:
    """A family on one target. Build it with ``read_family`` or ``family_of``, which check.

    Args:
        setting: what all its models share.
        ids: ``(N,)`` example ids, in the order of the outcomes' rows.
        models: narrowest first, then by seed.
        missing: names of the planned models without outcomes on this target.
        differences: what differs between the models' runs, a sentence each: empty unless that was allowed.
    """

    setting: Setting
    ids: NDArray[np.str_] = field(repr=False)
    models: tuple[Trained, ...] = field(repr=False)
    missing: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()

    @cached_property
    def widths(self) -> tuple[Width, ...]:
        """The models by width, narrowest first."""
        members = dict.fromkeys((m.params, m.member, m.width) for m in self.models)
        return tuple(
            Width(member, width, params, tuple(m for m in self.models if m.member == member))
            for params, member, width in members
        )

    @property
    def images(self) -> int:
        """N, the images of the evaluation set."""
        return len(self.ids)

    @property
    def labels(self) -> NDArray[np.int64]:
        """``(N,)`` class indices."""
        return self.models[0].outcome.labels

    @property
    def params(self) -> NDArray[np.float64]:
        """``(W,)`` parameters of each width."""
        return np.array([width.params for width in self.widths], np.float64)

    @property
    def width_labels(self) -> tuple[str, ...]:
        """``c4``, ``c6`` and so on."""
        return tuple(width.label for width in self.widths)

    def groups(self, metric: str) -> list[NDArray[np.float64]]:
        """A metric of every model, an array ``(S,)`` a width."""
        return [np.array([m.figures[metric] for m in width.models]) for width in self.widths]

    @cached_property
    def draws(self) -> Draws:
        """``(R, N)`` how often each image is in each of R resamples: the same for every family of these images."""
        return image_draws(self.labels)

    def told(self, key: str) -> tuple[str, ...]:
        """The distinct values of a fact of the models' runs, e.g. ``kernels``."""
        return tuple(dict.fromkeys(str(m.run[key]) for m in self.models if m.run.get(key) is not None))


def family_of(
    setting: Setting,
    ids: NDArray[np.str_],
    models: Sequence[Trained],
    *,
    missing: Sequence[str] = (),
    mixed: bool = False,
) -> Family:
    """A family of models that are already in memory, checked to belong together.

    Raises:
        PredictionsError: for no models, a model twice, models of different images or epochs or stems, or (unless
            ``mixed``) of different runtimes or kernels.
    """
    if not models:
        raise PredictionsError("a family needs at least one model", found=0, expected="1 or more")
    ordered = sorted(models, key=lambda m: (m.params, m.seed))
    names = [m.model for m in ordered]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise PredictionsError("a model is there twice", where=setting.target, found=twice, expected="each once")
    for m in ordered:
        check_pair(reference=ordered[0].outcome, deployed=m.outcome)
    if len(ids) != len(ordered[0].outcome):
        raise PredictionsError(
            "ids and outcomes do not pair", found=f"{len(ids)} ids", expected=len(ordered[0].outcome)
        )
    check_epochs(setting, ordered)
    check_stems(ordered)
    differences = differing(ordered, "run", MIXABLE)
    if differences and not mixed:
        raise PredictionsError(
            "the models did not run alike: a difference between them could be the runtime's",
            where=f"{setting.family} on {setting.target}",
            found="; ".join(differences),
            expected="one runtime, version and set of kernels for all",
            fix="evaluate the odd ones again, or go on with --mixed: the report then says what differs",
        )
    return Family(setting, ids, tuple(ordered), tuple(missing), differences)


def common(*, reference: Family, deployed: Family) -> tuple[Family, Family]:
    """The two families cut down to the models that both have; the others are then among their ``missing``.

    Raises:
        PredictionsError: where they are of different images, families or recipes, or have no model in common.
    """
    check_same_images(reference, deployed)
    a, b = reference.setting, deployed.setting
    if (a.family, a.recipe, a.precision) != (b.family, b.recipe, b.precision):
        raise PredictionsError(
            "the two are not of one family and training",
            found=f"{a.family}, {a.recipe.name}, {a.precision}; {b.family}, {b.recipe.name}, {b.precision}",
            expected="the same",
        )
    both = {m.model for m in reference.models} & {m.model for m in deployed.models}
    if not both:
        raise PredictionsError(
            "no model has outcomes on both targets",
            where=f"{a.target} and {b.target}",
            found=f"{len(reference.models)} and {len(deployed.models)} models, none in both",
            expected="at least one",
            fix="tinyedge sweep with both targets",
        )
    return _only(reference, both), _only(deployed, both)


def check_same_images(reference: Family, deployed: Family) -> None:
    """Both must be of the same examples in the same order.

    Raises:
        PredictionsError: where they are not.
    """
    if not np.array_equal(reference.ids, deployed.ids):
        raise PredictionsError(
            "the two families are not of the same examples in the same order",
            where=f"{reference.setting.target} and {deployed.setting.target}",
            found=f"{reference.images} and {deployed.images} examples, "
            f"{len(np.intersect1d(reference.ids, deployed.ids))} ids in both",
            expected="equal ids",
            fix="read both with the same data set",
        )


def _only(family: Family, names: set[str]) -> Family:
    left = [m.model for m in family.models if m.model not in names]
    kept = tuple(m for m in family.models if m.model in names)
    return replace(family, models=kept, missing=(*family.missing, *left)) if left else family
