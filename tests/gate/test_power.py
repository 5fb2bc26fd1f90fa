from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.outcomes import gate, labels_of, outcome
from tinyedge.errors import UsageError
from tinyedge.gate import DEFAULT_POLICY, Status, judge, load_policy
from tinyedge.gate.power import PowerRow, images_for, power_table
from tinyedge.stats.paired import tango_interval
from tinyedge.stats.power import POWER
from tinyedge.stats.proportion import share_interval

TABLE = {"images": 10_000, "classes": 100, "discordance": 0.05, "policy": DEFAULT_POLICY}


def row(name: str, **changes: object) -> PowerRow:
    return next(r for r in power_table(**{**TABLE, **changes}) if r.gate == name)  # type: ignore[arg-type]


def test_every_gate_on_a_sampled_figure_has_a_row() -> None:
    names = [r.gate for r in power_table(**TABLE)]  # type: ignore[arg-type]
    about = ["accuracy", "worst_class", "inequality", "bottom5", "churn", "signed_gap", "ece", "gap_change"]
    of_releases = ["baseline.accuracy", "baseline.negative_flips"]
    assert names == [*about, "saturation", "ties", "parity", *of_releases]
    for r in power_table(**TABLE):  # type: ignore[arg-type]
        assert r.passes is not None
        assert r.detects is not None
        assert r.passes < r.limit < r.detects
        assert r.note
    off = load_policy("[churn]\nenabled = false\n")
    assert "churn" not in [r.gate for r in power_table(**{**TABLE, "policy": off})]  # type: ignore[arg-type]


def test_five_classes_have_no_five_worst() -> None:
    assert "bottom5" not in [r.gate for r in power_table(**{**TABLE, "classes": 5})]  # type: ignore[arg-type]


def test_more_images_tell_more_and_few_tell_nothing() -> None:
    few, some, many = (row("accuracy", images=n) for n in (500, 10_000, 100_000))
    assert few.passes is None  # an unchanged model does not pass with 500
    assert few.detects > some.detects > many.detects  # type: ignore[operator]
    assert few.images_for_limit == some.images_for_limit
    assert row("worst_class", images=4000).passes is None  # 40 a class


def settled(found: list[tuple[float, float]], limit: float) -> tuple[float, float]:
    return float(np.mean([h <= limit for _, h in found])), float(np.mean([lo > limit for lo, _ in found]))


@pytest.mark.parametrize("d", [0.02, 0.08])
def test_accuracy_is_told_four_times_in_five(d: float) -> None:
    told, rng = row("accuracy", discordance=d), np.random.default_rng(0)
    for drop_pp, which in ((told.passes, 0), (told.detects, 1)):
        assert drop_pp is not None
        drop = drop_pp / 100
        drawn = rng.multinomial(10_000, [(d + drop) / 2, (d - drop) / 2, 1 - d], size=500)
        share = settled([tango_interval(int(b), int(c), 10_000) for b, c, _ in drawn], 0.01)[which]
        assert share == pytest.approx(POWER, abs=0.06)


def test_a_share_is_told_four_times_in_five() -> None:
    told, rng = row("ties", images=2000), np.random.default_rng(1)
    for percent, which in ((told.passes, 0), (told.detects, 1)):
        assert percent is not None
        drawn = rng.binomial(2000, percent / 100, 500)
        share = settled([share_interval(int(x), 2000) for x in drawn], 0.05)[which]
        assert share == pytest.approx(POWER, abs=0.06)


def test_a_worst_class_is_told_four_times_in_five() -> None:
    d, told, rng, failed = 0.05, row("worst_class"), np.random.default_rng(2), 0
    assert told.detects is not None
    labels, drop = labels_of(), np.zeros(100)
    drop[42] = told.detects / 100
    only = load_policy("".join(f"[{n}]\nenabled = false\n" for n in ("inequality", "bottom5", "ece")))
    for _ in range(60):
        u, half = rng.random(10_000), d / 2
        before = u < 0.5
        after = (u < 0.5 - half - drop[labels]) | ((u >= 0.5) & (u < 0.5 + half))
        verdict = judge(reference=outcome(before), deployed=outcome(after), policy=only)
        failed += gate(verdict, "worst_class").status is Status.FAIL
    assert failed / 60 == pytest.approx(POWER, abs=3 * 0.052)


