"""Training one or several seeds of a member, an epoch at a time: what ``train`` and the sweep are built on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from tinyedge.data.dataset import Dataset
from tinyedge.errors import TrainingError, TrainingOutOfMemory, UsageError
from tinyedge.train.autotune import choose
from tinyedge.train.batches import Batches, normalized
from tinyedge.train.checkpoint import Checkpoint, RunKey, check_key
from tinyedge.train.kernels import why_not_compiled
from tinyedge.train.start import Start
from tinyedge.train.steps import Group, Progress
from tinyedge.train.variant import Variant, variant_from


@dataclass(frozen=True)
class Stage:
    """Several seeds at the end of an epoch.

    Args:
        epoch: finished epochs.
        epochs: of the whole run.
        seconds: wall-clock training time of each seed over all the slices of its run; seeds that train together share
            the time.
    """

    epoch: int
    epochs: int
    seconds: tuple[float, ...]
    _groups: Sequence[Group] = field(repr=False)
    _variant: Variant = field(repr=False)
    _test: Dataset = field(repr=False)
    _device: torch.device = field(repr=False)

    @property
    def finished(self) -> bool:
        """Whether this was the last epoch."""
        return self.epoch == self.epochs

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Where each seed stands, in the order of the keys, on the CPU.

        Of the present: call it before the next stage is asked for. At the end there is no momentum, and the facts hold
        the accuracy on the test set.

        Raises:
            TrainingOutOfMemory: where the accelerator has no room for the accuracy's batches.
        """
        with _enough_memory([key for group in self._groups for key in group.keys]):
            return self._checkpoints()

    def _checkpoints(self) -> tuple[Checkpoint, ...]:
        made: list[Checkpoint] = []
        for group in self._groups:
            facts = self._facts(len(group.keys))
            for position, key in enumerate(group.keys):
                weights = group.finished(position) if self.finished else group.weights(position)
                seconds = self.seconds[len(made)]
                if self.finished:
                    end = {"test_accuracy": self._accuracy(key, weights), "test_digest": self._test.digest}
                    made.append(Checkpoint(key, self.epoch, seconds, weights, {}, facts | end))
                else:
                    made.append(Checkpoint(key, self.epoch, seconds, weights, group.momentum(position), facts))
        return tuple(made)

    def _facts(self, fused: int) -> dict[str, object]:
        cuda = self._device.type == "cuda"
        return {
            "torch": torch.__version__,
            "device": torch.cuda.get_device_name(self._device) if cuda else "cpu",
            "threads": torch.get_num_threads(),
            "variant": self._variant.facts(),
            "fused": fused,
        }

    def _accuracy(self, key: RunKey, weights: dict[str, torch.Tensor]) -> float:
        model = key.member.build()
        model.load_state_dict(weights)
        return accuracy(model.to(self._device).to(memory_format=torch.channels_last), self._test, self._device)


def train_together(
    keys: Sequence[RunKey],
    data: Dataset,
    test: Dataset,
    *,
    device: torch.device,
    states: Sequence[Checkpoint] | None = None,
    start: Start | None = None,
    variant: Variant | None = None,
    on_step: Callable[[Progress], None] = lambda _: None,
    on_note: Callable[[str], None] = lambda _: None,
) -> Iterator[Stage]:
    """Train the seeds of one member to the end, one ``Stage`` an epoch; stop asking for stages to stop training.

    What a seed sees (initial weights, order, augmentation, dropout) follows from its key alone, however many seeds
    share its steps; the variant changes rounding only. MobileNetV2 is never fused: its seeds train one after another.

    Args:
        keys: one or more, equal in all but the seed.
        data: the training set; its digest must be the keys'.
        test: accuracy at the end is measured on it; nothing is ever selected by it.
        device: of the model, the data and the augmentation.
        states: where each key stands, all at the same epoch; ``None`` from the start.
        start: what tuned runs start with (``tinyedge.train.tune``); ``None`` from fresh weights.
        variant: how a step is computed; ``None``: as the states record, else by ``autotune.choose``.
        on_step: called after a step (on an accelerator, which runs ahead, after every 50th), with the loss where it was
            looked at.
        on_note: one line for a person, e.g. which variant is the fastest.

    Raises:
        UsageError: where keys or states do not belong together.
        TrainingDiverged: where a loss is no longer finite. It names the seeds that showed it; in a dense layout a seed
            takes those that share its steps along.
        TrainingError: where the data are not the keys'.
        TrainingOutOfMemory: where the seeds do not fit the accelerator together; fewer may. Retry outside of the
            ``except`` block: the traceback holds on to the tensors.
    """
    _check(keys, data, states)
    recipe = keys[0].recipe
    with _enough_memory(keys):
        batches = Batches(data, recipe, device)
        chosen = _variant(keys, batches, device, states, variant, on_note)
        members = [tuple(range(len(keys)))] if chosen.fused else [(i,) for i in range(len(keys))]
        groups = [
            Group(
                [keys[i] for i in m],
                batches,
                chosen,
                device,
                [states[i] for i in m] if states else None,
                start.part(m) if start else None,
            )
            for m in members
        ]
        spent = [state.seconds or 0.0 for state in states] if states else [0.0] * len(keys)
        for epoch in range(states[0].epoch if states else 0, recipe.epochs):
            began = time.monotonic()
            for part, group in enumerate(groups):
                group.epoch(epoch, _reporter(on_step, epoch, recipe.epochs, part, len(groups), len(batches)))
            share = (time.monotonic() - began) / len(keys)
            spent = [before + share for before in spent]
            yield Stage(epoch + 1, recipe.epochs, tuple(spent), groups, chosen, test, device)


