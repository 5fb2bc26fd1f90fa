"""The reproduced study: what it compares with is all there, and what is committed is what the command makes."""

from __future__ import annotations

import csv
import doctest
import io
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.support.made_family import FLOAT, MICRO, drawn, ids_of, setting, trained
from tests.support.spoil_sweep import drop, edit_outcomes
from tinyedge.models.family import Member, family_module
from tinyedge.study.members import Family, family_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks" / "paper"
SHAPES = ROOT / "benchmarks" / "results" / "shapes"
MODULES = ("build", "comparison", "comparison_tables", "page", "reported", "style", "tables", "worked_out")


@pytest.fixture(scope="module")
def paper():
    """The benchmark's modules, imported as its script does."""
    sys.path.insert(0, str(FOLDER))
    try:
        return SimpleNamespace(**{name: __import__(name) for name in MODULES})
    finally:
        sys.path.remove(str(FOLDER))
        for path in FOLDER.glob("*.py"):  # other benchmarks have modules of these names
            sys.modules.pop(path.stem, None)


def made(widths, seeds: int, family: str = "scalecnn") -> tuple[Family, Family]:
    """A drawn family in float and in int8, whose every model flips a few images."""
    rng = np.random.default_rng(1)
    n, both = 400, []
    sets = drawn(rng, widths=(4, 6, 8, 12, 16, 24, 32, 48, 64)[: len(widths)], seeds=seeds, n=n)
    for run, moved in ((FLOAT, 0), (MICRO, 6)):
        models = []
        for width, wrong in zip(widths, sets.values(), strict=True):
            member = Member(family, width)
            for seed, one in enumerate(wrong):
                changed = one ^ np.isin(np.arange(n), rng.choice(n, moved, replace=False))
                confidence = rng.uniform(0.2, 0.9, n)
                model = trained(changed, 4, seed, run, confidence=confidence, classes=10)
                models.append(replace(model, model=f"{member.name}-seed{seed}", width=width, params=member.plan.params))
        both.append(family_of(setting(run["target"], family=family, synthetic=False), ids_of(n), models))
    return both[0], both[1]


@pytest.fixture(scope="module")
def whole(paper):
    """What is made of both families, all widths, two seeds."""
    study = paper.reported.reported()
    pairs = {name: made(family_module(name).WIDTHS, 2, name) for name in ("scalecnn", "mobilenetv2")}
    return paper.build.render(study, pairs)


@pytest.fixture(scope="module")
def part(paper):
    """What is made of three widths of one family."""
    return paper.build.render(paper.reported.reported(), {"scalecnn": made((4, 6, 8), 2)})


def test_examples_in_the_modules_hold(paper) -> None:
    results = [doctest.testmod(getattr(paper, name)) for name in MODULES]
    assert sum(found.attempted for found in results) >= 6
    assert sum(found.failed for found in results) == 0


