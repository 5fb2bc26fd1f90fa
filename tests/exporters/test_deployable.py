from __future__ import annotations

import pytest
import torch
from torch import nn

from tinyedge.exporters.deployable import deployable
from tinyedge.models.family import Member


class Pooled(nn.Module):
    """A convolution and a linear head, with the pooling in between written in one of its many ways."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, self.conv, self.head = way, nn.Conv2d(3, 6, 3, padding=1), nn.Linear(6, 5)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x):
        x = self.conv(x)
        if self.way == "module":
            x = torch.flatten(self.pool(x), 1)
        elif self.way == "function":
            x = nn.functional.adaptive_avg_pool2d(x, (1, 1)).flatten(1)
        elif self.way == "mean":
            x = x.mean((2, 3))
        elif self.way == "mean-negative":
            x = torch.mean(x, dim=[-1, -2])
        elif self.way == "mean-kept":
            x = x.mean((2, 3), keepdim=True).flatten(1)
        return self.head(x)


def layers(module: nn.Module) -> set[str]:
    return {type(m).__name__ for m in module.modules()}


@pytest.mark.parametrize("way", ["module", "function", "mean", "mean-negative", "mean-kept"])
def test_every_way_to_pool_becomes_average_pooling_and_a_convolution(way):
    torch.manual_seed(0)
    module, x = Pooled(way).eval(), torch.randn(2, 3, 8, 8)
    rewritten = deployable(module, x[:1])
    torch.testing.assert_close(rewritten(x), module(x))
    assert "AvgPool2d" in layers(rewritten)
    assert not layers(rewritten) & {"Linear", "AdaptiveAvgPool2d"}
    assert not [node for node in rewritten.graph.nodes if node.target in ("mean", torch.mean)]


def test_both_families_compute_the_same_after_it():
    x = torch.randn(2, 3, 32, 32)
    for member in (Member("scalecnn", 4), Member("mobilenetv2", 0.1), Member("mobilenetv2", 0.1, stem_stride=2)):
        module = member.build().eval()
        rewritten = deployable(module, x[:1])
        torch.testing.assert_close(rewritten(x), module(x), rtol=1e-4, atol=1e-5)
        assert "Linear" not in layers(rewritten)


def test_a_linear_layer_on_a_wider_map_stays_as_it_is():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, 5)).eval()
    x = torch.randn(1, 3, 8, 8)
    rewritten = deployable(module, x)
    torch.testing.assert_close(rewritten(x), module(x))
    assert "Linear" in layers(rewritten)


def test_a_second_linear_layer_behind_an_activation_stays():
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 5)).eval()
    x = torch.randn(1, 3, 8, 8)
    rewritten = deployable(module, x)
    torch.testing.assert_close(rewritten(x), module(x))
    assert sum(isinstance(m, nn.Linear) for m in rewritten.modules()) == 1


def test_what_cannot_be_traced_is_left_alone():
    class Branching(nn.Module):
        def forward(self, x):
            return x.flatten(1) if x.sum() > 0 else -x.flatten(1)

    module = Branching()
    assert deployable(module, torch.ones(1, 3, 2, 2)) is module
