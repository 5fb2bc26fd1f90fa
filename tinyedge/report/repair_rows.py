"""What every rendering of a repair shows: a line a gate with a cell a file, and the sentences around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tinyedge.gate import GateResult, Status, Verdict
from tinyedge.gate.signed_gap import GAP_CHANGE
from tinyedge.report.repair import BEFORE, Repair, Trial
from tinyedge.report.words import quantity

_SHORT = {Status.PASS: "PASS", Status.FAIL: "FAIL", Status.INCONCLUSIVE: "OPEN"}
_MARK = {Status.PASS: "", Status.FAIL: "F", Status.INCONCLUSIVE: "?"}


@dataclass(frozen=True)
class Cell:
    """What one file has of one thing.

    Args:
        text: the figure, without its unit.
        status: of the gate; ``None`` where nothing is judged.
        strict: whether it passes at the policy's own confidence and not at the candidate's.
        worse: than in the file that the step builds on.
    """

    text: str
    status: Status | None = None
    strict: bool = False
    worse: bool = False

    @property
    def marked(self) -> str:
        """The figure with its marks, as ``legend`` explains them."""
        if self.status is None or self.text in _SHORT.values():
            return self.text
        marks = _MARK[self.status] + ("*" if self.strict else "") + ("!" if self.worse else "")
        return f"{self.text} {marks}".rstrip()


@dataclass(frozen=True)
class Line:
    """One gate, or one thing that a file costs, over the files.

    Args:
        title: with its unit.
        limit: of the gate; empty where there is none.
        cells: one a file.
    """

    title: str
    limit: str
    cells: tuple[Cell, ...]


def legend(fails: str = "F", unsettled: str = "?", alone: str = "*", worse: str = "!") -> str:
    """What the marks of the table say."""
    return (
        f"{fails} fails, {unsettled} is not settled, the others pass; {alone} passes at the policy's own confidence "
        f"and not at the candidate's; {worse} worse than in the file that the step builds on"
    )


def lines(found: Repair, at: Sequence[int]) -> list[Line]:
    """Verdicts first, then every gate that any file was judged by, costs last; cells for the trials at ``at``."""
    trials = [found.trials[i] for i in at]
    table = [Line("verdict", "", tuple(_verdict(trial.verdict) for trial in trials))]
    if any(trial.verdict.status is not trial.nominal.status for trial in found.trials):
        table.append(Line("at the policy's own", "", tuple(_verdict(trial.nominal) for trial in trials)))
    for name, title, unit, limit in _gates(found):
        table.append(Line(f"{title}{_unit(unit)}", limit, tuple(_cell(trial, name) for trial in trials)))
        if name == GAP_CHANGE and any(trial.as_trained for trial in found.trials):
            plain = tuple(_plain(trial.as_trained) for trial in trials)
            table.append(Line("- to the float as trained", "", plain))
    return table + _costs(found, trials)


def titles(found: Repair, at: Sequence[int]) -> list[str]:
    """Of the columns: ``before``, then the steps' numbers."""
    return [found.trials[0].step if i == 0 else str(i) for i in at]


def facts(found: Repair) -> list[tuple[str, str]]:
    """What was run on what, and the two facts about the images that say how far the verdict is to be trusted."""
    run, data, split = found.run, found.data, found.split
    synthetic = "synthetic; " if data["synthetic"] else ""
    params = f", {run['params']:,} parameters" if run["params"] else ""
    rows = [
        ("model", f"{run['model']}{params}; reference {run['reference']} on {run['reference_target']}"),
        ("data", f"{data['name']} {data['split']}, {synthetic}{data['images']:,} images, {data['classes']} classes"),
        (
            "images",
            f"{split.tuning:,} tune (seed {split.seed}): they fit, choose, and are never judged; the other "
            f"{split.judged:,} judge",
        ),
    ]
    told, shared = f"policy {run['policy']!r}, {run['policy_digest'][:16]}; ", _percent(split.shared)
    if split.given_shares:
        told += f"each of at most {split.candidates} candidates, of which the file as it is is one, with {shared}"
    elif split.candidates > 1:
        told += f"the file as it is with {_percent(split.confidence)} bounds, each of at most {split.candidates} "
        told += f"candidates with {shared}"
    else:
        told += f"the file as it is with {_percent(split.confidence)}"
    return [*rows, ("judged by", f"{told} bounds")]


def state(found: Repair, at: int) -> str:
    """What became of a trial, and why."""
    trial = found.trials[at]
    if at == 0:
        return "as it was given"
    word = "the result" if at == found.final else "kept" if trial.kept else "undone"
    parent = found.trials[trial.on or 0]
    gone = [gate.title for gate in parent.verdict.gates if _of(trial.verdict, gate.name) is None]
    no_more = f"; not judged any more: {', '.join(gone)}" if gone else ""
    return f"{word} (on the tuning images {trial.why}){no_more}"


def worse(trial: Trial) -> str:
    """The gates that the step made worse, in words; empty where there is none."""
    return "; ".join(f"{harm.title} {harm.text}" for harm in trial.harms)


