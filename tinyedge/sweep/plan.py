"""What a sweep is asked for, as units whose keys say what decides their results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tinyedge.errors import UsageError
from tinyedge.evaluate import build_target
from tinyedge.models.family import FAMILIES, Member, family_module
from tinyedge.registry import EXPORTERS, TARGETS, lookup
from tinyedge.train.recipe import Recipe, recipe_from

RESULTS_VERSION = 1
"""Goes up whenever the same key would give other results: results of two versions never mix."""
CHECKPOINT = "checkpoint"
DEFAULT_SEEDS = (0, 1, 2, 3, 4)
DEFAULT_TARGETS = ("onnx-fp32", "tflite-int8", "tflite-int8-xnnpack")
"""The float reference, the microcontroller's arithmetic, and what phones run; others cost far more time."""
Kind = Literal["train", "export", "predict"]


@dataclass(frozen=True)
class Basis:
    """What all units of a sweep share.

    Args:
        data: the dataset's name.
        train_digest: ``Dataset.digest`` of the training set.
        test_digest: of the evaluation set.
        num_classes: K.
        recipe: of the training.
        precision: ``bf16`` or ``fp32``.
        results_version: ``RESULTS_VERSION`` of the code that made the results.
    """

    data: str
    train_digest: str
    test_digest: str
    num_classes: int
    recipe: Recipe
    precision: str
    results_version: int = RESULTS_VERSION


@dataclass(frozen=True)
class Model:
    """One training run: a member and a seed."""

    member: Member
    seed: int

    @property
    def name(self) -> str:
        """The stem of its files, e.g. ``scalecnn-c6-seed0``."""
        return f"{self.member.name}-seed{self.seed}"

    @property
    def checkpoint(self) -> str:
        """The finished run's file, as ``tinyedge train`` names it too."""
        return f"{self.name}.safetensors"


@dataclass(frozen=True)
class Unit:
    """The smallest piece of a sweep that is done or not.

    Args:
        model: which one.
        kind: train it, export it, or run it over the evaluation set.
        what: the exporter or the target; empty for training.
    """

    model: Model
    kind: Kind
    what: str = ""

    @property
    def name(self) -> str:
        """``scalecnn-c6-seed0 train``, ``... export tflite-int8``, ``... predict tflm-int8``."""
        return " ".join(part for part in (self.model.name, self.kind, self.what) if part)

    @property
    def needs(self) -> Unit | None:
        """The unit whose files this one reads."""
        if self.kind == "train":
            return None
        exporter = exporter_of(self.what) if self.kind == "predict" else CHECKPOINT
        return Unit(self.model, "train") if exporter == CHECKPOINT else Unit(self.model, "export", exporter)

    def key(self, basis: Basis, inputs: Mapping[str, str]) -> str:
        """SHA-256 over everything that decides the result, next to the machine and the packages.

        Args:
            basis: what the sweep's units share.
            inputs: SHA-256 of each file that the unit reads, by path.
        """
        decides: dict[str, Any] = {"results": basis.results_version, "kind": self.kind, "what": self.what}
        if self.kind == "train":
            decides |= {
                "member": asdict(self.model.member),
                "seed": self.model.seed,
                "recipe": asdict(basis.recipe),
                "precision": basis.precision,
                "data": basis.train_digest,
            }
        else:
            decides["inputs"] = dict(inputs)
            decides["data"] = basis.train_digest if self.kind == "export" else basis.test_digest
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Plan:
    """Which models are wanted, on which targets. Order is the order of the work.

    Raises:
        UsageError: for an unknown target, or one that no exporter writes files for.
    """

    models: tuple[Model, ...]
    targets: tuple[str, ...]

    def __post_init__(self) -> None:
        for target in self.targets:
            exporter_of(target)

    def units(self) -> Iterator[Unit]:
        """Every unit, a model's own one after the other."""
        for model in self.models:
            yield Unit(model, "train")
            exporters = dict.fromkeys(exporter_of(target) for target in self.targets)
            yield from (Unit(model, "export", exporter) for exporter in exporters if exporter != CHECKPOINT)
            yield from (Unit(model, "predict", target) for target in self.targets)

    def only_trained(self, root: Path) -> Plan:
        """The models whose finished checkpoint is in the folder ``root``."""
        return Plan(tuple(m for m in self.models if (root / m.checkpoint).is_file()), self.targets)

    def joined(self, other: Plan) -> Plan:
        """Both plans' models and targets."""
        models = sorted({*self.models, *other.models}, key=_order)
        targets = {*self.targets, *other.targets}
        return Plan(tuple(models), tuple(name for name in TARGETS if name in targets))


