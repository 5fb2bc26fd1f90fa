"""The child's side: ``python -m tinyedge.targets.worker SOCKET PARENT``. Imports only the runtime that it runs."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import socket
import sys
import traceback
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.artifact import Artifact, InputConvention
from tinyedge.errors import (
    ArtifactHashMismatch,
    ArtifactNotFound,
    PredictionsError,
    TargetRefused,
    TargetUnavailable,
    TinyedgeError,
)
from tinyedge.targets import native_log
from tinyedge.targets.base import Target
from tinyedge.targets.orphan import die_with
from tinyedge.targets.wire import Message, artifact_from_json, error_to_json, receive, send

_LOG_BYTES = 1 << 30


class _Worker:
    """Answers one request after the other."""

    def __init__(self) -> None:
        self._target: Target | None = None
        self._artifact: Artifact | None = None

    def answer(self, header: dict[str, Any], array: NDArray[Any] | None) -> Message:
        """The reply to a request; whatever goes wrong is one too."""
        start = native_log.position()
        try:
            if header["op"] == "run":
                assert array is not None, "a run request carries images"
                return self._run(array, header.get("convention"))
            return self._open(header, array)
        except TinyedgeError as error:
            return _failure(error)
        except ImportError as error:
            target = self._target
            return _failure(
                TargetUnavailable(
                    f"{target.name if target else header['target']}: a package cannot be imported here",
                    found=error,
                    fix=target.requirements[0].install if target else None,
                )
            )
        except MemoryError as error:
            limit = self._target.memory_bytes if self._target else None
            return _failure(
                TargetRefused(
                    "the runtime ran out of memory",
                    found=error or native_log.last_lines(native_log.since(start)),
                    expected=None if limit is None else f"at most {limit >> 30} GiB of address space",
                    fix="check the model's sizes: tensors this large do not fit a microcontroller either",
                )
            )
        except Exception:  # noqa: BLE001  # a bug: the parent shows it as one, and ends with the exit code for bugs
            return {"bug": traceback.format_exc()}, None

    def _open(self, header: dict[str, Any], built: NDArray[Any] | None) -> Message:
        sys.path[:] = header["sys_path"]
        module, _, name = header["target"].partition(":")
        self._target = getattr(import_module(module), name)(**header["options"])
        _limit(resource.RLIMIT_AS, self._target.memory_bytes)
        for requirement in self._target.requirements:
            import_module(requirement.module)
        if header["op"] == "probe":
            self._target._probe()
            return {}, None
        self._artifact = artifact_from_json(header["artifact"])
        model, facts = _model_bytes(self._artifact), {}
        if self._target.builds and built is None:
            facts, built = self._target._build(self._artifact, model)
        self._target._built = built
        return {"facts": facts | self._target._open(self._artifact, model)}, built

    def _run(self, images: NDArray[np.uint8], convention: dict[str, Any] | None) -> Message:
        target, artifact = self._target, self._artifact
        assert target is not None, "a run follows an open"
        assert artifact is not None, "likewise"
        if convention is not None:
            artifact = replace(artifact, convention=InputConvention.of(convention))
        inputs = artifact.feed(images)
        missing = -len(inputs) % target.batch
        if missing:  # every call gets a whole batch, so that outputs do not depend on how a run is split
            inputs = np.concatenate([inputs, np.repeat(inputs[-1:], missing, axis=0)])
        parts = []
        started = target._clock()
        step = len(inputs) if target.any_number else target.batch
        for at in range(0, len(inputs), step):
            output = target._run(inputs[at : at + step])
            if output.size != step * artifact.num_classes:
                raise PredictionsError(
                    "the model puts out something of another shape than its file says",
                    where=f"{target.name}, {artifact.path.name}",
                    found=output.shape,
                    expected=(step, artifact.num_classes),
                )
            parts.append(output.reshape(step, artifact.num_classes))
        seconds = target._clock() - started
        return {"seconds": seconds, "facts": target._run_facts()}, np.concatenate(parts)[: len(images)]


def main() -> None:
    """Serve requests until the parent closes the connection."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, _LOG_BYTES)
    worker = _Worker()
    connection = socket.socket(fileno=descriptor)
    while True:
        try:
            request = receive(connection)
            send(connection, *worker.answer(*request))
        except (EOFError, OSError):
            os._exit(0)  # not the runtimes' own teardown: it is slow, and may crash


def _model_bytes(artifact: Artifact) -> bytes:
    """The very bytes that the artifact's hash is of."""
    try:
        model = artifact.path.read_bytes()
    except OSError as error:
        raise ArtifactNotFound("the model file is gone", where=artifact.path, found=error.strerror) from error
    found = hashlib.sha256(model).hexdigest()
    if found != artifact.sha256:
        raise ArtifactHashMismatch(
            "the model file changed since it was loaded",
            where=artifact.path,
            found=found,
            expected=artifact.sha256,
            fix="run again once nothing writes to it",
        )
    return model


def _failure(error: TinyedgeError) -> Message:
    return {"error": error_to_json(error), "traceback": traceback.format_exc()}, None


def _limit(kind: int, value: int | None) -> None:
    """Lower a limit, never raise one."""
    if value is None:
        return
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


if __name__ == "__main__":
    main()
