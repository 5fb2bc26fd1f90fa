r"""Which rounding gives each runtime's bytes? Every integer layer of a model in numpy, from that runtime's own inputs.

    python benchmarks/parity/rounding.py --data cifar100 --width 6 > benchmarks/parity/rounding-c6.md
    python benchmarks/parity/rounding.py --data cifar100 --width 6 --dense --images 500 \
        > benchmarks/parity/rounding-c6-dense.md
    python benchmarks/parity/rounding.py --data cifar100 --images 60 \
        --file benchmarks/models/mobilenetv2-w0.25-int8.tflite > benchmarks/parity/rounding-mobilenetv2.md

Each path is asked for the values behind every operator (the model cut there). An operator's inputs on a path and the
file's weights give its accumulators; each rule makes 8-bit values of these; those that equal the path's are counted.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import arithmetic
import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from arithmetic import RULES, SUMS, Ints, Quantized, Reals
from numpy.typing import NDArray

from tinyedge.artifact import Artifact, load_artifact
from tinyedge.data import load_dataset
from tinyedge.evaluate import Model, open_session
from tinyedge.formats.prefix import layers, prefix
from tinyedge.models.family import Member
from tinyedge.parity import parse_paths
from tinyedge.zoo import find

REFERENCE = "tflite-int8-reference"
PATHS = "tflite-int8-reference,tflite-int8,tflite-int8-xnnpack,tflm-int8"
RELU, RELU6 = schema.ActivationFunctionType.RELU, schema.ActivationFunctionType.RELU6
NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
MULTIPLYING = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
Counts = dict[tuple[str, str], list[int]]


@dataclass(frozen=True)
class Step:
    """One operator, its place in the file, its options, and its tensors as they were seen on a path."""

    place: int
    kind: str
    options: Any
    inputs: list[Quantized]
    out: Quantized


def main() -> None:
    """Print how many bytes each rule reproduces, by path and kind of operator."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="shapes")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=float, help="of the zoo's ScaleCNN")
    parser.add_argument("--file", type=Path, help="an int8 .tflite, in its place")
    parser.add_argument("--dense", action="store_true", help="with the 1x1 head as a fully connected layer")
    parser.add_argument("--paths", default=PATHS)
    asked = parser.parse_args()
    data = load_dataset(asked.data, "test").sample(asked.images, seed=asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        if asked.file is not None:
            artifact = load_artifact(asked.file)
        else:
            artifact = find(Member("scalecnn", asked.width), asked.data).load("tflite-int8")
        if asked.dense:
            artifact = with_dense_head(artifact, Path(folder))
        print(f"{artifact.path.name}, {len(data)} images of {data.name} (test, drawn with seed {asked.seed}).\n")
        print("| path | operator | rounded | bytes reproduced | of | layers in full |")
        print("|---|---|---|---|---|---|")
        seen = {}
        for path in parse_paths(asked.paths.split(",")):
            seen[path.name] = values_of(artifact, path.target, path.options, data.images, Path(folder))
            for (kind, rule), (equal, size, whole, count) in sorted(count_rules(artifact, seen[path.name]).items()):
                cells = (path.name, kind, rule, f"{equal:,}", f"{size:,}", f"{whole} of {count}")
                print("| " + " | ".join(cells) + " |", flush=True)
        if REFERENCE in seen:
            print_how_often(artifact, seen[REFERENCE])


def values_of(
    artifact: Artifact, target: str, options: Any, images: NDArray[np.uint8], folder: Path
) -> dict[int, NDArray[Any]]:
    """The values behind each operator on one path, ``(n, ...)`` by the operator's place; 0: the model's input."""
    found = {0: artifact.feed(images)}
    for layer in layers(artifact.path):
        with open_session(Model(target, prefix(artifact, layer, folder), options), processes=1) as session:
            found[layer.place] = session.run(images).reshape(len(images), *layer.shape[1:])
    return found


def operators_of(artifact: Artifact, seen: dict[int, NDArray[Any]]) -> Iterator[Step]:
    """Each operator with its inputs and its output as they were seen."""
    model: Any = schema.ModelT.InitFromPackedBuf(bytearray(artifact.path.read_bytes()), 0)
    graph = model.subgraphs[0]
    made_by = {int(graph.inputs[0]): 0}
    for place, operator in enumerate(graph.operators, 1):
        made_by[int(operator.outputs[0])] = place
        kind = NAMES[model.operatorCodes[operator.opcodeIndex].builtinCode]
        inputs = [tensor(model, graph, index, seen.get(made_by.get(int(index), -1))) for index in operator.inputs]
        yield Step(place, kind, operator.builtinOptions, inputs, tensor(model, graph, operator.outputs[0], seen[place]))


def count_rules(artifact: Artifact, seen: dict[int, NDArray[Any]]) -> Counts:
    """Bytes equal, bytes, layers equal in full, layers; by operator and rule."""
    counts: Counts = defaultdict(lambda: [0, 0, 0, 0])
    for step in operators_of(artifact, seen):
        for rule, values in predicted(step):
            told = finished(values, step)
            equal = int((told == step.out.stored).sum())
            entry = counts[step.kind, rule]
            entry[:] = [a + b for a, b in zip(entry, (equal, told.size, equal == told.size, 1), strict=True)]
    return counts


def print_how_often(artifact: Artifact, seen: dict[int, NDArray[Any]]) -> None:
    """Where one rounding and two differ, beside what the shifts let expect."""
    print("\nTwo roundings (ties away from zero) against one (ties up), from the reference kernels' inputs:\n")
    print("| operator | right shift | expected, 2^-(shift + 1) | accumulators that differ | values that differ |")
    print("|---|---|---|---|---|")
    for step in operators_of(artifact, seen):
        if step.kind in MULTIPLYING:
            total, real = accumulators(step)
            shift = -arithmetic.multiplier(real)[1]
            twice, once = arithmetic.twice_away(total, real), arithmetic.once_up(total, real)
            expected = float(np.mean(np.where(shift > 0, 2.0 ** -(shift + 1.0), 0)))
            behind = finished(twice, step) != finished(once, step)
            shares = f"{expected:.3%} | {(twice != once).mean():.3%} | {behind.mean():.3%}"
            print(f"| {step.place} {step.kind} | {shift.min()} to {shift.max()} | {shares} |")


def tensor(model: Any, graph: Any, index: int, seen: NDArray[Any] | None) -> Quantized:
    """A constant of the file, or what was seen of the others."""
    found = graph.tensors[index]
    kind = {schema.TensorType.INT8: np.int8, schema.TensorType.INT32: np.int32}[found.type]
    quantization = found.quantization
    scale = np.zeros(1, np.float32) if quantization is None or quantization.scale is None else quantization.scale
    zero = 0 if quantization is None or quantization.zeroPoint is None else int(quantization.zeroPoint[0])
    data = seen if seen is not None else np.asarray(model.buffers[found.buffer].data).view(kind).reshape(found.shape)
    return Quantized(data, np.asarray(scale, np.float32), zero)


def predicted(step: Step) -> Iterator[tuple[str, Ints]]:
    """By each rule that may apply, the operator's output before zero point and limits."""
    if step.kind == "ADD":
        for rule, add in SUMS.items():
            yield rule, add(step.inputs[0], step.inputs[1], float(step.out.scale[0]))
    elif step.kind == "AVERAGE_POOL_2D":
        size = step.options.filterHeight * step.options.filterWidth
        yield "the mean, ties away from zero", arithmetic.average(step.inputs[0], size)
    elif step.kind in MULTIPLYING:
        total, real = accumulators(step)
        for rule, requantize in RULES.items():
            yield rule, requantize(total, real)


def accumulators(step: Step) -> tuple[Ints, Reals]:
    """The operator's sums, and the scale that each channel's are multiplied by."""
    x, kernel, bias = step.inputs
    weights = np.asarray(kernel.stored), np.asarray(bias.stored, np.int64)
    if step.kind == "FULLY_CONNECTED":
        total = arithmetic.dense(x, *weights)
    else:
        layer = arithmetic.convolution if step.kind == "CONV_2D" else arithmetic.depthwise
        same = step.options.padding == schema.Padding.SAME
        total = layer(x, *weights, stride=step.options.strideH, same=same)
    return total, x.scale.astype(np.float64) * kernel.scale.astype(np.float64) / step.out.scale.astype(np.float64)


def finished(values: Ints, step: Step) -> Ints:
    """With the zero point, within what 8 bits and a fused activation let through."""
    out, fused = step.out, getattr(step.options, "fusedActivationFunction", 0)
    low = out.zero_point if fused in (RELU, RELU6) else -128
    high = min(127, round(6 / float(out.scale[0])) + out.zero_point) if fused == RELU6 else 127
    return np.clip(values.reshape(out.stored.shape) + out.zero_point, low, high)


def with_dense_head(artifact: Artifact, folder: Path) -> Artifact:
    """The same model with its 1x1 convolution at the end as a fully connected layer with one scale: another model."""
    model: Any = schema.ModelT.InitFromPackedBuf(bytearray(artifact.path.read_bytes()), 0)
    graph = model.subgraphs[0]
    head = graph.operators[-2]
    source, kernel, bias = (graph.tensors[index] for index in head.inputs)
    scale = float(kernel.quantization.scale.max())
    shrunk = kernel.quantization.scale / scale
    stored = tensor(model, graph, head.inputs[1], None).stored.reshape(kernel.shape[0], -1)
    whole = np.rint(stored * shrunk[:, None]).astype(np.int8)
    sums = np.rint(tensor(model, graph, head.inputs[2], None).stored * shrunk).astype(np.int32)
    for one, values, step in ((kernel, whole, scale), (bias, sums, scale * float(source.quantization.scale[0]))):
        model.buffers[one.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
        one.shape = list(values.shape)
        one.quantization.scale, one.quantization.zeroPoint = np.array([step], np.float32), np.zeros(1, np.int64)
        one.quantization.quantizedDimension = 0
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 4
    model.operatorCodes.append(code)
    head.opcodeIndex = len(model.operatorCodes) - 1
    head.builtinOptionsType, head.builtinOptions = (
        schema.BuiltinOptions.FullyConnectedOptions,
        schema.FullyConnectedOptionsT(),
    )
    graph.tensors[head.outputs[0]].shape = [1, len(whole)]
    builder = flatbuffers.Builder(artifact.size_bytes)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path = folder / f"{artifact.path.stem}-dense-head.tflite"
    path.write_bytes(builder.Output())
    return load_artifact(path, convention=artifact.convention)


if __name__ == "__main__":
    main()
