"""What every file is judged with; models are stand-ins whose outputs are written down."""

from dataclasses import replace

import numpy as np
import pytest

import tinyedge.repair.bench
from tests.support.made_repair import candidate
from tinyedge.data.dataset import Dataset
from tinyedge.evaluate import Model
from tinyedge.gate import DEFAULT_POLICY, Status
from tinyedge.predictions import Predictions
from tinyedge.repair.bench import Bench
from tinyedge.tempered import identity

N, K = 4000, 4


def dataset(first, count):
    pixels = np.arange(first, first + count, dtype="<u4").view(np.uint8).reshape(-1, 1, 4, 1)
    return Dataset("toy", "test", pixels, np.arange(count) % K, tuple(f"class {k}" for k in range(K)))


def logits(data, sure):
    """Right on 80 %; ``sure`` times the logits whose confidence is 80 %."""
    wrong = np.arange(len(data)) % 5 == 0
    named = np.where(wrong, (data.labels + 1) % K, data.labels)
    return sure * np.log(0.8 / (0.2 / (K - 1))) * np.eye(K)[named]


@pytest.fixture
def ran(monkeypatch):
    """Which model was run on how many images; the float model is twice as sure as it should be, as are the files."""
    asked = []

    def predict(target, artifact, data, on_progress=None, options=None):
        if target == "tflm-int8":
            assert len(data) == 1, "it is asked for its arena, and for nothing else"
        else:
            asked.append((artifact.model, len(data)))
        sure = {"float": 2.0, "plain": 2.04, "scaled": 1.02}[artifact.model]
        outputs = logits(data, sure).astype(np.float32)
        return Predictions(
            outputs, data.labels, data.ids, "logits", None, None, {"target": target, "arena_bytes": 1234}
        )

    monkeypatch.setattr(tinyedge.repair.bench, "predict", predict)
    return asked


@pytest.fixture
def bench():
    reference = Model("onnx-fp32", candidate("float").artifact)
    return Bench(reference, dataset(0, 1000), dataset(1000, N), DEFAULT_POLICY, candidates=4, parity_images=0)


def told(reference):
    made = candidate("scaled", temperature=2.0)
    of = identity(candidate("float").artifact)
    origin = {"temperature": made.artifact.origin["temperature"] | {"reference": reference, **of}}
    return replace(made, artifact=replace(made.artifact, origin=origin))


def test_a_candidate_is_judged_with_its_share_and_the_file_as_it_is_is_not(bench, ran):
    shared, alone = (bench.judge(candidate("plain"), shared=shared) for shared in (True, False))
    assert (shared.verdict.confidence, shared.nominal.confidence) == (pytest.approx(1 - 0.05 / 4), 0.95)
    assert alone.verdict is alone.nominal
    wide, narrow = (next(g for g in v.gates if g.name == "signed_gap") for v in (shared.verdict, shared.nominal))
    assert wide.interval[0] < narrow.interval[0]
    assert wide.interval[1] > narrow.interval[1]
    assert (shared.cost.size_bytes, shared.cost.arena_bytes) == (2000, 1234)
    assert shared.verdict.gates[0].detail.startswith(f"{N:,} images"), "the tuning images are not among them"


def test_what_the_quantizer_has_seen_of_the_tuning_images_counts_among_them(bench, ran, monkeypatch):
    monkeypatch.setattr(tinyedge.repair.bench, "overlapping", lambda artifact, data: len(data) // 2)
    for verdict in (bench.look(candidate("plain")), bench.judge(candidate("plain"), shared=True).verdict):
        (gate,) = [gate for gate in verdict.gates if gate.name == "evidence.overlap"]
        assert (gate.status, gate.figure) == (Status.INCONCLUSIVE, 50)


def test_everything_runs_once_on_each_set_of_images(bench, ran):
    plain = candidate("plain")
    for _ in range(2):
        bench.look(plain)
        bench.discordance(plain)
        bench.judge(plain, shared=True)
    assert sorted(ran) == [("float", 1000), ("float", N), ("plain", 1000), ("plain", N)]


def test_a_scaled_file_is_held_against_the_float_model_at_its_own_temperature(bench, ran):
    found = bench.judge(told(2.0), shared=True)
    gates = {gate.name: gate for gate in found.verdict.gates}
    assert gates["gap_change"].status is Status.PASS
    assert abs(gates["gap_change"].figure) < 1
    assert found.as_trained.status is Status.FAIL
    assert found.as_trained.figure < -10
    assert found.reference_temperature == 2
    assert bench.judge(candidate("plain"), shared=True).as_trained is None


def test_a_temperature_of_another_float_model_is_not_this_ones(bench, ran):
    bench.reference = Model("onnx-fp32", replace(bench.reference.artifact, sha256="f" * 64))
    found = bench.judge(told(2.0), shared=True)
    assert (found.reference_temperature, found.as_trained) == (1, None), "as tinyedge validate holds it"


def test_what_deployment_did_stays_visible_beside_a_temperature(bench, ran):
    """A float model that was calibrated, and a file that was made calibrated only by a temperature: nothing to see.

    Were the file's own temperature taken for the float model's, that one would be far too modest.
    """
    own = bench.judge(told(1.0), shared=True)
    gates = {gate.name: gate for gate in own.verdict.gates}
    assert gates["gap_change"].status is Status.FAIL, "the float model is twice as sure as it should be, and stays so"
