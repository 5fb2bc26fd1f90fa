"""One behaviour for every target; each is a near-empty subclass at the end, and a new one costs a few lines."""

import dataclasses
import hashlib
import json
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from tiny_models import SIZE, images

from tinyedge import errors
from tinyedge.artifact import FAMILY_CONVENTION, load_artifact
from tinyedge.formats.facts import PRECISIONS
from tinyedge.registry import TARGETS
from tinyedge.targets import base

MICROCONTROLLERS = {name for name in TARGETS if name.startswith(("tflm", "cortex", "serial"))} | {
    "tflite-int8",
    "tflite-int8-reference",
    "tflite-int16x8",
}


def artifact_of(folder: Path, content: bytes, suffix: str):
    path = folder / f"model{suffix}"
    path.write_bytes(content)
    return load_artifact(path, convention=FAMILY_CONVENTION)


class TargetContract:
    """What every target does. A subclass states ``name``, ``suffix``, ``content`` and how near its outputs come."""

    name: str
    suffix: str
    tolerance: float
    shape = (SIZE, SIZE, 3)

    @staticmethod
    def content() -> bytes:
        raise NotImplementedError

    @staticmethod
    def images(count: int = 40) -> np.ndarray:
        return images(count)

    @staticmethod
    def expected(batch: np.ndarray) -> np.ndarray:
        return tiny_models.expected_logits(batch)

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls):
        return TARGETS[cls.name].load()()

    @pytest.fixture(scope="class")
    @classmethod
    def artifact(cls, tmp_path_factory):
        return artifact_of(tmp_path_factory.mktemp(cls.name), cls.content(), cls.suffix)

    @pytest.fixture(scope="class")
    @classmethod
    def session(cls, target, artifact):
        with target.open(artifact, processes=1) as session:
            yield session

    def test_states_what_it_is(self, target):
        assert target.name == self.name
        assert target.precision in PRECISIONS
        assert target.kernels
        assert target.runtime
        assert target.requirements
        assert target.microcontroller == (self.name in MICROCONTROLLERS)

    def test_available_here(self, target):
        assert target.available() == base.Availability(ok=True)

    def test_outputs_are_those_of_an_independent_implementation(self, session, artifact):
        batch = self.images()
        outputs = session.run(batch)
        assert outputs.shape == (len(batch), artifact.num_classes)
        assert outputs.dtype == artifact.output.dtype
        expected = self.expected(batch)
        assert expected.std() > 0.05, "logits that hardly vary would prove nothing"
        np.testing.assert_allclose(artifact.output.dequantize(outputs), expected, rtol=0, atol=self.tolerance)

    def test_outputs_do_not_depend_on_order_chunks_or_repetition(self, session):
        batch = self.images()
        whole = session.run(batch)
        np.testing.assert_array_equal(session.run(batch), whole)
        order = np.random.default_rng(0).permutation(len(batch))
        np.testing.assert_array_equal(session.run(batch[order]), whole[order])
        np.testing.assert_array_equal(np.concatenate([session.run(batch[:7]), session.run(batch[7:])]), whole)
        np.testing.assert_array_equal(session.run(batch[11:12]), whole[11:12])
        np.testing.assert_array_equal(session.run(batch[::-1]), whole[::-1])  # not contiguous in memory

    def test_outputs_do_not_depend_on_the_number_of_processes(self, target, artifact, session):
        batch = self.images()
        with target.open(artifact, processes=2) as two:
            np.testing.assert_array_equal(two.run(batch), session.run(batch))
            assert two.facts()["processes"] == min(2, target.max_processes or 2)

    def test_progress_ends_at_the_whole(self, session):
        seen = []
        session.run(self.images(20), on_progress=lambda done, total: seen.append((done, total)))
        assert seen[-1] == (20, 20)
        assert seen == sorted(seen)

    def test_a_convention_for_one_run_takes_the_artifacts_place(self, session, artifact):
        batch = self.images(4)
        swapped = dataclasses.replace(FAMILY_CONVENTION, color="BGR")
        np.testing.assert_array_equal(session.run(batch, convention=swapped), session.run(batch[..., ::-1]))
        np.testing.assert_array_equal(session.run(batch, convention=artifact.convention), session.run(batch))

    @pytest.mark.parametrize("wrong", ["size", "dtype", "channels", "one image"])
    def test_wrong_images_are_refused(self, session, wrong):
        h, w, c = self.shape
        batch = {
            "size": np.zeros((2, h, w + 1, c), np.uint8),
            "dtype": np.zeros((2, h, w, c), np.float32),
            "channels": np.zeros((2, h, w, 4), np.uint8),
            "one image": np.zeros((h, w, c), np.uint8),
        }[wrong]
        with pytest.raises(errors.ImageSizeMismatch, match="do not fit the model"):
            session.run(batch)
        assert len(session.run(self.images(1))) == 1, "the session is still good"

    def test_no_images_are_refused(self, session):
        with pytest.raises(errors.DatasetEmpty):
            session.run(np.zeros((0, *self.shape), np.uint8))

    def test_facts_are_complete(self, session, target):
        session.run(self.images(3))
        facts = session.facts()
        assert json.loads(json.dumps(facts, allow_nan=False)) == facts
        for name in ("target", "runtime", "runtime_version", "kernels", "machine", "threads_per_process"):
            assert facts[name], name
        assert facts["images"] >= 3
        assert facts["us_per_image"] >= 0
        assert facts["seconds"] > 0
        assert "cpu_flags" in facts
        assert "rounding" in facts
        if self.suffix == ".tflite":
            assert "operators" in facts["kernels"], "counted in the runtime's own graph"

    def test_another_format_is_refused(self, target, artifact):
        other = dataclasses.replace(artifact, format="onnx" if artifact.format != "onnx" else "tflite")
        with pytest.raises(errors.ArtifactUnsupported, match=f"{self.name} runs {target.format} files"):
            target.open(other)

    def test_another_precision_is_refused(self, target, artifact):
        for precision in PRECISIONS.keys() - {artifact.precision}:
            other = dataclasses.replace(artifact, precision=precision)
            with pytest.raises(errors.ArtifactUnsupported, match=f"runs {target.precision} models") as caught:
                target.open(other)
            assert caught.value.found.startswith(precision)
            assert "tinyedge" in caught.value.fix

    def test_a_fixed_batch_of_several_is_refused(self, target, artifact):
        shape = (4, *artifact.input.shape[1:])
        other = dataclasses.replace(artifact, input=dataclasses.replace(artifact.input, shape=shape))
        with pytest.raises(errors.ArtifactUnsupported, match="batch is not 1"):
            target.open(other)

    @pytest.mark.parametrize("kept", [0, 7, 100, 0.3, 0.7, 0.95, -4])
    def test_a_truncated_file_is_refused(self, tmp_path, kept):
        content = self.content()
        cut = content[: int(kept * len(content)) if isinstance(kept, float) else kept]
        with pytest.raises(errors.ArtifactCorrupt) as caught:
            artifact_of(tmp_path, cut, self.suffix)
        assert caught.value.exit_code == 2
        assert "model" in caught.value.where
        assert caught.value.fix

    def test_a_file_of_another_kind_is_refused(self, tmp_path):
        with pytest.raises(errors.ArtifactCorrupt):
            artifact_of(tmp_path, b"\x89PNG\r\n\x1a\n" + bytes(500), self.suffix)

    def test_a_file_that_changed_since_is_refused(self, target, tmp_path):
        artifact = artifact_of(tmp_path, self.content(), self.suffix)
        artifact.path.write_bytes(self.content() + b"\0")
        with pytest.raises(errors.ArtifactHashMismatch, match="changed"):
            target.open(artifact, processes=1)

    def test_bytes_that_only_the_runtime_sees_are_an_error_and_no_crash_of_ours(self, target, artifact, tmp_path):
        """The reader's checks aside: the runtime is given a cut file under an honest hash."""
        content = self.content()[: int(0.6 * len(self.content()))]
        path = tmp_path / f"broken{self.suffix}"
        path.write_bytes(content)
        broken = dataclasses.replace(artifact, path=path, sha256=hashlib.sha256(content).hexdigest())
        expected = (errors.ArtifactCorrupt, errors.TargetRefused, errors.TargetCrashed, errors.PredictionsError)
        with pytest.raises(expected) as caught, target.open(broken, processes=1) as session:
            session.run(self.images(2))
        assert "broken" in caught.value.where

    def test_a_closed_session_is_refused(self, target, artifact):
        with target.open(artifact, processes=1) as session:
            pass
        with pytest.raises(errors.UsageError, match="closed"):
            session.run(self.images(1))
        session.close()  # again: no error

    def test_a_missing_package_says_how_to_get_it(self, target, artifact, monkeypatch):
        monkeypatch.setattr(base, "find_spec", lambda name: None)
        here = target.available()
        assert not here.ok
        assert here.missing == target.requirements[0].distribution
        with pytest.raises(errors.TargetUnavailable, match="not installed") as caught:
            target.open(artifact)
        assert caught.value.exit_code == 4
        assert caught.value.fix.startswith("pip install")