def accuracy(model: nn.Module, test: Dataset, device: torch.device) -> float:
    """Share of ``test`` that the float32 model gets right."""
    model.eval()
    right = 0
    with torch.inference_mode():
        for start in range(0, len(test), 1000):
            images = torch.tensor(test.images[start : start + 1000], device=device)
            predicted = model(normalized(images)).argmax(1).cpu().numpy()
            right += int((predicted == test.labels[start : start + 1000]).sum())
    return right / len(test)


@contextmanager
def _enough_memory(keys: Sequence[RunKey]) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise TrainingOutOfMemory(
            "the accelerator has too little memory for so many seeds at once",
            where=f"{keys[0].member.name}, seeds {', '.join(str(k.seed) for k in keys)}",
            found=str(error).split(". ")[0],
            expected="memory for the weights, the activations and the training set",
            fix="train fewer seeds together, or --device cpu",
        ) from error


def _check(keys: Sequence[RunKey], data: Dataset, states: Sequence[Checkpoint] | None) -> None:
    if not keys:
        raise UsageError("there is no run to train", expected="one key or more")
    seeds = [key.seed for key in keys]
    if len(set(seeds)) != len(seeds) or not all(key.goes_with(keys[0]) for key in keys):
        raise UsageError(
            "runs that train together differ in their seed, and in nothing else",
            found=", ".join(key.name for key in keys),
            expected="one member, recipe, data set and precision; each seed once",
        )
    if data.digest != keys[0].data_digest:
        raise TrainingError(
            "the training set is not the key's", where=data.name, found=data.digest, expected=keys[0].data_digest
        )
    if states is None:
        return
    if len(states) != len(keys) or len({state.epoch for state in states}) != 1:
        raise UsageError(
            "runs that train together stand at one epoch",
            found=f"{len(keys)} keys, states after epochs {', '.join(str(s.epoch) for s in states)}",
            expected="one state a key, all after the same epoch",
        )
    for key, state in zip(keys, states, strict=True):
        check_key(state, key, f"the state of {key.name}")


def _variant(
    keys: Sequence[RunKey],
    batches: Batches,
    device: torch.device,
    states: Sequence[Checkpoint] | None,
    given: Variant | None,
    on_note: Callable[[str], None],
) -> Variant:
    if given is None and states:
        given = variant_from(states[0].facts)
        before = states[0].facts.get("fused", 1)
        if given.fused and before != len(keys):
            on_note(f"{len(keys)} seeds in a step, {before} before: the result differs in rounding")
    if given is None:
        return choose(keys, batches, device, on_note)
    runnable = given.on(device.type, seeds=len(keys))
    if runnable.graphs != given.graphs:
        on_note(f"goes on as {runnable}: no CUDA graphs here")
    missing = why_not_compiled(device.type) if runnable.compiled else None
    if missing:
        runnable = replace(runnable, compiled=False)
        on_note(f"goes on as {runnable}: {missing}")
    return runnable


def _reporter(
    on_step: Callable[[Progress], None], epoch: int, epochs: int, part: int, parts: int, steps: int
) -> Callable[[int, float | None, float | None], None]:
    """``on_step`` for one of several groups that take their epochs in turn: the steps count on through all of them."""

    def report(step: int, loss: float | None, right: float | None) -> None:
        on_step(Progress(epoch, epochs, part * steps + step, parts * steps, loss, right))

    return report
