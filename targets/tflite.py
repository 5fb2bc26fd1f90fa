"""LiteRT (TensorFlow Lite), float32 and int8, with the three sets of kernels that it has on a processor."""

from __future__ import annotations

import platform
from typing import Any, ClassVar

from numpy.typing import NDArray

from tinyedge.artifact import Artifact
from tinyedge.errors import ArtifactCorrupt, TargetRefused
from tinyedge.targets import native_log
from tinyedge.targets.base import Requirement, Target

_DELEGATE = "DELEGATE"


class _Litert(Target):
    """What the targets on LiteRT share; they differ in the kernels that ``resolver`` picks."""

    runtime = "LiteRT"
    format = "tflite"
    requirements: ClassVar = (
        Requirement("ai-edge-litert", "ai_edge_litert.interpreter", "pip install ai-edge-litert"),
    )
    resolver: ClassVar[str] = "BUILTIN_WITHOUT_DEFAULT_DELEGATES"

    _interpreter: Any

    def _open(self, artifact: Artifact, model: bytes) -> dict[str, Any]:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        start = native_log.position()
        try:
            self._interpreter = Interpreter(
                model_content=model, num_threads=1, experimental_op_resolver_type=OpResolverType[self.resolver]
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
        return {"kernels": f"{self.kernels} ({len(nodes)} operators, no delegate)"}

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
        "within 1 LSB of the reference kernels on x86-64"
        if platform.machine() in ("x86_64", "AMD64")
        else f"not measured on {platform.machine()}: compare with tflite-int8-reference"
    )


class TfliteInt8Reference(_Litert):
    """``tflite-int8-reference``: the kernels that define what a quantized operator means; slow."""

    name = "tflite-int8-reference"
    precision = "int8"
    kernels = "LiteRT reference"
    microcontroller = True
    resolver = "BUILTIN_REF"
    rounding = "the definition that the others are measured by"


class TfliteInt8Xnnpack(_Litert):
    """``tflite-int8-xnnpack``: what Python and phones run by default; not a microcontroller's arithmetic."""

    name = "tflite-int8-xnnpack"
    precision = "int8"
    kernels = "XNNPACK"
    resolver = "AUTO"
    rounding = "up to several LSB away from the reference kernels; depends on the processor"

    def _facts(self, nodes: list[dict[str, Any]]) -> dict[str, Any]:
        plain = [node for node in nodes if node["op_name"] != _DELEGATE]
        taken = delegated(nodes)
        if not taken:
            raise TargetRefused(
                "XNNPACK takes no operator of this model",
                found=f"{len(plain)} operators, none delegated",
                expected="at least one: else this is tflite-int8",
                fix="run it with --target tflite-int8",
            )
        left = sorted({node["op_name"] for i, node in enumerate(plain) if i not in taken})
        rest = f", LiteRT built-in for {', '.join(left)}" if left else ""
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
