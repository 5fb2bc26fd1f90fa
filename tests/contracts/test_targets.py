"""One behaviour for every target: near-empty subclasses of what tests/support/target_contract.py states."""

import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from target_contract import FloatContract, Int8Contract, Int16x8Contract, TargetContract, artifact_of

from tinyedge.registry import TARGETS


class TestOnnxFp32(FloatContract):
    name, suffix, tolerance = "onnx-fp32", ".onnx", 1e-5
    content = staticmethod(tiny_models.onnx_bytes)

    @staticmethod
    def nan_content():
        return tiny_models.onnx_bytes(nan=True)

    def test_a_fixed_batch_of_one_gives_the_same(self, target, session, tmp_path):
        artifact = artifact_of(tmp_path, tiny_models.onnx_bytes(batch=1), ".onnx")
        with target.open(artifact, processes=1) as fixed:
            np.testing.assert_array_equal(fixed.run(self.images(4)), session.run(self.images(4)))


class TestOnnxInt8(TargetContract):
    name, suffix, tolerance = "onnx-int8", ".onnx", 0.35
    content = staticmethod(tiny_models.onnx_int8_bytes)


class TestTfliteFp32(FloatContract):
    name, suffix, tolerance = "tflite-fp32", ".tflite", 1e-5

    @staticmethod
    def content():
        return tiny_models.tflite("fp32")

    @staticmethod
    def nan_content():
        return tiny_models.tflite("fp32", nan=True)


class TestTfliteInt8(Int8Contract):
    name = "tflite-int8"


class TestTfliteInt8Reference(Int8Contract):
    name = "tflite-int8-reference"


class TestTfliteInt8Xnnpack(Int8Contract):
    name = "tflite-int8-xnnpack"


class TestTfliteInt16x8(Int16x8Contract):
    name = "tflite-int16x8"


class TestTflmInt16x8(Int16x8Contract):
    name = "tflm-int16x8"


class TestTfliteDynamic(FloatContract):
    name, suffix, tolerance = "tflite-dynamic", ".tflite", 0.12

    @staticmethod
    def content():
        return tiny_models.tflite("dynamic")

    @staticmethod
    def nan_content():
        return tiny_models.tflite("dynamic", nan=True)


@pytest.mark.usefixtures("executorch")
class TestExecutorchInt8(TargetContract):
    name, suffix, tolerance = "executorch-int8", ".pte", 0.2
    content = staticmethod(tiny_models.pte_bytes)


class TestTflmInt8(Int8Contract):
    name = "tflm-int8"


@pytest.mark.usefixtures("arm_tools")
class TestCortexM4Int8(Int8Contract):
    name = "cortex-m4-int8"


@pytest.mark.usefixtures("arm_tools")
class TestCortexM7Int8(Int8Contract):
    name = "cortex-m7-int8"


@pytest.mark.usefixtures("arm_tools")
class TestCortexM0PlusInt8(Int8Contract):
    name = "cortex-m0plus-int8"


class TestTorchFp32(FloatContract):
    name, suffix, tolerance = "torch-fp32", ".safetensors", 1e-5
    shape = (32, 32, 3)

    @staticmethod
    def images(count=40):
        return np.random.default_rng(2).integers(0, 256, (count, 32, 32, 3), np.uint8)

    @staticmethod
    def content():
        return checkpoint_bytes()

    @staticmethod
    def nan_content():
        return checkpoint_bytes(nan=True)

    @staticmethod
    def expected(batch):
        import torch

        module = scalecnn()
        real = torch.from_numpy(((batch.astype(np.float32) - 128) / 128).transpose(0, 3, 1, 2).copy())
        with torch.no_grad():
            return module(real).numpy()


def scalecnn():
    import torch

    from tinyedge.models.family import Member

    torch.manual_seed(0)
    module = Member("scalecnn", 4).build().eval()
    with torch.no_grad():
        module.head.weight *= 20  # an untrained network's logits hardly depend on the image
    return module


def checkpoint_bytes(nan: bool = False) -> bytes:
    import tempfile

    from tinyedge.models.family import Member
    from tinyedge.train.checkpoint import Checkpoint, RunKey, save_checkpoint
    from tinyedge.train.recipe import PAPER

    state = scalecnn().state_dict()
    if nan:
        state["head.bias"] = state["head.bias"] * float("nan")
    key = RunKey(Member("scalecnn", 4), PAPER, seed=0, data="none", data_digest="0" * 64, precision="fp32")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.safetensors"
        save_checkpoint(path, Checkpoint(key, epoch=200, seconds=0.0, model=state))
        return path.read_bytes()


class ByCommand:
    """The documented example as the runtime: docs/command.md."""

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls):
        example = Path(__file__).parents[2] / "docs" / "examples" / "command" / "run.py"
        return TARGETS[cls.name].load()(command=shlex.join([sys.executable, str(example)]))


class TestCommandInt8(ByCommand, Int8Contract):
    name = "command-int8"


class TestCommandFp32(ByCommand, FloatContract):
    name, suffix, tolerance = "command-fp32", ".tflite", 1e-5
    content, nan_content = map(staticmethod, (TestTfliteFp32.content, TestTfliteFp32.nan_content))


@pytest.mark.usefixtures("arm_tools")
@pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")  # QEMU is started from here
class TestSerialInt8(Int8Contract):
    name = "serial-int8"

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls):
        from hasty import Flashed

        flashed = Flashed()
        yield flashed
        flashed.unplug()


def test_every_registered_target_passes_the_contract():
    tested = {kind.name for kind in _leaves(TargetContract)}
    assert tested == set(TARGETS)


def _leaves(kind):
    below = kind.__subclasses__()
    return [leaf for sub in below for leaf in _leaves(sub)] if below else [kind]