class TestReported:
    def test_each_figure_says_something_and_has_a_line(self, paper) -> None:
        figures = paper.reported.reported().figures
        assert set(figures) == set(paper.comparison._OURS)
        for figure in figures.values():
            assert (figure.value is None) != (figure.says is None), figure.id

    def test_values_bars_and_their_source_are_the_published_ones(self, paper) -> None:
        study = paper.reported.reported()
        assert study.source.arxiv == "2603.07365"
        assert study.source.models == study.source.families * study.source.widths * study.source.seeds
        assert {name: figure.value for name, figure in study.figures.items() if figure.value is not None} == {
            "alpha": 0.156, "r2": 0.965, "accuracy-small": 0.42, "accuracy-middle": 0.72, "jaccard": 0.35,
            "gini-small": 0.26, "gini-large": 0.09, "bottom5-small": 0.10, "bottom5-large": 0.53, "ece-small": 0.013,
            "ece-peak": 0.110, "mobilenet-alpha": 0.106, "mobilenet-r2": 0.914, "mobilenet-saturation": 0.006,
        }  # fmt: skip
        bars = {name: figure.bar for name, figure in study.figures.items() if figure.bar is not None}
        within = {name: bar.within for name, bar in bars.items() if bar.within is not None}
        assert within == {
            "alpha": 0.02, "jaccard": 0.03, "gini-small": 0.03, "gini-large": 0.03, "bottom5-small": 0.04,
            "bottom5-large": 0.04,
        }  # fmt: skip
        assert (bars["ece-small"].at_most, bars["ece-shape"].peak) == (0.025, "inside")

    def test_sizes_are_the_families(self, paper) -> None:
        study = paper.reported.reported()
        counted = {
            name: {width: Member(name, width).plan.params for width in sizes}
            for name, sizes in study.worked_out.items()
        }
        assert counted == study.worked_out
        ends = [min(study.worked_out["scalecnn"].values()), max(study.worked_out["mobilenetv2"].values())]
        assert ends == pytest.approx([study.source.params_smallest, study.source.params_largest], rel=0.02)

    @pytest.mark.parametrize(
        ("bar", "ours", "kept"),
        [({"within": 0.02}, 0.176, True), ({"within": 0.02}, 0.135, False), ({"at_most": 0.025}, 0.026, False)],
    )
    def test_bar(self, paper, bar, ours, kept) -> None:
        assert paper.reported.Bar(**bar).keeps(ours, 0.156) is kept

    def test_a_misspelt_bar_is_no_bar_but_an_error(self, paper, tmp_path) -> None:
        path = tmp_path / "reported.toml"
        path.write_text(paper.reported.PATH.read_text().replace("within = 0.02", "whithin = 0.02"))
        with pytest.raises(TypeError, match="whithin"):
            paper.reported.reported(path)


class TestTables:
    def test_both_forms(self, paper) -> None:
        t = paper.tables
        columns = (
            t.Column("name", "name"),
            t.Column("share", "share %", 1, percent=True),
            t.Column("change", "change", 2, signed=True),
        )
        table = t.Table("x", "Title", columns, (("a|b", 0.125, -0.001), ("c,d", None, 0.5)), "Note.")
        assert t.to_csv(table).splitlines() == ["name,share,change", "a|b,0.125,-0.001", '"c,d",,0.5']
        lines = t.to_markdown(table).splitlines()
        assert lines[4:6] == [r"| a\|b | 12.5 | 0.00 |", "| c,d | - | +0.50 |"]
        assert (lines[0], lines[-1]) == ("# Title", "Note.")

    def test_a_row_too_short_is_an_error(self, paper) -> None:
        with pytest.raises(AssertionError, match="a row of 1 for 2"):
            paper.tables.Table("x", "", (paper.tables.Column("a", "a"),) * 2, (("one",),))

    def test_all_csv_are_rectangular_and_stand_beside_markdown(self, whole) -> None:
        tables = [path for path in whole if path.endswith(".csv")]
        assert {path.replace(".csv", ".md") for path in tables} < set(whole)
        for path in tables:
            rows = list(csv.reader(io.StringIO(whole[path])))
            assert {len(row) for row in rows} == {len(rows[0])}, path


class TestFigures:
    def test_twice_the_same_bytes(self, paper, part) -> None:
        again = paper.build.render(paper.reported.reported(), {"scalecnn": made((4, 6, 8), 2)})
        assert again == part

    def test_each_is_text_with_a_description_and_no_date(self, part) -> None:
        drawn = {path: content for path, content in part.items() if path.endswith(".svg")}
        assert len(drawn) == 6  # these images have no superclasses
        for path, content in drawn.items():
            root = ElementTree.fromstring(content)
            assert root.get("role") == "img"
            assert len(root.get("aria-label", "")) > 30
            texts = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
            assert len(texts) > 8, path
            assert "date" not in content.lower(), path

    def test_the_page_shows_every_one(self, whole) -> None:
        for path in whole:
            if path.endswith(".svg"):
                assert f"](../{path})" in whole["docs/study.md"]


