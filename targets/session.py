"""A target with a model open: images in, outputs out, in child processes that share the work."""

from __future__ import annotations

import os
import platform
import select
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.artifact import Artifact, InputConvention
from tinyedge.errors import DatasetEmpty, ImageSizeMismatch, PredictionsError, TargetTimeout, UsageError
from tinyedge.machine import cpu_flags
from tinyedge.targets.child import Child, ChildError
from tinyedge.targets.wire import artifact_to_json

if TYPE_CHECKING:
    from tinyedge.targets.base import Target

MAX_PROCESSES = 4
OnProgress = Callable[[int, int], None]
"""Called with images done and images in all."""


@dataclass(frozen=True)
class Limits:
    """How long a child may take before it counts as hung.

    Args:
        start_s: for the runtime's import and the model's preparation.
        chunk_s: for a chunk of images: one batch first, then ``Target.chunk_s``'s worth.
    """

    start_s: float = 120.0
    chunk_s: float = 120.0


class Session:
    """A model open in a runtime; made by ``Target.open``, used in a ``with`` block.

    The images are dealt out in chunks to one-thread children, as each becomes free. Each image is computed alone (or
    in a batch of fixed size), so outputs do not depend on the number of children or on the chunks.
    """

    def __init__(self, target: Target, artifact: Artifact, *, processes: int | None, limits: Limits) -> None:
        self._target, self._artifact, self._limits = target, artifact, limits
        self._children: list[Child] = []
        self._open = True
        self._images, self._busy_s, self._run_s = 0, 0.0, 0.0
        self._shape: tuple[int, ...] = artifact.image_shape
        self._processes = min(processes or default_processes(), target.max_processes or MAX_PROCESSES)
        started = time.perf_counter()
        try:
            for _ in range(self._processes):
                self._children.append(Child(f"{target.name}, {artifact.path.name}"))
            self._found = self._start()
        except BaseException:
            self._shut(kill=True)
            raise
        self._start_s = time.perf_counter() - started

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the children; the session cannot run any more."""
        self._shut(kill=False)

    def run(
        self,
        images: NDArray[np.uint8],
        on_progress: OnProgress | None = None,
        *,
        convention: InputConvention | None = None,
    ) -> NDArray[Any]:
        """The model's outputs for ``images``, in their order.

        Args:
            images: uint8 ``(N, H, W, C)``, N at least 1, that go in under the artifact's convention.
            on_progress: for a progress bar.
            convention: for this run, in place of the artifact's.

        Returns:
            ``(N, K)`` in the output's own dtype; int8 stays int8.

        Raises:
            UsageError: where the session is closed; a failed run closes it.
            DatasetEmpty, ImageSizeMismatch: for images that do not fit.
            PredictionsError: for NaN, infinity, or outputs of another shape or dtype than the file says.
            TargetRefused, TargetCrashed, TargetTimeout: from the runtime.
        """
        if not self._open:
            raise UsageError("the session is closed", where=self._target.name, fix="open the artifact again")
        self._check_images(images, convention or self._artifact.convention)
        request = {"op": "run"} | ({"convention": asdict(convention)} if convention else {})
        outputs = np.empty((len(images), self._artifact.num_classes), self._artifact.output.dtype)
        started = time.perf_counter()
        try:
            self._deal(images, outputs, on_progress, request)
        except BaseException:  # also Ctrl-C: a child in the middle of a chunk is of no use any more
            self._shut(kill=True)
            raise
        self._run_s += time.perf_counter() - started
        return outputs

    def facts(self) -> dict[str, Any]:
        """What ran: runtime and version, kernels, threads, memory, arithmetic, processor; JSON can hold it."""
        target = self._target
        facts: dict[str, Any] = {
            "target": target.name,
            "runtime": target.runtime,
            "runtime_version": target.requirements[0].version,
            "kernels": target.kernels,
            "rounding": target.rounding,
            "batch": target.batch,
            "preparation": list(self._artifact.preparation(self._shape)),
            "processes": self._processes,
            "threads_per_process": 1,
            "machine": platform.machine(),
            "cpu_flags": list(cpu_flags()),
            "start_seconds": round(self._start_s, 3),
            "images": self._images,
            "seconds": round(self._run_s, 3),
            "us_per_image": round(self._busy_s / self._images * 1e6, 1) if self._images else None,
        }
        return facts | self._found

    def _start(self) -> dict[str, Any]:
        """Open the artifact in every child; what is found on it. What the first has built, the others are given."""
        request, limit = open_request(self._target, self._artifact), self._limits.start_s
        first = 1 if self._target.builds else len(self._children)
        facts: dict[str, Any] = {}
        built = None
        for children in (self._children[:first], self._children[first:]):
            for child in children:
                child.send(request, built, timeout_s=limit)
            replies = [child.receive(timeout_s=limit) for child in children]
            if not facts:
                facts, built = replies[0][0]["facts"], replies[0][1]
        return facts

    def _deal(
        self,
        images: NDArray[np.uint8],
        outputs: NDArray[Any],
        on_progress: OnProgress | None,
        request: dict[str, Any],
    ) -> None:
        """Send chunks to whoever is free, fill ``outputs`` as they come back."""
        limit = self._limits.chunk_s
        waiting: dict[Child, tuple[slice, float]] = {}
        sent = done = 0
        # One batch first: it tells how many make a chunk.
        count = self._next_count() if self._images else self._target.batch
        while done < len(images):
            for child in self._children:
                if child not in waiting and sent < len(images):
                    part = slice(sent, min(sent + count, len(images)))
                    child.send(request, images[part], timeout_s=limit)
                    waiting[child] = part, time.monotonic() + limit
                    sent = part.stop
            deadline = min(at for _, at in waiting.values())
            ready = select.select(list(waiting), [], [], max(deadline - time.monotonic(), 0))[0]
            for child in ready or [min(waiting, key=lambda c: waiting[c][1])]:
                part, at = waiting.pop(child)
                header, array = self._reply(child, part, at)
                self._check_outputs(array, part)
                outputs[part] = array
                done += part.stop - part.start
                self._busy_s += header["seconds"]
                self._found |= header["facts"]
                self._images += part.stop - part.start
            count = self._next_count()
            if on_progress is not None:
                on_progress(done, len(images))

    def _reply(self, child: Child, part: slice, deadline: float) -> tuple[dict[str, Any], Any]:
        try:
            return child.receive(timeout_s=deadline - time.monotonic())
        except TargetTimeout as error:
            if isinstance(error.__cause__, ChildError):  # the runtime's own, with a device's last words
                raise
            raise TargetTimeout(  # the limit, not what was left of it
                error.what,
                where=f"{error.where}, images {part.start} to {part.stop - 1}",
                found=f"no answer within {self._limits.chunk_s:g} s",
                fix=error.fix,
            ) from error

    def _next_count(self) -> int:
        """Images that take about ``Target.chunk_s``, in whole batches."""
        target, batch = self._target, self._target.batch
        fitting = int(target.chunk_s * self._images / max(self._busy_s, 1e-9))
        return max(min(fitting, target.chunk_images) // batch, 1) * batch

    def _check_images(self, images: NDArray[Any], convention: InputConvention) -> None:
        where = f"{self._target.name}, {self._artifact.path.name}"
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
            raise ImageSizeMismatch(
                "the images do not fit the model",
                where=where,
                found=f"{images.dtype} {images.shape}",
                expected="uint8 (N, H, W, 1 or 3)",
            )
        replace(self._artifact, convention=convention).check_images(images.shape[1:], where)
        self._shape = images.shape[1:]
        if len(images) == 0:
            raise DatasetEmpty("there are no images to run", where=where, found=0, expected="at least 1 image")

    def _check_outputs(self, array: Any, part: slice) -> None:
        where = f"{self._target.name}, {self._artifact.path.name}, images {part.start} to {part.stop - 1}"
        expected = (part.stop - part.start, self._artifact.num_classes)
        if array.shape != expected or array.dtype != self._artifact.output.dtype:
            raise PredictionsError(
                "the model puts out something else than its file says",
                where=where,
                found=f"{array.dtype} {array.shape}",
                expected=f"{self._artifact.output.dtype} {expected}",
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
            raise PredictionsError(
                "the model puts out NaN or infinity",
                where=where,
                found=f"{len(bad)} of these {len(array)} images, the first is image {part.start + bad[0]}",
                expected="finite outputs",
                fix="the artifact is broken: export it again, and look at its weights",
            )

    def _shut(self, *, kill: bool) -> None:
        self._open = False
        for child in self._children:
            child.close(kill=kill)
        self._children = []


def open_request(target: Target, artifact: Artifact) -> dict[str, Any]:
    """The message that makes a child open ``artifact``."""
    return {"op": "open", **_identity(target), "artifact": artifact_to_json(artifact)}


def probe(target: Target, *, limits: Limits | None = None) -> None:
    """Import the target's packages in a child: what ``available`` says by looking, this says by trying.

    Raises:
        TargetUnavailable, TargetCrashed, TargetTimeout: where they are installed and still do not work here.
    """
    timeout_s = (limits or Limits()).start_s
    child = Child(target.name)
    try:
        child.send({"op": "probe", **_identity(target)}, timeout_s=timeout_s)
        child.receive(timeout_s=timeout_s)
    finally:
        child.close(kill=True)


def default_processes() -> int:
    """The processors that this process may use, 4 at most."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, MAX_PROCESSES)


def _identity(target: Target) -> dict[str, Any]:
    kind = type(target)
    return {
        "target": f"{kind.__module__}:{kind.__qualname__}",
        "options": target.options(),
        "sys_path": sys.path,  # the child imports what this process imports
    }
