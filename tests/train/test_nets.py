import pytest
import torch
from torch.nn import functional

from tinyedge.errors import TrainingError
from tinyedge.models.family import Member
from tinyedge.train.nets import StackedScaleCNN, build_net, fresh_state
from tinyedge.train.variant import Variant

CPU = torch.device("cpu")
MEMBER = Member("scalecnn", 4, 10)


@pytest.fixture
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("layout", ["grouped", "dense", "mixed"])
def test_every_gradient_and_statistic_is_the_modules_own(float64, layout):
    """In float64, where rounding does not reach 1e-9: side by side is the same function of each seed's parameters."""
    seeds = (2, 0, 1)
    torch.manual_seed(7)
    images, labels = torch.randn(6, 3 * len(seeds), 32, 32), torch.randint(10, (len(seeds), 6))
    net = StackedScaleCNN(MEMBER, len(seeds), Variant(layout), torch.float64, CPU)
    states = [fresh_state(MEMBER, seed) for seed in seeds]
    with torch.no_grad():
        for position, state in enumerate(states):
            for name, tensor in (net.parameters | net.buffers).items():
                tensor[position].copy_(state[name])
    logits = net.logits(images)
    functional.cross_entropy(logits.reshape(-1, 10), labels.reshape(-1), reduction="sum").backward()
    for position, state in enumerate(states):
        model = MEMBER.build().train()
        model.load_state_dict(state)
        own = model(images[:, 3 * position : 3 * position + 3])
        functional.cross_entropy(own, labels[position], reduction="sum").backward()
        torch.testing.assert_close(logits[position], own, rtol=1e-9, atol=1e-9)
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(net.parameters[name].grad[position], parameter.grad, rtol=1e-8, atol=1e-9)
        for name, buffer in model.named_buffers():
            torch.testing.assert_close(net.buffers[name][position], buffer, rtol=1e-9, atol=1e-9)


def test_a_net_starts_from_the_states_that_it_is_given():
    states = [fresh_state(MEMBER, seed) for seed in (4, 5)]
    net = build_net(MEMBER, states, Variant("mixed"), "fp32", CPU)
    for position, state in enumerate(states):
        assert set(state) == set(net.parameters) | set(net.buffers)
        for name, tensor in (net.parameters | net.buffers).items():
            assert torch.equal(net.of_seed(tensor, position), state[name])


def test_mobilenet_is_not_fused():
    member = Member("mobilenetv2", 0.1, 10)
    with pytest.raises(TrainingError, match="only ScaleCNN"):
        build_net(member, [fresh_state(member, s) for s in (0, 1)], Variant("grouped"), "fp32", CPU)
