import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from tests.support.toy import toy
from tinyedge.sweep.plan import Basis
from tinyedge.train.recipe import PAPER

SUPPORT = str(Path(__file__).parents[1] / "support")
sys.path.insert(0, SUPPORT)


@pytest.fixture(scope="module")
def data():
    """Ten easy classes, by split."""
    return {"train": toy("train"), "test": toy("test")}


@pytest.fixture(scope="module")
def basis(data):
    return Basis("toy", data["train"].digest, data["test"].digest, 10, PAPER.shortened(3), "fp32")


@pytest.fixture(scope="session")
def noise():
    """Training data by split, large enough for Ray's object store."""
    from tinyedge.data import Dataset

    images = np.random.default_rng(0).integers(0, 256, (500, 32, 32, 3), np.uint8)
    return {"train": Dataset("noise", "train", images, np.zeros(500, np.int64), ("one",))}


@pytest.fixture(scope="session")
def local_ray(noise):
    """Ray, started once: it takes many seconds. Runners made without an address use it."""
    import ray

    from tinyedge.sweep.on_ray import RayRunner

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        # JAX, which a converter's tests have loaded into this process, warns of any fork; Ray starts by several.
        warnings.filterwarnings("ignore", message=r"os\.fork\(\) was called", category=RuntimeWarning)
        patch.setenv("PYTHONPATH", SUPPORT)  # the workers import the tasks of the tests by name
        patch.delenv("OMP_NUM_THREADS", raising=False)  # a node that sets it decides over its tasks' threads
        runner = RayRunner(noise)
    yield ray
    runner.close()
    assert not ray.is_initialized()
