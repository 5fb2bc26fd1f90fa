"""The sweep itself: what is ready is given to a runner, what comes back is kept, until all is done or time is up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from tinyedge.errors import SweepError, TinyedgeError
from tinyedge.files import sha256_file
from tinyedge.sweep.folder import SweepFolder
from tinyedge.sweep.plan import Basis, Model, Plan, Unit
from tinyedge.sweep.runner import Delivery, Event, Resources, Runner, Task
from tinyedge.sweep.states import state_seeds
from tinyedge.sweep.work import STATE_EVERY_S, ExportTask, PredictTask, TrainTask, finished_facts

ATTEMPTS = 3
"""How often a task is started whose worker dies before it has put out anything new."""
OnNote = Callable[[str, str], None]
"""Called with a task's name and a line for a person."""


@dataclass(frozen=True)
class Training:
    """How training tasks are cut.

    Args:
        device: ``cpu`` or ``cuda``.
        threads: of PyTorch a task, or ``None`` for its own choice.
        fuse: how many seeds of a member to train in one step, by member.
        resources: of a training task, by member.
        state_every_s: see ``TrainTask``.
    """

    device: str
    threads: int | None
    fuse: Callable[[Model], int]
    resources: Callable[[Model], Resources]
    state_every_s: float = STATE_EVERY_S


@dataclass
class Summary:
    """How a sweep ended: units finished by it, units that failed with why, and whether time ran out before the end."""

    finished: list[str] = field(default_factory=list)
    failed: dict[str, Exception] = field(default_factory=dict)
    left: int = 0


