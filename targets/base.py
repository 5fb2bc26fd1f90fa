"""What a target is: an artifact and uint8 images in, outputs out.

A subclass names its facts as class attributes and writes ``_open`` and ``_run``. These two run in child processes
(``tinyedge.targets.worker``), where a crash of native code is a result and not the end of tinyedge. Everything else,
checks of what goes in and comes out, limits, lifecycle, is here and in ``session`` and the same for every target.
"""

from __future__ import annotations

import inspect
import shutil
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

from numpy.typing import NDArray

from tinyedge.artifact import Artifact
from tinyedge.errors import ArtifactUnsupported, TargetUnavailable, UsageError
from tinyedge.formats.facts import PRECISIONS
from tinyedge.machine import package_version
from tinyedge.registry import TARGETS
from tinyedge.targets.session import Limits, Session

_SHOWN = 3
_QUANTIZED = ("int8", "uint8", "int16")
_INPUTS = {
    "fp32": ("float32",),
    "int8": ("int8", "uint8"),
    "int16x8": ("int16",),
    "dynamic": ("float32",),
}
"""What a model of each precision takes and puts out, unless its runtime deploys it otherwise; the usual one first."""


@dataclass(frozen=True)
class Requirement:
    """A package that a target runs on.

    Args:
        distribution: its name in a package index.
        module: what the child imports of it.
        install: the command that installs it.
    """

    distribution: str
    module: str
    install: str

    @property
    def version(self) -> str | None:
        """The installed version, or ``None``; nothing is imported to find out."""
        if find_spec(self.module.partition(".")[0]) is None:
            return None
        return package_version(self.distribution)


@dataclass(frozen=True)
class Program:
    """A program that a target runs.

    Args:
        name: what is looked for in ``$PATH``.
        package: the Debian package that holds it.
        install: the command that installs it.
    """

    name: str
    package: str
    install: str


@dataclass(frozen=True)
class Availability:
    """Whether a target can run here; if not, what is missing and the command that installs it."""

    ok: bool
    missing: str | None = None
    install: str | None = None


