"""Tasks performed on Ray: on this machine, or on a cluster."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tinyedge import __version__
from tinyedge.data.dataset import Dataset
from tinyedge.errors import TargetUnavailable, UsageError, VersionMismatch
from tinyedge.sweep.runner import Delivery, Event, Resources, Task

if TYPE_CHECKING:
    from ray import ObjectRef, ObjectRefGenerator

JOIN_SECONDS = 60
"""How long a cluster may take to answer. Left to itself, Ray goes on trying a dead address for minutes."""
BACKLOG = 4
"""Deliveries of one task that may wait for the driver; then the task pauses, so that states do not fill the store."""
STORE_SPARE_BYTES = 1 << 30
"""The local object store's size beyond the datasets': for deliveries and the states that tasks go on from."""
LOOK_SECONDS = 5.0
"""How often a waiting driver looks whether the cluster can still run what it waits for."""
SMALLEST_SHARE = 0.25
"""Of a CPU that a task counts for at least when ``free`` is worked out, so that no number of them is unbounded."""


class RayRunner:
    """Performs tasks as Ray tasks, as many at once as the cluster has room for.

    Nothing is retried by Ray: the driver submits a lost task again, with the newest state.

    Args:
        data: the datasets by split; each is put into the object store once and read there without a copy.
        address: ``host:port`` of a cluster, ``auto`` for the one that this machine is a node of; ``None`` or ``local``
            starts Ray on this machine, or uses what this process has already started.

    Raises:
        TargetUnavailable: where Ray is not installed, or does not start.
        UsageError: where no cluster can be joined at ``address``.
    """

    def __init__(self, data: Mapping[str, Dataset], address: str | None = None) -> None:
        try:
            import ray
        except ModuleNotFoundError as error:
            raise TargetUnavailable("--ray needs the package ray", fix="pip install 'tinyedge[scale]'") from error
        self._ray = ray
        self._running: dict[ObjectRefGenerator[Delivery], Task] = {}
        if address not in (None, "local"):
            _join(str(address))
            self._connected = True
        else:
            self._connected = not ray.is_initialized()
            if self._connected:
                _start(sum(d.images.nbytes + d.labels.nbytes for d in data.values()))
        self._on_cpu = ray.remote(max_retries=0)(_perform)
        self._on_gpu = ray.remote(max_retries=0, max_calls=1)(_perform)  # only a process that ends frees its GPU memory
        self._data: dict[str, ObjectRef[Dataset]] = {split: ray.put(dataset) for split, dataset in data.items()}

    def free(self) -> int:
        """How many more tasks may be submitted: CPUs of the cluster that no task of this sweep has asked for."""
        cpus = sum(node.get("CPU", 0.0) for node in self._nodes())
        used = sum(max(task.resources.cpus, SMALLEST_SHARE) for task in self._running.values())
        return max(math.ceil(cpus - used), 0 if self._running else 1)

    def gpus(self) -> float:
        """GPUs of the cluster's nodes; this machine's count where it is one of them."""
        return sum(node.get("GPU", 0.0) for node in self._nodes())

    def submit(self, task: Task, inputs: Mapping[str, bytes], *, seconds: float | None) -> None:
        """Queue a task; Ray starts it where its resources are free. ``seconds`` count from now.

        Raises:
            TargetUnavailable: where no node of the cluster is large enough.
        """
        self._check_fits(task)
        wanted = task.resources
        remote = (self._on_gpu if wanted.gpus else self._on_cpu).options(
            name=task.name,
            num_cpus=wanted.cpus,
            num_gpus=wanted.gpus,
            memory=wanted.memory_bytes or None,
            num_returns="streaming",
            _generator_backpressure_num_objects=BACKLOG,
        )
        # In a dictionary and in bytes, so that the worker reads neither before it has compared versions.
        data = {split: self._data[split] for split in task.data}
        deadline = None if seconds is None else time.time() + seconds
        self._running[remote.remote(__version__, pickle.dumps(task), dict(inputs), data, deadline)] = task

    def wait(self) -> Iterator[Event]:
        """Block until there is at least one event, and yield what is there.

        Raises:
            UsageError: where a node has another tinyedge, or none.
            TargetUnavailable: where the cluster has lost the nodes that a waiting task needs.
        """
        ready: list[Any] = []
        while self._running and not ready:
            ready, _ = self._ray.wait(list(self._running), timeout=LOOK_SECONDS)
            if not ready:
                for task in self._running.values():
                    self._check_fits(task)
        if ready:  # wait stops at the first; the others that are ready with it
            ready, _ = self._ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
        for generator in ready:
            yield self._next(generator)

    def close(self) -> None:
        """Cancel what runs, and stop Ray if this runner started it; a cluster that it joined is only left."""
        running, self._running, self._data = list(self._running), {}, {}
        for generator in running:
            self._cancel(generator)
        if self._connected:
            self._connected = False
            self._ray.shutdown()

    def _next(self, generator: ObjectRefGenerator[Delivery]) -> Event:
        task = self._running[generator]
        try:
            return Event(task, delivery=self._ray.get(next(generator)))
        except StopIteration:
            event = Event(task)
        except self._ray.exceptions.RayError as error:
            event = self._failure(task, error)
            if event.lost:
                self._cancel(generator)  # where only a delivery was lost, the task still runs
        del self._running[generator]
        return event

    def _cancel(self, generator: ObjectRefGenerator[Delivery]) -> None:
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.cancel(generator, force=True)

    def _failure(self, task: Task, error: Exception) -> Event:
        """What Ray's error means for the sweep."""
        known = self._ray.exceptions
        if isinstance(error, known.RayTaskError):
            cause = error.cause
            if isinstance(cause, VersionMismatch):
                raise cause from None
            if "failed to import on the worker" in str(cause):
                node = re.search(r"ip=[^,)]+", str(error))
                raise _other_version(
                    node[0] if node else task.name, "none, or one that does not import", __version__
                ) from error
            cause.__cause__ = error  # its text has the worker's traceback
            return Event(task, error=cause)
        lost = (known.WorkerCrashedError, known.NodeDiedError, known.OutOfMemoryError, known.ObjectLostError)
        return Event(task, lost=True) if isinstance(error, lost) else Event(task, error=error)

    def _nodes(self) -> list[Mapping[str, float]]:
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]

    def _check_fits(self, task: Task) -> None:
        wanted = task.resources
        needs = {"CPU": wanted.cpus, "GPU": wanted.gpus, "memory": wanted.memory_bytes}
        nodes = self._nodes()
        if not any(all(node.get(name, 0.0) >= need for name, need in needs.items()) for node in nodes):
            sizes = {Resources(n.get("CPU", 0.0), n.get("GPU", 0.0), int(n.get("memory", 0))): None for n in nodes}
            raise TargetUnavailable(
                "no node of the Ray cluster is large enough for this task",
                where=task.name,
                found="; ".join(map(_in_words, sizes)) or "no node",
                expected=_in_words(wanted),
                fix="ask for less, or add a node; `ray status` lists what the cluster has",
            )


