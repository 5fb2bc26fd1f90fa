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
_STEP = 1e-9
"""What two figures of the same outputs may differ by."""
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
    """Whether a step is kept: it improves, and no gate fails that passed, or that was not judged.

    Args:
        parent: of the file that the step builds on, on the tuning images.
        found: of what the step made, on the same.

    Returns:
        Whether, and why.
    """
    statuses = {gate.name: gate.status for gate in parent.gates}
    broken = [
        gate.title
        for gate in found.gates
        if gate.status is Status.FAIL and statuses.get(gate.name) in (Status.PASS, None)
    ]
    counts = f"{_counts(standing(parent))} before, {_counts(standing(found))} now"
    if broken:
        fails = "fail" if len(broken) > 1 else "fails"
        return False, f"{', '.join(broken)} {fails} now and did not before; {counts}"
    nearer = _nearer(parent, found)
    if standing(found) == standing(parent) and nearer:
        counts += f"; nearer to the limit: {', '.join(nearer)}"
    return improves(parent, found), counts


def improves(parent: Verdict, found: Verdict) -> bool:
    """Whether fewer gates fail, or as many and fewer are open; or as many of both, where what fails fails by less.

    By less: at least one failing gate is nearer to its limit, and no gate is worse. So partial repairs add up.
    """
    was, now = standing(parent), standing(found)
    return now < was or (now == was and bool(_nearer(parent, found)))


def harms(parent: Verdict, found: Verdict) -> tuple[Harm, ...]:
    """Every gate that a step made worse.

    Another status, or still not passing and further beyond its limit, or not passing where it was not judged before.

    Args:
        parent: of the file that the step builds on, at the same confidence, on the same images.
        found: of what the step made.
    """
    were = {gate.name: gate for gate in parent.gates}
    worse = []
    for gate in found.gates:
        was = were.get(gate.name)
        if not _is_worse(was, gate):
            continue
        before = "not judged before" if was is None else _told(was)
        text = f"{before} -> {_told(gate)} (limit {quantity(gate.limit, gate.unit).removeprefix('+')})"
        worse.append(Harm(gate.name, gate.title, None if was is None else was.status, gate.status, text))
    return tuple(worse)


def cannot_pass(verdict: Verdict) -> list[GateResult]:
    """The gates that do not pass and that no step changes."""
    return [
        gate
        for gate in verdict.gates
        if gate.status is not Status.PASS and (gate.name == EVIDENCE or gate.name.startswith(_KNOWN))
    ]


def beyond_repair(verdict: Verdict) -> list[GateResult]:
    """The gates that keep ``verdict`` from passing and that no step changes; empty where a step may help with one."""
    open_ = [gate for gate in verdict.gates if gate.status is not Status.PASS]
    fixed = cannot_pass(verdict)
    # Without evidence nothing can be shown to be repaired, whatever else fails.
    return fixed if len(fixed) == len(open_) or any(gate.name == EVIDENCE for gate in fixed) else []


def _nearer(parent: Verdict, found: Verdict) -> list[str]:
    """Titles of the failing gates that are nearer to their limit now; none where any gate is worse."""
    if harms(parent, found):
        return []
    failing = {gate.name: gate for gate in parent.gates if gate.status is Status.FAIL}
    return [
        gate.title
        for gate in found.gates
        if gate.name in failing and max(_excess(gate), 0.0) < _excess(failing[gate.name]) - _STEP
    ]


def _is_worse(was: GateResult | None, now: GateResult) -> bool:
    if was is None:
        return now.status is not Status.PASS
    if _RANK[now.status] != _RANK[was.status]:
        return _RANK[now.status] > _RANK[was.status]
    return now.status is not Status.PASS and _excess(now) > max(_excess(was), 0.0) + _STEP


def _excess(gate: GateResult) -> float:
    """How far the figure is beyond the limit; negative within it."""
    figure = abs(gate.figure) if gate.name in EITHER_SIGN else gate.figure
    return gate.limit - figure if gate.at_least else figure - gate.limit


def _told(gate: GateResult) -> str:
    return f"{quantity(gate.figure, gate.unit)} {gate.status}"


def _counts(standing: tuple[int, int]) -> str:
    failing, open_ = standing
    return f"{failing} fail" + (f" and {open_} open" if open_ else "")