def remarks(found: Repair) -> list[str]:
    """What is to be known of the result, in sentences."""
    told = [] if found.note is None else [found.note[:1].upper() + found.note[1:] + "."]
    told += _shortfall(found.result)
    if found.repaired is not None:
        steps = " + ".join(found.result.made)
        runs = "" if found.result.target == found.run["target"] else f" It runs on {found.result.target}."
        told.append(f"Wrote {found.repaired}: {steps}.{runs}")
    if found.final:
        told.append(_cost_change(found))
    harmed = [f"{found.trials[i].step}: {worse(found.trials[i])}" for i in found.path if found.trials[i].harms]
    if harmed:
        told.append("On the way to the result a gate became worse: " + "; ".join(harmed) + ".")
    result = found.result
    if result.verdict.status is not result.nominal.status:
        told.append(
            f"With the policy's own bounds the result is {result.nominal.status}: so one file would be judged, and "
            "not one of several that were tried."
        )
    if result.as_trained is not None:
        told.append(
            "A temperature is a part of the model: the change of the confidence gap is judged with the float model at "
            f"its own, {result.reference_temperature:.4f}, fitted on the same images. To the float as trained it is "
            f"{quantity(result.as_trained.figure, result.as_trained.unit)}."
        )
    if result.step != BEFORE and result.temperature != 1:
        told.append(
            "On the tuning images, where it was fitted, the confidence gap is about 0 by construction: the judged "
            "images are the evidence."
        )
    if found.final and result.verdict.status is Status.PASS:
        told.append(
            "The bounds allow for what this run tried. Other runs on the same images, with another seed or other "
            "steps, are more candidates, and are not allowed for."
        )
    return told


def _shortfall(result: Trial) -> list[str]:
    """What keeps the result from being shipped; nothing where it passes."""
    parts = []
    for status, words in ((Status.FAIL, "still fails"), (Status.INCONCLUSIVE, "not settled")):
        gates = [gate.title for gate in result.verdict.gates if gate.status is status]
        parts += [f"{words}: {', '.join(gates)}"] if gates else []
    if not parts:
        return []
    text = "; ".join([*parts, "not to be shipped"])
    return [text[:1].upper() + text[1:] + "."]


def _percent(confidence: float) -> str:
    return f"{100 * confidence:.4g} %"


def _costs(found: Repair, trials: Sequence[Trial]) -> list[Line]:
    table = [Line("file, bytes", "", tuple(Cell(f"{trial.cost.size_bytes:,}") for trial in trials))]
    for title, name in (("arena, bytes", "arena_bytes"), ("instructions", "instructions")):
        if any(getattr(trial.cost, name) is not None for trial in found.trials):
            values = [getattr(trial.cost, name) for trial in trials]
            table.append(Line(title, "", tuple(Cell("" if v is None else f"{v:,}") for v in values)))
    if any(trial.temperature != 1 for trial in found.trials):
        table.append(Line("temperature", "", tuple(Cell(f"{trial.temperature:.4f}") for trial in trials)))
        own = tuple(Cell(f"{trial.reference_temperature:.4f}") for trial in trials)
        table.append(Line("of the float model", "", own))
    return table


def _cost_change(found: Repair) -> str:
    before, after = found.before.cost, found.result.cost
    parts = []
    for title, was, now in (
        ("bytes in the file", before.size_bytes, after.size_bytes),
        ("bytes of arena", before.arena_bytes, after.arena_bytes),
        ("instructions", before.instructions, after.instructions),
    ):
        if was is not None and now is not None:
            parts.append(f"{now - was:+,} {title}" if now != was else f"as many {title}")
    return f"On the device: {', '.join(parts)}."


def _gates(found: Repair) -> list[tuple[str, str, str, str]]:
    """Name, title, unit and limit of every gate that any trial was judged by, in the order of the catalogue."""
    seen: dict[str, tuple[str, str, str, str]] = {}
    for trial in found.trials:
        for gate in trial.verdict.gates:
            limit = quantity(gate.limit, gate.unit).removeprefix("+").partition(" ")[0]
            seen.setdefault(gate.name, (gate.name, gate.title, gate.unit, (">=" if gate.at_least else "") + limit))
    return list(seen.values())


def _verdict(verdict: Verdict) -> Cell:
    return Cell(_SHORT[verdict.status], verdict.status)


def _cell(trial: Trial, name: str) -> Cell:
    gate, nominal = _of(trial.verdict, name), _of(trial.nominal, name)
    if gate is None or nominal is None:
        return Cell("-")
    strict = nominal.status is Status.PASS and gate.status is not Status.PASS
    return Cell(_figure(gate), gate.status, strict, any(harm.gate == name for harm in trial.harms))


def _plain(gate: GateResult | None) -> Cell:
    return Cell("") if gate is None else Cell(_figure(gate), gate.status)


def _of(verdict: Verdict, name: str) -> GateResult | None:
    return next((gate for gate in verdict.gates if gate.name == name), None)


def _figure(gate: GateResult) -> str:
    return quantity(gate.figure, gate.unit).partition(" ")[0]


def _unit(unit: str) -> str:
    return "" if unit in ("score", "images") else f", {unit}"
