"""The tasks of a sweep: pure work from bytes to bytes, the same wherever it is performed."""

from __future__ import annotations

import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

from tinyedge.artifact import load_artifact, sidecar_path
from tinyedge.data.dataset import Dataset
from tinyedge.errors import TrainingDiverged, TrainingError, TrainingOutOfMemory
from tinyedge.evaluate import Model as Runs
from tinyedge.evaluate import open_session, run_session
from tinyedge.outcomes import outcome, outcome_facts, outcomes_bytes
from tinyedge.registry import EXPORTERS, lookup
from tinyedge.sweep.plan import Basis, Model, Unit
from tinyedge.sweep.runner import Delivery, Resources
from tinyedge.sweep.states import pack_states, state_path, unpack_states

if TYPE_CHECKING:
    from tinyedge.train.checkpoint import Checkpoint, RunKey

STATE_EVERY_S = 15.0
"""Writing a state of the widest members takes a tenth of a second."""


@dataclass(frozen=True)
class TrainTask:
    """Train one member with one or several seeds, fused where that is faster.

    Args:
        models: the seeds of one member.
        basis: data, recipe and precision.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: of PyTorch on the CPU, or ``None`` for its own choice.
        resources: what it takes.
        state_every_s: how often at most a state is delivered: what a kill can cost.
    """

    models: tuple[Model, ...]
    basis: Basis
    device: str
    threads: int | None
    resources: Resources
    state_every_s: float = STATE_EVERY_S
    data: ClassVar = ("train", "test")

    @property
    def name(self) -> str:
        """``train scalecnn-c4 seeds 0, 1``."""
        seeds = ", ".join(str(model.seed) for model in self.models)
        return f"train {self.models[0].member.name} seed{'s' if len(self.models) > 1 else ''} {seeds}"

    def perform(
        self, inputs: Mapping[str, bytes], data: Mapping[str, Dataset], *, seconds: float | None
    ) -> Iterator[Delivery]:
        """Deliver states every ``state_every_s``, and the checkpoints at the end or the states at the limit.

        Where a loss is no longer a number, the other seeds go on together from the last state, and each that showed it
        alone; one that shows it alone has failed. So the others differ in rounding from a group that never had it.

        Args:
            inputs: the state to go on from, if there is one.
            data: ``train`` and ``test``.
            seconds: stop at the first end of an epoch after this long.
        """
        import torch

        from tinyedge.train.checkpoint import check_key

        if self.threads is not None:
            torch.set_num_threads(self.threads)
        deadline = None if seconds is None else time.monotonic() + seconds
        keys = [_run_key(model, self.basis) for model in self.models]
        states = None
        for path, content in inputs.items():
            known = {state.key.seed: state for state in unpack_states(path, content)}
            if not known.keys() >= {key.seed for key in keys}:
                raise TrainingError(
                    "the state is of other seeds than its name says",
                    where=path,
                    found=", ".join(map(str, known)),
                    expected=", ".join(str(key.seed) for key in keys),
                    fix="remove it: the runs then start again",
                )
            states = [check_key(known[key.seed], key, path) for key in keys]
        yield from self._train(keys, states, data, deadline)

    def _train(
        self,
        keys: Sequence[RunKey],
        states: Sequence[Checkpoint] | None,
        data: Mapping[str, Dataset],
        deadline: float | None,
    ) -> Iterator[Delivery]:
        from tinyedge.train.loop import pick_device
        from tinyedge.train.together import train_together

        parts: list[Sequence[int]]  # positions of the seeds that go on together
        notes: list[str] = []
        saved = time.monotonic()
        try:
            for stage in train_together(
                keys, data["train"], data["test"], device=pick_device(self.device), states=states, on_note=notes.append
            ):
                yield from (Delivery(self.name, {}, note=note) for note in notes)
                notes.clear()
                if stage.finished:
                    yield from (_finished(checkpoint) for checkpoint in stage.checkpoints())
                    return
                now = time.monotonic()
                over = deadline is not None and now >= deadline
                if over or now - saved >= self.state_every_s:
                    states, saved = stage.checkpoints(), now
                    files = dict([_state_file(keys, states)])
                    yield Delivery(self.name, files, note=f"epoch {stage.epoch} of {stage.epochs}")
                if over:
                    return
        except TrainingOutOfMemory as error:
            if len(keys) == 1:
                raise
            why, half = error.what, len(keys) // 2
            parts = [range(half), range(half, len(keys))]
        except TrainingDiverged as error:
            if len(keys) == 1:
                # The sweep keeps the error to its end, and with the traceback it would keep the tensors.
                yield Delivery(_unit(keys[0]).name, {}, error=error.with_traceback(None))
                return
            why = f"{error.what} ({error.where})"
            parts = _apart(keys, error.seeds)
        # Out of the except block: until here the traceback holds the accelerator's memory.
        note = f"{why}: goes on with {' and '.join(str(len(part)) for part in parts)} seeds a step"
        pieces = [([keys[i] for i in part], None if states is None else [states[i] for i in part]) for part in parts]
        files = dict(_state_file(some, there) for some, there in pieces if there is not None)
        yield Delivery(self.name, files, note=note)
        for some, there in pieces:
            yield from self._train(some, there, data, deadline)


