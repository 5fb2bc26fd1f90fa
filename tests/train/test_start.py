"""What tuned runs are given, and the teacher's part of the loss."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from tinyedge.errors import TrainingError
from tinyedge.models.family import Member
from tinyedge.train.checkpoint import Checkpoint, RunKey
from tinyedge.train.nets import fresh_state
from tinyedge.train.recipe import PAPER
from tinyedge.train.start import Start, Teacher
from tinyedge.train.tuning import Tuned

CPU = torch.device("cpu")


class Constant(nn.Module):
    """Logits that do not look at the image."""

    def __init__(self, logits):
        super().__init__()
        self.register_buffer("logits", torch.tensor(logits))

    def forward(self, images):
        return self.logits.expand(len(images), -1)


class Mean(nn.Module):
    """Logits of an image's mean, so that each image gets its own."""

    def forward(self, images):
        mean = images.mean((1, 2, 3))
        return torch.stack((mean, 2 * mean, -mean), 1)


def test_the_teachers_loss_by_hand():
    """Teacher 3:1 at temperature 1, student 1:1: KL = 3/4 ln(3/2) + 1/4 ln(1/2)."""
    teacher = Teacher(Constant([math.log(3.0), 0.0]), 1.0, 0.25, torch.float32)
    mixed = teacher.mixed(torch.tensor([2.0]), torch.zeros(1, 1, 2), torch.zeros(1, 3, 4, 4))
    divergence = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert mixed.tolist() == pytest.approx([0.75 * 2.0 + 0.25 * divergence])


def test_a_temperature_softens_both_and_keeps_the_gradients_size():
    teacher = Teacher(Constant([2.0, 0.0]), 4.0, 1.0, torch.float32)
    logits = torch.tensor([[[0.5, -0.5]]], requires_grad=True)
    teacher.mixed(torch.zeros(1), logits, torch.zeros(1, 3, 4, 4)).sum().backward()
    soft = functional.softmax(logits.detach()[0] / 4, 1) - functional.softmax(torch.tensor([[2.0, 0.0]]) / 4, 1)
    torch.testing.assert_close(logits.grad[0], 4 * soft)


def test_a_student_that_is_its_teacher_has_the_labels_loss_alone():
    teacher = Teacher(Constant([0.3, -1.0, 2.0]), 4.0, 0.9, torch.float32)
    logits = torch.tensor([0.3, -1.0, 2.0]).expand(1, 2, 3)
    mixed = teacher.mixed(torch.tensor([1.0, 3.0]), logits, torch.zeros(2, 3, 4, 4))
    torch.testing.assert_close(mixed, torch.tensor([0.1, 0.3]))


def test_each_seed_is_taught_by_its_own_images():
    """Side by side as alone: images are (B, seeds * channels, H, W), losses seed after seed."""
    generator = torch.Generator().manual_seed(0)
    images, logits = torch.randn(4, 6, 5, 5, generator=generator), torch.randn(2, 4, 3, generator=generator)
    losses = torch.rand(8, generator=generator)
    teacher = Teacher(Mean(), 2.0, 0.5, torch.float32)
    together = teacher.mixed(losses, logits, images)
    alone = [teacher.mixed(losses[4 * s : 4 * s + 4], logits[s : s + 1], images[:, 3 * s : 3 * s + 3]) for s in (0, 1)]
    torch.testing.assert_close(together, torch.cat(alone))


def run(toy, seed, width=4, **changes):
    member = Member("scalecnn", width, toy.num_classes)
    key = RunKey(member, PAPER, seed, toy.name, toy.digest, "fp32", **changes)
    return Checkpoint(key, PAPER.epochs, 1.0, fresh_state(member, seed))


def test_what_a_method_needs_is_there_and_no_more(toy):
    starts = [run(toy, seed) for seed in (0, 1)]
    tuned = Tuned("plain", "a", "paper", 200)
    keys = [replace(start.key, tuned=tuned) for start in starts]
    plain = Start.of(keys, starts, toy, CPU, None)
    assert (plain.teacher, plain.images, len(plain.states)) == (None, None, 2)
    assert plain.part([1]).states == (starts[1].model,)
    taught = replace(tuned, method="distill", teacher="b", temperature=3.0, weight=0.5)
    distilled = Start.of([replace(k, tuned=taught) for k in keys], starts, toy, CPU, run(toy, 0, width=6))
    assert (distilled.teacher.temperature, distilled.teacher.weight) == (3.0, 0.5)
    assert not distilled.teacher.module.training
    assert not any(parameter.requires_grad for parameter in distilled.teacher.module.parameters())
    aware = Start.of([replace(keys[0], tuned=replace(tuned, method="qat"))], starts[:1], toy, CPU, None)
    assert aware.images.shape == (len(toy), 3, 32, 32), "all that there are, where they are fewer than 1,000"


def test_a_start_of_another_seed_is_refused(toy):
    start = run(toy, 0)
    key = replace(start.key, seed=1, tuned=Tuned("plain", "a", "paper", 200))
    with pytest.raises(TrainingError, match="same member and seed"):
        Start.of([key], [start], toy, CPU, None)
