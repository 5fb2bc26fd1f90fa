"""What every target does, and what those of a precision do beside; tests/contracts/test_targets.py has the targets."""

import dataclasses
import hashlib
import json
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


class Int16x8Contract(TargetContract):
    suffix, tolerance = ".tflite", 0.1  # what is left is the weights' rounding

    @staticmethod
    def content():
        return tiny_models.tflite("int16x8")
