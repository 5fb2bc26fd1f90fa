"""Two releases, from reports to exit code; and a run that is judged against the last release."""

import json

import pytest

from tinyedge.cli.main import run
from tinyedge.report.file import read_report

BASE = ["validate", "--params", "50k", "--data", "shapes", "--images", "1000", "--parity", "0"]


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """The same model file on two sets of kernels, and a run on other images."""
    folder = tmp_path_factory.mktemp("releases")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TINYEDGE_DATA", raising=False)
        for name, flags in (
            ("last", []),
            ("new", ["--target", "tflite-int8-xnnpack", "--baseline", str(folder / "last.json")]),
            ("other", ["--seed", "1"]),
        ):
            assert run([*BASE, *flags, "--report", "md", "--out", str(folder)]) in (0, 3)
            (folder / "run.json").rename(folder / f"{name}.json")
    return folder


def test_a_run_with_a_baseline_is_judged_against_it_and_names_its_flips(reports):
    last, new = read_report(reports / "last.json"), read_report(reports / "new.json")
    judged = {gate.name for gate in new.verdict.gates}
    assert {"baseline.accuracy", "baseline.negative_flips"} <= judged
    assert "baseline" in {skipped.name for skipped in last.verdict.skipped}
    step = new.baseline
    assert (last.baseline, step.release.report) == (None, "last.json")
    seen, then = new.examples, dict(zip(last.examples.ids, last.examples.deployed, strict=True))
    labels = dict(zip(seen.ids, seen.labels, strict=True))
    lost = {i for i, now in zip(seen.ids, seen.deployed, strict=True) if then[i] == labels[i] != now}
    assert lost
    assert {flip.id for flip in step.negative_flips} == lost
    assert sum(c.newly_wrong for c in step.classes) == len(lost)
    assert step.now["accuracy"] == new.deployed.metrics["accuracy"]
    assert step.before["accuracy"] == last.deployed.metrics["accuracy"]


def test_comparing_says_what_the_run_said(reports, capsys):
    code = run(["compare", str(reports / "last.json"), str(reports / "new.json"), "--format", "json"])
    content = json.loads(capsys.readouterr().out)
    new = json.loads((reports / "new.json").read_text())
    assert content["schema"] == "tinyedge-comparison/1"
    assert content["verdict"]["exit_code"] == code == 0
    assert content["baseline"] == new["baseline"]
    judged = [gate for gate in new["verdict"]["gates"] if gate["name"].startswith("baseline.")]
    assert content["verdict"]["gates"][1:] == judged


def test_the_text_leads_with_the_verdict(reports, capsys):
    assert run(["compare", str(reports / "last.json"), str(reports / "new.json")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("PASS")
    assert "Both are the same model file" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_the_policy_decides_the_exit_code(reports, tmp_path, capsys):
    policy = tmp_path / "p.toml"
    policy.write_text("[baseline]\nmax_negative_flips_percent = 0.001\n")
    both = [str(reports / "last.json"), str(reports / "new.json")]
    assert run(["compare", *both, "--policy", str(policy)]) == 1
    policy.write_text("[baseline]\nenabled = false\n")
    assert run(["compare", *both, "--policy", str(policy)]) == 3
    assert "off in the policy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        ("last.json", "other.json", "judged on other images"),
        ("last.json", "last.json", "compared with itself"),
        ("absent.json", "last.json", "cannot be read"),
        ("cut.json", "last.json", "not JSON"),
        ("empty.json", "last.json", "no report that this version"),
        ("last.json", "text.json", "not JSON"),
    ],
)
def test_bad_reports_exit_2_with_one_message(before, now, words, reports, capsys):
    (reports / "cut.json").write_text((reports / "last.json").read_text()[:5000])
    (reports / "empty.json").write_text("{}")
    (reports / "text.json").write_text("not a report")
    assert run(["compare", str(reports / before), str(reports / now)]) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert not printed.out


def test_a_baseline_of_other_images_is_refused_before_the_run(reports, capsys):
    assert run([*BASE, "--baseline", str(reports / "other.json")]) == 2
    printed = capsys.readouterr()
    assert "judged on other images" in printed.err
    assert "1,000 images there, 1,000 here" in printed.err
    assert run([*BASE, "--baseline", str(reports / "none.json")]) == 2
