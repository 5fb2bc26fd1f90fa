import json
from dataclasses import replace

import numpy as np
import pytest

from tests.support.reports import report
from tinyedge.cli.main import run
from tinyedge.data import load_dataset
from tinyedge.data.labels import in_order
from tinyedge.report.changes import newly_wrong, rights
from tinyedge.report.file import report_text


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(report_text(report(lost=0.05, given_up=True)))
    return path


def test_the_page_is_the_default_and_goes_to_the_folder_at_hand(file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["report", str(file)]) == 0
    assert capsys.readouterr().out.split() == ["report.html"]
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


def test_several_formats(file, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(["report", str(file), "--report", "junit, md,intoto", "--out", str(out)]) == 0
    names = [line.rpartition("/")[2] for line in capsys.readouterr().out.splitlines()]
    assert names == ["junit.xml", "report.md", "statement.intoto.json"] == [p.name for p in sorted(out.iterdir())]


def refused(capsys, *arguments):
    assert run(["report", *map(str, arguments)]) == 2
    return capsys.readouterr().err


def test_an_unknown_format_is_refused_before_the_report_is_read(tmp_path, capsys):
    message = refused(capsys, tmp_path / "missing.json", "--report", "htlm")
    assert "did you mean html?" in message
    assert "no report format" in refused(capsys, tmp_path / "missing.json", "--report", ",")


def test_what_is_no_report_is_refused(file, tmp_path, capsys):
    assert "missing.json" in refused(capsys, tmp_path / "missing.json")
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"schema": "tinyedge-report/1"}))
    message = refused(capsys, file)
    assert "tinyedge-report/1" in message
    assert "tinyedge-report/2" in message
    file.write_text('{"schema": ')
    assert "error:" in refused(capsys, file)


def test_pictures_of_the_run_s_own_images(tmp_path, capsys):
    """An archive whose classes are in another order than the model's: the report knows the model's."""
    given = report(lost=0.05, given_up=True)
    names, labels = given.examples.class_names, np.asarray(given.examples.labels)
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 8, 8, 3), np.uint8)
    turned = len(names) - 1 - labels
    np.savez(tmp_path / "set.npz", x=images, y=turned, class_names=np.array(names[::-1]))
    data = in_order(load_dataset(str(tmp_path / "set.npz"), "test"), names, "")
    ids = tuple(map(str, data.ids))
    examples = replace(given.examples, ids=ids)
    _, before, now = rights(examples)
    lost = newly_wrong(examples, before & ~now)
    run_file = tmp_path / "run.json"
    run_file.write_text(report_text(replace(given, examples=examples, newly_wrong=lost)))

    assert run(["report", str(run_file), "--data", str(tmp_path / "set.npz"), "--out", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    assert page.count('<img src="data:image/png;base64,') == 12

    np.savez(tmp_path / "other.npz", x=images[::-1], y=turned, class_names=np.array(names[::-1]))
    capsys.readouterr()
    message = refused(capsys, run_file, "--data", tmp_path / "other.npz", "--out", tmp_path)
    assert "not the images that were judged" in message
    assert "--data-dir without --data" in refused(capsys, run_file, "--data-dir", tmp_path)
