"""Targets that misbehave in one way each; the real child process runs them."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

import numpy as np

from tinyedge.errors import TargetRefused, TargetTimeout
from tinyedge.targets.base import Requirement, Target


class Plain(Target):
    """Behaves: puts out the sum of each image's channels and constants; prints to both streams as runtimes do."""

    name = "fake"
    runtime = "fake"
    format = "onnx"
    precision = "fp32"
    kernels = "none"
    requirements = (Requirement("numpy", "numpy", "pip install numpy"),)

    def _open(self, artifact, model):
        os.write(1, b"INFO: some runtime was created\n")
        os.write(2, b"WARNING: and says so\n")
        self._classes = artifact.num_classes
        return {"opened_bytes": len(model)}

    def _run(self, inputs):
        os.write(1, b"noise on stdout\n")
        sums = inputs.reshape(len(inputs), -1).sum(axis=1, dtype=np.float64)
        return (sums[:, None] + np.arange(self._classes)).astype(np.float32)


class Batched(Plain):
    """Takes eight images at once, and shows whether it always gets eight."""

    batch = 8

    def _run(self, inputs):
        assert len(inputs) == 8
        return super()._run(inputs)


class Builds(Plain):
    """Makes something that takes long, once; puts out where it was made, and counts what it ran."""

    builds = True
    _ran = 0

    def _build(self, artifact, model):
        return {"built_by": os.getpid()}, np.array([os.getpid()])

    def _open(self, artifact, model):
        self._classes = artifact.num_classes
        return {}

    def _run(self, inputs):
        self._ran += len(inputs)
        return np.broadcast_to(self._built.astype(np.float32), (len(inputs), self._classes))

    def _run_facts(self):
        return {"ran": self._ran}


class OnlyOne(Builds):
    """Cannot be opened twice, as a port cannot."""

    max_processes = 1


class GivesUp(Plain):
    """Has a limit of its own, and says what its device said last."""

    def _run(self, inputs):
        raise TargetTimeout("the board does not answer any more", found="tried 9 times; its last words: fault at 0x40")


class AbortsInRun(Plain):
    def _run(self, inputs):
        os.write(2, b"fatal: tensor index out of range\n")
        os.abort()


class SegfaultsInOpen(Plain):
    def _open(self, artifact, model):
        os.kill(os.getpid(), signal.SIGSEGV)


class ExitsInRun(Plain):
    def _run(self, inputs):
        os._exit(3)


class CrashesOnThird(Plain):
    """Puts out two chunks, then dies."""

    seen = 0

    def _run(self, inputs):
        self.seen += len(inputs)
        if self.seen > 2:
            os.kill(os.getpid(), signal.SIGBUS)
        return super()._run(inputs)


class HangsInRun(Plain):
    def _run(self, inputs):
        time.sleep(60)


class HangsHoldingTheLock(Plain):
    """As native code does that never gives the interpreter's lock back."""

    def _run(self, inputs):
        ctypes.PyDLL(None).sleep(60)


class HangsInOpen(Plain):
    def _open(self, artifact, model):
        time.sleep(60)


class HasABug(Plain):
    def _run(self, inputs):
        return {}["no such key"]


class Refuses(Plain):
    def _open(self, artifact, model):
        try:
            raise RuntimeError("operator X has no kernel")
        except RuntimeError as error:
            raise TargetRefused("the runtime refuses the model", found=error) from error


class WrongShape(Plain):
    def _run(self, inputs):
        return np.zeros((len(inputs), self._classes + 1), np.float32)


class WrongType(Plain):
    def _run(self, inputs):
        return super()._run(inputs).astype(np.float64)


class EatsMemory(Plain):
    memory_bytes = 2 << 30

    def _run(self, inputs):
        return np.zeros((4 << 30,), np.uint8)


class NotInstalled(Plain):
    name = "fake-absent"
    requirements = (Requirement("no-such-distribution", "no_such_module.part", "pip install no-such-distribution"),)


class DoesNotImport(Plain):
    """Installed, as the distribution says, and yet no such module: a broken install."""

    requirements = (Requirement("numpy", "numpy.no_such_part", "pip install --force-reinstall numpy"),)


class SeesItself(Plain):
    """Reports what the child process is like."""

    def _open(self, artifact, model):
        import resource

        super()._open(artifact, model)
        return {
            "pid": os.getpid(),
            "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
            "modules": sorted(sys.modules),
            "cwd_importable": "" in sys.path[:1],
        }