@dataclass(frozen=True)
class Selection:
    """What a caller asks for; ``None`` where nothing was said.

    Args:
        families: of which widths are meant.
        widths: a width goes with the family that has it.
        seeds: a training run each.
        targets: what each model is run on; empty to only train.
        stem_stride: MobileNetV2's first stride.
    """

    families: tuple[str, ...] | None = None
    widths: tuple[float, ...] | None = None
    seeds: tuple[int, ...] | None = None
    targets: tuple[str, ...] | None = None
    stem_stride: int = 1

    def plan(self, known: Plan | None, num_classes: int) -> Plan:
        """What is to be done: of a manifest's plan everything that was not asked for differently.

        Raises:
            UsageError: for an unknown family, width or target, with the close ones.
        """
        asked = known.targets if known else DEFAULT_TARGETS
        targets = asked if self.targets is None else self.targets
        for target in targets:
            build_target(target, {})  # one that needs an option, e.g. a port, has no place here
        ordered = tuple(name for name in TARGETS if name in targets)
        if known and (self.families, self.widths, self.seeds) == (None, None, None):
            return Plan(known.models, ordered)
        if () in (self.families, self.widths, self.seeds):
            raise UsageError("nothing is asked for", where="--families, --widths or --seeds", found="an empty list")
        models = {
            Model(Member(family, width, num_classes, self.stem_stride if family == "mobilenetv2" else 1), seed)
            for family, width in self._members(known)
            for seed in (DEFAULT_SEEDS if self.seeds is None else self.seeds)
        }
        for model in models:
            _ = model.member.plan  # an impossible stem stride is an error before it is in a manifest
        return Plan(tuple(sorted(models, key=_order)), ordered)

    def _members(self, plan: Plan | None) -> list[tuple[str, float]]:
        if plan and (self.families, self.widths) == (None, None):
            return list(dict.fromkeys((model.member.family, model.member.width) for model in plan.models))
        known = {family: family_module(family).WIDTHS for family in self.families or FAMILIES}
        every = [(family, width) for family, widths in known.items() for width in widths]
        for width in self.widths or ():
            if all(width != have for _, have in every):
                raise UsageError(
                    "no family of the sweep has this width",
                    where="--widths",
                    found=f"{width:g}",
                    expected="; ".join(f"{f}: {', '.join(f'{w:g}' for w in have)}" for f, have in known.items()),
                    fix="tinyedge family lists them",
                )
        return [(family, width) for family, width in every if self.widths is None or width in self.widths]


def exporter_of(target: str) -> str:
    """The exporter that writes what ``target`` runs: ``<format>-<precision>``, or ``checkpoint`` for none.

    Raises:
        UsageError: for an unknown target, or where no exporter writes its files.
    """
    runtime = lookup(TARGETS, "target", target)
    if runtime.format == CHECKPOINT:
        return CHECKPOINT
    name = f"{runtime.format}-{runtime.precision}"
    if name not in EXPORTERS:
        raise UsageError(
            "no exporter writes what this target runs", where=target, found=name, expected=", ".join(EXPORTERS)
        )
    return name


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """The plan as JSON can hold it; a member with its seeds is one entry."""
    members = dict.fromkeys(model.member for model in plan.models)
    return {
        "models": [
            {**asdict(member), "seeds": [model.seed for model in plan.models if model.member == member]}
            for member in members
        ],
        "targets": list(plan.targets),
    }


def plan_from_json(content: Mapping[str, Any]) -> Plan:
    """The plan that ``plan_to_json`` wrote."""
    models = []
    for entry in content["models"]:
        fields = dict(entry)
        seeds = fields.pop("seeds")
        models += [Model(Member(**fields), seed) for seed in seeds]
    return Plan(tuple(models), tuple(content["targets"]))


def basis_from_json(content: Mapping[str, Any]) -> Basis:
    """The basis that ``asdict`` made."""
    return Basis(**{**content, "recipe": recipe_from(content["recipe"])})


def _order(model: Model) -> tuple[int, float, int, int]:
    member = model.member  # ScaleCNN first, narrow before wide: the cheap answers come first
    return list(FAMILIES).index(member.family), member.width, member.stem_stride, model.seed
