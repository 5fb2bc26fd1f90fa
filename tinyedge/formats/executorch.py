"""ExecuTorch: a ``.pte`` program read by its schema (``schema/program.fbs`` of ExecuTorch 1.5), without ExecuTorch.

What a delegate computes is its own format; XNNPACK's is read (``tinyedge.formats.xnnpack``), others are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinyedge.artifact import TensorSpec
from tinyedge.errors import ArtifactCorrupt, ArtifactUnsupported
from tinyedge.formats.facts import ModelFacts, class_shape, image_layout, model_precision
from tinyedge.formats.flat import BROKEN, INT8, INT32, UINT8, UINT32, UINT64, Table, root
from tinyedge.formats.xnnpack import BACKEND, XnnGraph, read_graph

METHOD = "forward"
_TENSOR, _KERNEL, _DELEGATE = 5, 1, 2
"""Members of the unions of values and of instructions."""
_DTYPES = {0: "uint8", 1: "int8", 2: "int16", 3: "int32", 4: "int64", 5: "float16", 6: "float32", 7: "float64"}
_WEIGHTED = ("aten::convolution", "aten::addmm", "aten::mm", "aten::linear", "aten::bmm")
_MOVES = ("aten::view_copy", "aten::squeeze_copy", "aten::permute_copy", "dim_order_ops::_to_dim_order_copy")
_LOGITS = {"FullyConnected", "Conv2d", "Add", "aten::addmm", "aten::linear", "aten::_log_softmax"}
_PROBABILITIES = {"Softmax", "aten::_softmax"}


@dataclass(frozen=True)
class Program:
    """The ``forward`` method of a program.

    Args:
        input: shape and dtype.
        output: likewise.
        kernels: the portable operators that are left to ExecuTorch's own kernels, in order.
        delegates: the delegated parts in order: the backend's name, and what it computes where that can be read.
        ends: what makes the output: an operator's or a node's name, or ``None`` where that is not known.
    """

    input: tuple[tuple[int, ...], str]
    output: tuple[tuple[int, ...], str]
    kernels: tuple[str, ...]
    delegates: tuple[tuple[str, XnnGraph | None], ...]
    ends: str | None


def read(path: Path, layout: str | None = None) -> ModelFacts:
    """What a ``.pte`` says of itself.

    Raises:
        ArtifactCorrupt, ArtifactUnsupported: as in ``tinyedge.formats.read_model``.
    """
    program = read_program(path)
    closed = sorted({backend for backend, graph in program.delegates if graph is None})
    if closed:
        raise ArtifactUnsupported(
            "what a delegate of this program computes cannot be read",
            where=path,
            found=", ".join(closed),
            expected=f"{BACKEND} or portable kernels",
            fix="lower the model with the XnnpackPartitioner: tinyedge export --to executorch-int8",
        )
    graphs = [graph for _, graph in program.delegates if graph is not None]
    layers = {f"{name} of part {i}": types for i, graph in enumerate(graphs) for name, types in graph.layers.items()}
    portable = [name for name in program.kernels if name.startswith(_WEIGHTED)]
    layers |= {f"{name} {i} (portable kernel)": ("float32", "float32") for i, name in enumerate(portable)}
    (image, dtype), (scores, score_dtype) = program.input, program.output
    return ModelFacts(
        format="executorch",
        precision=model_precision(layers, path),
        params=None if portable else sum(graph.params for graph in graphs),
        input=TensorSpec("image", image, dtype, image_layout(image, path, layout)),
        output=TensorSpec("scores", class_shape(scores, path), score_dtype, "NK"),
        output_kind=_output_kind(program.ends, path),
    )


def read_program(path: Path) -> Program:
    """The program's one method.

    Raises:
        ArtifactCorrupt: where the file is no ExecuTorch program, truncated, or points outside itself.
        ArtifactUnsupported: where it has no ``forward`` of one tensor to one tensor.
    """
    data = path.read_bytes()
    if data[4:6] != b"ET":
        raise ArtifactCorrupt(
            "the file is not an ExecuTorch program",
            where=path,
            found=f"{len(data)} bytes, identifier {data[4:8]!r}",
            expected="identifier b'ET12'",
            fix="export the model again, or give the file its right suffix",
        )
    try:
        segments = _segments_at(data)
        return _program(root(data, b"ET"), data, segments, path)
    except BROKEN as error:
        raise ArtifactCorrupt(
            "the ExecuTorch program is truncated or broken",
            where=path,
            found=error,
            expected="a whole program",
            fix="copy it again, or export the model again",
        ) from error


def _segments_at(data: bytes) -> int:
    """Where the data behind the flatbuffer begins, once the extended header agrees with the file's size."""
    if data[8:12] != b"eh00":
        return len(data)
    length = int.from_bytes(data[12:16], "little")
    program, base, size = (int.from_bytes(data[at : at + 8], "little") for at in (16, 24, 32))
    held = base + (size if length >= 32 else 0) if base else program
    if program > len(data) or held > len(data):
        raise ValueError(f"{len(data)} bytes, where the header describes {max(program, held)}")
    return base


