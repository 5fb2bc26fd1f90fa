from itertools import pairwise

import pytest
import torch

from tinyedge.errors import TrainingError, UsageError
from tinyedge.models.family import Member
from tinyedge.train import loop
from tinyedge.train.checkpoint import RunKey, load_checkpoint
from tinyedge.train.recipe import PAPER

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def every_epoch_saved(monkeypatch):
    monkeypatch.setattr(loop, "STATE_EVERY_S", 0.0)


def key_of(toy, *, epochs=4, seed=0, width=4, precision="fp32"):
    return RunKey(Member("scalecnn", width, 10), PAPER.shortened(epochs), seed, toy.name, toy.digest, precision)


class Killed(Exception):
    pass


def kill_in_epoch(epoch):
    def on_step(progress):
        if (progress.epoch, progress.step) == (epoch, 2):
            raise Killed

    return on_step


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_killed_run_ends_in_the_same_weights(toy, tmp_path, precision):
    key = key_of(toy, precision=precision)
    whole = loop.train(key, toy, toy, folder=tmp_path / "whole", device=CPU)
    for epoch in (1, 3):
        with pytest.raises(Killed):
            loop.train(key, toy, toy, folder=tmp_path / "cut", device=CPU, on_step=kill_in_epoch(epoch))
    notes = []
    cut = loop.train(key, toy, toy, folder=tmp_path / "cut", device=CPU, on_note=notes.append)
    assert notes == ["resumes after epoch 3 of 4"]
    assert all(torch.equal(whole.model[name], cut.model[name]) for name in whole.model)
    assert not list((tmp_path / "cut").glob("*.state.*"))


def test_it_learns(toy, tmp_path):
    done = loop.train(key_of(toy, epochs=6), toy, toy, folder=tmp_path, device=CPU)
    assert done.facts["test_accuracy"] > 0.5


def test_seed_decides_the_weights(toy, tmp_path):
    runs = [loop.train(key_of(toy, epochs=1, seed=s), toy, toy, folder=tmp_path, device=CPU) for s in (0, 1)]
    again = loop.train(key_of(toy, epochs=1), toy, toy, folder=tmp_path / "again", device=CPU)
    assert not torch.equal(runs[0].model["conv1a.weight"], runs[1].model["conv1a.weight"])
    assert torch.equal(runs[0].model["conv1a.weight"], again.model["conv1a.weight"])


def test_the_checkpoint_says_what_it_is(toy, tmp_path):
    key = key_of(toy, epochs=1)
    loop.train(key, toy, toy, folder=tmp_path, device=CPU)
    stored = load_checkpoint(loop.Files(tmp_path, key.name).final)
    assert stored.key == key
    assert stored.epoch == 1
    assert stored.seconds is None
    assert stored.facts["torch"] == torch.__version__
    assert stored.facts["test_digest"] == toy.digest
    assert set(stored.model) == set(key.member.build().state_dict())


def test_a_finished_run_is_not_repeated(toy, tmp_path):
    key, notes = key_of(toy, epochs=1), []
    loop.train(key, toy, toy, folder=tmp_path, device=CPU)
    loop.train(key, toy, toy, folder=tmp_path, device=CPU, on_note=notes.append, on_step=kill_in_epoch(0))
    assert "already finished" in notes[0]


def test_another_runs_state_is_refused(toy, tmp_path):
    with pytest.raises(Killed):
        loop.train(key_of(toy), toy, toy, folder=tmp_path, device=CPU, on_step=kill_in_epoch(2))
    with pytest.raises(TrainingError, match="its recipe differs"):
        loop.train(key_of(toy, epochs=5), toy, toy, folder=tmp_path, device=CPU)


@pytest.mark.parametrize("loss", ["nan", "inf"])
def test_a_loss_that_is_not_finite_stops_the_run_and_leaves_no_checkpoint(toy, tmp_path, monkeypatch, loss):
    build = Member.build

    def broken(self):
        model = build(self)
        # The second: one class so far ahead that the others' probability is 0, at finite weights and gradients.
        bias = torch.full((10,), float("nan")) if loss == "nan" else torch.tensor([3e38] + [-3e38] * 9)
        model.head.bias.data = bias
        return model

    monkeypatch.setattr(Member, "build", broken)
    with pytest.raises(TrainingError, match="no longer finite") as caught:
        loop.train(key_of(toy), toy, toy, folder=tmp_path, device=CPU)
    assert caught.value.found == loss
    assert not list(tmp_path.glob("*"))


def test_a_truncated_checkpoint_is_refused(toy, tmp_path):
    key = key_of(toy, epochs=1)
    loop.train(key, toy, toy, folder=tmp_path, device=CPU)
    path = loop.Files(tmp_path, key.name).final
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TrainingError, match="cannot be read"):
        load_checkpoint(path)
    with pytest.raises(TrainingError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "none.safetensors")


def test_cuda_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(TrainingError, match="no CUDA device"):
        loop.pick_device("cuda")
    with pytest.raises(UsageError, match="auto, cpu or cuda"):
        loop.pick_device("gpu")
    assert loop.pick_device("auto") == CPU


def test_the_learning_rate_is_a_cosine_to_zero():
    rates = [PAPER.rate(s, 1000) for s in range(1000)]
    assert rates[0] == 0.1
    assert rates[-1] < 1e-6
    assert all(a > b for a, b in pairwise(rates))


def test_a_shortened_recipe_says_so():
    assert PAPER.shortened(200) is PAPER
    assert PAPER.shortened(25).name == "paper-25ep"
    assert PAPER.shortened(25).digest != PAPER.digest
