"""Short training from a finished run."""

from dataclasses import replace

import pytest
import torch

from tinyedge.errors import TrainingError, UsageError
from tinyedge.models.family import Member
from tinyedge.train.checkpoint import checkpoint_bytes, checkpoint_from_bytes, load_checkpoint
from tinyedge.train.quantized import round_weight
from tinyedge.train.tune import digest, tune, tune_together, tuned_key
from tinyedge.train.tuning import METHODS, Tuning
from tinyedge.zoo import find

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def starts(toy):
    """Two seeds of c = 4, and a c = 6 to learn from, each a few epochs old."""
    from tinyedge.train.checkpoint import RunKey
    from tinyedge.train.recipe import PAPER
    from tinyedge.train.together import train_together

    made = []
    for width, seed in ((4, 0), (4, 1), (6, 0)):
        member = Member("scalecnn", width, toy.num_classes)
        key = RunKey(member, PAPER.shortened(4), seed, toy.name, toy.digest, "fp32")
        *_, last = train_together([key], toy, toy, device=CPU)
        made.extend(last.checkpoints())
    return made


def short(method, **more):
    return Tuning(method, epochs=2, **more)


@pytest.mark.parametrize("method", ["plain", "qat", "distill"])
def test_a_tuned_run_is_a_checkpoint_of_the_same_member_that_says_what_was_done(toy, starts, method):
    teacher = starts[2] if method == "distill" else None
    done = tune(starts[0], toy, toy, tuning=short(method), device=CPU, teacher=teacher)
    assert done.key.name == f"scalecnn-c4-seed0-{method}-2ep"
    assert (done.epoch, done.momentum) == (2, {})
    assert done.model.keys() == starts[0].model.keys()
    assert any(not torch.equal(done.model[name], tensor) for name, tensor in starts[0].model.items())
    tuned = done.key.tuned
    assert (tuned.method, tuned.start_recipe, tuned.start_epochs) == (method, "paper-4ep", 4)
    assert tuned.start == digest(starts[0]) != digest(starts[1])
    expected = (digest(starts[2]), 4.0, 0.9) if method == "distill" else (None, None, None)
    assert (tuned.teacher, tuned.temperature, tuned.weight) == expected
    again = checkpoint_from_bytes(checkpoint_bytes(done), "copy")
    assert again.key == done.key


def test_tuning_at_a_tiny_rate_keeps_the_model(toy, starts):
    before = starts[0].facts["test_accuracy"]
    kept = tune(starts[0], toy, toy, tuning=short("qat", learning_rate=1e-9), device=CPU)
    assert kept.facts["test_accuracy"] == pytest.approx(before, abs=0.02)
    wild = tune(starts[0], toy, toy, tuning=short("qat", learning_rate=0.1), device=CPU)
    assert wild.facts["test_accuracy"] < before - 0.1, "the rate is what kept it"


@pytest.mark.parametrize("method", ["plain", "qat", "distill"])
def test_resumed_it_ends_in_the_same_bytes(toy, starts, method):
    teacher = starts[2] if method == "distill" else None
    key = tuned_key(starts[0], short(method), CPU, teacher)
    options = {"device": CPU, "teacher": teacher}
    uncut = [s.checkpoints() for s in tune_together([key], starts[:1], toy, toy, **options)]
    state = checkpoint_from_bytes(checkpoint_bytes(uncut[0][0]), "state")
    (resumed,) = [s.checkpoints() for s in tune_together([key], starts[:1], toy, toy, states=[state], **options)]
    assert checkpoint_bytes(resumed[0]) == checkpoint_bytes(uncut[1][0])


def test_seeds_share_their_steps_where_they_may(toy, starts):
    for method, teacher, layout in (("distill", starts[2], "mixed"), ("qat", None, "serial")):
        keys = [tuned_key(start, short(method), CPU, teacher) for start in starts[:2]]
        assert keys[0].tuned.start != keys[1].tuned.start
        *_, last = tune_together(keys, starts[:2], toy, toy, device=CPU, teacher=teacher)
        assert [c.facts["variant"]["layout"] for c in last.checkpoints()] == [layout] * 2
        assert [c.key.seed for c in last.checkpoints()] == [0, 1]


