import pytest
import torch

from tinyedge.errors import TrainingError
from tinyedge.models.family import Member
from tinyedge.train import autotune
from tinyedge.train.batches import Batches
from tinyedge.train.checkpoint import RunKey
from tinyedge.train.recipe import PAPER
from tinyedge.train.variant import Variant, variant_from

CPU = torch.device("cpu")


def keys_of(data, width, seeds, family="scalecnn"):
    member = Member(family, width, data.num_classes)
    return [RunKey(member, PAPER, s, data.name, data.digest, "fp32") for s in range(seeds)]


def test_a_variant_survives_the_checkpoint():
    variant = Variant("mixed", compiled=True, graphs=True)
    assert variant_from({"variant": variant.facts()}) == variant
    assert variant_from({"torch": "2.14"}) == Variant()
    assert str(variant) == "mixed + compiled + graphs"


def test_an_unknown_variant_is_refused():
    with pytest.raises(TrainingError, match="unknown layout"):
        Variant("spiral")
    with pytest.raises(TrainingError, match="not one that this version knows"):
        variant_from({"variant": {"layout": "serial", "shape": 1}})


def test_a_device_gets_what_it_can_run():
    assert Variant("grouped", graphs=True).on("cpu", seeds=2) == Variant("grouped")
    assert Variant("grouped", graphs=True).on("cuda", seeds=1) == Variant("serial", graphs=True)


def test_mixed_is_dense_where_one_vector_holds_the_inputs():
    assert [Variant("mixed").dense(n) for n in (12, 16, 20)] == [True, True, False]
    assert Variant("dense").dense(10_000)
    assert not Variant("grouped").dense(3)


def test_the_cpu_rule_depends_on_the_keys_alone(toy):
    fused = autotune.CPU_FUSED_WIDTHS[0]
    compiled = autotune.CPU_COMPILED_WIDTHS[0]
    long = autotune.CPU_COMPILED_STEPS
    assert autotune.cpu_rule(keys_of(toy, fused, 5), steps=long) == Variant("mixed")
    assert autotune.cpu_rule(keys_of(toy, compiled, 1), steps=long) == Variant(compiled=True)
    assert autotune.cpu_rule(keys_of(toy, compiled, 1), steps=long - 1) == Variant()
    assert autotune.cpu_rule(keys_of(toy, 64, 5), steps=long) == Variant()
    assert autotune.cpu_rule(keys_of(toy, 0.1, 5, "mobilenetv2"), steps=long) == Variant()


@pytest.mark.parametrize("missing", [None, "No working C++ compiler found"])
def test_without_a_compiler_a_cpu_trains_all_the_same_and_says_so(toy, monkeypatch, missing):
    monkeypatch.setattr(autotune, "CPU_COMPILED_STEPS", 1)
    monkeypatch.setattr(autotune, "why_not_compiled", lambda _: missing)
    notes, keys = [], keys_of(toy, autotune.CPU_COMPILED_WIDTHS[0], 1)
    chosen = autotune.choose(keys, Batches(toy, PAPER, CPU), CPU, notes.append)
    assert chosen == Variant(compiled=missing is None)
    assert [missing in note for note in notes] == ([True] if missing else [])


def test_cuda_tries_every_layout_that_the_member_has(toy):
    tried = autotune.candidates(keys_of(toy, 4, 5), None)
    assert {v.layout for v in tried} == {"serial", "grouped", "dense"}
    assert all(v.graphs and v.compiled for v in tried)
    assert [v.compiled for v in autotune.candidates(keys_of(toy, 0.1, 5, "mobilenetv2"), None)] == [False, True]
    assert not any(v.compiled for v in autotune.candidates(keys_of(toy, 4, 5), "no Triton"))


def test_a_trial_leaves_nothing_behind_and_takes_time(toy):
    keys = keys_of(toy, 4, 2)
    batches = Batches(toy, PAPER, CPU)
    assert autotune.seconds_a_step(keys, batches, CPU, Variant()) > 0


def test_the_fastest_variant_is_chosen_and_said(toy, monkeypatch):
    seconds = {"serial": 3.0, "grouped": 1.0, "dense": None}

    def trial(keys, batches, device, variant):
        if seconds[variant.layout] is None:
            raise torch.OutOfMemoryError("full")
        return seconds[variant.layout]

    monkeypatch.setattr(autotune, "seconds_a_step", trial)
    monkeypatch.setattr(autotune, "why_not_compiled", lambda _: None)
    notes = []
    chosen = autotune.choose(keys_of(toy, 4, 5), None, torch.device("cuda"), notes.append)
    assert chosen == Variant("grouped", compiled=True, graphs=True)
    assert "dense + compiled + graphs: too little memory" in notes
    assert "trains as grouped" in notes[-1]
    seconds["serial"] = seconds["grouped"] = None
    with pytest.raises(TrainingError, match="no way of computing a step fits"):
        autotune.choose(keys_of(toy, 4, 5), None, torch.device("cuda"), notes.append)
