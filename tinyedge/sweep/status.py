"""What a sweep has finished, a row a model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tinyedge.sweep.folder import SweepFolder
from tinyedge.sweep.plan import Basis, Plan, Unit
from tinyedge.sweep.states import state_seeds


@dataclass(frozen=True)
class ModelRow:
    """One model of a sweep.

    Args:
        model: its name.
        params: trainable parameters.
        state: ``trained``, ``begun`` (a state to go on from) or ``waiting``.
        training: the facts of the finished run: epochs, seconds, device; empty before.
        exports: facts by exporter, ``None`` where it is not done.
        accuracy: share of the evaluation set by target, ``None`` where it is not run.
    """

    model: str
    params: int
    state: str
    training: dict[str, Any]
    exports: dict[str, dict[str, Any] | None]
    accuracy: dict[str, float | None]


def model_rows(folder: SweepFolder, basis: Basis, plan: Plan) -> Iterator[ModelRow]:
    """The plan's models in its order, with what is done of each.

    Raises:
        SweepError: where a record cannot be read or a checkpoint has changed.
    """
    for model in plan.models:
        units = list(Plan((model,), plan.targets).units())
        records = {unit: folder.done(unit, basis) for unit in units}
        trained = records[Unit(model, "train")]
        facts = {unit: record.facts if record else None for unit, record in records.items()}
        begun = any(model.seed in state_seeds(p.name, model.member.name) for p in folder.root.glob("*.state.*"))
        yield ModelRow(
            model=model.name,
            params=model.member.plan.params,
            state="trained" if trained else "begun" if begun else "waiting",
            training=trained.facts if trained else {},
            exports={unit.what: found for unit, found in facts.items() if unit.kind == "export"},
            accuracy={
                unit.what: found["accuracy"] if found else None
                for unit, found in facts.items()
                if unit.kind == "predict"
            },
        )


def left(folder: SweepFolder, basis: Basis, plan: Plan) -> int:
    """How many units of the plan are not done."""
    return sum(1 for unit in plan.units() if folder.done(unit, basis) is None)