class Sweep:
    """One run of the driver over a folder that the caller has locked.

    Args:
        folder: where results are kept.
        basis: what the units share.
        plan: the units to be done now: the manifest's, or some of them.
        runner: performs the tasks.
        training: how training is cut into tasks.
        budget_s: no task is started after this long, and training stops at the end of an epoch; ``None`` for no limit.
        on_note: for a log.
    """

    def __init__(
        self,
        folder: SweepFolder,
        basis: Basis,
        plan: Plan,
        runner: Runner,
        training: Training,
        *,
        budget_s: float | None = None,
        on_note: OnNote = lambda _task, _line: None,
    ) -> None:
        self._folder, self._basis, self._plan, self._runner = folder, basis, plan, runner
        self._training, self._note = training, on_note
        self._deadline = None if budget_s is None else time.monotonic() + budget_s
        self._processes = 1 if runner.free() > 1 else None  # tasks side by side do not each take every processor
        self._units = {unit.name: unit for unit in plan.units()}
        manifest = folder.read_manifest()
        whole = plan if manifest is None else plan.joined(manifest[1])
        self._known = {unit.name: unit for unit in whole.units()}  # what comes along is kept, wanted now or not
        self._running: dict[str, tuple[str, ...]] = {}  # task name -> the units that it works at
        self._starts: Counter[str] = Counter()
        self._summary = Summary()

    def run(self) -> Summary:
        """Go on until everything is done, has failed, or the budget is spent.

        A failed unit is reported and left; units that need it stay undone, all others go on.

        Raises:
            SweepError, UsageError: where the folder cannot be read or written; what is finished stays.
            TrainingError: where a checkpoint in the folder is of another run.
        """
        self._adopt()
        for member in dict.fromkeys(model.member.name for model in self._plan.models):
            self._drop_states(member, keep=set())  # what a kill just before left
        while True:
            self._submit()
            if not self._running:
                break
            for event in self._runner.wait():
                self._handle(event)
        self._summary.left = sum(1 for unit in self._units.values() if self._undone(unit))
        return self._summary

    def _submit(self) -> None:
        for task, units in self._ready():
            left = None if self._deadline is None else self._deadline - time.monotonic()
            if self._runner.free() < 1 or (left is not None and left <= 0):
                return
            inputs = {path: self._folder.read(path) for path in self._reads(task)}
            self._running[task.name] = tuple(unit.name for unit in units)
            self._starts[task.name] += 1
            if not isinstance(task, TrainTask) or self._starts[task.name] == 1:
                self._note(task.name, "starts")
            self._runner.submit(task, inputs, seconds=left)

    def _ready(self) -> Iterator[tuple[Task, Sequence[Unit]]]:
        """Tasks whose inputs are there, those of trained models first: they are short and complete a row."""
        busy = {name for names in self._running.values() for name in names}
        trains: dict[Model, None] = {}
        for wanted in self._units.values():
            unit = self._next(wanted)
            if unit is None or unit.name in busy or unit.name in self._summary.failed:
                continue
            if unit.kind == "train":
                trains[unit.model] = None
            else:
                busy.add(unit.name)
                yield (ExportTask(unit) if unit.kind == "export" else PredictTask(unit, self._processes)), [unit]
        for _, models in groupby(trains, key=lambda model: model.member):
            for group in self._groups(list(models)):
                how = self._training
                resources = how.resources(group[0])
                task = TrainTask(group, self._basis, how.device, how.threads, resources, how.state_every_s)
                yield task, [Unit(model, "train") for model in group]

    def _next(self, wanted: Unit) -> Unit | None:
        """What to do for ``wanted`` now: itself, a unit that it needs, or nothing; a missing checkpoint fails it."""
        if not self._undone(wanted):
            return None
        unit, needed = wanted, wanted.needs
        while needed is not None:
            record = self._folder.done(needed, self._basis)
            if record is not None and not self._folder.lacks(record):
                return unit
            if record is not None and needed.kind == "train":
                self._fail(wanted.name, _kept_elsewhere(needed, self._folder.root))
                return None
            unit, needed = needed, needed.needs
        return unit

    def _groups(self, models: list[Model]) -> Iterator[tuple[Model, ...]]:
        """Seeds that go on together: those of one state file, as they stopped, and the rest as many as are fused."""
        member, waiting = models[0].member, dict.fromkeys(models)
        claimed: set[int] = set()
        for path in self._state_files(member.name):
            group = tuple(Model(member, seed) for seed in state_seeds(path, member.name) if seed not in claimed)
            claimed |= {model.seed for model in group}
            # A finished seed of the group goes along: the others' rounding depends on it.
            if any(model in waiting for model in group):
                yield group
            for model in group:
                waiting.pop(model, None)
        rest, size = list(waiting), self._training.fuse(models[0])
        yield from (tuple(rest[i : i + size]) for i in range(0, len(rest), size))

    def _reads(self, task: Task) -> list[str]:
        if isinstance(task, TrainTask):
            member, seeds = task.models[0].member.name, {model.seed for model in task.models}
            return [path for path in self._state_files(member) if seeds <= set(state_seeds(path, member))][:1]
        assert isinstance(task, ExportTask | PredictTask)
        return list(self._folder.inputs(task.unit, self._basis) or ())

    def _state_files(self, member: str) -> list[str]:
        """The member's states, those of few seeds first: after a split they are the newer ones."""
        files = {p.name: state_seeds(p.name, member) for p in self._folder.root.glob("*.state.*")}
        return sorted((name for name, seeds in files.items() if seeds), key=lambda name: (len(files[name]), name))

    def _undone(self, unit: Unit) -> bool:
        return self._folder.done(unit, self._basis) is None

    def _handle(self, event: Event) -> None:
        name = event.task.name
        if event.delivery is not None:
            self._keep(event.task, event.delivery)
        elif event.lost and self._starts[name] < ATTEMPTS:
            self._note(name, f"its worker died; started again ({self._starts[name] + 1} of {ATTEMPTS})")
            del self._running[name]
        elif event.error is not None or event.lost:
            error = event.error or SweepError(
                "the task's worker died each time",
                where=name,
                found=f"{ATTEMPTS} attempts without anything new",
                fix="look at its machine",
            )
            for unit in self._running.pop(name):
                if self._undone_by_name(unit):
                    self._summary.failed[unit] = error
            self._say_failed(name, error)
        else:
            del self._running[name]

    def _fail(self, unit: str, error: Exception) -> None:
        if unit not in self._summary.failed:
            self._summary.failed[unit] = error
            self._say_failed(unit, error)

    def _say_failed(self, name: str, error: Exception) -> None:
        why = error.what if isinstance(error, TinyedgeError) else repr(error)
        self._note(name, f"failed: {why}")

    def _undone_by_name(self, name: str) -> bool:
        return name not in self._known or self._undone(self._known[name])

    def _keep(self, task: Task, delivery: Delivery) -> None:
        if delivery.error is not None:
            if self._undone_by_name(delivery.unit):
                self._fail(delivery.unit, delivery.error)
            return
        if delivery.record is None:
            if delivery.files:
                self._folder.keep(delivery.files)
                self._starts[task.name] = 1
                if isinstance(task, TrainTask):
                    self._drop_states(task.models[0].member.name, keep=set(delivery.files))
            if delivery.note:
                self._note(task.name, delivery.note)
            return
        unit = self._known.get(delivery.unit)
        record = None if unit is None else self._folder.done(unit, self._basis)
        if unit is None or (record is not None and not self._folder.lacks(record)):
            return  # a seed that only went along
        hashes = self._folder.inputs(unit, self._basis)
        assert hashes is not None  # its task was given them
        files = self._folder.keep(delivery.files)
        self._folder.finish(unit, unit.key(self._basis, hashes), files, delivery.record)
        self._summary.finished.append(unit.name)
        self._starts[task.name] = 1
        self._note(unit.name, "done")
        if isinstance(task, TrainTask):
            self._drop_states(unit.model.member.name, keep=set())

    def _drop_states(self, member: str, *, keep: set[str]) -> None:
        """Remove states that newer ones replace, or whose seeds are all done."""
        newer = {seed for path in keep for seed in state_seeds(path, member)}
        staying: set[int] = set()
        for path in reversed(self._state_files(member)):
            group = set(state_seeds(path, member))
            done = all(not self._undone_by_name(f"{member}-seed{seed} train") for seed in group)
            # A seed that was split off from a larger group keeps its state until that one's goes: it says whose it is.
            if path not in keep and (group <= newer or (done and not group & staying)):
                (self._folder.root / path).unlink(missing_ok=True)
            else:
                staying |= group

    def _adopt(self) -> None:
        """Take up checkpoints that ``tinyedge train`` finished in the folder.

        Raises:
            TrainingError: where one is of another run.
        """
        for unit in self._units.values():
            path = self._folder.root / unit.model.checkpoint
            if unit.kind == "train" and path.is_file() and self._undone(unit):
                facts = finished_facts(unit.model, self._basis, path)
                self._folder.finish(unit, unit.key(self._basis, {}), {path.name: sha256_file(path)}, facts)
                self._note(unit.name, "was finished before")


def _kept_elsewhere(train: Unit, root: object) -> SweepError:
    return SweepError(
        "the checkpoint that this needs is kept elsewhere",
        where=root,
        found=f"the record of {train.model.checkpoint} without the file",
        fix=f"copy it here, --merge the folder that has it, or remove the record {train.model.name}.train.json "
        "to train it again",
    )
