from __future__ import annotations

import pytest

from tests.support.outcomes import HEALTHY, RIGHT, outcome
from tinyedge.gate import GateResult, Status, Verdict, judge, load_policy
from tinyedge.gate.budget import NOTHING
from tinyedge.gate.policy_summary import cautions

FIRMWARE = {"flash_bytes": 59_144, "ram_bytes": 17_208, "stack_bytes": 768, "instructions": 6_551_720}
BOARD = {"board_flash_bytes": 524_288, "board_ram_bytes": 131_072, "board_instructions_per_s": 180_000_000}
NPU = {"npu_flash_bytes": 55_712, "npu_sram_bytes": 12_768, "npu_cycles": 97_889, "board_npu_hz": 500_000_000}


def verdict_of(policy: str = "", **facts: float) -> Verdict:
    return judge(
        reference=outcome(RIGHT), deployed=outcome(HEALTHY), policy=load_policy(policy), facts={"size_bytes": 1} | facts
    )


def budget(policy: str = "", **facts: float) -> dict[str, GateResult]:
    found = verdict_of(policy, **facts).gates
    return {g.name.removeprefix("budget."): g for g in found if g.name.startswith("budget.")}


def test_without_a_board_and_without_limits_nothing_is_judged() -> None:
    skipped = {s.name: s.reason for s in verdict_of(**FIRMWARE).skipped}
    assert skipped["budget"] == NOTHING
    assert budget("[budget]\nenabled = false\n", **FIRMWARE, **BOARD) == {}


@pytest.mark.parametrize(("over", "status"), [(0, "PASS"), (1, "FAIL")])
@pytest.mark.parametrize(
    ("key", "taken", "board", "note"),
    [
        ("flash", {"flash_bytes": 1000}, {"board_flash_bytes": 1000}, "firmware"),
        ("flash", {"npu_flash_bytes": 1000, "size_bytes": 10**9}, {"board_flash_bytes": 1000}, "estimate"),
        ("ram", {"ram_bytes": 900, "stack_bytes": 100, "arena_bytes": 800}, {"board_ram_bytes": 1000}, "firmware"),
        ("ram", {"npu_sram_bytes": 1000, "arena_bytes": 10**9}, {"board_ram_bytes": 1000}, "estimate"),
        ("instructions", {"instructions": 1000}, {"board_instructions_per_s": 5000, "fps": 5}, "necessary"),
        ("cycles", {"npu_cycles": 1000}, {"board_npu_hz": 5000, "fps": 5}, "estimate"),
    ],
)
def test_it_is_the_last_byte_that_decides(
    key: str, taken: dict[str, float], board: dict[str, float], note: str, over: int, status: str
) -> None:
    first = next(iter(taken))
    found = budget(**{**board, **taken, first: taken[first] + over})[key]
    assert (found.status, found.figure, found.limit) == (Status(status), 1000 + over, 1000)
    assert (found.interval, found.note) == (None, note)


def test_a_figure_that_is_not_all_passes_with_a_warning_and_rules_nothing_out() -> None:
    """Firmware of a model is smaller than its file, and a device's arena than this machine's."""
    passed = budget(size_bytes=10, arena_bytes=10, **BOARD)
    assert [passed[key].warning for key in ("flash", "ram")] == [
        "model file: the code that runs it comes on top",
        "estimate: stack and other data come on top",
    ]
    open_ = budget(size_bytes=10**6, arena_bytes=10**6, **BOARD)
    assert [(open_[key].status, open_[key].warning) for key in ("flash", "ram")] == [(Status.INCONCLUSIVE, None)] * 2
    assert all("a firmware target measures it" in open_[key].detail for key in ("flash", "ram"))
    weights = budget(size_bytes=10**6, weight_bytes=600_000, **BOARD)["flash"]
    assert (weights.status, weights.figure, weights.note) == (Status.FAIL, 600_000, "lower bound")
    measured = budget(**FIRMWARE, **BOARD)
    assert [measured[key].warning for key in ("flash", "ram")] == [None, None]


