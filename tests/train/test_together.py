import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from tinyedge.data.shapes import load_shapes
from tinyedge.errors import TrainingError, TrainingOutOfMemory, UsageError
from tinyedge.models.family import Member
from tinyedge.train import together
from tinyedge.train.batches import Batches
from tinyedge.train.checkpoint import RunKey, checkpoint_bytes, checkpoint_from_bytes
from tinyedge.train.recipe import PAPER, SHAPES
from tinyedge.train.steps import Group
from tinyedge.train.together import train_together
from tinyedge.train.variant import Variant

CPU = torch.device("cpu")
LAYOUTS = ("grouped", "dense", "mixed")


def keys_of(data, seeds, *, epochs=2, member=None, precision="fp32", recipe=PAPER):
    member = member or Member("scalecnn", 4, data.num_classes)
    return [RunKey(member, recipe.shortened(epochs), s, data.name, data.digest, precision) for s in seeds]


def stages(keys, data, **options):
    return [(s.epoch, s.checkpoints()) for s in train_together(keys, data, data, device=CPU, **options)]


def relative(a, b):
    return float((a.double() - b.double()).norm() / b.double().norm().clamp_min(1e-12))


def whole(state):
    """The real-valued tensors of a state as one vector; momentum and running statistics come as their own states."""
    return torch.cat([tensor.double().flatten() for _, tensor in sorted(state.items()) if tensor.is_floating_point()])


def split(weights):
    running = {name: tensor for name, tensor in weights.items() if "running" in name}
    return {name: tensor for name, tensor in weights.items() if name not in running}, running


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_fused_step_is_the_serial_step_of_each_seed(toy, layout):
    """In float32 to 1e-5; that nothing but rounding differs is shown in float64 by test_nets."""
    # One step of few images: with many, some activation lies so near 0 that rounding decides on its gradient.
    small = toy.take(np.arange(16))
    keys = keys_of(small, (0, 5, 9), epochs=3, recipe=replace(PAPER, batch=16))
    batches = Batches(small, keys[0].recipe, CPU)
    serial = [Group([key], batches, Variant(), CPU) for key in keys]
    fused = Group(keys, batches, Variant(layout), CPU)
    for group in (*serial, fused):
        group.epoch(0, lambda *_: None)
    for position, alone in enumerate(serial):
        mine, its = split(fused.weights(position)), split(alone.weights(0))
        for a, b in (*zip(mine, its, strict=True), (fused.momentum(position), alone.momentum(0))):
            assert a.keys() == b.keys()
            assert relative(whole(a), whole(b)) < 1e-5


def test_a_step_is_that_of_plain_modules_and_autograd(toy):
    """Against nn modules, cross entropy and an unfused SGD written here: nothing of the package but the batch."""
    small = toy.take(np.arange(128))
    (key,) = keys_of(small, (3,), epochs=2)
    batches = Batches(small, key.recipe, CPU)
    group = Group([key], batches, Variant(), CPU)
    torch.manual_seed(3)
    model = key.member.build()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9, nesterov=True, weight_decay=5e-4)
    for epoch in (0, 1):
        group.epoch(epoch, lambda *_: None)
        optimizer.param_groups[0]["lr"] = (0.1, 0.05)[epoch]
        images, labels = batches.take(*(column[0] for column in batches.order([3], epoch).tensors()))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels[0]).backward()
        optimizer.step()
    expected = model.state_dict()
    found = group.weights(0)
    assert found.keys() == expected.keys()
    assert {name: e for name in expected if (e := relative(found[name], expected[name])) > 1e-5} == {}


@pytest.mark.parametrize("layout", ["serial", *LAYOUTS])
def test_bf16_steps_stay_near_float32s(toy, layout):
    losses = {}
    for precision in ("fp32", "bf16"):
        seen = []
        keys = keys_of(toy, (0, 1), epochs=2, precision=precision)
        list(train_together(keys, toy, toy, device=CPU, variant=Variant(layout), on_step=seen.append))
        losses[precision] = [progress.loss for progress in seen if progress.loss is not None]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.15)
    assert losses["bf16"][-1] < losses["bf16"][0]


def test_fused_seeds_are_as_accurate_as_serial_ones():
    """Five seeds each way: the fused seeds' mean lies in the 99 % t interval of the serial seeds' mean."""
    few, test = (
        shapes.take(np.flatnonzero(shapes.labels < 8))
        for shapes in (load_shapes("train", per_class=64), load_shapes("test", per_class=40))
    )
    keys = keys_of(few, range(5), epochs=6, recipe=replace(SHAPES, batch=64))
    accuracies = {}
    for layout in ("serial", "mixed"):
        *_, last = train_together(keys, few, test, device=CPU, variant=Variant(layout))
        accuracies[layout] = [done.facts["test_accuracy"] for done in last.checkpoints()]
    serial, fused = np.array(accuracies["serial"]), np.array(accuracies["mixed"])
    assert serial.mean() > 2 / 8, "they have learnt something"
    low, high = stats.t.interval(0.99, len(serial) - 1, serial.mean(), stats.sem(serial))
    assert low <= fused.mean() <= high


@pytest.mark.parametrize("layout", ["serial", "mixed"])
def test_resumed_from_bytes_it_ends_in_the_same_bytes(toy, layout):
    keys = keys_of(toy, (0, 1), epochs=3)
    uncut = stages(keys, toy, variant=Variant(layout))
    states = [checkpoint_from_bytes(checkpoint_bytes(c), "state") for c in uncut[0][1]]
    assert [s.facts["fused"] for s in states] == [2 if layout == "mixed" else 1] * 2
    resumed = stages(keys, toy, states=states)  # the variant comes from the states
    assert [epoch for epoch, _ in resumed] == [2, 3]
    for (_, mine), (_, its) in zip(resumed, uncut[1:], strict=True):
        for a, b in zip(mine, its, strict=True):
            assert checkpoint_bytes(replace(a, seconds=0.0)) == checkpoint_bytes(replace(b, seconds=0.0))


