"""What every exporter does, whatever it converts with. A new exporter is one more class at the end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import exporting
import numpy as np
import pytest

from tinyedge.artifact import load_artifact, sidecar_path
from tinyedge.errors import ClassCountMismatch, ExportError, ImageSizeMismatch, TargetUnavailable, UsageError
from tinyedge.exporters.base import Options
from tinyedge.exporters.source import KerasSource, TorchSource, from_checkpoint
from tinyedge.files import sha256_file
from tinyedge.overlap import overlapping
from tinyedge.registry import EXPORTERS, lookup


class ExporterContract:
    name: ClassVar[str]

    @pytest.fixture
    def exporter(self):
        return lookup(EXPORTERS, "exporter", self.name)()

    def export(self, exporter, destination, **changes):
        given = {"source": exporting.source()}
        if exporter.quantized:
            given["representative"] = exporting.representative()
        given |= changes
        return exporter.export(given.pop("source"), destination, **given)

    def test_it_is_registered_under_its_own_name(self, exporter):
        assert exporter.name == self.name

    def test_it_is_available_in_the_full_install(self, exporter):
        assert exporter.available().ok
        assert exporter.available().install is None

    def test_the_file_reads_back_as_what_was_returned(self):
        artifact = exporting.exported(self.name)
        assert load_artifact(artifact.path) == artifact
        assert artifact.sha256 == sha256_file(artifact.path)
        assert artifact.precision == self.name.split("-")[-1]
        assert artifact.num_classes == 100
        assert artifact.image_shape == (32, 32, 3)
        assert artifact.output_kind == "logits"
        assert artifact.params == 21_936
        assert artifact.model == "scalecnn-c4"

    def test_the_side_car_says_how_the_file_came_about(self, exporter):
        origin = json.loads(sidecar_path(exporting.exported(self.name).path).read_text())["origin"]
        assert origin["exporter"] == self.name
        assert all(origin["versions"].values())
        assert origin["training"]["member"]["width"] == 4
        assert origin["training"]["recipe"]["name"] == "paper"
        assert origin["training"]["data_digest"] == exporting.noise().digest
        assert origin["training"]["test_accuracy"] == 0.01
        assert origin["training"]["finished"] is True
        assert ("representative" in origin) is exporter.quantized
        if exporter.quantized:
            drawn = origin["representative"]
            assert (drawn["split"], drawn["count"], drawn["seed"]) == ("train", 120, 3)
            assert drawn["data_digest"] == exporting.noise().digest
            assert drawn["calibration"] == exporter.calibrations[0]

    def test_the_side_car_knows_the_representative_images_again(self, exporter):
        artifact, seen = exporting.exported(self.name), exporting.noise()
        if exporter.quantized:
            assert overlapping(artifact, seen) == 120
            assert overlapping(artifact, seen.take(np.arange(50))) == overlapping(
                artifact, replace(seen, labels=seen.labels[::-1].copy()).take(np.arange(50))
            ), "an image is the same under any label"
            assert overlapping(artifact, exporting.noise("test")) == 0
        else:
            assert overlapping(artifact, seen) is None

    def test_the_side_car_names_no_folder_of_this_machine(self):
        path = exporting.exported(self.name).path
        assert str(path.parent) not in sidecar_path(path).read_text()
        assert str(path.parent).encode() not in path.read_bytes()

    def test_a_missing_package_is_named_with_the_command_that_installs_it(self, exporter, tmp_path, monkeypatch):
        monkeypatch.setattr(type(exporter), "requires", {"no_such_module": "no-such-package"})
        with pytest.raises(TargetUnavailable, match="no-such-package") as caught:
            self.export(exporter, tmp_path / f"m{exporter.suffix}")
        assert caught.value.fix == exporter.install
        assert exporter.install.startswith("pip install 'tinyedge[")

    def test_another_suffix_is_refused(self, exporter, tmp_path):
        with pytest.raises(UsageError, match=rf"ends in \{exporter.suffix}"):
            self.export(exporter, tmp_path / "model.bin")

    def test_a_folder_as_destination_is_refused(self, exporter, tmp_path):
        folder = tmp_path / f"m{exporter.suffix}"
        folder.mkdir()
        with pytest.raises(UsageError, match="a folder"):
            self.export(exporter, folder)

    @pytest.mark.parametrize("options", [Options(batch="7"), Options(calibration="guess")])
    def test_an_unknown_option_is_refused(self, exporter, tmp_path, options):
        with pytest.raises(UsageError, match="does not know this option"):
            self.export(exporter, tmp_path / f"m{exporter.suffix}", options=options)

    def test_a_source_of_the_wrong_kind_is_refused(self, exporter, tmp_path):
        wrong = KerasSource("m", keras=object()) if KerasSource not in exporter.takes else "model.pt"
        with pytest.raises(UsageError, match="does not take this kind"):
            self.export(exporter, tmp_path / f"m{exporter.suffix}", source=wrong)

    def test_representative_images_are_required_or_refused(self, exporter, tmp_path):
        given = None if exporter.quantized else exporting.representative()
        with pytest.raises(UsageError, match="representative images"):
            self.export(exporter, tmp_path / f"m{exporter.suffix}", representative=given)

    def test_representative_images_have_the_models_size(self, exporter, tmp_path):
        if exporter.quantized:
            small = replace(exporting.representative(), images=np.zeros((120, 8, 8, 3), np.uint8))
            with pytest.raises(ImageSizeMismatch, match="8, 8, 3"):
                self.export(exporter, tmp_path / f"m{exporter.suffix}", representative=small)

    def test_representative_images_are_of_the_models_classes(self, exporter, tmp_path):
        if exporter.quantized:
            other = replace(exporting.representative(), num_classes=10)
            with pytest.raises(ClassCountMismatch, match="10 classes"):
                self.export(exporter, tmp_path / f"m{exporter.suffix}", representative=other)

    def test_a_failing_converter_shows_what_it_printed_and_leaves_nothing(self, exporter, tmp_path, monkeypatch, capfd):
        def fail(*_):
            print("the op is unknown")  # noqa: T201  # as a converter does
            raise RuntimeError("no luck")

        monkeypatch.setattr(type(exporter), "_convert", fail)
        with pytest.raises(ExportError, match=r"(?s)RuntimeError: no luck.*the op is unknown") as caught:
            self.export(exporter, tmp_path / f"m{exporter.suffix}")
        assert isinstance(caught.value.__cause__, RuntimeError)
        assert list(tmp_path.iterdir()) == []
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("stage", ["_verify", "_describe"])
    def test_a_file_that_does_not_hold_leaves_nothing(self, exporter, tmp_path, monkeypatch, stage):
        self.convert_from_the_export_at_hand(exporter, monkeypatch)

        def fail(*_):
            raise ExportError("it does not hold")

        monkeypatch.setattr(type(exporter), stage, fail)
        with pytest.raises(ExportError, match="does not hold"):
            self.export(exporter, tmp_path / f"m{exporter.suffix}")
        assert list(tmp_path.iterdir()) == []

    def test_without_its_side_car_the_file_does_not_stay(self, exporter, tmp_path, monkeypatch):
        self.convert_from_the_export_at_hand(exporter, monkeypatch)

        def fail(*_, **__):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("tinyedge.exporters.base.write_sidecar", fail)
        with pytest.raises(UsageError, match="No space left") as caught:
            self.export(exporter, tmp_path / f"m{exporter.suffix}")
        assert "make room" in str(caught.value)
        assert list(tmp_path.iterdir()) == []

    def test_an_unwritable_destination_is_said_so(self, exporter, tmp_path, monkeypatch):
        self.convert_from_the_export_at_hand(exporter, monkeypatch)
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(UsageError, match="cannot be written"):
            self.export(exporter, tmp_path / "file" / f"m{exporter.suffix}")

    def test_an_earlier_file_survives_a_side_car_that_cannot_be_written(self, exporter, tmp_path, monkeypatch):
        self.convert_from_the_export_at_hand(exporter, monkeypatch)
        destination = tmp_path / f"m{exporter.suffix}"
        destination.write_text("earlier")
        (tmp_path / f"m{exporter.suffix}.tinyedge.json").mkdir()
        with pytest.raises(UsageError, match="in the file's place"):
            self.export(exporter, destination)
        assert destination.read_text() == "earlier"

    def test_an_earlier_file_survives_a_failure(self, exporter, tmp_path, monkeypatch):
        destination = tmp_path / f"m{exporter.suffix}"
        destination.write_text("earlier")
        monkeypatch.setattr(type(exporter), "_convert", lambda *_: 1 / 0)
        with pytest.raises(ExportError, match="ZeroDivisionError"):
            self.export(exporter, destination)
        assert destination.read_text() == "earlier"

    def convert_from_the_export_at_hand(self, exporter, monkeypatch):
        """What comes after the conversion is looked at: seconds are saved by not doing it again."""
        from tinyedge.exporters.base import Conversion

        images = exporting.representative().images[:16]
        done = Conversion(exporting.exported(self.name).path.read_bytes(), images, exporting.source().outputs(images))
        monkeypatch.setattr(type(exporter), "_convert", lambda *_: done)


class TestOnnxFp32(ExporterContract):
    name = "onnx-fp32"


class TestOnnxInt8(ExporterContract):
    name = "onnx-int8"


class TestTfliteInt16x8(ExporterContract):
    name = "tflite-int16x8"


class TestTfliteDynamic(ExporterContract):
    name = "tflite-dynamic"


@pytest.mark.usefixtures("executorch")
class TestExecutorchInt8(ExporterContract):
    name = "executorch-int8"


class TestTfliteFp32(ExporterContract):
    name = "tflite-fp32"


class TestTfliteInt8(ExporterContract):
    name = "tflite-int8"


class TestTfFp32(ExporterContract):
    name = "tf-fp32"


class TestTfInt8(ExporterContract):
    name = "tf-int8"


def test_every_registered_exporter_has_its_class_here():
    covered = {kind.name for kind in ExporterContract.__subclasses__()}
    assert covered == set(EXPORTERS) == set(exporting.NAMES)


def test_an_unknown_exporter_is_answered_with_the_close_one():
    with pytest.raises(UsageError, match="did you mean tflite-int8"):
        lookup(EXPORTERS, "exporter", "tflite-int9")


def test_weights_that_are_nan_are_refused_before_any_conversion():
    import torch

    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 10))
    with torch.no_grad():
        module[1].weight[0, 0] = float("nan")
    with pytest.raises(ExportError, match=r"(?s)NaN or infinite.*1\.weight.*1 of 30720"):
        TorchSource(module, (32, 32, 3), "broken")


def test_an_export_prints_nothing(tmp_path, capfd):
    exporter = lookup(EXPORTERS, "exporter", "tflite-int8")()
    fresh = from_checkpoint(exporting.checkpoint())  # what is converted once is kept: this one is not
    exporter.export(fresh, tmp_path / "m.tflite", representative=exporting.representative())
    assert capfd.readouterr() == ("", "")
    assert sha256_file(tmp_path / "m.tflite") == exporting.exported("tflite-int8").sha256, "not repeatable"
    assert sorted(Path(tmp_path).iterdir()) == [tmp_path / "m.tflite", tmp_path / "m.tflite.tinyedge.json"]