def test_a_frame_rate_can_only_rule_out() -> None:
    kept = budget(**FIRMWARE, **BOARD, fps=27)["instructions"]
    assert (kept.status, kept.limit) == (Status.PASS, 6_666_666)
    assert "cannot complete more than 6,666,666" in kept.detail
    assert budget(**FIRMWARE, **BOARD, fps=28)["instructions"].status is Status.FAIL
    assert "instructions" not in budget(**FIRMWARE, **BOARD), "no rate, no limit"
    assert budget(**FIRMWARE, **BOARD, fps=1e9)["instructions"].status is Status.FAIL, "a limit of 0 is a limit"


def test_a_rate_for_a_core_that_nothing_counts_for_is_not_settled() -> None:
    found = budget(size_bytes=1, board_flash_bytes=10, board_ram_bytes=10, fps=1)
    assert (found["instructions"].status, found["ram"].status) == (Status.INCONCLUSIVE,) * 2
    assert "No target counts" in found["instructions"].detail
    assert "tflm-int8" in found["ram"].detail
    assert budget(**BOARD, fps=1)["instructions"].status is Status.INCONCLUSIVE, "a target that counts nothing"


def test_an_npu_is_judged_by_its_compilers_estimates() -> None:
    board = {"board_flash_bytes": 10**7, "board_ram_bytes": 10**6}
    found = budget(**NPU, **board, fps=1000, instructions=10**12)
    assert list(found) == ["flash", "ram", "cycles"]
    assert {g.note for g in found.values()} == {"estimate"}
    assert found["cycles"].warning is None
    left = budget(**NPU, **board, fps=1000, npu_cpu_operators=3)["cycles"]
    assert (left.status, left.warning) == (Status.PASS, "estimate: 3 operators run on the CPU")


@pytest.mark.parametrize(
    ("policy", "key", "limit"),
    [
        ("max_flash_bytes = 60000", "flash", 60_000),
        ("max_flash_bytes = 9e9", "flash", 524_288),
        ("max_flash_percent = 50", "flash", 262_144),
        ("reserve_flash_bytes = 24288", "flash", 500_000),
        ("reserve_flash_bytes = 9e9", "flash", 0),
        ("max_flash_percent = 50\nreserve_flash_bytes = 2144", "flash", 260_000),
        ("max_ram_bytes = 65536", "ram", 65_536),
        ("max_ram_percent = 10", "ram", 13_107),
        ("reserve_ram_bytes = 31072", "ram", 100_000),
        ("max_instructions = 1e6", "instructions", 1_000_000),
        ("max_load_percent = 50", "instructions", 9_000_000),
    ],
)
def test_a_policy_takes_its_share(policy: str, key: str, limit: float) -> None:
    found = budget(f"[budget]\n{policy}\n", **FIRMWARE, **BOARD, fps=10)[key]
    assert found.limit == limit
    assert found.status is (Status.PASS if found.figure <= limit else Status.FAIL)


def test_a_policys_own_limits_need_no_board() -> None:
    policy = "[budget]\nmax_flash_bytes = 60000\nmax_ram_bytes = 10000\nmax_instructions = 7e6\n"
    found = budget(policy, **FIRMWARE)
    assert [found[k].status for k in ("flash", "ram", "instructions")] == [Status.PASS, Status.FAIL, Status.PASS]
    # A limit that is set and cannot be looked at is never a pass.
    unknown = budget(policy)
    assert [unknown[k].status for k in ("ram", "instructions")] == [Status.INCONCLUSIVE] * 2
    assert verdict_of(policy).status is Status.INCONCLUSIVE


def test_a_budget_that_is_broken_fails_the_verdict_however_few_the_images() -> None:
    few = judge(
        reference=outcome(RIGHT[:50]),
        deployed=outcome(HEALTHY[:50]),
        facts={"size_bytes": 10**6, "weight_bytes": 10**5, "board_flash_bytes": 10},
    )
    assert few.gates[0].status is Status.INCONCLUSIVE
    assert few.status is Status.FAIL


def test_all_of_a_board_is_a_limit_that_can_be_exceeded() -> None:
    """More than a board has can be needed, so that 100 % is no mistake to warn of; a fraction would be."""
    assert cautions(load_policy("[budget]\nmax_flash_percent = 100\nmax_ram_percent = 200\n")) == ()
    assert budget("[budget]\nmax_ram_percent = 200\n", **FIRMWARE, **BOARD)["ram"].limit == 262_144
