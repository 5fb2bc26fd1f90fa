"""A temperature in a file that is already deployed: its outputs mean logits / T, for no instruction and no byte more.

What an int8 file stores for a logit is ``logit / scale + zero point``, and the scale is a number in the file. There are
three places for T, by what the graph ends in; the file keeps its length:

- A softmax: T divides its ``beta``. The probabilities change, as they should; a softmax costs the same.
- A convolution or a fully connected layer: its weights', biases' and outputs' scales are divided together, so that
  they cancel in what the layer multiplies by. In float32 they do not cancel to the last bit: T is moved, by at most
  ``TOLERANCE``, to where they provably do for every accumulator that there is (``requantization``). With 100 output
  channels there is not always such a T.
- A reshape behind such a layer, where there is none: the scale of the reshape's output alone. No runtime computes with
  it, but the format asks that a reshape's two scales are equal, so that strict compilers refuse the file.

Reference: Guo et al. 2017, arXiv 1706.04599, for temperature scaling.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from tinyedge.artifact import Artifact, load_artifact, read_sidecar, sidecar_path, write_sidecar
from tinyedge.errors import ArtifactHashMismatch, ArtifactUnsupported, UsageError
from tinyedge.exporters.scale_search import TOLERANCE, Layer, divided
from tinyedge.files import check_writable, replacing, sha256_file
from tinyedge.formats import read_model
from tinyedge.formats.tflite import Graph, Operator, read_graph
from tinyedge.metrics.temperature import HIGHEST, LOWEST
from tinyedge.overlap import KEY

__all__ = ["TOLERANCE", "fold_temperature"]
_MOVES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
_SAME_SCALE = (*_MOVES, "QUANTIZE", "AVERAGE_POOL_2D", "MEAN")
"""Compute the same whatever the scale, as long as it is one before and behind them."""
_LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_PRECISIONS = ("int8", "int16x8")


@dataclass(frozen=True)
class _Ending:
    """How the graph ends: ``last`` makes the numbers, and ``tensors`` carry them, the output first, with one scale."""

    last: Operator
    tensors: tuple[int, ...]


def fold_temperature(artifact: Artifact, temperature: float, destination: Path) -> Artifact:
    """Write ``artifact`` with ``temperature`` in it, and its side-car.

    Args:
        artifact: a TFLite file in int8 or int16x8, with integer outputs.
        temperature: T, as ``tinyedge.metrics.temperature.fit_temperature`` finds it: not on the images that the
            model was trained on, nor on those that it is then judged on.
        destination: the file to write, another than the artifact's; replaced if it exists.

    Returns:
        The new artifact. Its ``origin["temperature"]`` says ``asked``, ``folded`` (the T that is in the file), ``into``
        (where), and ``parent_sha256``. Of logits the stored outputs are the same bytes as before.

    Raises:
        UsageError: for a temperature beyond those of a fit, or a destination that cannot be.
        ArtifactUnsupported: for a file of another kind, or one that ends in what has no place for T.
        ArtifactHashMismatch: where the file changed since it was loaded.
    """
    _check(artifact, temperature, destination)
    content = bytearray(artifact.path.read_bytes())
    if hashlib.sha256(content).hexdigest() != artifact.sha256:
        raise ArtifactHashMismatch("the model file changed since it was read", where=artifact.path, fix="try again")
    graph = read_graph(artifact.path)
    folded, into = _fold(_Patch(content, graph, artifact.path), temperature)
    check_writable(sidecar_path(destination))
    with replacing(destination) as temporary:
        temporary.write_bytes(content)
        facts = read_model(temporary)
        told = {"asked": temperature, "folded": folded, "into": into, "parent_sha256": artifact.sha256}
        if "temperature" in artifact.origin:
            told["before"] = artifact.origin["temperature"]
        described = replace(
            artifact,
            path=destination,
            sha256=sha256_file(temporary),
            output=facts.output,
            origin=artifact.origin | {"temperature": told},
        )
        seen = read_sidecar(artifact.path, artifact.sha256).get(KEY)
        write_sidecar(described, **({} if seen is None else {KEY: seen}))
    return load_artifact(destination)


def _check(artifact: Artifact, temperature: float, destination: Path) -> None:
    if not LOWEST <= temperature <= HIGHEST:
        raise UsageError("not a temperature", found=temperature, expected=f"{LOWEST:g} to {HIGHEST:g}")
    if artifact.format != "tflite" or artifact.precision not in _PRECISIONS or artifact.output.scale is None:
        raise ArtifactUnsupported(
            "a temperature is folded into the scales of integer outputs, and this file has none",
            where=artifact.path,
            found=f"{artifact.format} {artifact.precision}, {artifact.output.dtype} out",
            expected="a .tflite in int8 or int16x8, integers out",
            fix="divide the outputs where they are read",
        )
    if destination.suffix != ".tflite" or destination.is_dir() or destination.resolve() == artifact.path.resolve():
        raise UsageError(
            "not a place for the file with the temperature in it",
            found=destination,
            expected="another .tflite than the one that it is made from",
        )


class _Patch:
    """Scales in a file's bytes, replaced where they are."""

    def __init__(self, content: bytearray, graph: Graph, path: Path) -> None:
        self.graph, self.path = graph, path
        self._content = content
        self._main: Any = schema.Model.GetRootAs(content, 0).Subgraphs(0)

    def scales(self, tensor: int) -> NDArray[np.float32]:
        """The scales of a tensor, in the file's own memory."""
        return np.asarray(self._main.Tensors(tensor).Quantization().ScaleAsNumpy())

    def put(self, values: dict[int, NDArray[np.float32]]) -> None:
        """New scales, by tensor.

        Raises:
            ArtifactUnsupported: where another tensor reads one of them from the same place.
        """
        own = {self.scales(tensor).ctypes.data for tensor in values}
        for tensor, described in enumerate(self.graph.tensors):
            if tensor not in values and described.scales and self.scales(tensor).ctypes.data in own:
                raise self.unsupported(f"tensor {described.name}, whose scale is stored once for it and for another")
        for tensor, scales in values.items():
            self.scales(tensor)[:] = scales

    def divide_beta(self, temperature: float) -> None:
        """The beta of the last softmax."""
        for i in reversed(range(self._main.OperatorsLength())):
            options = self._main.Operators(i)
            if options.BuiltinOptionsType() == schema.BuiltinOptions.SoftmaxOptions:
                break
        else:
            raise self.unsupported("a softmax without options")
        table = options.BuiltinOptions()
        place = int(table.Offset(4))
        if not place:
            raise self.unsupported("a softmax whose beta is not stored")
        beta = np.frombuffer(self._content, np.float32, 1, place + table.Pos)
        beta[:] = np.float32(float(beta[0]) / temperature)

    def unsupported(self, found: str) -> ArtifactUnsupported:
        """The error for a graph that has no place for T."""
        return ArtifactUnsupported(
            "there is no place for a temperature in this graph",
            where=self.path,
            found=found,
            expected="an end in a softmax, or in one convolution or fully connected layer without activation, "
            "with a reshape behind it where it has many outputs",
            fix="divide the outputs where they are read, or export it again: tinyedge export --to tflite-int8",
        )