def test_images_for_a_drop_are_those_of_the_formula_and_none_at_the_limit() -> None:
    ask = {"gate": "accuracy", "classes": 100, "policy": DEFAULT_POLICY}
    for d, images in ((0.03, 1855), (0.08, 4947)):
        assert images_for(**ask, figure=0.0, discordance=d) == pytest.approx(images, rel=0.02)  # type: ignore[arg-type]
    assert images_for(**ask, figure=1.0, discordance=0.05) is None  # type: ignore[arg-type]
    near = images_for(**ask, figure=0.8, discordance=0.05)  # type: ignore[arg-type]
    beyond = images_for(**ask, figure=3.0, discordance=0.05)  # type: ignore[arg-type]
    assert near is not None
    assert beyond is not None
    assert near > 50_000 > 5000 > beyond


def test_the_table_is_pure_and_follows_the_policy() -> None:
    assert power_table(**TABLE) == power_table(**TABLE)  # type: ignore[arg-type]
    loose = replace(DEFAULT_POLICY.rules["accuracy"], max_drop_pp=2.0)  # type: ignore[call-arg]
    policy = replace(DEFAULT_POLICY, rules={**DEFAULT_POLICY.rules, "accuracy": loose})
    assert row("accuracy", policy=policy).limit == 2.0
    assert row("accuracy", policy=policy).images_for_limit < row("accuracy").images_for_limit  # type: ignore[operator]


@pytest.mark.parametrize("bad", [{"images": 0}, {"classes": 1}, {"discordance": 1.5}, {"discordance": float("nan")}])
def test_what_cannot_be_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="no such evaluation set"):
        power_table(**{**TABLE, **bad})  # type: ignore[arg-type]


def test_an_unknown_gate_and_an_impossible_figure_are_refused() -> None:
    ask = {"classes": 100, "discordance": 0.05, "policy": DEFAULT_POLICY}
    with pytest.raises(UsageError, match="no power table"):
        images_for(gate="floors.accuracy", figure=1.0, **ask)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="cannot be"):
        images_for(gate="accuracy", figure=101.0, **ask)  # type: ignore[arg-type]


@pytest.mark.parametrize(("gate_name", "of", "counted"), [("ties", "tied", 43), ("saturation", "saturated", 7)])
def test_a_run_is_told_the_images_that_its_own_gate_asks_for(gate_name: str, of: str, counted: int) -> None:
    right = np.arange(1000) % 100 < 45
    deployed = outcome(right, **{of: counted})  # type: ignore[arg-type]
    found = gate(judge(reference=outcome(right), deployed=deployed), gate_name)
    assert found.status is Status.INCONCLUSIVE
    assert found.images_needed is not None
    told = row(gate_name, images=1000, measured={gate_name: found.figure})
    assert told.images_for_limit == pytest.approx(found.images_needed, rel=0.05)
    assert "measured here" in told.note
    guess = row(gate_name, images=1000)
    assert "typical" in guess.note
    assert guess.images_for_limit < told.images_for_limit  # type: ignore[operator]


def test_parity_is_told_of_its_sample() -> None:
    told, small = row("parity"), row("parity", parity_images=100)
    assert (told.limit, told.images_for_limit) == (0.5, 598)  # 0.995 ** 598 < 0.05
    assert row("parity", images=50_000) == told
    assert told.passes is not None
    assert small.passes is None  # 100 images without a flip leave 3 % open
    assert "100 images" in small.note
    assert "50 images" in row("parity", images=50).note


def test_a_floor_is_told_where_the_policy_sets_one() -> None:
    policy = load_policy("[floors]\nmin_accuracy_percent = 60\n")
    told = row("floors.accuracy", policy=policy)
    assert told.limit == 40
    assert told.images_for_limit is None  # nothing is known of the model
    assert told.passes is not None
    rng = np.random.default_rng(2)
    drawn = rng.binomial(10_000, told.passes / 100, 500)
    assert np.mean([share_interval(int(x), 10_000)[1] <= 0.4 for x in drawn]) == pytest.approx(POWER, abs=0.06)
    known = row("floors.accuracy", policy=policy, measured={"floors.accuracy": 70.0})
    assert known.images_for_limit == images_for(
        gate="floors.accuracy", figure=30.0, classes=100, discordance=0.05, policy=policy
    )


def test_a_release_is_told_by_its_own_discordance() -> None:
    measured = {"baseline.negative_flips": 10.0, "baseline.accuracy": 0.0}  # 20 % discordant
    assert row("baseline.accuracy", measured=measured).passes == row("accuracy", discordance=0.2).passes
    assert row("baseline.accuracy").passes == row("accuracy").passes
    assert "10 %, measured here" in row("baseline.negative_flips", measured=measured).note
    off = load_policy("[baseline]\nenabled = false\n")
    assert not [r for r in power_table(**{**TABLE, "policy": off}) if r.gate.startswith("baseline")]  # type: ignore[arg-type]