class Target(ABC):
    """A runtime with a precision and a choice of kernels.

    Attributes:
        name: ``<runtime>-<precision>[-<kernels>]``.
        runtime: the runtime's own name, for reports.
        format: of the artifacts that it takes: ``tflite``, ``onnx``, ``executorch`` or ``checkpoint``.
        precision: of those artifacts: one of ``tinyedge.formats.facts.PRECISIONS``.
        input_dtypes: what those artifacts may take and put out; as is usual for the precision if empty.
        kernels: what computes, in a few words; ``_open`` reports what was really found to run.
        rounding: what is known of its arithmetic, or ``None``.
        microcontroller: whether it stands for firmware's arithmetic, and takes only what firmware can run.
        requirements: the packages that it needs; the first one's version is the runtime's.
        programs: that it runs beside.
        kernel_sets: what its constructor's ``kernels`` may be, the default first; empty where there is no choice.
        default_images: how many of a large evaluation set are enough unless more are asked for; all if ``None``.
        batch: images that ``_run`` gets at once; the same for every call, so that outputs never depend on how a
            run is split.
        any_number: whether ``_run`` takes any number of images at once and computes each alone: it gets whole chunks.
        chunk_s: how much work, in seconds, a child gets at a time; one batch first, to find out how much that is.
        chunk_images: of which at most this many.
        builds: whether the first child makes something for all of them: see ``_build``.
        max_processes: children at most; as many as the machine has processors for if ``None``.
        memory_bytes: the child's limit of address space, or ``None``.
    """

    name: ClassVar[str]
    runtime: ClassVar[str]
    format: ClassVar[str]
    precision: ClassVar[str]
    input_dtypes: ClassVar[tuple[str, ...]] = ()
    kernels: ClassVar[str]
    rounding: ClassVar[str | None] = None
    microcontroller: ClassVar[bool] = False
    requirements: ClassVar[tuple[Requirement, ...]]
    programs: ClassVar[tuple[Program, ...]] = ()
    kernel_sets: ClassVar[tuple[str, ...]] = ()
    default_images: ClassVar[int | None] = None
    batch: ClassVar[int] = 1
    any_number: ClassVar[bool] = False
    chunk_s: ClassVar[float] = 0.25
    chunk_images: ClassVar[int] = 512
    builds: ClassVar[bool] = False
    max_processes: ClassVar[int | None] = None
    _built: NDArray[Any] | None = None
    memory_bytes: ClassVar[int | None] = 16 << 30

    @classmethod
    def available(cls) -> Availability:
        """Whether its packages and programs are installed; looks at what is on disk, imports and starts nothing."""
        for requirement in cls.requirements:
            if requirement.version is None:
                return Availability(False, requirement.distribution, requirement.install)
        for program in cls.programs:
            if shutil.which(program.name) is None:
                return Availability(False, program.package, program.install)
        return Availability(True)

    @classmethod
    def option_names(cls) -> tuple[str, ...]:
        """What its constructor takes; the command line has a flag of the same name for each."""
        return tuple(inspect.signature(cls).parameters)

    def options(self) -> dict[str, Any]:
        """The constructor's arguments, as JSON can hold them: the child builds its own copy from these."""
        return {}

    def check_options(self) -> None:  # noqa: B027  # most targets run without any
        """Whether the constructor was given what the target cannot run without.

        Raises:
            UsageError: where it was not; names the flag.
        """

    def limits(self) -> Limits:
        """How long a child may take, unless ``open`` is told."""
        return Limits()

    def open(self, artifact: Artifact, *, processes: int | None = None, limits: Limits | None = None) -> Session:
        """Start the runtime on ``artifact``; use the session in a ``with`` block.

        Args:
            artifact: what ``load_artifact`` returned.
            processes: children that share the images, one thread each; the processors at hand (4 at most) if ``None``.
            limits: on time; the target's own if ``None``.

        Raises:
            TargetUnavailable: where a package is missing.
            ArtifactUnsupported: where the artifact is not what this target takes.
            ArtifactCorrupt, ArtifactHashMismatch: where the runtime cannot read the file, or it changed meanwhile.
            TargetRefused, TargetCrashed, TargetTimeout: from the runtime.
        """
        self.check_options()
        self.check(artifact)
        here = self.available()
        if not here.ok:
            raise TargetUnavailable(
                f"{self.name} needs the package {here.missing}, which is not installed", fix=here.install
            )
        return Session(self, artifact, processes=processes, limits=limits or self.limits())

    def check(self, artifact: Artifact) -> None:
        """Whether this target takes ``artifact``, before anything is started.

        Raises:
            ArtifactUnsupported: where it does not; says what is wrong with it.
        """
        if artifact.format != self.format:
            self._refuse(artifact, f"{self.name} runs {self.format} files", artifact.format, self.format)
        if artifact.precision != self.precision:
            self._refuse(
                artifact,
                f"{self.name} runs {self.precision} models",
                f"{artifact.precision}: {PRECISIONS[artifact.precision]}",
                f"{self.precision}: {PRECISIONS[self.precision]}",
                _run_or_export(artifact, self),
            )
        self._check_input_and_output(artifact)
        batch = artifact.input.shape[0]
        if batch not in (-1, 1):
            self._refuse(
                artifact,
                "the model's batch is not 1",
                f"input shape {artifact.input.shape}",
                "a batch of 1, or a dynamic one",
                "export it with a batch of 1",
            )

    def _build(self, artifact: Artifact, model: bytes) -> tuple[dict[str, Any], NDArray[Any]]:
        """In the first child, where ``builds``: what takes long to make, and facts on it; ``_built`` in all of them.

        Raises:
            As ``_open``.
        """
        raise NotImplementedError

    @abstractmethod
    def _open(self, artifact: Artifact, model: bytes) -> dict[str, Any]:
        """In the child: load ``model`` (the file's bytes), keep on ``self`` what ``_run`` needs, return facts.

        Raises:
            ArtifactCorrupt, TargetRefused: for the runtime's own exceptions, chained.
        """

    @abstractmethod
    def _run(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """In the child: ``(batch, ...)`` as ``Artifact.feed`` makes it to the outputs, ``(batch, K)`` when flattened.

        Raises:
            TargetRefused: for the runtime's own exceptions, chained.
        """

    def _run_facts(self) -> dict[str, Any]:
        """In the child, after each chunk of images: facts that are known only then; each replaces the last."""
        return {}

    def _probe(self) -> None:  # noqa: B027  # most targets have nothing to try
        """In the child: try what ``available`` only looks at, beside the packages, which are imported before.

        Raises:
            TargetUnavailable: where it does not work.
        """

    def _clock(self) -> float:
        """In the child: seconds for the time an image takes. Not the clock on the wall: the same on a busy machine."""
        return time.process_time()

    def _chosen_kernels(self, kernels: str | None) -> str:
        """``kernels`` if they are one of ``kernel_sets``, the first of these if ``None``.

        Raises:
            UsageError: where they are another.
        """
        if kernels not in (None, *self.kernel_sets):
            raise UsageError(
                f"{self.name} has no such kernels",
                where="--kernels",
                found=kernels,
                expected=" or ".join(self.kernel_sets),
            )
        return kernels or self.kernel_sets[0]

    def _check_input_and_output(self, artifact: Artifact) -> None:
        """Types, and the quantization of what is stored: without it no real number can be fed or read."""
        allowed = self.input_dtypes or _INPUTS[self.precision]
        fix = f"tinyedge export --to {self.format}-{self.precision}"
        if self.format == "tflite" and allowed[0] in _QUANTIZED:
            fix += f" (with TensorFlow: inference_input_type and inference_output_type = tf.{allowed[0]})"
        for side, spec in (("input", artifact.input), ("output", artifact.output)):
            if spec.dtype not in allowed:
                self._refuse(
                    artifact,
                    f"the model's {side} is not {allowed[0]}",
                    f"{spec.dtype} {side}, {artifact.precision} inside",
                    f"{' or '.join(allowed)} {side}",
                    fix,
                )
            if spec.dtype in _QUANTIZED and not spec.quantized:
                self._refuse(
                    artifact,
                    f"the model's {side} is {spec.dtype} without quantization",
                    f"tensor {spec.name} without scale and zero point",
                    "a scale and a zero point: without them no real number can be fed or read",
                    fix,
                )

    def _refuse(self, artifact: Artifact, what: str, found: str, expected: str, fix: str | None = None) -> None:
        raise ArtifactUnsupported(
            what,
            where=f"{artifact.path}, for {self.name}",
            found=found,
            expected=expected,
            fix=fix or "tinyedge targets lists which target runs which format",
        )


def _run_or_export(artifact: Artifact, target: Target) -> str:
    """What to do about a file of another precision: the targets that run it, and the exporter for this one."""
    kinds = {name: entry.load() for name, entry in TARGETS.items()}
    takers = [n for n, kind in kinds.items() if (kind.format, kind.precision) == (artifact.format, artifact.precision)]
    export = f"tinyedge export --to {target.format}-{target.precision}"
    if target.format == "checkpoint":
        export = "tinyedge train"
    if not takers:
        return export
    return f"run it with --target {' or '.join(takers[:_SHOWN])}; or for this target: {export}"
