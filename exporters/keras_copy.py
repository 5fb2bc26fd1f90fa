"""A torch module as a Keras model with the same weights, so that TensorFlow's converter can be given either family.

The layers of the families and nothing more: convolution, batch norm, ReLU, ReLU6, pooling, linear, flatten, dropout,
addition. Anything else is an error, never a guess.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinyedge.errors import ExportError
from tinyedge.exporters.deployable import deployable
from tinyedge.exporters.source import TorchSource

if TYPE_CHECKING:
    from torch import nn


def keras_copy(source: TorchSource) -> Any:
    """The Keras model: float32 ``(N, H, W, C)`` to ``(N, K)``.

    Raises:
        ExportError: for a layer that is not in the list above.
    """
    import keras
    import torch

    traced: Any = deployable(source.module, source.example(nhwc=False))
    if not isinstance(traced, torch.fx.GraphModule):
        raise _unknown("a module that cannot be traced", source)
    values: dict[Any, Any] = {}
    model_input = keras.Input(source.image_shape, name="image")
    for node in traced.graph.nodes:
        arguments = [values.get(argument, argument) for argument in node.args]
        if node.op == "placeholder":
            values[node] = model_input
        elif node.op == "output":
            return keras.Model(model_input, arguments[0])
        elif node.op == "call_module":
            values[node] = _layer(traced.get_submodule(node.target), arguments[0], source)
        elif node.target in (torch.flatten, "flatten"):
            values[node] = keras.layers.Reshape((source.num_classes,))(arguments[0])
        elif getattr(node.target, "__name__", node.target) in ("add", "iadd"):
            values[node] = keras.layers.Add()(arguments)
        else:
            raise _unknown(str(node.target), source)
    raise _unknown("a graph without an output", source)


def _layer(layer: nn.Module, value: Any, source: TorchSource) -> Any:
    import keras
    from torch import nn

    match layer:
        case nn.Conv2d():
            return _convolution(layer, value, source)
        case nn.BatchNorm2d():
            norm = keras.layers.BatchNormalization(epsilon=layer.eps)
            result = norm(value)
            norm.set_weights([_array(t) for t in (layer.weight, layer.bias, layer.running_mean, layer.running_var)])
            return result
        case nn.ReLU6():
            return keras.layers.ReLU(max_value=6.0)(value)
        case nn.ReLU():
            return keras.layers.ReLU()(value)
        case nn.MaxPool2d() if not layer.padding:
            return keras.layers.MaxPooling2D(layer.kernel_size, layer.stride)(value)
        case nn.AvgPool2d() if not layer.padding:
            return keras.layers.AveragePooling2D(layer.kernel_size, layer.stride)(value)
        case nn.Dropout() | nn.Identity():
            return value
    raise _unknown(type(layer).__name__, source)


def _convolution(layer: nn.Conv2d, value: Any, source: TorchSource) -> Any:
    import keras

    options = {"strides": layer.stride, "use_bias": layer.bias is not None}
    depthwise = layer.groups == layer.in_channels == layer.out_channels and layer.groups > 1
    if (layer.groups > 1 and not depthwise) or layer.dilation != (1, 1) or isinstance(layer.padding, str):
        raise _unknown(str(layer), source)
    same = layer.stride == (1, 1) and tuple(2 * p + 1 for p in layer.padding) == layer.kernel_size
    if not same and any(layer.padding):
        value = keras.layers.ZeroPadding2D(layer.padding)(value)  # "same" pads a strided convolution on one side only
    padding = "same" if same else "valid"
    if depthwise:
        made: Any = keras.layers.DepthwiseConv2D(layer.kernel_size, padding=padding, **options)
        axes = (2, 3, 0, 1)
    else:
        made = keras.layers.Conv2D(layer.out_channels, layer.kernel_size, padding=padding, **options)
        axes = (2, 3, 1, 0)
    result = made(value)
    weights = [_array(layer.weight).transpose(axes)]
    made.set_weights(weights if layer.bias is None else [*weights, _array(layer.bias)])
    return result


def _array(tensor: Any) -> Any:
    return tensor.detach().numpy()


def _unknown(what: str, source: TorchSource) -> ExportError:
    return ExportError(
        "the model has a layer that the Keras copy does not know",
        where=source.model,
        found=what,
        expected="convolution, batch norm, ReLU, pooling, linear on a 1x1 map, dropout, addition",
        fix="export it with tflite-int8, or give tf-int8 a Keras model (--from)",
    )
