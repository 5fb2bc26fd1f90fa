import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tinyedge.cli.data import app
from tinyedge.data import load_dataset
from tinyedge.errors import CorruptImage, DatasetNotFound, UsageError


@pytest.fixture
def photos(tmp_path):
    """Two classes; train has one duplicate under another label, and test one image of train."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 8, 9, 3), dtype=np.uint8)
    places = {"train/a": [0, 1, 2], "train/b": [3, 0], "test/a": [4], "test/b": [5, 1]}
    for place, members in places.items():
        (tmp_path / "photos" / place).mkdir(parents=True)
        for i in members:
            Image.fromarray(images[i]).save(tmp_path / "photos" / place / f"{i}.png")
    return tmp_path / "photos"


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_info_as_json(photos):
    result = run("info", photos, "--format", "json")
    found = json.loads(result.stdout)
    assert (found["name"], found["classes"], found["synthetic"]) == ("photos", 2, False)
    assert found["image"] == {"height": 8, "width": 9, "channels": 3}
    train, test = found["splits"]
    assert (train["split"], train["images"], train["fewest"], train["most"]) == ("train", 5, 2, 3)
    assert (train["duplicates"], train["relabelled"]) == (1, 1)
    assert (test["duplicates"], test["digest"]) == (0, load_dataset(str(photos), "test").digest)
    assert found["overlaps"] == [{"inside": "test", "of": "train", "images": 1, "relabelled": 1}]


def test_info_as_text(photos):
    result = run("info", photos)
    assert result.exit_code == 0
    for words in ("5; 2 to 3 a class", "8 x 9, RGB", "1, 1 of them under another label", "also stand in train"):
        assert words in result.stdout
    assert "reading" in result.stderr
    assert "reading" not in result.stdout


def test_info_of_one_split(photos):
    found = json.loads(run("info", photos, "--split", "test", "--format", "json").stdout)
    assert [split["split"] for split in found["splits"]] == ["test"]
    assert found["overlaps"] == []


def test_info_of_shapes_says_that_it_is_synthetic():
    result = run("info", "shapes", "--split", "test")
    assert "shapes: synthetic" in result.stdout
    assert "10,000; 100 a class" in result.stdout
    assert "100 in 10 superclasses" in result.stdout


def test_pack_and_info_of_the_pack(photos, tmp_path):
    result = run("pack", photos, tmp_path / "packed")
    assert "wrote train.webp" in result.stderr
    assert "train: 5 images" in result.stdout
    before, after = (json.loads(run("info", p, "--format", "json").stdout) for p in (photos, tmp_path / "packed"))
    assert after["source"] == "packed (grid pack)"
    assert after | {"source": ""} == before | {"source": ""}


def test_pack_of_an_npz_as_a_split(tmp_path):
    np.savez(tmp_path / "mine.npz", x=np.zeros((2, 4, 4, 1), np.uint8), y=np.array([0, 1]))
    printed = json.loads(
        run("pack", tmp_path / "mine.npz", tmp_path / "p", "--split", "train", "--format", "json").stdout
    )
    assert printed["digests"] == {"train": load_dataset(str(tmp_path / "mine.npz"), "train").digest}
    assert printed["bytes"] == sum(path.stat().st_size for path in (tmp_path / "p").iterdir())


def test_a_bad_image_stops_the_pack_and_nothing_is_written(photos, tmp_path):
    (photos / "test" / "b" / "5.png").write_bytes(b"no image")
    with pytest.raises(CorruptImage, match=r"5\.png"):
        run("pack", photos, tmp_path / "packed")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]


def test_errors_keep_stdout_empty(photos, tmp_path, capsys):
    with pytest.raises(DatasetNotFound, match="nowhere"):
        run("info", tmp_path / "nowhere")
    (tmp_path / "a.tflite").write_bytes(bytes(100))
    with pytest.raises(CorruptImage, match=r"not an \.npz file"):
        run("info", tmp_path / "a.tflite")
    with pytest.raises(DatasetNotFound, match="neither a folder nor"):
        run("info", "/dev/null")
    with pytest.raises(UsageError, match="train or test"):
        run("info", photos, "--split", "both")
    with pytest.raises(UsageError, match="overwrite"):
        run("pack", photos, photos)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("command", "example"),
    [((), "data info shapes"), (("info",), "data info photos/"), (("pack",), "data pack photos/")],
)
def test_help_shows_an_example(command, example):
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert f"tinyedge {example}" in result.stdout


def test_the_known_facts_of_the_real_data(cifar100_dir):
    found = json.loads(run("info", "cifar100", "--data-dir", cifar100_dir, "--format", "json").stdout)
    train, test = found["splits"]
    assert (train["images"], train["duplicates"], test["images"], test["duplicates"]) == (50000, 14, 10000, 2)
    assert found["overlaps"] == [{"inside": "test", "of": "train", "images": 10, "relabelled": 6}]
    assert (found["classes"], found["superclasses"], train["fewest"], train["most"]) == (100, 20, 500, 500)
