"""A whole training step as one CUDA graph: the host only says "again"."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from tinyedge.train.batches import Order

_WARM_UP_STEPS = 3
"""Before the capture: cuDNN picks its algorithms, compiled kernels are compiled, the allocator has its blocks."""


class StepGraph:
    """Replays a step over an epoch's order and learning rates, which lie on the device.

    Args:
        step: computes one step from four ``(B, S)`` rows of an ``Order``. Nothing in it may wait for the device or
            depend on a value there; the tensors that it changes must stay where they are.
        rate: the optimizer's learning rate, float32 without axes, on the device.
        changed: lists every tensor that ``step`` changes, so that the steps of the warm-up can be undone.
    """

    def __init__(
        self, step: Callable[..., None], rate: torch.Tensor, changed: Callable[[], Sequence[torch.Tensor]]
    ) -> None:
        self._step, self._rate, self._changed = step, rate, changed
        self._counter = torch.zeros(1, dtype=torch.int64, device=rate.device)
        self._order: tuple[torch.Tensor, ...] = ()
        self._rates = torch.empty(0)
        self._graph: torch.cuda.CUDAGraph | None = None

    def load(self, order: Order, rates: Sequence[float]) -> None:
        """Take an epoch's order and rates; the first time, capture the step. Draws random numbers then."""
        on_device = torch.tensor(rates, dtype=torch.float32, device=self._rate.device)
        if self._graph is None:
            self._order, self._rates = tuple(t.clone() for t in order.tensors()), on_device
            self._capture()
        else:  # in place: the graph reads these addresses
            for static, fresh in zip(self._order, order.tensors(), strict=True):
                static.copy_(fresh)
            self._rates.copy_(on_device)
        self._counter.zero_()

    def replay(self) -> None:
        """The epoch's next step; returns at once."""
        assert self._graph is not None
        self._graph.replay()

    def _capture(self) -> None:
        before = [tensor.detach().clone() for tensor in self._changed()]
        # Warm-up and capture on one stream: autograd's accumulation nodes remember theirs.
        stream = torch.cuda.Stream(self._rate.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(self._rate.device))
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP_STEPS):
                self._next()
        torch.cuda.current_stream(self._rate.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=stream):
                self._next()
        except RuntimeError as error:  # ending a capture that ran out of memory fails too, and would hide why
            if isinstance(error.__context__, torch.OutOfMemoryError):
                raise error.__context__ from error
            raise
        with torch.no_grad():
            for tensor, value in zip(self._changed(), before, strict=True):
                tensor.copy_(value)
        self._graph = graph

    def _next(self) -> None:
        rows = [column.index_select(0, self._counter)[0] for column in self._order]
        self._rate.copy_(self._rates.index_select(0, self._counter)[0])
        self._step(*rows)
        # A remainder: the warm-up must not run off the end of a very short epoch.
        self._counter.add_(1).remainder_(len(self._rates))
