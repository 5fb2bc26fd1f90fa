"""What the reproduced study says of a figure: from the published ones, its tables, its words."""

from __future__ import annotations

import doctest
from types import SimpleNamespace

import pytest

from tinyedge.models.family import Member
from tinyedge.study.estimate import FIXED, Estimate, Interval


def test_examples_in_the_modules_hold(paper) -> None:
    results = [doctest.testmod(getattr(paper, name)) for name in vars(paper)]
    assert sum(found.attempted for found in results) >= 6
    assert sum(found.failed for found in results) == 0


class TestReported:
    def test_each_figure_says_something_and_has_a_line(self, paper) -> None:
        figures = paper.reported.reported().figures
        assert set(figures) == set(paper.comparison._OURS) | {"ece-why"}
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


class TestWords:
    """What is said of a figure follows from it."""

    @pytest.fixture
    def changed(self):
        return lambda low, high: Estimate((low + high) / 2, (Interval(low, high, "seeds", "by hand"),))

    def test_an_effect_that_is_not_found_is_bounded(self, paper, changed) -> None:
        assert paper.page.change(changed(-0.003, 0.001), 4).endswith("at most 0.0030 either way")
        assert paper.page.change(changed(0.001, 0.003), 4) == "upwards"
        assert paper.page.change(Estimate(0.1), 4) == "whether that is chance is not known"

    def test_an_interval_that_leaves_seeds_out_is_not_printed(self, paper) -> None:
        narrow = Estimate(0.5, (Interval(0.4, 0.6, "seeds", "by hand", FIXED),))
        figure = paper.reported.reported().figures["r2"]
        assert paper.comparison_tables.value_words(narrow, figure) == "0.500"
        assert paper.comparison_tables.bounds(narrow) == (0.5, None, None)
        assert paper.page.between(narrow, 3) == "no interval"

    @pytest.mark.parametrize(
        ("ours", "said"),
        [
            ((0.2, 0.1), "over c4 to c8: 0.200 in float, 0.044 above; 0.100 in int8, 0.056 below: outside the bar"),
            (
                (0.16, 0.2),
                "over c4 to c8: 0.160 in float, 0.004 above: inside the bar; 0.200 in int8, 0.044 above: outside",
            ),
        ],
    )
    def test_how_far_off_and_on_which_side_of_the_bar(self, paper, ours, said) -> None:
        alpha = paper.reported.reported().figures["alpha"]
        assert paper.bars.away(alpha, [Estimate(one) for one in ours], "c4 to c8") == said

    def test_neighbours_whose_intervals_are_apart(self, paper, changed) -> None:
        groups = [SimpleNamespace(loss=changed(*ends)) for ends in ((5, 7), (4, 6), (1, 3), (1, 2))]
        assert paper.page.apart(groups) == 1

    def test_where_it_costs_most(self, paper, changed) -> None:
        def widths(*ends):
            return [SimpleNamespace(label=f"c{i}", paired={"flips": changed(*e)}) for i, e in enumerate(ends)]

        assert paper.page.largest(widths((1, 2), (3, 4)), "flips") == "c1, whose interval overlaps with no other's"
        assert paper.page.largest(widths((1, 3), (2, 4)), "flips") == "c1, but its interval overlaps with c0's"