def _program(program: Table, data: bytes, base: int, path: Path) -> Program:
    plans = {plan.bytes(0).decode(): plan for plan in program.tables(1)}
    plan = plans.get(METHOD)
    inputs, outputs = ((), ()) if plan is None else (plan.numbers(3, INT32), plan.numbers(4, INT32))
    if plan is None or len(inputs) != 1 or len(outputs) != 1:
        raise ArtifactUnsupported(
            "the program is not a plain classifier",
            where=path,
            found=f"methods {', '.join(plans) or 'none'}; {len(inputs)} inputs, {len(outputs)} outputs",
            expected=f"a method {METHOD} with 1 input, 1 output",
        )
    values = list(plan.tables(2))
    operators = [f"{entry.bytes(0).decode()}" for entry in plan.tables(6)]
    delegates = [_delegate(entry, program, data, base) for entry in plan.tables(7)]
    kernels, ends = [], None
    for chain in plan.tables(5):
        for kind, call in ((entry.number(0, UINT8), entry.table(1)) for entry in chain.tables(2)):
            if kind == _KERNEL and call is not None:
                kernels.append(operators[call.number(0, INT32)])
                ends = ends if kernels[-1] in _MOVES else kernels[-1]
            elif kind == _DELEGATE and call is not None:
                graph = delegates[call.number(0, INT32)][1]
                ends = None if graph is None else graph.ends
    image, scores = (_tensor(values[at], path) for at in (inputs[0], outputs[0]))
    return Program(image, scores, tuple(kernels), tuple(delegates), ends)


def _delegate(entry: Table, program: Table, data: bytes, base: int) -> tuple[str, XnnGraph | None]:
    backend, where = entry.bytes(0).decode(), entry.table(1)
    if backend != BACKEND or where is None:
        return backend, None
    index = where.number(1, UINT32)
    if where.number(0, INT8) == 0:
        return backend, read_graph(list(program.tables(3))[index].bytes(0))
    segment = list(program.tables(4))[index]
    start, size = base + segment.number(0, UINT64), segment.number(1, UINT64)
    if start + size > len(data):
        raise ValueError(f"a part of {size} bytes at {start} of {len(data)}")
    return backend, read_graph(data[start : start + size])


def _tensor(value: Table, path: Path) -> tuple[tuple[int, ...], str]:
    tensor = value.table(1)
    if tensor is None or value.number(0, UINT8) != _TENSOR:
        raise ArtifactUnsupported("the program's input or output is not a tensor", where=path)
    order = tensor.numbers(3, UINT8)
    if order != tuple(range(len(order))):
        raise ArtifactUnsupported(
            "the program's input or output is not contiguous",
            where=path,
            found=f"dimension order {order}",
            expected="a contiguous tensor",
            fix="export it without torch.channels_last",
        )
    code = tensor.number(0, INT8)
    return tensor.numbers(2, INT32), _DTYPES.get(code, f"type {code}")


def _output_kind(ends: str | None, path: Path) -> str:
    if ends in _PROBABILITIES:
        return "probabilities"
    if ends in _LOGITS:
        return "logits"
    raise ArtifactUnsupported(
        "what the model's outputs mean is not known",
        where=path,
        found="no operator before the output" if ends is None else f"a program that ends in {ends}",
        expected="a softmax (probabilities), or a linear layer without activation (logits)",
        fix="export the classifier with its linear head, or with a softmax behind it",
    )
