"""A sweep with a real int8 export in it: trained, converted, and run by LiteRT."""

import numpy as np
import pytest

from tests.support.toy import toy
from tinyedge.artifact import load_artifact
from tinyedge.outcomes import outcome_facts, read_outcomes
from tinyedge.sweep.drive import Sweep
from tinyedge.sweep.folder import SweepFolder
from tinyedge.sweep.local import LocalRunner
from tinyedge.sweep.plan import Selection
from tinyedge.sweep.settle import Asked, make_training, settle
from tinyedge.validate import predict

TARGET = "tflite-int8"
MODEL = "scalecnn-c4-seed0"


@pytest.fixture(scope="module")
def sets():
    return {split: toy(split) for split in ("train", "test")}


def sweep(folder, sets):
    """What was finished, and every unit's record."""
    asked = Asked(Selection(("scalecnn",), (4,), (0,), (TARGET,)), epochs=10, precision="fp32")
    with folder.lock():
        basis, plan = settle(folder, sets["train"], sets["test"], asked, "cpu")
        summary = Sweep(folder, basis, plan, LocalRunner(sets), make_training("cpu", 1, None)).run()
    assert (summary.failed, summary.left) == ({}, 0)
    return summary.finished, {unit.name: folder.done(unit, basis) for unit in plan.units()}


def test_a_trained_model_becomes_an_int8_file_that_has_run(sets, tmp_path):
    folder = SweepFolder(tmp_path)
    finished, records = sweep(folder, sets)
    assert finished == [f"{MODEL} train", f"{MODEL} export {TARGET}", f"{MODEL} predict {TARGET}"]
    assert finished == list(records)

    trained, exported, ran = records.values()
    artifact = load_artifact(tmp_path / f"models/{MODEL}-tflite-int8.tflite")
    assert (artifact.precision, artifact.input.dtype, artifact.output.dtype) == ("int8", "int8", "int8")
    assert exported.files[f"models/{artifact.path.name}"] == artifact.sha256
    assert exported.facts["bytes"] == artifact.size_bytes
    drawn = artifact.origin["representative"]
    assert (drawn["split"], drawn["count"], drawn["data_digest"]) == ("train", 384, sets["train"].digest)

    kept = read_outcomes(tmp_path / f"outcomes/{MODEL}.{TARGET}.npz", sets["test"])
    again = predict(TARGET, artifact, sets["test"])
    assert np.array_equal(kept.outcome.predicted, again.outputs.argmax(1))
    assert kept.header["facts"] == outcome_facts(artifact)
    assert kept.header["facts"]["model"] == MODEL
    assert ran.facts["accuracy"] == kept.outcome.correct.mean()
    assert ran.facts["accuracy"] > 0.2, "twice what guessing gets"
    assert ran.facts["accuracy"] == pytest.approx(trained.facts["test_accuracy"], abs=0.05)

    assert sweep(folder, sets)[0] == [], "nothing is done twice"
