"""What a sweep asks of whatever performs its tasks: this process, or a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tinyedge.data import Dataset


@dataclass(frozen=True)
class Resources:
    """What one task takes from the machine that performs it.

    Args:
        cpus: CPU cores; fractions allowed.
        gpus: GPUs; a fraction below 1 shares one.
        memory_bytes: main memory, 0 where it does not matter.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True)
class Delivery:
    """What a task put out: a state to resume from, a finished unit, or a unit that failed while the task goes on.

    Args:
        unit: the name of the unit that it belongs to.
        files: contents by path relative to the sweep's folder.
        record: the unit's line in the manifest; ``None`` while the unit is not finished.
        note: one line for a person to read.
        error: why the unit failed; nothing else then.
    """

    unit: str
    files: dict[str, bytes]
    record: dict[str, Any] | None = None
    note: str | None = None
    error: Exception | None = None


class Task(Protocol):
    """A pure description of work: picklable, frozen, the same deliveries wherever it is performed."""

    @property
    def name(self) -> str:
        """Unique in a sweep, e.g. ``train scalecnn-c4 seeds 0,1``."""

    @property
    def resources(self) -> Resources:
        """What the task takes while it runs."""

    @property
    def data(self) -> tuple[str, ...]:
        """The splits that it reads: ``train``, ``test``."""

    def perform(
        self, inputs: Mapping[str, bytes], data: Mapping[str, Dataset], *, seconds: float | None
    ) -> Iterator[Delivery]:
        """Do the work, and yield a delivery whenever something is worth keeping.

        Args:
            inputs: file contents by path relative to the sweep's folder, e.g. the state to resume from.
            data: the datasets named in ``data``.
            seconds: stop, with a state delivered, after about this long; ``None`` to go on to the end.
        """


@dataclass(frozen=True)
class Event:
    """What became of a task: a delivery, its end (neither of the others), an error that it raised, or its loss.

    Args:
        task: the task as it was submitted.
        delivery: what it put out.
        error: what it raised; the task has ended.
        lost: the worker died; the task has ended and can be submitted again with the newest state.
    """

    task: Task
    delivery: Delivery | None = None
    error: Exception | None = None
    lost: bool = False


class Runner(Protocol):
    """Performs tasks, several at once where it can."""

    def free(self) -> int:
        """How many more tasks may be submitted now."""

    def gpus(self) -> float | None:
        """GPUs of the cluster that performs the tasks; ``None`` where this process does, with what it has."""

    def submit(self, task: Task, inputs: Mapping[str, bytes], *, seconds: float | None) -> None:
        """Start a task, or queue it."""

    def wait(self) -> Iterator[Event]:
        """Block until there is at least one event, and yield what is there."""

    def close(self) -> None:
        """Stop what still runs and give back what was taken."""
