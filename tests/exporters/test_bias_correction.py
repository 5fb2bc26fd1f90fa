from __future__ import annotations

import exporting
import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema

from tinyedge.errors import ExportError
from tinyedge.exporters.bias_correction import _mean_patch, correct_biases
from tinyedge.validate import predict


class Geometry:
    def __init__(self, stride, padding):
        self.strideH, self.strideW = stride
        self.padding = padding


@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (1, 2)])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (3, 5)])
def test_the_mean_patch_gives_a_convolutions_mean_output(stride, kernel):
    rng = np.random.default_rng(0)
    image, weights = rng.normal(0, 1, (9, 11, 3)), rng.normal(0, 1, (5, *kernel, 3))
    found = np.einsum("oyxc,yxc->o", weights, _mean_patch(image, kernel, Geometry(stride, schema.Padding.VALID)))
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(image.transpose(2, 0, 1)[None]), torch.from_numpy(weights.transpose(0, 3, 1, 2)), stride=stride
    ).mean((0, 2, 3))
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-12)


@pytest.mark.parametrize(("size", "stride", "before"), [(8, 1, 1), (9, 2, 1), (8, 2, 0)])
def test_same_padding_is_tflites(size, stride, before):
    # An even size at stride 2 is padded behind only; PyTorch would pad both sides.
    image = np.random.default_rng(0).normal(0, 1, (size, size, 1))
    found = _mean_patch(image, (3, 3), Geometry((stride, stride), schema.Padding.SAME))
    padded = np.pad(image, [(before, 2), (before, 2), (0, 0)])
    count = -(-size // stride)
    expected = sum(
        padded[y * stride : y * stride + 3, x * stride : x * stride + 3] for y in range(count) for x in range(count)
    )
    np.testing.assert_allclose(found, expected / count**2, atol=1e-12)


def test_it_brings_the_mean_of_every_score_back():
    # The plain export's scores are off by something that is the same for all images; the default's much less.
    data = exporting.noise("test", 1000)  # so many that the means are the models', not the images'
    expected = exporting.source().outputs(data.images)

    def offset(calibration):
        logits = predict("tflite-int8", exporting.exported("tflite-int8", calibration=calibration), data).logits
        inside = expected > logits.min() + 0.5  # the default cuts the lowest off on purpose
        return np.abs(np.where(inside, logits - expected, 0).mean(axis=0)).mean()

    assert offset("minmax") < 0.6 * offset("minmax-plain")


def test_only_biases_change():
    plain, default = (exporting.exported("tflite-int8", calibration=c) for c in ("minmax-plain", None))
    models = [schema.ModelT.InitFromPackedBuf(bytearray(a.path.read_bytes()), 0) for a in (plain, default)]

    def constants(model, kind):
        tensors = [t for t in model.subgraphs[0].tensors if t.type == kind and model.buffers[t.buffer].data is not None]
        return [np.asarray(model.buffers[t.buffer].data).tobytes() for t in tensors]

    weights, biases = schema.TensorType.INT8, schema.TensorType.INT32
    assert constants(models[0], weights) == constants(models[1], weights)
    assert constants(models[0], biases) != constants(models[1], biases)
    assert plain.size_bytes == default.size_bytes


def test_models_with_other_layers_are_refused():
    images = exporting.source().convention.apply(exporting.representative().images[:1])
    content = exporting.exported("tflite-fp32").path.read_bytes()
    with pytest.raises(ExportError, match="other layers"):
        correct_biases(_without_a_layer(content), content, images)


def _without_a_layer(content):
    import flatbuffers

    model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    model.subgraphs[0].operators = model.subgraphs[0].operators[1:]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
