"""The reproduced study: what it compares with is all there, and what is committed is what the command makes."""

from __future__ import annotations

import csv
import io
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.support.made_family import FLOAT, MICRO, drawn, ids_of, setting, trained
from tests.support.spoil_sweep import drop, edit_outcomes
from tinyedge.models.family import Member, family_module
from tinyedge.study.estimate import Estimate
from tinyedge.study.members import Family, family_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks" / "paper"
SHAPES = ROOT / "benchmarks" / "results" / "shapes"


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


def read(files: dict[str, str], table: str) -> list[dict[str, str]]:
    """The rows of a table."""
    return list(csv.DictReader(io.StringIO(files[f"benchmarks/paper/tables/{table}.csv"])))


@pytest.fixture(scope="module")
def committed():
    """The page and the tables as they are in the repository."""
    paths = [ROOT / "docs" / "study.md", *(FOLDER / "tables").iterdir()]
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths}


class TestTables:
    def test_all_csv_are_rectangular_and_stand_beside_markdown(self, whole) -> None:
        tables = [path for path in whole if path.endswith(".csv")]
        assert {path.replace(".csv", ".md") for path in tables} < set(whole)
        for path in tables:
            rows = list(csv.reader(io.StringIO(whole[path])))
            assert {len(row) for row in rows} == {len(rows[0])}, path


class TestGaps:
    def test_gaps_that_cancel(self, paper) -> None:
        reference, _ = made((4, 6, 8), 2)
        gap = paper.gaps.gap_at(reference, 22_000)
        models = reference.widths[0].models
        seen = [m.outcome.confidence.mean() - m.outcome.correct.mean() for m in models]
        assert gap.values == pytest.approx(seen)
        assert gap.size.value == pytest.approx(np.abs(seen).mean())
        assert paper.gaps.gap_at(reference, 4_700_000) is None
        across = paper.gaps.Gap((-0.004, 0.002), Estimate(0.003))
        assert across.cancels
        assert str(across) == "-0.40 to +0.20 pp from seed to seed, 0.30 pp in size on average"


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

    def test_a_bar_is_not_judged_before_the_widths_it_is_about_are_trained(self, paper, part) -> None:
        rows, numbers = read(part, "comparison"), {row["id"]: row for row in read(part, "comparison-numbers")}
        verdicts = {(row["figure"], row["at"]): (row["float_meets_bar"], row["int8_meets_bar"]) for row in rows}
        for row in rows:
            if row["bar"] and row["at"] != "22K":
                assert verdicts[row["figure"], row["at"]] == ("not judged", "not judged"), row["figure"]
            elif row["bar"]:
                assert not {"not judged", "not decided"} & set(verdicts[row["figure"], row["at"]]), row["figure"]
        for name, bar in (("alpha", 0.02), ("jaccard", 0.03)):
            figure = paper.reported.reported().figures[name]
            why = next(row["why"] for row in rows if row["figure"] == figure.title and row["family"] == "ScaleCNN")
            off = [float(numbers[name][which]) - figure.value for which in ("float", "int8")]
            assert all(f"{abs(one):.3f} {'above' if one > 0 else 'below'}" in why for one in off)
            assert ("outside the bar" in why) == (max(map(abs, off)) > bar), why

    def test_what_is_not_judged_and_lies_outside_is_said_in_short(self, paper, part) -> None:
        short = part["docs/study.md"].split("## In short")[1].split("## What was run")[0]
        study, numbers = paper.reported.reported(), {row["id"]: row for row in read(part, "comparison-numbers")}
        not_judged, outside = short.split("- **not judged**, 5, as")[1].split("\n-")[0].split("**outside** the bar: ")
        for name, bar in (("alpha", 0.02), ("jaccard", 0.03)):
            figure = study.figures[name]
            off = max(abs(float(numbers[name][which]) - figure.value) for which in ("float", "int8"))
            assert figure.title in not_judged
            assert (figure.title in outside) == (off > bar)

    @pytest.mark.parametrize("which", ["part", "committed"])
    def test_both_baselines_of_another_seed_are_told(self, part, committed, which) -> None:
        files = {"part": part, "committed": committed}[which]
        ends = read(files, "overlaps")[-1]
        large = ends["pair"].split(" and ")[1]
        page, below = files["docs/study.md"], [float(ends[f"below_{rule}_seed"]) for rule in ("other", "thinned")]
        for value in below:
            assert f"{large} is {abs(value):.3f} {'below' if value > 0 else 'above'} that" in page
        assert ("opposite signs" in page) == (min(below) < 0 < max(below))

    def test_once_all_is_trained_nothing_is_said_to_be_missing(self, whole) -> None:
        page = whole["docs/study.md"]
        assert "not trained" not in page
        assert "What is missing" not in page
        assert all(row["float"] and row["int8"] for row in read(whole, "comparison"))

    def test_once_all_is_trained_every_bar_is_judged(self, paper, whole) -> None:
        rows, numbers = read(whole, "comparison"), read(whole, "comparison-numbers")
        for figure, row, ours in zip(paper.reported.reported().figures.values(), rows, numbers, strict=True):
            for which in ("float", "int8"):
                found = row[f"{which}_meets_bar"]
                if figure.bar is None:
                    assert found == ""
                elif figure.bar.peak is not None:
                    decided = "not decided" if row[which].startswith("not decided") else "missed"
                    assert found == ("met" if row[which] == "inverted U" else decided)
                elif figure.bar.at_most is not None:
                    assert found == ("met" if float(ours[which]) <= figure.bar.at_most else "missed"), figure.id
                else:
                    off = abs(float(ours[which]) - figure.value)
                    assert found == ("met" if off <= figure.bar.within else "missed"), figure.id

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
