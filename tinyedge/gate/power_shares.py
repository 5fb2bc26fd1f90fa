"""How the gates on a share of images would decide on shares that are only supposed."""

from __future__ import annotations

from typing import Any

from tinyedge.gate.power_setup import Plan, Setup
from tinyedge.gate.result import Status, settle
from tinyedge.stats.power import unlucky_count
from tinyedge.stats.proportion import share_interval

USUAL_TIED, USUAL_SATURATED = 3.5, 0.1
"""Per cent of images, of a sound int8 model: docs/gates.md."""


def churn(setup: Setup, rule: Any) -> Plan:
    """Of a model that nothing happened to: the discordance that is expected."""
    return _share(rule.max_discordance_percent, 100 * setup.discordance, setup.tail, "exact binomial interval")


def saturation(setup: Setup, rule: Any) -> Plan:
    """Of the share that was measured, or is typical."""
    return _output(setup, "saturation", rule.max_saturated_percent, USUAL_SATURATED)


def ties(setup: Setup, rule: Any) -> Plan:
    """Of the share that was measured, or is typical."""
    return _output(setup, "ties", rule.max_tied_percent, USUAL_TIED)


def _output(setup: Setup, gate: str, limit: float, typical: float) -> Plan:
    """Of the model's outputs alone, of which a sound model has some too."""
    usual = setup.measured.get(gate, typical)
    word = "measured here" if gate in setup.measured else "typical"
    return _share(limit, usual, setup.tail, f"exact binomial interval; images for {usual:.2g} %, {word}")


def parity(setup: Setup, rule: Any) -> Plan:
    """Of the parity sample, however many images the run has."""
    n = setup.parity_images
    note = f"of the parity sample, {n:,} images, where the target stands for a microcontroller; exact binomial interval"
    return _share(rule.max_argmax_flips_percent, 0.0, setup.tail, note, sample=n)


def floor(setup: Setup, rule: Any) -> Plan | None:
    """Accuracy's, told by the share of wrong images, so that small is good as in any other row."""
    if rule.min_accuracy_percent is None:
        return None
    note, right = "share of wrong images; exact binomial interval", setup.measured.get("floors.accuracy")
    usual = None if right is None else 100 - right
    if usual is not None:
        note += f"; images for {usual:.3g} %, measured here"
    return _share(100 - rule.min_accuracy_percent, usual, setup.tail, note, "Floor: errors")


def release_flips(setup: Setup, rule: Any) -> Plan:
    """Since the last release: what was measured, or half of the discordance."""
    usual = setup.measured.get("baseline.negative_flips", 50 * setup.discordance)
    word = "measured here" if "baseline.negative_flips" in setup.measured else "half of the discordance"
    note = f"since the last release; exact binomial interval; images for {usual:.2g} %, {word}"
    return _share(rule.max_negative_flips_percent, usual, setup.tail, note, "Negative flips")


def _share(
    limit: float, usual: float | None, tail: float, note: str, title: str | None = None, sample: int | None = None
) -> Plan:
    """The exact interval at the count that one sample in five exceeds, or falls short of."""

    def settled(percent: float, images: int, *, more: bool) -> Status:
        count = unlucky_count(percent / 100, images, more=more)
        return settle(share_interval(count, images, tail=tail), limit / 100)

    return Plan(
        "%",
        limit,
        100.0,
        usual,
        lambda x, n: settled(x, n, more=True) is Status.PASS,
        lambda x, n: settled(x, n, more=False) is Status.FAIL,
        note,
        title,
        sample,
    )
