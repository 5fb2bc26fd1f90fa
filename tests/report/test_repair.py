import json
import re
from collections import defaultdict
from html import unescape

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from tests.support.made_repair import PASS, Told, climbed, ladder, made_repair, verdict
from tinyedge.repair.steps import DEFAULT_STEPS
from tinyedge.report.repair import SCHEMA, Split
from tinyedge.report.repair_html import render as page
from tinyedge.report.repair_rows import remarks
from tinyedge.report.repair_table import markdown, render

HOSTILE = "<script>x</script>|`::error::@me\n.tflite"


def shown(found) -> list[str]:
    console = Console(width=80, no_color=True, highlight=False)
    with console.capture() as capture:
        render(found, console)
    return [line.rstrip() for line in capture.get().splitlines()]


def line(lines, title) -> str:
    (found,) = [one for one in lines if one.startswith(title)]
    return re.sub(" +", " ", found)


def many():
    """As many files as the ladder can have, and more than 80 columns hold."""
    bench = Told(defaultdict(lambda: verdict(accuracy=10, signed_gap=9)))
    return made_repair(climbed(bench, [*DEFAULT_STEPS, "int16x8", "qat"], go_on=True))


@pytest.mark.parametrize("found", [made_repair(), many(), made_repair(final=0, repaired=None)], ids=["2", "6", "none"])
def test_the_table_is_whole_in_80_columns(found):
    lines = shown(found)
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    assert "before" in "\n".join(lines)


def test_each_file_has_a_column_and_every_gate_a_line():
    lines = shown(made_repair())
    assert lines[0] == "FAIL -> INCONCLUSIVE  bad.tflite on tflite-int8"
    assert line(lines, "verdict") == "verdict FAIL OPEN OPEN"
    assert line(lines, "Accuracy, pp") == "Accuracy, pp 1.00 +9.00 F +0.10 +0.10"
    assert line(lines, "Signed_gap, pp") == "Signed_gap, pp 3.00 +3.20 ? +3.20 ? +0.10"
    assert line(lines, "temperature") == "temperature 1.0000 1.0000 1.0800"
    assert line(lines, "arena") == "arena, bytes 18,288 18,288 18,288"


def test_a_gate_that_became_worse_is_marked_in_the_table_and_named_twice():
    lines = shown(made_repair())
    assert line(lines, "Ties, pp") == "Ties, pp 5.00 +1.00 +5.20 ?! +5.20 ?"
    told = " ".join(" ".join(lines).split())
    assert "worse: Ties +1.00 pp PASS -> +5.20 pp INCONCLUSIVE (limit 5.00 pp)" in told
    assert "On the way to the result a gate became worse: ranges: Ties" in told


def test_what_does_not_pass_is_not_called_repaired():
    told = remarks(made_repair())
    at = next(i for i, line in enumerate(told) if line.startswith("Wrote bad-better.tflite"))
    assert told[at - 1] == "Not settled: Ties; not to be shipped."
    bench = Told({"given": verdict(accuracy=9, ties=9), "minmax": verdict(accuracy=9, ties=1), "mse": verdict(ties=9)})
    bench.judged["mse"] = bench.judged["given"]
    told = remarks(made_repair(climbed(bench, ["ranges"])))
    assert told[:2] == ["Still fails: Accuracy; not to be shipped.", "Wrote bad-better.tflite: ranges."]


def test_a_temperature_is_not_credited_with_the_images_it_was_fitted_on():
    assert [line for line in remarks(made_repair()) if "about 0 by construction" in line]
    assert not [line for line in remarks(made_repair(final=1)) if "about 0 by construction" in line]


def test_a_pass_says_what_the_bounds_do_not_allow_for():
    bench = Told({"given": verdict(accuracy=9), "minmax": verdict(accuracy=0.1), "mse": verdict(accuracy=9)})
    assert [line for line in remarks(made_repair(climbed(bench, ["ranges"]))) if "Other runs on the same" in line]
    assert not [line for line in remarks(made_repair()) if "Other runs on the same" in line]


