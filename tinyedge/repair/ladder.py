"""The rules of the ladder: which step is kept, which gates a step made worse, and how strictly a candidate is judged.

**Which images decide what.** The tuning images fit the temperature, choose among the files that one step could make,
and say whether a step is kept. So the sequence of candidates is fixed before a judged image is looked at. The judged
images say PASS, FAIL or INCONCLUSIVE of each candidate, and where to stop.

**How strictly.** Judging m candidates on the same images and taking the first that passes passes a bad one more often
than judging one. Each candidate is therefore judged with bounds that miss m times more rarely (Bonferroni): that any of
m bad ones passes by a bound that misses is no likelier than the policy allows for one. ``p_below`` stays as the policy
has it. It is the chance that a gate *fails* an unchanged model: a smaller one would let more through, not less.
"""

from __future__ import annotations

from dataclasses import replace

from tinyedge.gate import GateResult, Policy, Status, Verdict
from tinyedge.gate.result import EVIDENCE
from tinyedge.gate.signed_gap import EITHER_SIGN
from tinyedge.report.repair import Harm
from tinyedge.report.words import quantity

_RANK = {Status.PASS: 0, Status.INCONCLUSIVE: 1, Status.FAIL: 2}
_KNOWN = ("budget.", "floors.size", "floors.arena", "baseline.size")
"""Gates on what is known without images: bytes and instructions, which no step here makes fewer."""


def at_share(policy: Policy, candidates: int) -> Policy:
    """``policy`` with the error of its bounds divided among ``candidates``."""
    confidence = 1 - (1 - policy.confidence) / max(1, candidates)
    return replace(policy, general=replace(policy.general, confidence=confidence))


def standing(verdict: Verdict) -> tuple[int, int]:
    """How many gates fail, and how many are not settled: fewer is better, failures first."""
    statuses = [gate.status for gate in verdict.gates]
    return statuses.count(Status.FAIL), statuses.count(Status.INCONCLUSIVE)


def decide(parent: Verdict, found: Verdict) -> tuple[bool, str]:
    """Whether a step is kept: fewer gates fail, or as many and fewer are open; and none fails that passed.

    Args:
        parent: of the file that the step builds on, on the tuning images.
        found: of what the step made, on the same.

    Returns:
        Whether, and why.
    """
    passed = {gate.name for gate in parent.gates if gate.status is Status.PASS}
    broken = [gate.title for gate in found.gates if gate.status is Status.FAIL and gate.name in passed]
    was, now = standing(parent), standing(found)
    counts = f"{_counts(was)} before, {_counts(now)} now"
    if broken:
        return False, f"{', '.join(broken)} passed before and {'fail' if len(broken) > 1 else 'fails'} now; {counts}"
    return now < was, counts


def harms(parent: Verdict, found: Verdict) -> tuple[Harm, ...]:
    """Every gate that a step made worse: another status, or still not passing and further beyond its limit.

    Args:
        parent: of the file that the step builds on, at the same confidence, on the same images.
        found: of what the step made.
    """
    were = {gate.name: gate for gate in parent.gates}
    worse = []
    for gate in found.gates:
        was = were.get(gate.name)
        if was is None or not _is_worse(was, gate):
            continue
        text = f"{_told(was)} -> {_told(gate)} (limit {quantity(gate.limit, gate.unit).removeprefix('+')})"
        worse.append(Harm(gate.name, gate.title, was.status, gate.status, text))
    return tuple(worse)


def beyond_repair(verdict: Verdict) -> list[GateResult]:
    """The gates that keep ``verdict`` from passing and that no step changes; empty where a step may help with one."""
    open_ = [gate for gate in verdict.gates if gate.status is not Status.PASS]
    fixed = [gate for gate in open_ if gate.name == EVIDENCE or gate.name.startswith(_KNOWN)]
    # Without evidence nothing can be shown to be repaired, whatever else fails.
    return fixed if len(fixed) == len(open_) or any(gate.name == EVIDENCE for gate in fixed) else []


def _is_worse(was: GateResult, now: GateResult) -> bool:
    if _RANK[now.status] != _RANK[was.status]:
        return _RANK[now.status] > _RANK[was.status]
    return now.status is not Status.PASS and _excess(now) > max(_excess(was), 0.0) + 1e-9


def _excess(gate: GateResult) -> float:
    """How far the figure is beyond the limit; negative within it."""
    figure = abs(gate.figure) if gate.name in EITHER_SIGN else gate.figure
    return gate.limit - figure if gate.at_least else figure - gate.limit


def _told(gate: GateResult) -> str:
    return f"{quantity(gate.figure, gate.unit)} {gate.status}"


def _counts(standing: tuple[int, int]) -> str:
    failing, open_ = standing
    return f"{failing} fail" + (f" and {open_} open" if open_ else "")
