"""Joining slices of a sweep that were done in different folders, on one machine or several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from tinyedge.errors import SweepError
from tinyedge.sweep.folder import Record, SweepFolder
from tinyedge.sweep.plan import Basis, Plan, Unit
from tinyedge.sweep.states import state_seeds, unpack_states


@dataclass(frozen=True)
class Merged:
    """What a merge did: units taken, units that both had, units that differ (the first folder's stay), states taken."""

    taken: int
    both: int
    differing: tuple[str, ...]
    states: int


def check_basis(found: Basis, expected: Basis, where: object) -> None:
    """Stop where results of two bases would mix.

    Raises:
        SweepError: naming the field that differs.
    """
    for field in fields(Basis):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        if a != b:
            raise SweepError(
                f"the sweep in this folder differs in its {field.name.replace('_', ' ')}",
                where=where,
                found=a,
                expected=b,
                fix="give this one its own --out: results of the two are not comparable",
            )


def _everything(path: str) -> bool:
    return True


def merge(into: SweepFolder, source: SweepFolder, *, keep: Callable[[str], bool] = _everything) -> Merged:
    """Take from ``source`` what ``into`` does not have; both are locked by the caller.

    A unit is taken with its files, and its hashes are checked on the way. Where both have a unit, the first stays; if
    its files differ (another machine's rounding), the source's results that follow from them do not fit and stay out.

    Args:
        into: the folder that grows.
        source: the folder that is read.
        keep: which files, by path in the folder, are copied; records always are.

    Raises:
        SweepError: where the source is no sweep, of other data, recipe or version, or its files are damaged.
    """
    there = source.read_manifest()
    if there is None:
        raise SweepError("there is no sweep in this folder", where=source.root, fix="check the path given to --merge")
    basis, plan = there
    here = into.read_manifest()
    if here is not None:
        check_basis(basis, here[0], source.root)
    into.write_manifest(basis, here[1].joined(plan) if here else plan)
    taken, both, differing = 0, 0, []
    for unit in plan.units():  # a model's units in the order in which they need each other
        theirs = source.done(unit, basis)
        if theirs is None:
            continue
        ours = into.done(unit, basis)
        fits = into.inputs(unit, basis) == source.inputs(unit, basis) and (ours is None or ours.files == theirs.files)
        if not fits:
            differing.append(unit.name)
        elif ours is None or into.lacks(ours):
            _take(into, source, unit, theirs, keep)
        taken += fits and ours is None
        both += ours is not None
    return Merged(taken, both, tuple(differing), _take_states(into, source, basis, plan, keep))


def _take(into: SweepFolder, source: SweepFolder, unit: Unit, record: Record, keep: Callable[[str], bool]) -> None:
    paths = [path for path in record.files if keep(path) and (source.root / path).is_file()]
    files = into.keep({path: source.read(path) for path in paths})
    if any(files[path] != record.files[path] for path in paths):
        raise SweepError(
            "a file changed while it was copied", where=source.root, found=unit.name, expected="a quiet folder"
        )
    into.finish(unit, record.key, record.files, record.facts)


def _take_states(into: SweepFolder, source: SweepFolder, basis: Basis, plan: Plan, keep: Callable[[str], bool]) -> int:
    """States of runs that ``into`` has not finished; where both have begun one, the state that is further on."""
    taken = 0
    for member in dict.fromkeys(model.member for model in plan.models):
        for path in sorted(p for p in source.root.glob("*.state.*") if keep(p.name)):
            seeds = set(state_seeds(path.name, member.name))
            models = [model for model in plan.models if model.member == member and model.seed in seeds]
            if all(into.done(Unit(model, "train"), basis) for model in models):
                continue
            mine = [p for p in into.root.glob("*.state.*") if seeds & set(state_seeds(p.name, member.name))]
            if _newer(path, seeds, mine, member.name):
                into.keep({path.name: path.read_bytes()})
                for p in mine:
                    replaced = set(state_seeds(p.name, member.name)) <= seeds and _epoch(p) <= _epoch(path)
                    if p.name != path.name and replaced:
                        p.unlink()
                taken += 1
    return taken


def _newer(path: Path, seeds: set[int], mine: list[Path], member: str) -> bool:
    """Whether the state at ``path`` has a seed that those of ``mine`` do not have, or have less far."""
    if any(p.name == path.name and _epoch(p) >= _epoch(path) for p in mine):
        return False
    begun = {seed for p in mine for seed in state_seeds(p.name, member)}
    return not seeds <= begun or any(_epoch(path) > _epoch(p) for p in mine)


def _epoch(path: Path) -> int:
    return unpack_states(path.name, path.read_bytes())[0].epoch
