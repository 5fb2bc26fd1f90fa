"""Tiny classifiers built by hand in each format, whole or broken in one way: 8x8 RGB images, 7 classes.

conv 3x3 stride 2 (8 channels, ReLU), average over the 4x4 map, fully connected. No converter is needed, so that these
also work where neither torch nor TensorFlow is installed, and each takes a millisecond.
"""

from __future__ import annotations

from pathlib import Path

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper, numpy_helper

SIZE, CLASSES, CHANNELS = 8, 7, 8
_IN, _ACT, _OUT = 1 / 128, 0.05, 0.1  # scales
_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "float16": schema.TensorType.FLOAT16,
    "int8": schema.TensorType.INT8,
    "int16": schema.TensorType.INT16,
    "int64": schema.TensorType.INT64,
    "uint8": schema.TensorType.UINT8,
    "int32": schema.TensorType.INT32,
}


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Float weights, the same for every format: conv OHWI, head (classes, channels)."""
    rng = np.random.default_rng(seed)
    return {
        "conv": rng.normal(0, 0.4, (CHANNELS, 3, 3, 3)).astype(np.float32),
        "conv_bias": rng.normal(0, 0.2, CHANNELS).astype(np.float32),
        "head": rng.normal(0, 1.5, (CLASSES, CHANNELS)).astype(np.float32),
        "head_bias": rng.normal(0, 0.5, CLASSES).astype(np.float32),
    }


def images(count: int = 40, seed: int = 1) -> np.ndarray:
    """uint8 ``(count, 8, 8, 3)``: smooth enough that the logits of different images differ."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 256, (count, 1, 1, 3)) + rng.integers(-60, 60, (count, SIZE, SIZE, 3))
    return base.clip(0, 255).astype(np.uint8)


