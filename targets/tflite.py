"""LiteRT (TensorFlow Lite) in each precision, with the three sets of kernels that it has on a processor."""

from __future__ import annotations

import platform
from collections import Counter
from typing import Any, ClassVar

from numpy.typing import NDArray

from tinyedge.artifact import Artifact
from tinyedge.errors import ArtifactCorrupt, TargetRefused
from tinyedge.targets import native_log
from tinyedge.targets.base import Requirement, Target

_DELEGATE = "DELEGATE"
_BUILT_IN, _REFERENCE, _XNNPACK = "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "BUILTIN_REF", "AUTO"
"""Names of resolvers; the last brings XNNPACK by default."""


class _Litert(Target):
    """What the targets on LiteRT share; they differ in the kernels that ``resolver`` picks."""

    runtime = "LiteRT"
    format = "tflite"
    requirements: ClassVar = (
        Requirement("ai-edge-litert", "ai_edge_litert.interpreter", "pip install ai-edge-litert"),
    )
    resolver: ClassVar[str] = _BUILT_IN

    _interpreter: Any

    def _open(self, artifact: Artifact, model: bytes) -> dict[str, Any]:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        start = native_log.position()
        try:
            self._interpreter = Interpreter(
                model_content=model, num_threads=1, experimental_op_resolver_type=OpResolverType[self._kernels()[0]]
            )
        except ValueError as error:
            raise ArtifactCorrupt(
                "LiteRT cannot read the model",
                where=artifact.path,
                found=_said(error, start),
                expected="a valid TFLite model",
                fix="export the model again",
            ) from error
        try:
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise self._refused(error, artifact, start) from error
        self._artifact = artifact
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        return self._facts(self._interpreter._get_ops_details())

    def _run(self, inputs: NDArray[Any]) -> NDArray[Any]:
        start = native_log.position()
        try:
            self._interpreter.set_tensor(self._input, inputs)
            self._interpreter.invoke()
            output: NDArray[Any] = self._interpreter.get_tensor(self._output)
        except (RuntimeError, ValueError) as error:
            raise self._refused(error, self._artifact, start) from error
        return output

    def _facts(self, nodes: list[dict[str, Any]]) -> dict[str, Any]:
        """The kernels by the runtime's own list of nodes: a delegate that was applied is one of them."""
        if any(node["op_name"] == _DELEGATE for node in nodes):
            raise TargetRefused(
                f"a delegate took over, where {self.name} runs LiteRT's own kernels",
                found=f"{sum(node['op_name'] == _DELEGATE for node in nodes)} delegated parts",
                fix="report this: another release of ai-edge-litert may have changed its default",
            )
        return {"kernels": f"{self._kernels()[1]} ({len(nodes)} operators, no delegate)"}

    def _kernels(self) -> tuple[str, str]:
        """The resolver that picks the kernels, and what reports call these."""
        return self.resolver, self.kernels

    def _refused(self, error: Exception, artifact: Artifact, start: int) -> TargetRefused:
        return TargetRefused(
            "LiteRT refuses the model",
            where=artifact.path,
            found=_said(error, start),
            fix="export the model with built-in operators only, for the installed release of ai-edge-litert",
        )


class TfliteFp32(_Litert):
    """``tflite-fp32``."""

    name = "tflite-fp32"
    precision = "fp32"
    kernels = "LiteRT built-in"


class TfliteInt8(_Litert):
    """``tflite-int8``: without XNNPACK, which Python would use by default and no microcontroller has."""

    name = "tflite-int8"
    precision = "int8"
    kernels = "LiteRT built-in"
    microcontroller = True
    rounding = (
        "each layer within 1 LSB of the reference kernels on x86-64; without ReLUs that adds up (docs/kernels.md)"
        if platform.machine() in ("x86_64", "AMD64")
        else f"not measured on {platform.machine()}: compare with tflite-int8-reference"
    )


class TfliteInt8Reference(_Litert):
    """``tflite-int8-reference``: the kernels that define what a quantized operator means; slow."""

    name = "tflite-int8-reference"
    precision = "int8"
    kernels = "LiteRT reference"
    microcontroller = True
    resolver = _REFERENCE
    rounding = "the definition that the others are measured by"