class FloatContract(TargetContract):
    """What float targets do beside: an int8 one cannot put out NaN."""

    @staticmethod
    def nan_content() -> bytes:
        raise NotImplementedError

    def test_nan_is_an_error_and_names_the_image(self, target, tmp_path):
        artifact = artifact_of(tmp_path, self.nan_content(), self.suffix)
        with (
            target.open(artifact, processes=1) as session,
            pytest.raises(errors.PredictionsError, match="NaN or infinity") as caught,
        ):
            session.run(self.images(3))
        assert "the first is image 0" in caught.value.found
        assert caught.value.exit_code == 2


class Int8Contract(TargetContract):
    """What the int8 targets do beside."""

    suffix = ".tflite"
    tolerance = 0.35  # steps of 0.1 in the output, 0.05 inside
    content = staticmethod(tiny_models.tflite)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"precision": "fp32"}, ["runs int8 models", "fp32: float32 weights and activations"]),
            ({"precision": "dynamic"}, ["runs int8 models", "dynamic: int8 weights", "--target tflite-dynamic"]),
            (
                {"precision": "int16x8"},
                ["runs int8 models", "int16x8: int8 weights, int16 activations", "--target tflite-int16x8"],
            ),
            ({"quantized": False}, ["int8 without quantization", "without scale and zero point"]),
        ],
    )
    def test_an_unsuitable_artifact_is_one_clear_error(self, target, tmp_path, options, words):
        artifact = artifact_of(tmp_path, tiny_models.tflite(**options), ".tflite")
        with pytest.raises(errors.ArtifactUnsupported) as caught:
            target.open(artifact)
        assert all(word in str(caught.value) for word in words)
        assert caught.value.exit_code == 2
        assert caught.value.fix

    def test_float_in_and_out_around_int8_is_refused_with_the_converters_flag(self, target, artifact):
        real = dataclasses.replace(artifact.input, dtype="float32", scale=None, zero_point=None)
        with pytest.raises(errors.ArtifactUnsupported, match="input is not int8") as caught:
            target.open(dataclasses.replace(artifact, input=real))
        assert "float32 input, int8 inside" in caught.value.found
        assert "inference_input_type and inference_output_type = tf.int8" in caught.value.fix

    def test_a_dynamic_batch_is_fixed_to_1_and_said(self, target, session, tmp_path):
        artifact = artifact_of(tmp_path, tiny_models.tflite(batch=-1), ".tflite")
        assert artifact.input.shape[0] == -1
        with target.open(artifact, processes=1) as dynamic:
            np.testing.assert_array_equal(dynamic.run(self.images(3)), session.run(self.images(3)))
            assert "fixed to 1" in dynamic.facts()["preparation"][-1]
        assert "fixed to 1" not in session.facts()["preparation"][-1]

    def test_uint8_in_and_out_is_the_int8_model_128_higher(self, target, session, tmp_path):
        artifact = artifact_of(tmp_path, tiny_models.tflite(io="uint8"), ".tflite")
        with target.open(artifact, processes=1) as unsigned:
            outputs = unsigned.run(self.images())
        assert outputs.dtype == np.uint8
        np.testing.assert_array_equal(outputs.astype(int) - 128, session.run(self.images()))


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


class Int16x8Contract(TargetContract):
    suffix, tolerance = ".tflite", 0.1  # what is left is the weights' rounding

    @staticmethod
    def content():
        return tiny_models.tflite("int16x8")


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
