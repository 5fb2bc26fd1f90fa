"""Seeds that step together: model, optimizer and batches of a group, and an epoch of steps, as a CUDA graph or not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from tinyedge.errors import TrainingDiverged
from tinyedge.train.batches import Batches, Order, epoch_seed
from tinyedge.train.checkpoint import Checkpoint, RunKey
from tinyedge.train.graph import StepGraph
from tinyedge.train.nets import Net, State, build_net, fresh_state
from tinyedge.train.quantized import QuantizedModule
from tinyedge.train.start import Start
from tinyedge.train.variant import Variant

LOOK_EVERY = 50
"""Steps between two looks at the loss on a CPU; on an accelerator, where a look is a wait, there is one an epoch."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands, for the progress bar; of several seeds the mean."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float | None
    train_accuracy: float | None


class Group:
    """S seeds of one member that take their steps together."""

    def __init__(
        self,
        keys: Sequence[RunKey],
        batches: Batches,
        variant: Variant,
        device: torch.device,
        states: Sequence[Checkpoint] | None = None,
        start: Start | None = None,
    ) -> None:
        self.keys, self._batches, self._device = tuple(keys), batches, device
        self._recipe = keys[0].recipe
        self._teacher = start.teacher if start else None
        self._net = _net(keys, variant, device, states, start)
        self._rate = torch.zeros((), device=device)  # used by a graph alone, which cannot take a number from the host
        self._optimizer = self._make_optimizer(states, variant)
        self._totals = torch.zeros((3, len(keys)), device=device)
        self._graph = StepGraph(self._step, self._rate, self._changed) if variant.graphs else None

    def epoch(self, epoch: int, on_step: Callable[[int, float | None, float | None], None]) -> None:
        """Train for one epoch, counted from 0.

        Args:
            epoch: decides order, augmentation, dropout and learning rates.
            on_step: gets the steps done in this epoch; and, each time the loss is looked at, loss and training accuracy
                of the steps since the last look, over the seeds.

        Raises:
            TrainingDiverged: where a seed's loss was not finite.
        """
        order, rates = self._begin(epoch)
        steps = len(rates)
        look_every = LOOK_EVERY if self._device.type == "cpu" else steps
        for step in range(steps):
            self._take(step, order, rates)
            if (step + 1) % look_every == 0 or step + 1 == steps:
                on_step(step + 1, *self._look(epoch, step + 1))
            elif self._device.type == "cpu" or (step + 1) % LOOK_EVERY == 0:
                on_step(step + 1, None, None)

    def trial(self, steps: int) -> None:
        """Take some steps of the first epoch, to be timed; of use to nothing else."""
        order, rates = self._begin(0)
        for step in range(steps):
            self._take(step % len(rates), order, rates)

    def weights(self, position: int) -> State:
        """A seed's state dict on the CPU, copied."""
        return self._of_seed(self._net.parameters | self._net.buffers, position)

    def finished(self, position: int) -> State:
        """A seed's state dict as a finished run's file has it."""
        return self._net.finished(self.weights(position))

    def momentum(self, position: int) -> State:
        """A seed's momentum by parameter name, on the CPU, copied."""
        return self._of_seed(self._momenta(), position)

    def _begin(self, epoch: int) -> tuple[Order, list[float]]:
        steps = len(self._batches)
        order = self._batches.order([key.seed for key in self.keys], epoch)
        total = self._recipe.epochs * steps
        rates = [self._recipe.rate(epoch * steps + step, total) for step in range(steps)]
        if self._graph is not None:
            self._graph.load(order, rates)
        torch.manual_seed(epoch_seed(self.keys[0].seed, epoch))  # MobileNetV2's dropout draws from the global generator
        return order, rates

    def _take(self, step: int, order: Order, rates: Sequence[float]) -> None:
        if self._graph is not None:
            self._graph.replay()
        else:
            self._optimizer.param_groups[0]["lr"] = rates[step]
            self._step(*(column[step] for column in order.tensors()))

    def _of_seed(self, tensors: State, position: int) -> State:
        return {n: self._net.of_seed(t.detach(), position).cpu().clone() for n, t in tensors.items()}

    def _momenta(self) -> State:
        state = self._optimizer.state
        return {name: state[p]["momentum_buffer"] for name, p in self._net.parameters.items()}

    def _make_optimizer(self, states: Sequence[Checkpoint] | None, variant: Variant) -> torch.optim.SGD:
        optimizer = torch.optim.SGD(
            self._net.parameters.values(),
            lr=self._rate if variant.graphs else self._recipe.learning_rate,
            momentum=self._recipe.momentum,
            nesterov=True,
            weight_decay=self._recipe.weight_decay,
            fused=True,
        )
        for name, parameter in self._net.parameters.items():
            # Zeros, which the first step turns into the gradient as it should: no step is then a special one. The
            # layout must be the parameter's: the fused update walks both in memory order.
            buffer = torch.zeros_like(parameter.detach())
            for seed, state in enumerate(states or ()):
                self._net.of_seed(buffer, seed).copy_(state.momentum[name])
            optimizer.state[parameter]["momentum_buffer"] = buffer
        return optimizer

    def _step(self, index: torch.Tensor, dy: torch.Tensor, dx: torch.Tensor, flip: torch.Tensor) -> None:
        images, labels = self._batches.take(index, dy, dx, flip)
        logits = self._net.logits(images)
        classes = logits.shape[2]
        each = functional.cross_entropy(logits.reshape(-1, classes), labels.reshape(-1), reduction="none")
        if self._teacher is not None:
            each = self._teacher.mixed(each, logits, images)
        losses = each.view(labels.shape).mean(1)
        self._optimizer.zero_grad()
        losses.sum().backward()  # type: ignore[no-untyped-call]  # the sum: each seed gets its own mean's gradient
        self._optimizer.step()
        with torch.no_grad():
            right = (logits.argmax(2) == labels).float().mean(1)
            self._totals += torch.stack((losses.detach(), right, torch.ones_like(right)))

    def _look(self, epoch: int, step: int) -> tuple[float, float]:
        """Mean loss and accuracy since the last look; a loss that was not finite at any step shows in the sums."""
        losses, right, steps = self._totals.tolist()
        self._totals.zero_()
        bad = [i for i, loss in enumerate(losses) if not math.isfinite(loss)]
        if bad:
            raise TrainingDiverged(
                "the loss is no longer finite",
                seeds=[self.keys[i].seed for i in bad],
                where=f"{', '.join(self.keys[i].name for i in bad)}, epoch {epoch + 1}, up to step {step}",
                found=losses[bad[0]],
                expected="a number",
                fix="leave this seed out, or try --precision fp32 with another --out"
                if self.keys[0].tuned is None
                else f"a --learning-rate below {self._recipe.learning_rate:g}",
            )
        return sum(losses) / sum(steps), sum(right) / sum(steps)

    def _changed(self) -> list[torch.Tensor]:
        return [*self._net.parameters.values(), *self._net.buffers.values(), *self._momenta().values(), self._totals]


def _net(
    keys: Sequence[RunKey],
    variant: Variant,
    device: torch.device,
    states: Sequence[Checkpoint] | None,
    start: Start | None,
) -> Net:
    if start is not None and start.images is not None:
        (begun,) = start.states  # its variant is never a fused one
        return QuantizedModule(keys[0].member, begun, states[0].model if states else None, start.images, device)
    if states:
        weights = [state.model for state in states]
    else:
        weights = list(start.states) if start else [fresh_state(key.member, key.seed) for key in keys]
    return build_net(keys[0].member, weights, variant, keys[0].precision, device)