def test_a_fused_state_goes_on_alone_and_a_single_one_in_a_group(toy):
    keys = keys_of(toy, (0, 1), epochs=2)
    fused = stages(keys, toy, variant=Variant("mixed"))
    ((_, alone),) = stages(keys[1:], toy, states=fused[0][1][1:])
    assert relative(alone[0].model["head.weight"], fused[1][1][1].model["head.weight"]) < 1e-2
    assert alone[0].facts["variant"]["layout"] == "serial"
    serial = stages(keys, toy, variant=Variant())
    ((_, grouped),) = stages(keys, toy, states=serial[0][1], variant=Variant("grouped"))
    assert relative(grouped[0].model["head.weight"], serial[1][1][0].model["head.weight"]) < 1e-2


def test_a_state_of_another_machine_goes_on_by_what_there_is(toy, monkeypatch):
    keys, notes = keys_of(toy, (0,), epochs=2), []
    (_, (state,)), _ = stages(keys, toy)
    state.facts["variant"] = {"layout": "serial", "compiled": True, "graphs": True}
    monkeypatch.setattr(together, "why_not_compiled", lambda _: "no compiler")
    ((_, (done,)),) = stages(keys, toy, states=[state], on_note=notes.append)
    assert notes == [
        "goes on as serial + compiled: no CUDA graphs here",
        "goes on as serial + eager: no compiler",
    ]
    assert done.facts["variant"] == Variant().facts()


def test_the_checkpoints_are_ordinary_ones(toy):
    keys = keys_of(toy, (0, 4), epochs=1)
    ((_, done),) = stages(keys, toy, variant=Variant("dense"))
    for key, checkpoint in zip(keys, done, strict=True):
        assert checkpoint.key == key
        assert not checkpoint.momentum
        assert checkpoint.seconds > 0
        assert checkpoint.facts["variant"] == {"layout": "dense", "compiled": False, "graphs": False}
        model = key.member.build()
        model.load_state_dict(checkpoint.model)
        assert int(model.norm1a.num_batches_tracked) == 5
        assert together.accuracy(model, toy, CPU) == checkpoint.facts["test_accuracy"]


def test_mobilenets_seeds_train_in_turn_with_their_own_dropout(toy):
    small = toy.take(np.arange(128))
    keys = keys_of(small, (0, 1), epochs=1, member=Member("mobilenetv2", 0.1, 10, 2))
    ((_, both),) = stages(keys, small)
    ((_, alone),) = stages(keys[1:], small)
    assert all(torch.equal(both[1].model[name], tensor) for name, tensor in alone[0].model.items())
    with pytest.raises(TrainingError, match="only ScaleCNN"):
        stages(keys, small, variant=Variant("grouped"))


def test_steps_are_counted_through_all_seeds(toy):
    seen = []
    list(train_together(keys_of(toy, (0, 1), epochs=1), toy, toy, device=CPU, variant=Variant(), on_step=seen.append))
    assert [p.step for p in seen] == list(range(1, 11))
    assert {p.steps for p in seen} == {10}
    assert [p.step for p in seen if p.loss is not None] == [5, 10]


def test_a_diverged_seed_is_named(toy, monkeypatch):
    start = together.Group.__init__

    def broken(self, keys, *args, **kwargs):
        start(self, keys, *args, **kwargs)
        with torch.no_grad():
            self._net.parameters["head.bias"][1] = math.nan

    monkeypatch.setattr(together.Group, "__init__", broken)
    with pytest.raises(TrainingError, match="no longer finite") as caught:
        stages(keys_of(toy, (0, 7)), toy, variant=Variant("grouped"))
    assert "scalecnn-c4-seed7" in caught.value.where
    assert "seed0" not in caught.value.where


def test_an_accelerator_out_of_memory_is_named_with_its_seeds(toy, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB. Much advice follows")

    monkeypatch.setattr(together.Group, "epoch", full)
    with pytest.raises(TrainingOutOfMemory, match="too little memory") as caught:
        stages(keys_of(toy, (3, 4)), toy)
    assert "seeds 3, 4" in caught.value.where
    assert caught.value.found == "CUDA out of memory"
    assert isinstance(caught.value.__cause__, torch.OutOfMemoryError)


def test_keys_that_do_not_belong_together_are_refused(toy):
    a, b = keys_of(toy, (0, 1))
    for wrong in ([], [a, a], [a, replace(b, precision="bf16")], [a, *keys_of(toy, (1,), epochs=3)]):
        with pytest.raises(UsageError):
            stages(wrong, toy)
    with pytest.raises(TrainingError, match="not the key's"):
        stages([a], toy.take(np.arange(200)))


def test_states_that_do_not_belong_to_the_keys_are_refused(toy):
    keys = keys_of(toy, (0, 1), epochs=3)
    after = dict(stages(keys, toy))
    with pytest.raises(UsageError, match="stand at one epoch"):
        stages(keys, toy, states=[after[1][0], after[2][1]])
    with pytest.raises(UsageError, match="stand at one epoch"):
        stages(keys, toy, states=after[1][:1])
    with pytest.raises(TrainingError, match="its seed differs"):
        stages(keys, toy, states=after[1][::-1])
