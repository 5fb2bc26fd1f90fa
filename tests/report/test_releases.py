import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tests.support.made_report import made_report
from tinyedge.errors import ReportError, UsageError
from tinyedge.gate import DEFAULT_POLICY, Status, load_policy
from tinyedge.report import terminal_step
from tinyedge.report.file import StoredReport
from tinyedge.report.releases import aligned, compare_releases, compare_reports, rows_of
from tinyedge.stats.paired import tango_interval

N = 400
LABELS = np.arange(N) % 4
FIRST = np.where(np.arange(N) % 10 == 0, (LABELS + 1) % 4, LABELS)  # 40 wrong
SECOND = FIRST.copy()
SECOND[:3] = LABELS[:3]  # image 0 is won
SECOND[[5, 9]] = (LABELS[[5, 9]] + 1) % 4  # two images of class 1 are lost
IDS = tuple(f"{i:016x}" for i in range(N))


def stored(deployed, order=None, name="last.json", **changes):
    order = np.arange(N) if order is None else order
    report = made_report(
        labels=LABELS[order], reference=LABELS[order], deployed=deployed[order],
        **({"ids": tuple(IDS[i] for i in order)} | changes),
    )  # fmt: skip
    return StoredReport(Path(name), f"digest of {name}", report)


@pytest.mark.parametrize("seed", [None, 3])
def test_flips_are_counted_and_named_whatever_the_order(seed):
    order = None if seed is None else np.random.default_rng(seed).permutation(N)
    step = compare_reports(stored(FIRST, order), stored(SECOND, name="new.json", size_bytes=3000), DEFAULT_POLICY)
    found = step.baseline
    assert [flip.id for flip in found.negative_flips] == [IDS[5], IDS[9]]
    assert {(flip.label, flip.deployed, flip.index) for flip in found.negative_flips} == {
        ("dog", "owl", 5),
        ("dog", "owl", 9),
    }
    assert found.positive_flips == (IDS[0],)
    assert found.comparison["negative_flips"] == 2 / N
    assert found.comparison["flips"] == 3 / N
    assert found.before["accuracy"] == 360 / N
    assert found.now["accuracy"] == 359 / N
    assert (found.before["size_bytes"], found.now["size_bytes"]) == (2000, 3000)
    by_name = {c.name: c for c in found.classes}
    assert (by_name["dog"].newly_wrong, by_name["dog"].newly_right, by_name["dog"].images) == (2, 0, 100)
    assert found.classes[0].name == "dog"
    assert (found.release.report, found.release.status) == ("last.json", stored(FIRST).report.verdict.status)


def test_the_verdict_is_tangos_and_the_exact_bounds():
    step = compare_reports(stored(FIRST), stored(SECOND, name="new.json"), DEFAULT_POLICY)
    drop, flips = step.verdict.gates[1:]
    low, high = tango_interval(2, 1, N)
    assert drop.interval == (100 * low, 100 * high)
    assert drop.figure == pytest.approx(0.25)
    assert flips.figure == 0.5
    assert flips.interval[1] == pytest.approx(1.566, abs=0.001)  # Clopper-Pearson, 2 of 400
    # Tango's bound of the drop is 1.30 pp: 400 images do not settle it.
    assert [g.status for g in step.verdict.gates] == [Status.PASS, Status.INCONCLUSIVE, Status.PASS]
    assert drop.images_needed > N


@pytest.mark.parametrize(
    ("section", "status"),
    [
        ("max_accuracy_drop_pp = 2", Status.PASS),
        ("max_accuracy_drop_pp = 2\nmax_negative_flips_percent = 0.05", Status.FAIL),
        ("max_accuracy_drop_pp = 2\nmax_size_growth_percent = 49", Status.FAIL),
        ("max_accuracy_drop_pp = 2\nmax_size_growth_percent = 50", Status.PASS),
        ("enabled = false", Status.INCONCLUSIVE),
    ],
)
def test_the_baseline_section_decides(section, status):
    before, now = stored(FIRST), stored(SECOND, name="new.json", size_bytes=3000)
    verdict = compare_reports(before, now, load_policy(f"[baseline]\n{section}")).verdict
    assert verdict.status is status


def test_too_few_images_are_inconclusive():
    few = np.arange(40)
    verdict = compare_reports(
        stored(LABELS, few), stored((LABELS + 1) % 4, few, name="new.json"), DEFAULT_POLICY
    ).verdict
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.gates[0].images_needed == 100


def test_other_images_or_classes_are_refused():
    last, now = stored(FIRST), stored(SECOND, name="new.json")
    fewer = stored(SECOND, np.arange(300), name="new.json")
    with pytest.raises(ReportError, match="400 images there, 300 here, 300 in common") as caught:
        compare_reports(last, fewer, DEFAULT_POLICY)
    assert "--out last" in str(caught.value)
    other = stored(SECOND, ids=tuple(f"{i + 5:016x}" for i in range(N)))
    with pytest.raises(ReportError, match="395 in common"):
        compare_releases(last, examples=other.report.examples, deployed=other.report.deployed)
    renamed = stored(SECOND, names=("cat", "dog", "fox", "owl"))
    with pytest.raises(ReportError, match="'owl' there is 'fox' here"):
        aligned(last, renamed.report.examples)
    with pytest.raises(ReportError, match="4 classes there, 3 here"):
        rows_of(last, ids=IDS, class_names=("cat", "dog", "owl"))
    with pytest.raises(UsageError, match="compared with itself"):
        compare_reports(now, now, DEFAULT_POLICY)


def test_duplicates_pair_in_order_of_appearance():
    twice = ("a" * 16, "b" * 16) * 200
    order = np.r_[np.arange(1, N), 0]
    last = stored(FIRST, ids=twice)
    rows = rows_of(last, ids=[twice[i] for i in order], class_names=("cat", "dog", "owl", "fox"))
    assert sorted(rows.tolist()) == list(range(N))
    assert [twice[i] for i in rows] == [twice[i] for i in order]


def printed(step):
    stream = io.StringIO()
    terminal_step.render(step, Console(file=stream, width=80, color_system=None))
    return stream.getvalue()


def test_the_text_leads_with_the_verdict_and_names_the_images():
    text = printed(compare_reports(stored(FIRST), stored(SECOND, name="new.json"), DEFAULT_POLICY))
    assert text.startswith("INCONCLUSIVE  int8.tflite after int8.tflite")
    assert max(map(len, text.splitlines())) <= 80
    assert "2 negative, 1 positive; another class named on 0.75%" in text
    assert f"{IDS[5]} dog -> owl, 91% confident" in text
    assert "dog 100% -> 98%, 2 lost and 0 gained of 100" in text


def test_names_from_files_do_nothing():
    evil = ("cat", "x\n::error::[bold]\x1b[31m", "owl", "fox")
    text = printed(
        compare_reports(stored(FIRST, names=evil), stored(SECOND, name="new\n.json", names=evil), DEFAULT_POLICY)
    )
    assert "\x1b" not in text
    assert "::error" not in text
    assert "[bold]" in text


def test_json_holds_all_of_it():
    step = compare_reports(stored(FIRST), stored(SECOND, name="new.json"), DEFAULT_POLICY)
    content = step.to_json()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["verdict"]["exit_code"] == step.verdict.exit_code
    assert content["baseline"]["negative_flips"][0]["id"] == IDS[5]
    assert content["now"]["report"] == "new.json"