def _other_version(where: str, found: str, expected: str) -> VersionMismatch:
    return VersionMismatch(
        "a node of the Ray cluster does not have this tinyedge",
        where=where,
        found=found,
        expected=f"{expected}, which the sweep was started with",
        fix=f"on that node: pip install 'tinyedge[train,export,scale]=={expected}'",
    )


def _perform(
    version: str, pickled: bytes, inputs: Mapping[str, bytes], data: Mapping[str, Any], deadline: float | None
) -> Iterator[Delivery]:
    """Perform a task; runs in a worker process of its own."""
    import ray

    if version != __version__:
        raise _other_version(socket.gethostname(), __version__, version)
    if not ray.get_gpu_ids():
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray leaves all GPUs in sight of a task that asked for none
    # Ray has set OMP_NUM_THREADS by the task's CPUs, which PyTorch reads once: not again in a process used again.
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    # Arrays in the object store are read-only and shared; torch warns of what nobody does, writing to them.
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
    task: Task = pickle.loads(pickled)  # noqa: S301  # from the driver, like this function itself
    seconds = None if deadline is None else deadline - time.time()
    if seconds is None or seconds > 0:  # otherwise the time went by in Ray's queue
        yield from task.perform(inputs, {split: ray.get(ref) for split, ref in data.items()}, seconds=seconds)


def _start(data_bytes: int) -> None:
    """Start Ray on this machine: no dashboard, no usage reports, workers' output in its log files."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        _init("local", include_dashboard=False, object_store_memory=data_bytes + STORE_SPARE_BYTES)
    except (OSError, RuntimeError, ValueError) as error:
        raise TargetUnavailable(
            "Ray does not start on this machine", found=_last_line(str(error)), fix="ray start --head, and read its log"
        ) from error


def _join(address: str) -> None:
    """Connect to a running cluster, tried in a child process first: from this one Ray could not be interrupted."""
    if "://" in address:
        raise UsageError(
            "--ray takes the address of a cluster, not of a Ray client server",
            found=address,
            expected="host:port, from a machine that is a node of the cluster",
        )
    code = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='error')"
    try:
        subprocess.run(
            [sys.executable, "-c", code, address], check=True, capture_output=True, text=True, timeout=JOIN_SECONDS
        )
        _init(address)
    except subprocess.TimeoutExpired as error:
        raise _unreachable(address, f"no answer within {JOIN_SECONDS} s") from error
    except subprocess.CalledProcessError as error:
        if "InvalidAuthToken" in error.stderr:
            raise _unreachable(address, "the cluster asks for its token", fix=_LOG_IN) from error
        raise _unreachable(address, _last_line(error.stderr)) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreachable(address, _last_line(str(error))) from error


def _init(address: str, **options: Any) -> None:
    import ray

    previous = signal.getsignal(signal.SIGTERM)
    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)
    # Otherwise Ray prints its own account of a dead worker to stdout, where results go.
    ray._private.worker._worker_logs_enabled = False
    with contextlib.suppress(ValueError):  # not the main thread: Ray has set no handler either
        signal.signal(signal.SIGTERM, previous)


_LOG_IN = "export RAY_AUTH_MODE=token, with the head's token in ~/.ray/auth_token"


def _unreachable(address: str, found: str, *, fix: str = "") -> UsageError:
    return UsageError(
        "the Ray cluster cannot be joined",
        where=address,
        found=found,
        expected="host:port of a running head node, from a machine that is a node of its cluster",
        fix=fix or f"ray status --address {address}; docs/scale-out.md says what a node needs",
    )


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["nothing"])[-1]


def _in_words(resources: Resources) -> str:
    parts = [f"{resources.cpus:g} CPUs", f"{resources.gpus:g} GPUs"]
    if resources.memory_bytes:
        parts.append(f"{resources.memory_bytes / 2**30:.1f} GiB")
    return ", ".join(parts)
