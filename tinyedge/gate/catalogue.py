"""The table of gates, in the order in which they are printed: a new gate is a function, its rule, and a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinyedge.gate import accuracy, baseline, bottom5, budget, ece, floors, inequality, shares, signed_gap, worst_class
from tinyedge.gate.result import Case, GateResult
from tinyedge.gate.rule import Rule


@dataclass(frozen=True)
class Gate:
    """A gate and its settings.

    Args:
        name: its section in a policy.
        title: what a reader sees.
        rule: the dataclass of its settings.
        judge: from a case and such a rule: the result, or one for each thing judged, or why the gate does not apply.
    """

    name: str
    title: str
    rule: type[Rule]
    judge: Callable[[Case, Any], GateResult | tuple[GateResult, ...] | str]


GATES: tuple[Gate, ...] = (
    Gate(accuracy.NAME, accuracy.TITLE, accuracy.AccuracyRule, accuracy.judge_accuracy),
    Gate(worst_class.NAME, worst_class.TITLE, worst_class.WorstClassRule, worst_class.judge_worst_class),
    Gate(inequality.NAME, inequality.TITLE, inequality.InequalityRule, inequality.judge_inequality),
    Gate(bottom5.NAME, bottom5.TITLE, bottom5.Bottom5Rule, bottom5.judge_bottom5),
    Gate("churn", "Churn", shares.ChurnRule, shares.judge_churn),
    Gate("signed_gap", "Confidence gap", signed_gap.SignedGapRule, signed_gap.judge_signed_gap),
    Gate(ece.NAME, ece.TITLE, ece.EceRule, ece.judge_ece),
    Gate("gap_change", "Confidence gap change", signed_gap.GapChangeRule, signed_gap.judge_gap_change),
    Gate("saturation", "Saturation", shares.SaturationRule, shares.judge_saturation),
    Gate("ties", "Ties", shares.TiesRule, shares.judge_ties),
    Gate("parity", "Kernel parity", shares.ParityRule, shares.judge_parity),
    Gate(floors.NAME, floors.TITLE, floors.FloorsRule, floors.judge_floors),
    Gate(budget.NAME, budget.TITLE, budget.BudgetRule, budget.judge_budget),
    Gate(baseline.NAME, baseline.TITLE, baseline.BaselineRule, baseline.judge_baseline),
)