def test_where_the_file_as_it_is_is_a_candidate_it_is_said():
    found = made_repair(split=Split(2000, 8000, 0, 5, 0.95, 0.99, given_shares=True))
    told = " ".join(" ".join(shown(found)).split())
    assert "each of at most 5 candidates, of which the file as it is is one, with 99 % bounds" in told


def test_six_files_are_shown_in_two_tables_with_the_first_column_in_both():
    lines = shown(many())
    headers = [one.split() for one in lines if "limit" in one and "before" in one]
    assert headers == [["limit", "before", "1", "2", "3", "4", "5"], ["limit", "before", "6"]]


def test_where_the_strictness_decides_both_verdicts_are_there():
    strict = {"minmax": verdict(accuracy=1.05)}
    bench = Told(
        {"given": verdict(accuracy=9), "minmax": verdict(accuracy=0.9), "mse": verdict(accuracy=9)}, {}, strict
    )
    found = made_repair(climbed(bench, ["ranges"]))
    lines = shown(found)
    assert line(lines, "verdict") == "verdict FAIL OPEN"
    assert line(lines, "at the policy's own") == "at the policy's own FAIL PASS"
    assert line(lines, "Accuracy") == "Accuracy, pp 1.00 +9.00 F +1.05 ?*"
    assert "With the policy's own bounds the result is PASS" in " ".join(" ".join(lines).split())


def test_how_the_images_were_used_and_how_strictly_candidates_are_judged_is_said():
    told = " ".join(" ".join(shown(made_repair())).split())
    assert "2,000 tune (seed 0): they fit, choose, and are never judged; the other 8,000 judge" in told
    assert "the file as it is with 95 % bounds, each of at most 2 candidates with 97.5 % bounds" in told


def test_what_was_not_tried_is_listed():
    bench = Told({"given": verdict(accuracy=9), "moving-average+tempered": verdict(accuracy=0.1)})
    found = made_repair(climbed(bench, ["ranges", "temperature"], lacks="needs --checkpoint"))
    assert line(shown(found), "- ranges") == "- ranges not tried: needs --checkpoint"
    assert found.status is PASS
    assert "Not tried: needs --checkpoint." in page(found)


def test_markdown_has_the_same_and_nothing_of_a_file_can_mean_anything():
    found = made_repair(run=made_repair().run | {"file": HOSTILE})
    text = markdown(found)
    assert "| Ties, pp | 5.00 | +1.00 | ❔ +5.20 (worse) | ❔ +5.20 |" in text
    assert "**Worse:** Ties" in text
    assert "::error" not in text
    assert "<script>" not in MarkdownIt("commonmark").enable("table").render(text)
    assert MarkdownIt("commonmark").enable("table").render(text).count("<table>") == 2


def test_the_page_has_the_same_without_a_script_and_with_everything_escaped():
    found = made_repair(run=made_repair().run | {"file": HOSTILE})
    text = page(found)
    assert "<script" not in text
    assert "script-src" not in text
    assert "default-src 'none'" in unescape(text)
    assert "&lt;script&gt;" in text
    assert "+5.20 ?!" in text
    assert re.search(r"Worse:</strong> Ties \+1.00 pp PASS -&gt; \+5.20 pp INCONCLUSIVE", text)
    assert "http" not in text.replace("http-equiv", "")


def test_json_has_the_answer_in_front_and_both_verdicts_of_each_file():
    content = json.loads(json.dumps(made_repair().to_json(), allow_nan=False))
    assert (content["schema"], content["status"], content["exit_code"]) == (SCHEMA, "INCONCLUSIVE", 3)
    assert (content["before"], content["steps"]) == ("FAIL", ["ranges", "temperature"])
    assert content["trials"][1]["harms"][0]["gate"] == "ties"
    assert {"verdict", "nominal", "tuning", "cost", "temperature"} <= content["trials"][1].keys()


def test_what_it_costs_on_the_device_is_in_the_answer():
    assert "On the device: as many bytes in the file, as many bytes of arena." in remarks(made_repair())
    assert not [one for one in remarks(made_repair(final=0, repaired=None)) if "device" in one]
    assert ladder().final == 2
