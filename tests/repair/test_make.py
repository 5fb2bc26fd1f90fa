"""From recipes to files; exports and training are stand-ins that write down what they were asked for."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tinyedge.exporters.representative
import tinyedge.exporters.source
import tinyedge.repair.make
import tinyedge.train.checkpoint
import tinyedge.train.tune
from tests.support.made_repair import START, candidate
from tinyedge.repair.make import Maker

DATA = SimpleNamespace(name="train")


class Exporter:
    suffix = ".tflite"
    asked: list = []  # noqa: RUF012

    def export(self, source, path, *, representative, options):
        self.asked.append((source, representative, options.calibration, path.name))
        return candidate(f"export{len(self.asked)}").artifact


@pytest.fixture
def asked(monkeypatch):
    Exporter.asked = []
    monkeypatch.setattr(tinyedge.repair.make, "lookup", lambda *_: Exporter)
    monkeypatch.setattr(tinyedge.exporters.source, "from_checkpoint", lambda path: f"source of {path.name}")
    monkeypatch.setattr(
        tinyedge.exporters.representative,
        "draw_representative",
        lambda data, *, count, seed, balanced: (data.name, count, seed, balanced),
    )
    return Exporter.asked


@pytest.fixture
def maker(tmp_path):
    bench = SimpleNamespace(tuning=SimpleNamespace(name="tuning", digest="d" * 64))
    return Maker(
        candidate("given"), START, train=lambda: DATA, bench=bench, folder=tmp_path, teacher=Path("big"), epochs=2
    )


def test_what_was_given_is_not_made_and_what_was_made_is_not_made_again(maker, asked):
    assert maker.make(START).artifact.model == "given"
    other = replace(START, calibration="minmax", count=500, seed=3, balanced=True)
    assert maker.make(other) is maker.make(other)
    assert [call[:3] for call in asked] == [("source of float.safetensors", ("train", 500, 3, True), "minmax")]


def test_short_training_is_run_once_and_its_weights_are_exported(maker, asked, monkeypatch, tmp_path):
    ran = []

    def tune(start, data, test, *, tuning, device, teacher, on_note):
        ran.append((start, data.name, test.name, tuning.method, tuning.epochs, teacher))
        return SimpleNamespace(key=SimpleNamespace(name=f"c6-{tuning.method}"))

    monkeypatch.setattr(tinyedge.train.tune, "tune", tune)
    monkeypatch.setattr(tinyedge.train.checkpoint, "load_checkpoint", lambda path: f"weights of {path.name}")
    monkeypatch.setattr(tinyedge.train.checkpoint, "save_checkpoint", lambda path, tuned: path.write_text("w"))
    for calibration in ("minmax", "mse"):
        maker.make(replace(START, tuning="qat", calibration=calibration))
    maker.make(replace(START, tuning="distill"))
    float_weights = "weights of float.safetensors"
    assert ran == [
        (float_weights, "train", "tuning", "qat", 2, None),
        (float_weights, "train", "tuning", "distill", 2, "weights of big"),
    ], "accuracy at the end is measured on tuning images: the judged ones are not looked at"
    assert [call[0] for call in asked] == ["source of c6-qat.safetensors"] * 2 + ["source of c6-distill.safetensors"]
    assert maker.checkpoint(replace(START, tuning="qat")) == tmp_path / "c6-qat.safetensors"


def test_a_temperature_goes_on_top_of_the_recipes_own_export(maker, asked, monkeypatch):
    import tinyedge.exporters.temperature

    logits = np.random.default_rng(0).normal(0, 4, (400, 5))
    labels = np.array([np.random.default_rng(i).choice(5, p=np.exp(z) / np.exp(z).sum()) for i, z in enumerate(logits)])
    true = SimpleNamespace(logits=logits, labels=labels, output_kind="logits")
    sure = SimpleNamespace(logits=2.0 * logits, labels=labels)
    folded = []

    def fold(artifact, temperature, path):
        folded.append((artifact.model, temperature))
        return candidate("folded", temperature=temperature).artifact

    class Outputs(SimpleNamespace):
        def __len__(self):
            return 400

    maker._bench.outputs, maker._bench.float_outputs = lambda plain: sure, lambda: Outputs(**vars(true))
    monkeypatch.setattr(tinyedge.exporters.temperature, "fold_temperature", fold)
    monkeypatch.setattr(maker, "_record", lambda made, own: folded.append(("own", own)) or made)
    maker.make(replace(START, calibration="minmax", tempered=True))
    (name, temperature), (_, own) = folded
    assert name == "export1"
    assert temperature == pytest.approx(2 * own, rel=1e-6)
    assert own == pytest.approx(1, abs=0.15)
