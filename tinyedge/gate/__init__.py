"""The decision: a policy's limits against two outcomes, to PASS, FAIL or INCONCLUSIVE."""

from tinyedge.gate.judge import judge
from tinyedge.gate.policy import DEFAULT_POLICY, Policy, load_policy, policy_toml, read_policy
from tinyedge.gate.result import GateResult, Parity, Skipped, Status, Verdict

__all__ = [
    "DEFAULT_POLICY",
    "GateResult",
    "Parity",
    "Policy",
    "Skipped",
    "Status",
    "Verdict",
    "judge",
    "load_policy",
    "policy_toml",
    "read_policy",
]