class TestPage:
    def test_a_part_of_the_family_is_compared_as_far_as_it_goes(self, part) -> None:
        page = part["docs/study.md"]
        assert "3 of ScaleCNN's 9 widths are trained" in page
        assert "4.7M not trained: no comparison. The largest, 80K" in page
        assert "MobileNetV2 is not trained" in page

    def test_once_all_is_trained_nothing_is_said_to_be_missing(self, whole) -> None:
        page = whole["docs/study.md"]
        assert "not trained" not in page
        assert "What is missing" not in page
        rows = list(csv.DictReader(io.StringIO(whole["benchmarks/paper/tables/comparison.csv"])))
        assert all(row["float"] and row["int8"] for row in rows)
        judged = {row["figure"]: row["float_meets_bar"] for row in rows if row["bar"]}
        assert set(judged.values()) <= {"met", "missed", "not judged"}
        assert judged["Gini of class accuracy"] != "not judged"

    def test_links_lead_to_files(self, whole) -> None:
        page = whole["docs/study.md"]
        linked = {part.split(")")[0].removeprefix("../") for part in page.split("](")[1:]}
        inside = {path for path in linked if path.startswith("benchmarks/")}
        assert len(inside) > 10
        assert inside <= set(whole)


class TestBadInput:
    @pytest.fixture
    def run(self, paper, monkeypatch, tmp_path, capsys):
        """The command on a folder: its exit code, its message, and what it wrote."""

        def run(folder: Path, *more: str):
            out = tmp_path / "out"
            monkeypatch.setattr(sys, "argv", ["build.py", "--folder", str(folder), "--out", str(out), *more])
            with pytest.raises(SystemExit) as stopped:
                paper.build.main()
            return stopped.value.code, capsys.readouterr().err, list(out.rglob("*"))

        return run

    def test_too_few_widths(self, run) -> None:
        code, message, written = run(SHAPES)
        assert (code, written) == (2, [])
        assert "too few widths" in message
        assert "c4, c6" in message

    def test_one_member(self, run, tmp_path) -> None:
        folder = shutil.copytree(SHAPES, tmp_path / "one")
        for target in ("onnx-fp32", "tflm-int8"):
            drop(folder, "scalecnn-c6-seed0", target)
        code, message, written = run(folder)
        assert (code, written) == (2, [])
        assert "c4" in message

    def test_models_that_ran_on_other_kernels(self, run, tmp_path) -> None:
        folder = shutil.copytree(SHAPES, tmp_path / "mixed")
        edit_outcomes(folder, "scalecnn-c6-seed0", "tflm-int8", lambda header: header["run"].update(kernels="other"))
        code, message, written = run(folder)
        assert (code, written) == (2, [])
        assert "did not run alike" in message

    def test_no_int8(self, run, tmp_path) -> None:
        folder = shutil.copytree(SHAPES, tmp_path / "float")
        for model in ("scalecnn-c4-seed0", "scalecnn-c6-seed0"):
            drop(folder, model, "tflm-int8")
        code, message, written = run(folder)
        assert (code, written) == (2, [])
        assert "no model of scalecnn has outcomes on tflm-int8" in message

    def test_no_folder(self, run, tmp_path) -> None:
        code, message, written = run(tmp_path / "nowhere")
        assert (code, written) == (2, [])
        assert "no sweep's folder" in message

    def test_no_labels(self, run, tmp_path) -> None:
        folder = ROOT / "benchmarks" / "results" / "cifar100"
        code, message, written = run(folder, "--data-dir", str(tmp_path / "empty"))
        assert (code, written) == (2, [])
        assert "empty" in message


def test_what_is_committed_is_what_the_command_makes(paper, cifar100_dir) -> None:
    made = paper.build.build(ROOT / "benchmarks" / "results" / "cifar100", data_dir=cifar100_dir)
    for path, content in made.items():
        assert (ROOT / path).read_text() == content, f"{path} is stale: make paper"
    for folder in ("figures", "tables"):
        there = {str(path.relative_to(ROOT)) for path in (FOLDER / folder).iterdir()}
        assert there <= set(made), "files that make paper no longer writes"
