"""Taking the mean error of rounded weights out of the biases.

Rounding a layer's weights moves the mean of each of its output channels, by (rounded - real weights) times the mean
input: the same for every image, so that it does not average out, and on narrow layers it is most of what int8 costs
(docs/converters.md). The bias is int32 (or int64) and takes the opposite for nothing: no byte, no instruction more.

Reference: Nagel et al. 2019, "Data-Free Quantization through Weight Equalization and Bias Correction",
arXiv 1906.04721, section 4.2; here with the mean input over the representative images instead of batch norm's.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from tinyedge.errors import ExportError
from tinyedge.exporters.flatbuffer import unpacked

_CONV = schema.BuiltinOperator.CONV_2D
_DEPTHWISE = schema.BuiltinOperator.DEPTHWISE_CONV_2D
_DENSE = schema.BuiltinOperator.FULLY_CONNECTED


def correct_biases(float_model: bytes, int8_model: bytes, inputs: NDArray[np.float32]) -> bytes:
    """``int8_model`` with its biases corrected.

    Args:
        float_model: the TFLite that was quantized; the same operators in the same order.
        int8_model: what the quantizer made of it: int8 weights, int8 or int16 activations.
        inputs: ``(N, H, W, C)``, the representative images as the float model takes them.

    Raises:
        ExportError: where the two do not have the same layers.
    """
    before, after = unpacked(float_model), unpacked(int8_model)
    layers, rounded = _layers(before), _layers(after)
    if [code for code, _ in layers] != [code for code, _ in rounded]:
        raise ExportError(
            "the quantized model has other layers than the float one", found=len(rounded), expected=len(layers)
        )
    means = _mean_tensors(float_model, {operator.inputs[0] for _, operator in layers}, inputs)
    for (code, operator), (_, target) in zip(layers, rounded, strict=True):
        real = _constant(before, operator.inputs[1], np.float32)
        shift = _response(code, target, _dequantized(after, target.inputs[1]) - real, means[operator.inputs[0]])
        _subtract(after, target.inputs[2], shift)
    builder = flatbuffers.Builder(len(int8_model))
    builder.Finish(after.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _layers(model: Any) -> list[tuple[int, Any]]:
    """Operator code and operator of each layer with constant weights and a bias; a dilated one is left as it is."""
    found = []
    for operator in model.subgraphs[0].operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        if code not in (_CONV, _DEPTHWISE, _DENSE) or len(operator.inputs) < 3 or operator.inputs[2] < 0:
            continue
        if code == _DENSE or operator.builtinOptions.dilationWFactor == operator.builtinOptions.dilationHFactor == 1:
            found.append((code, operator))
    return found


def _constant(model: Any, index: int, dtype: type) -> NDArray[Any]:
    tensor = model.subgraphs[0].tensors[index]
    return np.frombuffer(np.asarray(model.buffers[tensor.buffer].data, np.uint8).tobytes(), dtype).reshape(tensor.shape)


def _dequantized(model: Any, index: int) -> NDArray[np.float32]:
    quantization = model.subgraphs[0].tensors[index].quantization
    stored = _constant(model, index, np.int8).astype(np.float32)
    shape = [1] * stored.ndim
    shape[quantization.quantizedDimension] = -1
    return stored * np.asarray(quantization.scale, np.float32).reshape(shape)


def _mean_tensors(model: bytes, indices: set[int], inputs: NDArray[np.float32]) -> dict[int, NDArray[np.float64]]:
    """The mean over the inputs of each of those tensors, in the tensor's own shape."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model, num_threads=1, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    sums: dict[int, Any] = dict.fromkeys(indices, 0.0)
    for i in range(len(inputs)):
        interpreter.set_tensor(source, inputs[i : i + 1])
        interpreter.invoke()
        for index in indices:
            sums[index] = sums[index] + interpreter.get_tensor(index)
    return {index: np.asarray(total, np.float64) / len(inputs) for index, total in sums.items()}


def _response(code: int, operator: Any, weights: NDArray[Any], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean output of a layer with ``weights`` (and no bias) for inputs of that mean, a number an output channel."""
    if code == _DENSE:
        return np.asarray(mean.reshape(-1, weights.shape[1]).mean(axis=0) @ weights.T)
    patch = _mean_patch(mean[0], weights.shape[1:3], operator.builtinOptions)
    if code == _DEPTHWISE:
        repeat = weights.shape[3] // patch.shape[2]
        return np.asarray((weights[0] * patch.repeat(repeat, axis=2)).sum(axis=(0, 1)))
    return np.asarray(np.einsum("oyxc,yxc->o", weights, patch))


def _mean_patch(image: NDArray[np.float64], kernel: tuple[int, ...], options: Any) -> NDArray[np.float64]:
    """What a kernel sees on average over all its positions: ``(kernel height, kernel width, C)``."""
    strides = (options.strideH, options.strideW)
    padding, counts = [(0, 0)] * 3, [0, 0]
    for axis in (0, 1):
        if options.padding == schema.Padding.SAME:
            counts[axis] = -(-image.shape[axis] // strides[axis])
            missing = max((counts[axis] - 1) * strides[axis] + kernel[axis] - image.shape[axis], 0)
            padding[axis] = (missing // 2, missing - missing // 2)
        else:
            counts[axis] = (image.shape[axis] - kernel[axis]) // strides[axis] + 1
    padded = np.pad(image, padding)
    reach = [(count - 1) * stride + 1 for count, stride in zip(counts, strides, strict=True)]
    return np.array(
        [
            [
                padded[y : y + reach[0] : strides[0], x : x + reach[1] : strides[1]].mean(axis=(0, 1))
                for x in range(kernel[1])
            ]
            for y in range(kernel[0])
        ]
    )


def _subtract(model: Any, index: int, shift: NDArray[np.float64]) -> None:
    """Take ``shift`` (real numbers) off a bias, in a buffer of its own: constants that are equal may be shared."""
    tensor = model.subgraphs[0].tensors[index]
    steps = np.rint(shift / np.asarray(tensor.quantization.scale, np.float64)).astype(np.int64)
    dtype = np.int64 if tensor.type == schema.TensorType.INT64 else np.int32  # int64 beside int16 activations
    corrected = (_constant(model, index, dtype) - steps).astype(dtype)
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(corrected.tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.buffer = len(model.buffers) - 1