def _fold(patch: _Patch, temperature: float) -> tuple[float, str]:
    """Put it into the bytes; returns the T that is in them, and where."""
    ending = _ending(patch)
    if ending.last.name == "SOFTMAX":
        patch.divide_beta(temperature)
        return temperature, "the softmax's beta"
    if ending.last.name not in _LAYERS:
        raise patch.unsupported(f"a graph that ends in {ending.last.name}")
    layer = _layer(patch, ending)
    before, found = layer.output_scale, divided(layer, temperature)
    if found is not None:
        scales = {index: np.array([found.output_scale]) for index in ending.tensors}
        scales[ending.last.inputs[1]] = found.weight_scales
        for bias in _bias(ending):
            scales[bias] = layer.input_scale * found.weight_scales
        patch.put(scales)
        return float(before) / float(found.output_scale), "the last layer's scales"
    moved = _behind_a_move(patch, ending)
    after = np.float32(float(before) / temperature)
    patch.put({index: np.array([after]) for index in moved})
    return float(before) / float(after), "the scale behind the last reshape"


def _ending(patch: _Patch) -> _Ending:
    """Back from the output, through what only moves numbers."""
    graph = patch.graph
    made_by = {index: operator for operator in graph.operators for index in operator.outputs}
    readers: dict[int, int] = {}
    for operator in graph.operators:
        for index in operator.inputs:
            readers[index] = readers.get(index, 0) + 1
    index, tensors = graph.outputs[0], [graph.outputs[0]]
    while True:
        last = made_by.get(index)
        if last is None:
            raise patch.unsupported("no operator before the output")
        if last.name not in _SAME_SCALE:
            break
        index = last.inputs[0]
        if graph.tensors[index].scales != graph.tensors[tensors[-1]].scales:
            raise patch.unsupported(f"a {last.name} from one scale to another")
        tensors.append(index)
    shared = [index for index in tensors[1:] if readers.get(index) != 1]
    shared += [index for index in last.inputs[1:] if last.name in _LAYERS and index >= 0 and readers.get(index) != 1]
    if shared or graph.outputs[0] in readers:
        raise patch.unsupported("a last layer whose numbers or weights something else reads too")
    return _Ending(last, tuple(tensors))


def _behind_a_move(patch: _Patch, ending: _Ending) -> tuple[int, ...]:
    """The tensors behind the last reshape, whose scale no layer computes with."""
    graph = patch.graph
    made_by = {index: operator for operator in graph.operators for index in operator.outputs}
    for count, index in enumerate(ending.tensors):
        if made_by[index].name in _MOVES:
            return ending.tensors[: count + 1]
    raise patch.unsupported("scales that do not cancel in float32 for every output, and no reshape behind the layer")


def _layer(patch: _Patch, ending: _Ending) -> Layer:
    """The last layer's scales, once they are what a layer's should be."""
    tensors = patch.graph.tensors
    source, weights = (tensors[index] for index in ending.last.inputs[:2])
    biases = [tensors[index] for index in _bias(ending)]
    made = tensors[ending.tensors[-1]]
    if not (weights.constant and len(source.scales) == len(made.scales) == 1 and weights.scales):
        raise patch.unsupported("a last layer whose weights are computed, or not quantized")
    if any(len(bias.scales) != len(weights.scales) for bias in biases):
        raise patch.unsupported("a last layer whose biases have other scales than its weights")
    limits = np.iinfo(made.dtype)
    return Layer(
        input_scale=np.float32(source.scales[0]),
        weight_scales=np.array(weights.scales, np.float32),
        output_scale=np.float32(made.scales[0]),
        outputs=range(int(limits.min) - made.zero_points[0], int(limits.max) - made.zero_points[0] + 1),
        wide=made.dtype == "int16" and all(bias.dtype == "int64" for bias in biases),
        dense=ending.last.name == "FULLY_CONNECTED",
    )


def _bias(ending: _Ending) -> tuple[int, ...]:
    """The bias's tensor, where there is one."""
    return tuple(index for index in ending.last.inputs[2:3] if index >= 0)
