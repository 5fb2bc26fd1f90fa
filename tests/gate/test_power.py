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
    assert names == [*about, "saturation", "ties"]
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
        images_for(gate="parity", figure=1.0, **ask)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="cannot be"):
        images_for(gate="accuracy", figure=101.0, **ask)  # type: ignore[arg-type]
