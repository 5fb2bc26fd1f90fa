"""Tasks performed in this process, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tinyedge.data.dataset import Dataset
from tinyedge.sweep.runner import Delivery, Event, Task


class LocalRunner:
    """One task at a time; each ``wait`` goes on to the task's next delivery.

    Args:
        data: the datasets by split.
    """

    def __init__(self, data: Mapping[str, Dataset]) -> None:
        self._data = data
        self._task: Task | None = None
        self._deliveries: Iterator[Delivery] = iter(())

    def free(self) -> int:
        """1, or 0 while a task is under way."""
        return 0 if self._task else 1

    def gpus(self) -> None:
        """Those of this process."""

    def submit(self, task: Task, inputs: Mapping[str, bytes], *, seconds: float | None) -> None:
        """Make ``task`` the one that ``wait`` goes on with."""
        self._task = task
        self._deliveries = task.perform(inputs, {split: self._data[split] for split in task.data}, seconds=seconds)

    def wait(self) -> Iterator[Event]:
        """The task's next delivery, its end or its error."""
        task = self._task
        assert task is not None  # the driver waits only for what it submitted
        try:
            delivery = next(self._deliveries, None)
        except Exception as error:  # noqa: BLE001  # whatever a task raises is its result; the driver decides
            self._task = None
            yield Event(task, error=error)
            return
        if delivery is None:
            self._task = None
        yield Event(task, delivery)

    def close(self) -> None:
        """Drop what is under way."""
        self._task, self._deliveries = None, iter(())