@dataclass(frozen=True)
class UnitTask(ABC):
    """What follows training: one unit, from its first file to its last.

    Args:
        unit: which.
    """

    unit: Unit

    @property
    def name(self) -> str:
        """The unit's name."""
        return self.unit.name

    def perform(
        self, inputs: Mapping[str, bytes], data: Mapping[str, Dataset], *, seconds: float | None
    ) -> Iterator[Delivery]:
        """Deliver the finished unit.

        Args:
            inputs: the checkpoint, or the model file with its side-car.
            data: the split that the task reads.
            seconds: not looked at: once started it goes on to its end, minutes for a wide model on TFLite Micro.
        """
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            files, facts = self._make(_lay_out(inputs, Path(folder))[0], data)
        yield Delivery(self.name, files, record=facts | {"seconds": round(time.monotonic() - started, 1)})

    @abstractmethod
    def _make(self, model: Path, data: Mapping[str, Dataset]) -> tuple[dict[str, bytes], dict[str, Any]]:
        """The unit's files, by path in the sweep's folder, and its facts; ``model`` is in a folder of the task's."""


@dataclass(frozen=True)
class ExportTask(UnitTask):
    """Export one trained model to one format: the model file and its side-car."""

    resources: ClassVar = Resources(memory_bytes=3 << 30)
    data: ClassVar = ("train",)

    def _make(self, model: Path, data: Mapping[str, Dataset]) -> tuple[dict[str, bytes], dict[str, Any]]:
        from tinyedge.exporters.base import Options
        from tinyedge.exporters.representative import DEFAULT_COUNT, draw_representative
        from tinyedge.exporters.source import from_checkpoint

        exporter = lookup(EXPORTERS, "exporter", self.unit.what)()
        train = data["train"]
        count = min(DEFAULT_COUNT, len(train))
        destination = model.parent / f"{self.unit.model.name}-{self.unit.what}{exporter.suffix}"
        artifact = exporter.export(
            from_checkpoint(model),
            destination,
            representative=draw_representative(train, count=count) if exporter.quantized else None,
            options=Options(batch="dynamic" if "dynamic" in exporter.batches else "1"),
        )
        files = {f"models/{path.name}": path.read_bytes() for path in (destination, sidecar_path(destination))}
        return files, {"bytes": artifact.size_bytes, "params": artifact.params, **artifact.origin["verified"]}


@dataclass(frozen=True)
class PredictTask(UnitTask):
    """Run one model over the evaluation set on one target: what every image got, compactly.

    Args:
        unit: which.
        processes: that share the images, as ``open_session`` takes it.
    """

    processes: int | None = None
    resources: ClassVar = Resources(memory_bytes=2 << 30)
    data: ClassVar = ("test",)

    def _make(self, model: Path, data: Mapping[str, Dataset]) -> tuple[dict[str, bytes], dict[str, Any]]:
        test, runs = data["test"], Runs(self.unit.what, load_artifact(model))
        with open_session(runs, processes=self.processes) as session:
            predictions = run_session(session, runs, test)
        content = outcomes_bytes(predictions, test, outcome_facts(runs.artifact))
        measured = {"accuracy": float(outcome(predictions, test).correct.mean()), "images": len(test)}
        path = f"outcomes/{self.unit.model.name}.{self.unit.what}.npz"
        return {path: content}, measured | predictions.provenance


def _run_key(model: Model, basis: Basis) -> RunKey:
    from tinyedge.train.checkpoint import RunKey

    return RunKey(model.member, basis.recipe, model.seed, basis.data, basis.train_digest, basis.precision)


def _finished(checkpoint: Checkpoint) -> Delivery:
    from tinyedge.train.checkpoint import checkpoint_bytes

    unit = _unit(checkpoint.key)
    content = checkpoint_bytes(checkpoint)
    return Delivery(unit.name, {unit.model.checkpoint: content}, record=_train_facts(checkpoint))


def finished_facts(model: Model, basis: Basis, path: Path) -> dict[str, Any]:
    """What the record of the finished run at ``path`` says.

    Raises:
        TrainingError: where the file is not a finished run of ``model``.
    """
    from tinyedge.train.checkpoint import check_key, load_checkpoint

    checkpoint = check_key(load_checkpoint(path), _run_key(model, basis), path)
    if checkpoint.epoch != basis.recipe.epochs or "test_accuracy" not in checkpoint.facts:
        raise TrainingError(
            "the checkpoint in a finished run's place is not finished",
            where=path,
            found=f"{checkpoint.epoch} epochs",
            expected=f"{basis.recipe.epochs} epochs",
            fix="rename it to <model>.state.safetensors to go on from it, or remove it",
        )
    return _train_facts(checkpoint)


def _train_facts(checkpoint: Checkpoint) -> dict[str, Any]:
    seconds = None if checkpoint.seconds is None else round(checkpoint.seconds, 1)
    return {"epochs": checkpoint.epoch, "seconds": seconds, **checkpoint.facts}


def _unit(key: RunKey) -> Unit:
    return Unit(Model(key.member, key.seed), "train")


def _apart(keys: Sequence[RunKey], diverged: Sequence[int]) -> list[Sequence[int]]:
    """Positions that go on together: all others, and each of the ``diverged`` seeds by itself, last."""
    sound = [i for i, key in enumerate(keys) if key.seed not in diverged]
    alone = [[i] for i, key in enumerate(keys) if key.seed in diverged]
    return [part for part in (sound, *alone) if part]


def _state_file(keys: Sequence[RunKey], states: Sequence[Checkpoint]) -> tuple[str, bytes]:
    return state_path([key.name for key in keys]), pack_states(states)


def _lay_out(inputs: Mapping[str, bytes], folder: Path) -> list[Path]:
    """Write ``inputs`` as files, the model first: runtimes and converters take paths."""
    paths = []
    for name, content in inputs.items():
        path = folder / PurePosixPath(name).name
        path.write_bytes(content)
        paths.append(path)
    return sorted(paths, key=lambda path: path.suffix == ".json")
