"""A table as ``tinyedge fit`` makes it, of made-up members, for tests of what shows it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.support.made_report import made_report
from tinyedge.board_use import board_use, known_facts
from tinyedge.gate import Status
from tinyedge.report.fit import Fit, Row, Taken

PASS, FAIL, OPEN = Status.PASS, Status.FAIL, Status.INCONCLUSIVE


def made_fit(rows: tuple[Row, ...] | None = None, *, unit: str | None = "instructions", fps: float | None = 10) -> Fit:
    """Three that ran, one for each verdict, one that was refused and one that is not trained."""
    return Fit(
        board={"name": "nucleo-f446re", "title": "ST NUCLEO-F446RE (STM32F446RE)", "facts": {}},
        run={"target": "cortex-m4-int8", "family": "scalecnn", "policy": "strict", "policy_digest": "d" * 64}
        | {"kernels": "CMSIS-NN 4.0.0 for 13, no code for 1 (14 operators)"},
        data={"name": "cifar100", "split": "test", "images": 5000, "classes": 100, "synthetic": False},
        fps=fps,
        unit=unit,
        limits={"flash": 524_288.0, "ram": 131_072.0} | ({"work": 18e6} if unit and fps else {}),
        label="estimated by ethos-u-vela 5.2.0 (internal compiler estimates)" if unit == "cycles" else None,
        rows=_rows() if rows is None else rows,
    )


def _rows() -> tuple[Row, ...]:
    def ran(name: str, params: int, right: float, flash: float, work: float, **judged: object) -> Row:
        taken = {
            "flash": Taken(flash, "firmware"),
            "ram": Taken(flash / 3, "firmware"),
            "work": Taken(work, "firmware"),
        }
        return Row(name, params, True, right, (right - 0.01, right + 0.01), **taken, max_fps=180e6 / work, **judged)  # type: ignore[arg-type]

    return (
        ran("scalecnn-c4", 21_936, 0.43, 33_900, 4.0e6, budget=PASS, gates=PASS, verdict=PASS),
        ran("scalecnn-c6", 46_570, 0.51, 59_144, 6.5e6, budget=PASS, gates=PASS, verdict=PASS),
        ran(
            "scalecnn-c8", 80_348, 0.57, 94_000, 9.1e6, budget=PASS, gates=OPEN, verdict=OPEN,
            unsettled=("Ties", "Worst class"), images_needed=7000,
        ),
        ran(
            "scalecnn-c12", 175_336, 0.63, 192_000, 20e6, budget=FAIL, gates=PASS, verdict=FAIL,
            failed=("Budget: instructions",),
        ),
        Row("scalecnn-c16", 306_900, True, verdict=FAIL, note="the model is too large for the emulated board"),
        Row("scalecnn-c24", 680_396, False, flash=Taken(684_704, "lower bound"), budget=FAIL, note="too large"),
    )  # fmt: skip


def made_validation(**arguments: object):
    """In the place of ``validate``: no model runs, two images of 400 change, and size and arena are known."""
    deployed, aim, policy = (arguments[name] for name in ("deployed", "aim", "policy"))
    labels = np.arange(400) % 4
    named = np.where(np.arange(400) % 5 == 0, (labels + 1) % 4, labels)
    flipped = np.where(np.isin(np.arange(400), (1, 2)), (labels + 1) % 4, named)
    facts = known_facts({}, aim, None) | {"size_bytes": deployed.size_bytes, "weight_bytes": deployed.params}  # type: ignore[arg-type, union-attr]
    if arguments["parity_images"]:
        facts["arena_bytes"] = 18_000
    report = made_report(labels=labels, reference=named, deployed=flipped, policy=policy, facts=facts)
    return replace(report, board=board_use(aim, facts, None))  # type: ignore[arg-type]