class TfliteBuilder:
    """A TFLite model under construction: tensors and operators in order."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.description = b"tiny"
        self.model.operatorCodes, self.model.buffers = [], [schema.BufferT()]
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.model.subgraphs = [self.graph]

    def tensor(self, name, shape, dtype, scale=None, zero_point=0, values=None, signature=None) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name.encode(), list(shape), _TYPES[dtype]
        tensor.shapeSignature = signature
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            scales = np.atleast_1d(scale).astype(np.float32)
            tensor.quantization.scale = scales
            tensor.quantization.zeroPoint = np.full(len(scales), zero_point, np.int64)
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(values, dtype).tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            tensor.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def operator(self, name, inputs, outputs, options=None, options_type=0, version=1, custom=None) -> None:
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version, code.customCode = version, custom
        self.model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes) - 1
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        operator.builtinOptions, operator.builtinOptionsType = options, options_type
        self.graph.operators.append(operator)

    def bytes(self, inputs, outputs) -> bytes:
        self.graph.inputs, self.graph.outputs = list(inputs), list(outputs)
        builder = flatbuffers.Builder(4096)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def tflite(
    precision: str = "int8",
    *,
    input_dtype: str | None = None,
    quantized: bool = True,
    batch: int = 1,
    ending: str = "FULLY_CONNECTED",
    middle: str = "AVERAGE_POOL_2D",
    relu_head: bool = False,
    float_head: bool = False,
    nan: bool = False,
    scale: float = _IN,
    channels_first: bool = False,
    io: str | None = None,
) -> bytes:
    """A whole model, or one with a single thing wrong.

    Args:
        precision: ``int8``, ``fp32``, ``int16x8`` or ``dynamic``.
        input_dtype: e.g. ``uint8``; by precision if ``None``.
        quantized: False leaves the input int8 without scale and zero point.
        batch: -1 for a dynamic one.
        ending: the last operator: ``SOFTMAX`` or ``LOGISTIC`` stand behind the fully connected layer.
        middle: what stands in the place of the average pool; ``CUSTOM`` and unknown operators have its inputs.
        relu_head: whether a ReLU is fused into the last layer.
        float_head: whether the last layer's weights stay float.
        nan: whether a weight is NaN (fp32).
        scale: the input's.
        channels_first: whether the input's shape is written NCHW.
        io: ``uint8`` puts a QUANTIZE before and behind an int8 model, as TensorFlow's converter does.
    """
    int8 = precision == "int8"
    act = {"int8": "int8", "int16x8": "int16"}.get(precision, "float32")
    integer, finer = act != "float32", {"int16": 256}.get(act, 1)
    scale, act_scale, out_scale = scale / finer, _ACT / finer, _OUT / finer
    b, w = TfliteBuilder(), weights()
    if nan:
        w["head_bias"][3] = np.nan

    def q(value):
        return value if integer else None

    weight = "float32" if precision == "fp32" else "int8"
    bias_type = {"int8": "int32", "int16x8": "int64"}.get(precision, "float32")

    def constant(name, values, scales, dtype):
        if dtype == "float32":
            return b.tensor(name, values.shape, "float32", values=values)
        shaped = np.asarray(scales).reshape(-1, *[1] * (values.ndim - 1))
        stored = np.rint(values / shaped)
        if dtype == "int8":
            stored = stored.clip(-127, 127)
        return b.tensor(name, values.shape, dtype, scales, 0, stored)

    shape = [1, 3, SIZE, SIZE] if channels_first else [1, SIZE, SIZE, 3]
    kind = input_dtype or act
    scaled = quantized and kind in ("int8", "uint8", "int16")
    image = b.tensor(
        "image", shape, kind, scale if scaled else None, 128 if kind == "uint8" else 0,
        signature=[batch, *shape[1:]] if batch == -1 else None,
    )  # fmt: skip
    given = image
    if io:
        given = b.tensor("given", shape, io, scale, 128, signature=[batch, *shape[1:]] if batch == -1 else None)
        _quantize(b, given, image)
    conv_scale = np.abs(w["conv"]).max(axis=(1, 2, 3)) / 127
    head_scale = np.abs(w["head"]).max() / 127
    maps = b.tensor("maps", [1, 4, 4, CHANNELS], act, q(act_scale), -128 if int8 else 0)
    pooled = b.tensor("pooled", [1, 1, 1, CHANNELS], act, q(act_scale), -128 if int8 else 0)
    scores = b.tensor("scores", [1, CLASSES], act, q(out_scale), 3 if int8 else 0)

    conv = schema.Conv2DOptionsT()
    conv.padding, conv.strideH, conv.strideW = schema.Padding.SAME, 2, 2
    conv.dilationHFactor = conv.dilationWFactor = 1
    conv.fusedActivationFunction = schema.ActivationFunctionType.RELU
    kernel = constant("conv", w["conv"], conv_scale, weight)
    bias = constant("conv_bias", w["conv_bias"], conv_scale * scale, bias_type)
    b.operator("CONV_2D", [image, kernel, bias], [maps], conv, schema.BuiltinOptions.Conv2DOptions, 3 if int8 else 1)

    if middle == "AVERAGE_POOL_2D":
        pool = schema.Pool2DOptionsT()
        pool.padding, pool.strideH, pool.strideW, pool.filterHeight, pool.filterWidth = schema.Padding.VALID, 4, 4, 4, 4
        b.operator(middle, [maps], [pooled], pool, schema.BuiltinOptions.Pool2DOptions, 2 if int8 else 1)
    else:
        b.operator(middle, [maps], [pooled], custom=b"MyOperator" if middle == "CUSTOM" else None)

    dense = schema.FullyConnectedOptionsT()
    dense.fusedActivationFunction = schema.ActivationFunctionType.RELU if relu_head else 0
    head = constant("head", w["head"], [head_scale], "float32" if float_head else weight)
    head_bias = constant("head_bias", w["head_bias"], [head_scale * act_scale], bias_type)
    b.operator(
        "FULLY_CONNECTED", [pooled, head, head_bias], [scores], dense, schema.BuiltinOptions.FullyConnectedOptions,
        4 if int8 else 1,
    )  # fmt: skip
    if ending == "FULLY_CONNECTED":
        last = scores
        if io:
            last = b.tensor("taken", [1, CLASSES], io, _OUT, 3 + 128)
            _quantize(b, scores, last)
        return b.bytes([given], [last])
    out = b.tensor("out", [1, CLASSES], act, q(1 / 256), -128 if int8 else 0)
    if ending == "SOFTMAX":
        softmax = schema.SoftmaxOptionsT()
        softmax.beta = 1.0
        b.operator(ending, [scores], [out], softmax, schema.BuiltinOptions.SoftmaxOptions, 2 if int8 else 1)
    else:
        b.operator(ending, [scores], [out])
    return b.bytes([image], [out])


def _quantize(b: TfliteBuilder, source: int, result: int) -> None:
    b.operator("QUANTIZE", [source], [result], schema.QuantizeOptionsT(), schema.BuiltinOptions.QuantizeOptions, 2)


def onnx_model(
    *, batch: int | str = "batch", ending: str = "Gemm", nan: bool = False, input_type: int = TensorProto.FLOAT
) -> onnx.ModelProto:
    """The same classifier in ONNX, NCHW; ``ending`` may be Softmax or Sigmoid, behind the Gemm."""
    w = weights()
    if nan:
        w["head"][3, 2] = np.nan
    nodes = [
        helper.make_node("Conv", ["image", "conv", "conv_bias"], ["c"], strides=[2, 2], pads=[0, 0, 1, 1]),
        helper.make_node("Relu", ["c"], ["maps"]),
        helper.make_node("AveragePool", ["maps"], ["pooled"], kernel_shape=[4, 4]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "head", "head_bias"], ["scores"], transB=1),
    ]
    out = "scores"
    if ending != "Gemm":
        nodes.append(helper.make_node(ending, ["scores"], ["out"]))
        out = "out"
    stored = {**w, "conv": w["conv"].transpose(0, 3, 1, 2).copy()}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", input_type, [batch, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info(out, TensorProto.FLOAT, [batch, CLASSES])],
        [numpy_helper.from_array(values, name) for name, values in stored.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def onnx_int8_model(*, float_layer: bool = False, weight_only: bool = False) -> onnx.ModelProto:
    """The same in QDQ form, uint8 activations and int8 weights (the convolution's by channel).

    Args:
        float_layer: whether the convolution's output is never rounded: its inputs are, so that it looks like int8, but
            ONNX Runtime then computes it with floats.
        weight_only: whether the activations stay float.
    """
    w = weights()
    stored: dict[str, np.ndarray] = {}
    nodes = []

    def rounded(name: str, scale: float, zero_point: int) -> str:
        if weight_only or (float_layer and name == "maps"):
            return name
        stored[f"{name}_scale"], stored[f"{name}_zero"] = np.float32(scale), np.uint8(zero_point)
        constants = [f"{name}_scale", f"{name}_zero"]
        nodes.append(helper.make_node("QuantizeLinear", [name, *constants], [f"{name}_q"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}_q", *constants], [f"{name}_r"]))
        return f"{name}_r"

    def restored(name: str, values: np.ndarray, scale: np.ndarray, dtype: type) -> str:
        shaped = scale.reshape(-1, *[1] * (values.ndim - 1)) if scale.ndim else scale
        stored[f"{name}_q"], stored[f"{name}_scale"] = np.rint(values / shaped).astype(dtype), scale.astype(np.float32)
        stored[f"{name}_zero"] = np.zeros(scale.shape, dtype)
        nodes.append(
            helper.make_node("DequantizeLinear", [f"{name}_q", f"{name}_scale", f"{name}_zero"], [name], axis=0)
        )
        return name

    kernel = w["conv"].transpose(0, 3, 1, 2)
    conv_scale = np.abs(kernel).max(axis=(1, 2, 3)) / 127
    head_scale = np.abs(w["head"]).max() / 127
    conv = [
        rounded("image", _IN, 128),
        restored("conv", kernel, conv_scale, np.int8),
        restored("conv_bias", w["conv_bias"], conv_scale * np.float32(_IN), np.int32),
    ]
    nodes.append(helper.make_node("Conv", conv, ["c"], strides=[2, 2], pads=[0, 0, 1, 1]))
    nodes.append(helper.make_node("Relu", ["c"], ["maps"]))
    nodes.append(helper.make_node("AveragePool", [rounded("maps", _ACT, 0)], ["pooled"], kernel_shape=[4, 4]))
    nodes.append(helper.make_node("Flatten", [rounded("pooled", _ACT, 0)], ["flat"]))
    head = [
        rounded("flat", _ACT, 0),
        restored("head", w["head"], np.float32(head_scale), np.int8),
        restored("head_bias", w["head_bias"], np.float32(head_scale * _ACT), np.int32),
    ]
    nodes.append(helper.make_node("Gemm", head, ["raw"], transB=1))
    out = rounded("raw", _OUT, 131)
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info(out, TensorProto.FLOAT, ["batch", CLASSES])],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in stored.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def onnx_int8_bytes(**options) -> bytes:
    """``onnx_int8_model`` as a file's bytes."""
    return onnx_int8_model(**options).SerializeToString()


def pte_bytes(name: str = "int8") -> bytes:
    """The same as an ExecuTorch program: ``int8``, ``fp32``, ``portable``, ``softmax``, ``sigmoid`` (make_pte.py)."""
    return Path(__file__).with_name(f"tiny_{name}.pte").read_bytes()


def onnx_bytes(**options) -> bytes:
    """``onnx_model`` as a file's bytes."""
    return onnx_model(**options).SerializeToString()


def expected_logits(batch: np.ndarray, seed: int = 0) -> np.ndarray:
    """The float model in numpy, from its definition: what every runtime must agree with."""
    w = weights(seed)
    real = (batch.astype(np.float64) - 128) / 128
    padded = np.pad(real, ((0, 0), (0, 1), (0, 1), (0, 0)))  # SAME at stride 2 on 8: one row and column behind
    maps = np.zeros((len(batch), 4, 4, CHANNELS))
    for i in range(4):
        for j in range(4):
            patch = padded[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3, :]
            maps[:, i, j] = np.einsum("nhwc,ohwc->no", patch, w["conv"]) + w["conv_bias"]
    return np.maximum(maps, 0).mean(axis=(1, 2)) @ w["head"].T + w["head_bias"]
