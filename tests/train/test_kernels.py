import pytest
import torch

from tinyedge.train import kernels
from tinyedge.train.kernels import norm_relu_pool


def both_ways(x, *, pool, compiled, around=0.0):
    """Result, gradients and running statistics after two calls."""
    channels = x.shape[1]
    x = x.clone().requires_grad_()
    weight = torch.linspace(-0.5, 1.5, channels).requires_grad_()
    bias = torch.linspace(1, -1, channels).requires_grad_()
    mean, var = around + torch.linspace(-1, 1, channels), torch.linspace(0.5, 2, channels)
    for _ in range(2):
        y = norm_relu_pool(x, weight, bias, mean, var, pool=pool, compiled=compiled)
    slope = torch.sin(torch.arange(y.numel()).float()).view(y.shape).to(y.dtype)
    y.backward(slope.contiguous(memory_format=torch.channels_last))
    return y.detach(), x.grad, weight.grad, bias.grad, mean, var


@pytest.fixture
def uncompiled(monkeypatch):
    """The passes as written, run by PyTorch: what is compiled is right whether or not there is a compiler here."""
    monkeypatch.setattr(kernels, "_compiled", lambda function, key: function)


def images(channels, size, dtype):
    torch.manual_seed(channels)
    x = torch.randn(8, channels, size, size) * 2 + torch.linspace(-3, 3, channels)[:, None, None]
    return x.to(dtype).to(memory_format=torch.channels_last)


@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize(("channels", "size"), [(6, 8), (16, 4), (20, 8), (7, 2)])
def test_the_passes_are_batch_norm_relu_and_pooling(uncompiled, channels, size, pool):
    x = images(channels, size, torch.float32)
    expected = both_ways(x, pool=pool, compiled=False)
    for found, wanted in zip(both_ways(x, pool=pool, compiled=True), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_near_the_running_mean_squares_do_not_cancel(uncompiled):
    """The deviation is 2 at a mean of 10,000: squares of float32 that far from zero would not show it."""
    x = images(6, 8, torch.float32) + 10_000
    found, wanted = (both_ways(x, pool=False, compiled=c, around=10_000) for c in (True, False))
    torch.testing.assert_close(found[5], wanted[5], rtol=1e-3, atol=0)  # the running variance


def test_ties_send_the_gradient_to_the_first_of_the_window(uncompiled):
    x = torch.zeros(2, 16, 4, 4).contiguous(memory_format=torch.channels_last)
    x[1] = 1.0  # constant windows, above and below the mean
    found, wanted = (both_ways(x, pool=True, compiled=c)[1] for c in (True, False))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def test_compiled_they_are_the_same():
    why = kernels.why_not_compiled("cpu")
    assert why is None, why
    x = images(16, 8, torch.float32)
    found, wanted = (both_ways(x, pool=True, compiled=c) for c in (True, False))
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pool", [False, True])
def test_bfloat16_is_float32_rounded_once(uncompiled, pool):
    x = images(6, 8, torch.bfloat16)
    found, wanted = both_ways(x, pool=pool, compiled=True), both_ways(x.float(), pool=pool, compiled=False)
    assert found[0].dtype is found[1].dtype is torch.bfloat16
    torch.testing.assert_close(found[0].float(), wanted[0], rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(found[1].float(), wanted[1], rtol=2e-2, atol=2e-2)


def test_without_a_compiler_it_says_why(monkeypatch):
    def none(function):
        raise RuntimeError("No working C++ compiler found\nlong advice")

    monkeypatch.setattr(torch, "compile", none)
    kernels.why_not_compiled.cache_clear()
    assert kernels.why_not_compiled("cpu") == "No working C++ compiler found"
    kernels.why_not_compiled.cache_clear()
