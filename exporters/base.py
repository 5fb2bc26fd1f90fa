"""The contract of all exporters: a model in, an artifact out, or an error and no file.

A subclass says what it takes and writes ``_convert`` (source to bytes) and ``_verify`` (does the file hold what it
should). Everything else, from the check of the arguments to the side-car, is here and the same for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tinyedge.artifact import Artifact, load_artifact, sidecar_path, write_sidecar
from tinyedge.errors import (
    ClassCountMismatch,
    ImageSizeMismatch,
    TargetUnavailable,
    UsageError,
)
from tinyedge.exporters.quiet import quiet
from tinyedge.exporters.representative import Representative
from tinyedge.exporters.source import Source, TorchSource
from tinyedge.files import check_writable, replacing, sha256_file
from tinyedge.formats import read_model
from tinyedge.machine import package_version
from tinyedge.overlap import KEY, pack_digests

INSTALL = "pip install 'tinyedge[export]'"


@dataclass(frozen=True)
class Options:
    """What a caller may choose; an exporter refuses what it does not know.

    Args:
        batch: ``1`` or ``dynamic``.
        calibration: how ranges follow from the representative images; ``None`` is the exporter's own default.
    """

    batch: str = "1"
    calibration: str | None = None


@dataclass(frozen=True)
class Availability:
    """Whether an exporter can run here; if not, what is missing and the command that installs it."""

    missing: str | None = None
    install: str | None = None

    @property
    def ok(self) -> bool:
        """Nothing is missing."""
        return self.missing is None


@dataclass(frozen=True)
class Job:
    """What ``export`` was asked for, once it is known to be of the right kinds; ``images`` only for quantizing."""

    source: Any
    options: Options
    representative: Representative | None

    @property
    def images(self) -> NDArray[np.uint8]:
        """The representative images, uint8 ``(N, H, W, C)``."""
        assert self.representative is not None  # quantizing exporters are not reached without
        return self.representative.images


@dataclass(frozen=True)
class Conversion:
    """A file's content, and what to check it by.

    Args:
        content: the file.
        images: uint8 ``(N, H, W, C)``.
        expected: what the float model puts out for them, ``(N, K)``.
    """

    content: bytes
    images: NDArray[np.uint8]
    expected: NDArray[np.float32]


class Exporter(ABC):
    """One route from a model to a file.

    Class attributes:
        name: as in the registry.
        suffix: of the files that it writes.
        requires: import name to distribution name of what has to be installed.
        install: the command that installs it.
        takes: the kinds of source.
        quantized: whether it needs representative images.
        batches: the batch sizes that it can write.
        calibrations: the calibrations that it knows, its default first; empty where it has no choice.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    requires: ClassVar[dict[str, str]]
    install: ClassVar[str] = INSTALL
    takes: ClassVar[tuple[type, ...]] = (TorchSource,)
    quantized: ClassVar[bool] = False
    batches: ClassVar[tuple[str, ...]] = ("1",)
    calibrations: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def available(cls) -> Availability:
        """What is missing here, looked up without importing any of it."""
        missing = [distribution for module, distribution in cls.requires.items() if find_spec(module) is None]
        return Availability(", ".join(missing), cls.install) if missing else Availability()

    @classmethod
    def require(cls) -> None:
        """Stop here if something is missing.

        Raises:
            TargetUnavailable: with what is missing and the command that installs it.
        """
        here = cls.available()
        if not here.ok:
            raise TargetUnavailable(f"{cls.name} cannot export here", found=f"without {here.missing}", fix=here.install)

    def export(
        self,
        source: Source,
        destination: Path,
        *,
        representative: Representative | None = None,
        options: Options = Options(),  # frozen
    ) -> Artifact:
        """Convert, check the result, write it whole with its side-car, and return it as it reads back.

        Args:
            source: the trained model.
            destination: the file to write; replaced if it exists.
            representative: training images; required by quantizing exporters, refused by the others.
            options: batch and calibration.

        Raises:
            TargetUnavailable: where a package is missing.
            UsageError: for options, a destination or a kind of source that the exporter does not take.
            ImageSizeMismatch, ClassCountMismatch: where the representative images are not the model's.
            ExportError: where the conversion fails, or the file does not hold what it should.
        """
        self._check(source, destination, representative, options)
        check_writable(sidecar_path(destination))
        job = Job(source, options, representative)
        where = f"{self.name}, {source.model}"
        with quiet("the converter failed", where=where):
            converted = self._convert(job)
        with replacing(destination) as temporary:
            temporary.write_bytes(converted.content)
            with quiet("the exported file cannot be checked", where=where):
                facts = self._verify(temporary, converted, job)
            # The side-car first: if it cannot be written, an earlier model keeps its place and its own.
            described = self._describe(temporary, destination, job, facts)
            write_sidecar(described, **({KEY: pack_digests(job.images)} if representative else {}))
        return load_artifact(destination)

    @abstractmethod
    def _convert(self, job: Job) -> Conversion:
        """Convert; whatever it prints is held back."""

    @abstractmethod
    def _verify(self, path: Path, converted: Conversion, job: Job) -> dict[str, Any]:
        """Check the written file; returns what was measured, for the artifact's origin.

        Raises:
            ExportError: where it does not hold what it should.
        """

    def _check(
        self, source: Source, destination: Path, representative: Representative | None, options: Options
    ) -> None:
        self.require()
        if not isinstance(source, self.takes):
            raise UsageError(
                f"{self.name} does not take this kind of model",
                found=type(source).__name__,
                expected=" or ".join(kind.__name__ for kind in self.takes),
                fix="tf-fp32 and tf-int8 take Keras models, the others PyTorch models and checkpoints",
            )
        if destination.suffix != self.suffix or destination.is_dir():
            raise UsageError(
                f"{self.name} writes a {self.suffix} file",
                where="--out",
                found=f"{destination}{' (a folder)' if destination.is_dir() else ''}",
                expected=f"a file name that ends in {self.suffix}",
            )
        _one_of("--batch", options.batch, self.batches, self.name)
        if options.calibration is not None:
            _one_of("--calibration", options.calibration, self.calibrations, self.name)
        if self.quantized and representative is None:
            raise UsageError(
                f"{self.name} needs representative images",
                expected="training images",
                fix="give --data and --representative",
            )
        if not self.quantized and representative is not None:
            raise UsageError(f"{self.name} does not quantize", found="representative images", expected="none")
        if representative is not None and isinstance(source, TorchSource):
            _fits(source, representative)

    def calibration(self, options: Options) -> str | None:
        """The calibration that is used."""
        return options.calibration or (self.calibrations[0] if self.calibrations else None)

    def _describe(self, temporary: Path, destination: Path, job: Job, measured: dict[str, Any]) -> Artifact:
        source: Source = job.source
        calibration = self.calibration(job.options)
        facts = read_model(temporary)
        origin: dict[str, Any] = {
            "training": source.training,
            "exporter": self.name,
            "versions": {dist: package_version(dist) for dist in self.requires.values()},
            "options": {**asdict(job.options), "calibration": calibration},
            "verified": measured,
        }
        if job.representative is not None:
            origin["representative"] = {**job.representative.origin, "calibration": calibration}
        return Artifact(
            path=destination,
            format=facts.format,
            precision=facts.precision,
            sha256=sha256_file(temporary),
            size_bytes=temporary.stat().st_size,
            params=source.params if isinstance(source, TorchSource) else facts.params,
            input=facts.input,
            output=facts.output,
            output_kind=facts.output_kind,
            convention=source.convention,
            model=source.model,
            origin=origin,
        )


def _one_of(flag: str, value: str, known: tuple[str, ...], name: str) -> None:
    if value not in known:
        raise UsageError(
            f"{name} does not know this option", where=flag, found=value, expected=" or ".join(known) or "none"
        )


def _fits(source: TorchSource, representative: Representative) -> None:
    if representative.images.shape[1:] != source.image_shape:
        raise ImageSizeMismatch(
            "the representative images are not of the model's size",
            where=f"{representative.origin.get('data')} for {source.model}",
            found=representative.images.shape[1:],
            expected=source.image_shape,
        )
    if representative.num_classes != source.num_classes:
        raise ClassCountMismatch(
            "the representative images are of a dataset with other classes",
            where=f"{representative.origin.get('data')} for {source.model}",
            found=f"{representative.num_classes} classes",
            expected=f"{source.num_classes}, the model's",
            fix="--data with the dataset that the model was trained on",
        )
