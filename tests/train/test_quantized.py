"""The network of quantization-aware training, against the member itself and against the int8 file it stands for."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import nn

from tinyedge.data.shapes import load_shapes
from tinyedge.errors import TrainingError
from tinyedge.evaluate import Model, open_session, run_session
from tinyedge.exporters.base import Options
from tinyedge.exporters.representative import draw_representative
from tinyedge.exporters.source import from_checkpoint
from tinyedge.exporters.tflite_int8 import TfliteInt8
from tinyedge.formats.tflite import read_graph
from tinyedge.models.family import Member
from tinyedge.train import quantized
from tinyedge.train.batches import normalized
from tinyedge.train.checkpoint import load_checkpoint, save_checkpoint
from tinyedge.train.nets import fresh_state
from tinyedge.train.quantized import QuantizedModule, Rounded, round_weight
from tinyedge.zoo import find

CPU = torch.device("cpu")


def lived_in(member, seed=0):
    """Weights with statistics and factors that are not those of a fresh batch norm."""
    state, generator = fresh_state(member, seed), torch.Generator().manual_seed(seed)
    for name, tensor in state.items():
        if name.endswith(("running_var", "running_mean")) or (tensor.dim() == 1 and tensor.is_floating_point()):
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
    return state


def images(count=8):
    return torch.rand((count, 3, 32, 32), generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("member", [Member("scalecnn", 4, 10), Member("mobilenetv2", 0.1, 10, 2)], ids=str)
def test_folded_it_is_a_state_of_the_same_member_that_computes_the_same(member):
    state = lived_in(member)
    net = QuantizedModule(member, state, None, images(), CPU)
    folded, original = member.build().eval(), member.build().eval()
    original.load_state_dict(state)
    folded.load_state_dict(net.parameters | net.buffers)  # strict: every name, no other
    with torch.no_grad():
        expected = original(images())
        torch.testing.assert_close(folded(images()), expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
    assert not any("norm" in name and name.endswith("weight") for name in net.parameters), "nothing that is folded away"


def test_its_rounding_is_small_and_there():
    member = Member("scalecnn", 4, 10)
    state = lived_in(member)
    net, original = QuantizedModule(member, state, None, images(), CPU), member.build().eval()
    original.load_state_dict(state)
    with torch.no_grad():
        expected, found = original(images()), net.logits(images())[0]
    assert 0 < float((found - expected).abs().max()) < 0.1 * float(expected.abs().max())


def test_what_is_rounded_is_what_an_int8_runtime_stores():
    net = QuantizedModule(Member("scalecnn", 4, 10), lived_in(Member("scalecnn", 4, 10)), None, images(), CPU)
    calls = [str(n.target) for n in net._graph.graph.nodes if n.op == "call_module" and "rounded" in str(n.target)]
    assert calls == [f"rounded_relu{stage}{part}" for stage in (1, 2, 3, 4) for part in "ab"] + ["rounded_relu4b"]
    mobile = Member("mobilenetv2", 1.0, 10, 2)
    graph = QuantizedModule(mobile, lived_in(mobile), None, images(), CPU)._graph.graph
    rounded = [n for n in graph.nodes if n.op == "call_module" and "rounded" in str(n.target)]
    behind = [str(n.args[0].name) for n in rounded]
    assert sum(name.startswith("add") for name in behind) == 10, "each residual sum"
    assert sum(name.startswith("adaptive_avg_pool2d") for name in behind) == 1
    relus, norms = 35, 52  # of torchvision's network: 17 linear bottlenecks have a norm and no ReLU
    assert len(behind) == relus + (norms - relus) + 10 + 1


def test_a_weight_lies_on_255_steps_a_channel_and_passes_its_gradient():
    weight = torch.randn((5, 3, 3, 3), generator=torch.Generator().manual_seed(0)).requires_grad_()
    rounded = round_weight(weight)
    for before, after in zip(weight.detach(), rounded.detach(), strict=True):
        steps = after / (before.abs().max() / 127)
        torch.testing.assert_close(steps, steps.round(), atol=1e-4, rtol=0)
        assert float((steps - before / (before.abs().max() / 127)).abs().max()) <= 0.5 + 1e-4
    rounded.sum().backward()
    assert torch.equal(weight.grad, torch.ones_like(weight))
    assert torch.equal(round_weight(torch.zeros(2, 3)), torch.zeros(2, 3)), "a channel of zeros stays one"


def test_an_activation_is_cut_off_at_its_range_and_gradient_with_it():
    rounded = Rounded()
    assert torch.equal(rounded(torch.tensor([-1.0, 0.3, 1.55])), torch.tensor([-1.0, 0.3, 1.55])), "it only watches"
    rounded.freeze()
    assert (rounded.scale, rounded.zero_point) == (pytest.approx(0.01), -28)
    x = torch.tensor([-2.0, 0.0, 0.303, 5.0], requires_grad=True)
    y = rounded(x)
    torch.testing.assert_close(y.detach(), torch.tensor([-1.0, 0.0, 0.3, 1.55]))
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 0.0]


def test_it_predicts_the_int8_file_better_than_the_float_network_does(tmp_path):
    """On a trained model: the int8 file's scores are nearer to this network's than to the float one's."""
    checkpoint = find(Member("scalecnn", 6, 24), "shapes").load("checkpoint").path
    train, test = load_shapes("train"), load_shapes("test", per_class=10)
    artifact = TfliteInt8().export(
        from_checkpoint(checkpoint),
        tmp_path / "plain.tflite",
        representative=draw_representative(train, count=1000),
        options=Options(calibration="minmax-plain"),
    )
    model = Model("tflite-int8-reference", artifact)
    with open_session(model, processes=1) as session:
        deployed = torch.tensor(run_session(session, model, test).logits)
    trained = load_checkpoint(checkpoint)
    watched = normalized(torch.tensor(train.sample(1000, seed=0).images))
    net = QuantizedModule(trained.key.member, trained.model, None, watched, CPU)
    plain = trained.key.member.build().eval()
    plain.load_state_dict(trained.model)
    seen = normalized(torch.tensor(test.images))
    with torch.no_grad():
        simulated, real = net.logits(seen)[0], plain(seen)
    step = artifact.output.scale  # the last rounding, which this network leaves out, is the same for both
    assert _distance(simulated, deployed, step) < 0.75 * _distance(real, deployed, step)


