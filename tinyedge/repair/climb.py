"""The ladder: each step on top of the best file so far, until one passes every gate.

    file -> judged as it is
    step -> files it could make -> the tuning images choose one, and say whether it is kept
         -> judged with its share of the error -> PASS: done

What each rule is, and why, is in ``tinyedge.repair.ladder``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tinyedge.errors import TinyedgeError, UsageError
from tinyedge.gate import Status, Verdict
from tinyedge.repair.bench import Bench, Candidate, Judged, silent
from tinyedge.repair.ladder import beyond_repair, cannot_pass, decide, harms, improves, standing
from tinyedge.repair.steps import Kit, Recipe, Step, Variants, steps_in
from tinyedge.report.repair import BEFORE, Harm, Trial, Untried

OnStep = Callable[[str], None]
"""Called with one line for a person: a step that begins, or what came of it."""


class Makes(Protocol):
    """What is needed of ``tinyedge.repair.make.Maker``."""

    def make(self, recipe: Recipe) -> Candidate:
        """The file of ``recipe``."""


@dataclass(frozen=True)
class Rung:
    """A file of the ladder with how it was made and what the tuning images say of it."""

    recipe: Recipe
    candidate: Candidate
    look: Verdict
    judged: Judged


@dataclass(frozen=True)
class Option:
    """A file that a step could make, with what the tuning images say of it; ``words`` are what is new in it."""

    recipe: Recipe
    words: str
    candidate: Candidate
    look: Verdict
    discordance: float

    @property
    def order(self) -> tuple[int, int, float]:
        """Smaller is better: gates that fail, gates that are open, images that change."""
        return (*standing(self.look), self.discordance)


@dataclass
class Climb:
    """What a climb found.

    Args:
        trials: the first is the file as it was given.
        rungs: one a trial.
        untried: steps that made no file.
        final: the position of what it ends with.
        note: what else is to be known, or ``None``.
    """

    trials: list[Trial] = field(default_factory=list)
    rungs: list[Rung] = field(default_factory=list)
    untried: list[Untried] = field(default_factory=list)
    final: int = 0
    note: str | None = None

    def add_note(self, text: str) -> None:
        """One more thing to be known."""
        self.note = text if self.note is None else f"{self.note}; {text}"


def climb(
    given: Candidate,
    recipe: Recipe,
    *,
    bench: Bench,
    maker: Makes,
    kit: Kit,
    steps: Sequence[Step],
    go_on: bool = False,
    on_step: OnStep = silent,
) -> Climb:
    """Judge ``given``, then what each step makes, cumulatively, up to the first file that passes every gate.

    Args:
        given: the file.
        recipe: how it was made, as far as that is known.
        bench: images, reference and policy.
        maker: of files.
        kit: what is at hand.
        steps: in the order in which they are tried.
        go_on: past a file that passes, and with one that passes as it is.
        on_step: for progress.

    Raises:
        UsageError: where nothing that the file fails is changed by any step.
        TargetError, ArtifactError, PredictionsError: where the file itself cannot be run.
    """
    found = Climb()
    _add_first(found, given, recipe, bench, shared=go_on)
    passing = 0 if found.trials[0].verdict.status is Status.PASS else None
    if passing is not None:
        found.add_note("nothing to repair: it passes every gate as it is")
        if not go_on:
            return found
    _check_repairable(found, on_step)
    on = 0
    for position, step in enumerate(steps):
        on_step(f"{step.name}: {step.says}")
        rung = _try(step, found, on, bench, maker, kit, on_step)
        if rung is None:
            continue
        at = _add(found, step, rung, on)
        if found.trials[at].kept:
            on = at
        if passing is None and rung[0].judged.verdict.status is Status.PASS:
            passing = at
            if not go_on:
                done = f"not needed: {step.name} passes every gate"
                found.untried += [Untried(rest.name, done) for rest in steps[position + 1 :]]
                break
    found.final = on if passing is None else passing
    _check_better(found)
    return found


def _add_first(found: Climb, given: Candidate, recipe: Recipe, bench: Bench, *, shared: bool) -> None:
    judged, look = bench.judge(given, shared=shared), bench.look(given)
    found.rungs.append(Rung(recipe, given, look, judged))
    found.trials.append(
        _trial(BEFORE, "the file as it is", None, (True, "as it was given"), found.rungs[0], found.rungs[0], ())
    )


def _check_repairable(found: Climb, on_step: OnStep) -> None:
    verdict = found.trials[0].verdict
    hopeless = beyond_repair(verdict)
    if hopeless:
        raise UsageError(
            "no step of the repair changes what this file does not pass",
            found="; ".join(f"{gate.title}: {gate.detail}" for gate in hopeless),
            expected="a gate on what the model does: accuracy, classes, confidence, saturation, ties, parity",
            fix="a smaller member of the family (tinyedge fit), other images, or another limit",
        )
    fixed = cannot_pass(verdict)
    if fixed:
        told = "; ".join(f"{gate.title}: {gate.detail.rstrip('.')}" for gate in fixed)
        found.add_note(f"cannot pass: {told}; no step changes that")
        on_step(f"cannot pass: {told}; no step changes that, the others are tried on what else fails")


def _try(
    step: Step, found: Climb, on: int, bench: Bench, maker: Makes, kit: Kit, on_step: OnStep
) -> tuple[Rung, str] | None:
    """The best of what the step could make, by the tuning images; ``None``, with the reason noted, where nothing is."""
    variants = kit.lacks if step.needs_checkpoint and kit.lacks else step.variants(found.rungs[on].recipe, kit)
    if isinstance(variants, str):
        found.untried.append(Untried(step.name, variants))
        return None
    made, failures = _options(variants, bench, maker)
    for failure in failures:
        on_step(f"could not be made: {failure}")
    if not made:
        found.untried.append(Untried(step.name, "could not be made: " + "; ".join(failures)))
        return None
    best = min(made, key=lambda one: one.order)
    words = best.words
    if len(made) > 1:
        words += f" (of {len(made)} tried, the tuning images chose it)"
    try:
        judged = bench.judge(best.candidate, shared=True)
    except TinyedgeError as error:
        found.untried.append(Untried(step.name, f"{words}, but it cannot be judged: {error.what}"))
        return None
    return Rung(best.recipe, best.candidate, best.look, judged), words


def _options(variants: Variants, bench: Bench, maker: Makes) -> tuple[list[Option], list[str]]:
    """What could be made, and why the rest could not."""
    made, failures = [], []
    for recipe, words in variants:
        try:
            candidate = maker.make(recipe)
            made.append(Option(recipe, words, candidate, bench.look(candidate), bench.discordance(candidate)))
        except TinyedgeError as error:
            failures.append(f"{words}: {error.what}" + (f" ({error.found})" if error.found else ""))
    return made, failures


def _add(found: Climb, step: Step, made: tuple[Rung, str], on: int) -> int:
    rung, words = made
    parent = found.rungs[on]
    worse = harms(parent.judged.nominal, rung.judged.nominal)
    if rung.candidate.artifact.sha256 == parent.candidate.artifact.sha256:
        kept = False, "the file is the same, byte for byte"
    else:
        kept = decide(parent.look, rung.look)
    found.rungs.append(rung)
    found.trials.append(_trial(step.name, words, on, kept, rung, found.rungs[0], worse))
    return len(found.trials) - 1


def _trial(
    step: str, says: str, on: int | None, kept: tuple[bool, str], rung: Rung, given: Rung, worse: tuple[Harm, ...]
) -> Trial:
    judged, candidate = rung.judged, rung.candidate
    return Trial(
        step=step,
        says=says,
        on=on,
        made=steps_in(rung.recipe, given.recipe),
        kept=kept[0],
        why=kept[1],
        sha256=candidate.artifact.sha256,
        target=candidate.target,
        cost=judged.cost,
        temperature=candidate.temperature,
        reference_temperature=judged.reference_temperature,
        verdict=judged.verdict,
        nominal=judged.nominal,
        tuning=standing(rung.look),
        harms=worse,
        as_trained=judged.as_trained,
    )


def _check_better(found: Climb) -> None:
    """What is no better on the judged images than the file that was given is not the result."""
    if found.final == 0:
        if found.trials[0].verdict.status is not Status.PASS:
            found.add_note("no step is kept: the file stays as it is")
        return
    before, after = found.trials[0], found.trials[found.final]
    same = before.verdict.confidence == after.verdict.confidence
    was, now = (before.verdict, after.verdict) if same else (before.nominal, after.nominal)
    if not improves(was, now):
        found.add_note(
            f"{after.step} is better on the tuning images and no better on the judged ones: the file stays as it is"
        )
        found.final = 0