class TfliteInt8Xnnpack(_Litert):
    """``tflite-int8-xnnpack``: what Python and phones run by default; not a microcontroller's arithmetic."""

    name = "tflite-int8-xnnpack"
    precision = "int8"
    kernels = "XNNPACK"
    resolver = _XNNPACK
    rounding = "up to several LSB away from the reference kernels; depends on the processor"

    def _facts(self, nodes: list[dict[str, Any]]) -> dict[str, Any]:
        return _xnnpack_facts(nodes, "run it with --target tflite-int8")


class TfliteInt16x8(_Litert):
    """``tflite-int16x8``: int16 activations, int8 weights. XNNPACK has no kernels for these.

    Args:
        kernels: ``built-in`` or ``reference``.
    """

    name = "tflite-int16x8"
    precision = "int16x8"
    input_dtypes = ("int16", "float32")  # TensorFlow's converter leaves float in and out unless it is told
    kernels = "LiteRT built-in, or its reference kernels"
    microcontroller = True
    rounding = "reference: TensorFlow Lite Micro's; built-in: some steps of 65,536 from it (docs/precisions.md)"
    kernel_sets: ClassVar[tuple[str, ...]] = ("built-in", "reference")

    def __init__(self, kernels: str | None = None) -> None:
        self._chosen = self._chosen_kernels(kernels)

    def options(self) -> dict[str, Any]:
        """See ``Target.options``."""
        return {"kernels": self._chosen}

    def _kernels(self) -> tuple[str, str]:
        return (_REFERENCE if self._chosen == "reference" else _BUILT_IN), f"LiteRT {self._chosen}"


class TfliteDynamic(_Litert):
    """``tflite-dynamic``: int8 weights, float activations; not for microcontrollers, whose runtimes refuse it.

    Args:
        kernels: ``xnnpack``, what Python and phones run by default, or ``built-in``.
    """

    name = "tflite-dynamic"
    precision = "dynamic"
    kernels = "XNNPACK, or LiteRT built-in"
    kernel_sets: ClassVar[tuple[str, ...]] = ("xnnpack", "built-in")
    rounding = "each layer rounds its input to 8 bits by that image's own range, and puts out float32"

    def __init__(self, kernels: str | None = None) -> None:
        self._chosen = self._chosen_kernels(kernels)

    def options(self) -> dict[str, Any]:
        """See ``Target.options``."""
        return {"kernels": self._chosen}

    def _kernels(self) -> tuple[str, str]:
        return (_XNNPACK, "XNNPACK") if self._chosen == "xnnpack" else (_BUILT_IN, "LiteRT built-in")

    def _facts(self, nodes: list[dict[str, Any]]) -> dict[str, Any]:
        if self._chosen != "xnnpack":
            return super()._facts(nodes)
        return _xnnpack_facts(nodes, "run it with --kernels built-in")


def _xnnpack_facts(nodes: list[dict[str, Any]], fix: str) -> dict[str, Any]:
    plain = [node for node in nodes if node["op_name"] != _DELEGATE]
    taken = delegated(nodes)
    if not taken:
        raise TargetRefused(
            "XNNPACK takes no operator of this model",
            found=f"{len(plain)} operators, none delegated",
            expected="at least one: else these are LiteRT's built-in kernels",
            fix=fix,
        )
    left = Counter(node["op_name"] for i, node in enumerate(plain) if i not in taken)
    rest = ", LiteRT built-in for " + ", ".join(f"{n} {name}" for name, n in sorted(left.items())) if left else ""
    return {"kernels": f"XNNPACK for {len(taken)} of {len(plain)} operators{rest}"}


def delegated(nodes: list[dict[str, Any]]) -> set[int]:
    """Which operators the delegate's nodes replace: those between a delegated part's outputs and its inputs."""
    plain = [node for node in nodes if node["op_name"] != _DELEGATE]
    made_by = {int(tensor): i for i, node in enumerate(plain) for tensor in node["outputs"]}
    taken: set[int] = set()
    for part in (node for node in nodes if node["op_name"] == _DELEGATE):
        fed = {int(tensor) for tensor in part["inputs"]}
        wanted = [int(tensor) for tensor in part["outputs"]]
        while wanted:
            operator = made_by.get(wanted.pop())
            if operator is not None and operator not in taken:
                taken.add(operator)
                wanted += [int(t) for t in plain[operator]["inputs"] if int(t) not in fed]
    return taken


def _said(error: Exception, start: int) -> str:
    printed = native_log.last_lines(native_log.since(start))
    text = " ".join(str(error).split())[:500]
    return f"{text} | {printed}" if printed and printed not in text else text