def test_the_export_finds_the_very_integers_that_were_trained(tmp_path):
    """A finished file's weights are on their steps: rounding them again, and correcting for it, changes nothing."""
    begun = load_checkpoint(find(Member("scalecnn", 4, 24), "shapes").load("checkpoint").path)
    train = load_shapes("train", per_class=20)
    watched = normalized(torch.tensor(train.images))
    net = QuantizedModule(begun.key.member, begun.model, None, watched, CPU)
    finished = net.finished(net.parameters | net.buffers)
    weights = [tensor for name, tensor in finished.items() if tensor.dim() > 1]
    path = tmp_path / "rounded.safetensors"
    save_checkpoint(path, replace(begun, model={name: t.detach() for name, t in finished.items()}))
    artifact = TfliteInt8().export(
        from_checkpoint(path), tmp_path / "rounded.tflite", representative=draw_representative(train, count=400)
    )
    interpreter = Interpreter(str(artifact.path))
    interpreter.allocate_tensors()
    convolutions = [op for op in read_graph(artifact.path).operators if op.name == "CONV_2D"]
    stored = [interpreter.get_tensor(op.inputs[1]) for op in convolutions]
    assert len(stored) == len(weights) == 9
    for mine, file in zip(weights, stored, strict=True):
        scale = mine.detach().abs().flatten(1).amax(1) / 127
        steps = (mine.detach().flatten(1) / scale[:, None]).round().reshape(mine.shape)
        expected = steps.numpy() if mine.dim() == 2 else steps.permute(0, 2, 3, 1).numpy()
        np.testing.assert_array_equal(file.reshape(expected.shape), expected)


def _distance(scores, deployed, step):
    return float(((scores / step).round() * step - deployed).abs().mean())


def test_a_norm_that_cannot_be_folded_is_refused():
    graph = torch.fx.symbolic_trace(nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()).eval())
    with pytest.raises(TrainingError, match="behind a convolution"):
        quantized._fold(graph)
    biased = torch.fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval())
    with pytest.raises(TrainingError, match="without bias"):
        quantized._fold(biased)
