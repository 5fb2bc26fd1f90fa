"""The CUDA path; what is said of it elsewhere is what these tests hold it to where there is a device."""

from contextlib import contextmanager, nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from tinyedge.models.family import Member
from tinyedge.train.autotune import candidates, choose
from tinyedge.train.batches import Batches
from tinyedge.train.checkpoint import RunKey, checkpoint_bytes
from tinyedge.train.graph import StepGraph
from tinyedge.train.recipe import PAPER
from tinyedge.train.steps import Group
from tinyedge.train.together import train_together
from tinyedge.train.variant import Variant

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def keys_of(data, seeds, *, epochs=3, precision="fp32", member=None):
    member = member or Member("scalecnn", 4, data.num_classes)
    return [RunKey(member, PAPER.shortened(epochs), s, data.name, data.digest, precision) for s in seeds]


def vector(state):
    return torch.cat([tensor.double().flatten() for _, tensor in sorted(state.items())])


@pytest.fixture
def recorded(monkeypatch):
    """A stand-in for CUDA's capture: a replay runs the step again, which is what a graph does with its kernels."""
    for name in ("Stream", "current_stream"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: SimpleNamespace(wait_stream=lambda _: None))
    for name in ("stream", "graph"):
        monkeypatch.setattr(torch.cuda, name, lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(StepGraph, "replay", StepGraph._next)


@pytest.mark.parametrize("layout", ["serial", "grouped"])
def test_warm_up_and_capture_leave_no_trace(toy, recorded, layout):
    """The host's half of a graph, on a CPU: order, rates and counter as buffers, and the warm-up undone."""
    keys = keys_of(toy, (0,) if layout == "serial" else (0, 1))
    batches = Batches(toy, keys[0].recipe, CPU)
    eager, replayed = (Group(keys, batches, Variant(layout, graphs=g), CPU) for g in (False, True))
    for epoch in (0, 1):
        for group in (eager, replayed):
            group.epoch(epoch, lambda *_: None)
    for position in range(len(keys)):
        a, b = vector(eager.weights(position)), vector(replayed.weights(position))
        assert float((a - b).norm() / a.norm()) < 1e-5  # the rates are float32 in a graph
        assert int(replayed.weights(position)["norm1a.num_batches_tracked"]) == 10


def test_out_of_memory_within_a_capture_is_said_as_such(toy, recorded, monkeypatch):
    @contextmanager
    def capture(*_, **__):
        try:
            yield
        except torch.OutOfMemoryError:
            raise RuntimeError("the capture was invalidated") from None

    steps = []

    def full(*_):
        steps.append(1)
        if len(steps) > 3:  # after the warm-up
            raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(torch.cuda, "graph", capture)
    keys = keys_of(toy, (0,))
    batches = Batches(toy, keys[0].recipe, CPU)
    graph = StepGraph(full, torch.zeros(()), list)
    with pytest.raises(torch.OutOfMemoryError):
        graph.load(batches.order([0], 0), [0.1] * 5)


@needs_cuda
@pytest.mark.parametrize("layout", ["serial", "grouped", "dense"])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_replayed_epoch_is_the_epoch_of_eager_steps(toy, layout, compiled):
    """Five steps at five learning rates, warmed up and captured before: nothing of the warm-up may be left."""
    keys = keys_of(toy, (0,) if layout == "serial" else (0, 1))
    batches = Batches(toy, keys[0].recipe, CUDA)
    eager, replayed = (Group(keys, batches, Variant(layout, c, g), CUDA) for c, g in ((False, False), (compiled, True)))
    for epoch in (0, 1):
        for group in (eager, replayed):
            group.epoch(epoch, lambda *_: None)
    for position in range(len(keys)):
        a, b = vector(eager.weights(position)), vector(replayed.weights(position))
        assert float((a - b).norm() / a.norm()) < 5e-3  # ten steps: rounding has grown, a lost step would show 100-fold
        assert int(replayed.weights(position)["norm1a.num_batches_tracked"]) == 10


@needs_cuda
def test_a_graph_that_is_resumed_ends_in_the_same_bytes(toy, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    keys = keys_of(toy, (0, 1), precision="bf16")
    variant = Variant("grouped", graphs=True)
    whole = [s.checkpoints() for s in train_together(keys, toy, toy, device=CUDA, variant=variant)]
    *_, last = train_together(keys, toy, toy, device=CUDA, states=whole[0])
    for a, b in zip(whole[-1], last.checkpoints(), strict=True):
        assert checkpoint_bytes(replace(a, seconds=None)) == checkpoint_bytes(replace(b, seconds=None))


@needs_cuda
def test_dropout_in_a_graph_differs_from_step_to_step(toy):
    keys = keys_of(toy, (0,), member=Member("mobilenetv2", 0.1, 10))
    ends = []
    for graphs in (False, True):
        *_, last = train_together(keys, toy, toy, device=CUDA, variant=Variant(graphs=graphs))
        ends.append(last.checkpoints()[0])
    assert abs(ends[0].facts["test_accuracy"] - ends[1].facts["test_accuracy"]) < 0.3


@needs_cuda
def test_a_variant_is_chosen_by_trial(toy):
    keys, notes = keys_of(toy, (0, 1), precision="bf16"), []
    chosen = choose(keys, Batches(toy, keys[0].recipe, CUDA), CUDA, notes.append)
    assert chosen in candidates(keys, None) + candidates(keys, "no Triton")
    assert notes[-1].startswith(f"trains as {chosen}")


@needs_cuda
def test_the_host_does_not_wait_for_the_device_within_an_epoch(toy):
    keys = keys_of(toy, (0, 1), precision="bf16")
    group = Group(keys, Batches(toy, keys[0].recipe, CUDA), Variant("grouped", graphs=True), CUDA)
    group.trial(5)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(5):
            group._graph.replay()
    finally:
        torch.cuda.set_sync_debug_mode("default")