def test_what_was_tuned_differently_does_not_go_together(toy, starts):
    keys = [tuned_key(starts[0], short("plain"), CPU), tuned_key(starts[1], short("qat"), CPU)]
    with pytest.raises(UsageError, match="differ in their seed"):
        list(tune_together(keys, starts[:2], toy, toy, device=CPU))


def test_a_state_of_another_start_is_not_taken(toy, starts):
    key = tuned_key(starts[0], short("plain"), CPU)
    first = next(tune_together([key], starts[:1], toy, toy, device=CPU)).checkpoints()[0]
    other = replace(key, tuned=replace(key.tuned, start="0" * 64))
    with pytest.raises(TrainingError, match="its tuned differs"):
        list(tune_together([other], starts[:1], toy, toy, device=CPU, states=[first]))


def test_teacher_and_method_belong_together(toy, starts):
    with pytest.raises(UsageError, match="a teacher goes with distillation"):
        tune(starts[0], toy, toy, tuning=short("distill"), device=CPU)
    with pytest.raises(UsageError, match="a teacher goes with distillation"):
        tune(starts[0], toy, toy, tuning=short("qat"), device=CPU, teacher=starts[2])


def test_only_finished_runs_on_the_same_data(starts):
    unfinished = replace(starts[0], epoch=3)
    with pytest.raises(TrainingError, match="the start of a tuning is a finished run"):
        tuned_key(unfinished, short("plain"), CPU)
    with pytest.raises(TrainingError, match="the teacher of a tuning is a finished run"):
        tuned_key(starts[0], short("distill"), CPU, replace(starts[2], epoch=1))
    stranger = replace(starts[2], key=replace(starts[2].key, data_digest="0" * 64))
    with pytest.raises(TrainingError, match="the teacher of a tuning was trained on other data"):
        tuned_key(starts[0], short("distill"), CPU, stranger)


def test_quantization_aware_training_computes_in_float32(starts):
    assert tuned_key(starts[0], short("qat"), torch.device("cuda")).precision == "fp32"
    assert tuned_key(starts[0], short("plain"), torch.device("cuda")).precision == "bf16"


def test_a_rate_that_diverges_says_what_to_do(toy, starts):
    with pytest.raises(TrainingError, match="no longer finite") as caught:
        tune(starts[0], toy, toy, tuning=short("qat", learning_rate=1e9), device=CPU)
    assert caught.value.fix == "a --learning-rate below 1e+09"


@pytest.mark.parametrize("method", ["plain", "qat"])
def test_a_teachers_settings_without_a_teacher_are_refused(method):
    for wrong in ({"temperature": 2.0}, {"weight": 0.5}):
        with pytest.raises(UsageError, match="no teacher to soften"):
            Tuning(method, **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "prune"},
        {"epochs": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"temperature": 0.0},
        {"temperature": float("inf")},
        {"weight": 0.0},
        {"weight": 1.5},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError):
        Tuning(**{"method": "distill", **wrong})


def test_a_schedule_of_ones_own_has_a_name_of_its_own():
    assert Tuning("qat").recipe == METHODS["qat"]
    assert Tuning("qat", epochs=METHODS["qat"].epochs).recipe.name == "qat"
    changed = Tuning("plain", epochs=3, learning_rate=0.01).recipe
    assert (changed.name, changed.epochs, changed.learning_rate) == ("plain-lr0.01-3ep", 3, 0.01)
    assert Tuning("distill", temperature=2.0, weight=0.5).recipe.name == "distill-t2-w0.5"


def test_what_quantization_aware_training_leaves_is_already_rounded(toy, starts):
    done = tune(starts[0], toy, toy, tuning=short("qat"), device=CPU)
    for tensor in done.model.values():
        if tensor.dim() > 1:
            torch.testing.assert_close(round_weight(tensor), tensor, rtol=1e-6, atol=1e-7)
    assert not torch.equal(round_weight(starts[0].model["conv1a.weight"]), starts[0].model["conv1a.weight"])


def test_an_ordinary_runs_key_is_what_it_was():
    """Files from before there were tuned runs have no such entry, and new ordinary ones neither."""
    checkpoint = load_checkpoint(find(Member("scalecnn", 4, 24), "shapes").load("checkpoint").path)
    assert checkpoint.key.tuned is None
    assert b"tuned" not in checkpoint_bytes(checkpoint)
    assert digest(checkpoint) == digest(checkpoint_from_bytes(checkpoint_bytes(checkpoint), "copy"))
