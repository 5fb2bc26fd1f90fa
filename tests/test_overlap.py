import json
import shutil

import numpy as np
import pytest

from tinyedge.artifact import load_artifact, sidecar_path
from tinyedge.data import load_dataset
from tinyedge.errors import ArtifactCorrupt
from tinyedge.overlap import KEY, overlapping, pack_digests
from tinyedge.zoo import entries


@pytest.fixture
def copied(tmp_path, zoo_entry):
    source = zoo_entry.load("tflite-int8").path
    path = tmp_path / source.name
    for old, new in ((source, path), (sidecar_path(source), sidecar_path(path))):
        shutil.copy(old, new)
    return path


def rewritten(path, change):
    sidecar = sidecar_path(path)
    content = json.loads(sidecar.read_text())
    change(content)
    sidecar.write_text(json.dumps(content))
    return load_artifact(path)


def test_the_shipped_models_know_their_representative_images(shapes_test):
    entry = next(e for e in entries() if e.data == "shapes")
    artifact = entry.load("tflite-int8")
    training = load_dataset("shapes", "train")
    assert overlapping(artifact, training) == 1000
    assert overlapping(artifact, shapes_test) == 0
    seen = training.sample(1000, seed=0)
    mixed = training.take(np.arange(100))
    common = np.isin(mixed.ids, seen.ids).sum()
    assert overlapping(artifact, mixed) == common
    assert common > 0


def test_every_shipped_int8_file_has_them():
    for entry in entries():
        path = entry.load("tflite-int8").path
        content = json.loads(sidecar_path(path).read_text())
        assert len(content[KEY]) == 16 * content["origin"]["representative"]["count"], path.name


def test_real_test_images_are_not_among_them(cifar100_test):
    entry = next(e for e in entries() if e.data == "cifar100")
    assert overlapping(entry.load("tflite-int8"), cifar100_test) == 0


def test_without_digests_it_is_not_known(copied, shapes_test, zoo_entry):
    artifact = rewritten(copied, lambda content: content.pop(KEY))
    assert overlapping(artifact, shapes_test) is None
    sidecar_path(copied).unlink()
    assert overlapping(artifact, shapes_test) is None
    assert overlapping(zoo_entry.load("onnx-fp32"), shapes_test) is None


@pytest.mark.parametrize("broken", ["0" * 17, "g" * 16, 3, ["0" * 16]])
def test_digests_that_are_none_are_refused(copied, shapes_test, broken):
    artifact = rewritten(copied, lambda content: content.update({KEY: broken}))
    with pytest.raises(ArtifactCorrupt, match="digests"):
        overlapping(artifact, shapes_test)


def test_repeated_images_are_recorded_once(shapes_test):
    few = shapes_test.images[:3]
    assert pack_digests(np.concatenate([few, few[::-1]])) == pack_digests(few)
    assert len(pack_digests(few)) == 48
