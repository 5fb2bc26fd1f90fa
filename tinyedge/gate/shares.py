"""Gates on a share of images: churn, saturation, ties, kernel parity. Each is a count, a limit and a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from tinyedge.gate.result import Case, GateResult, Status, settle
from tinyedge.gate.rule import Rule, setting
from tinyedge.stats.power import images_for_share, images_to_settle, unlucky_count
from tinyedge.stats.proportion import share_interval


@dataclass(frozen=True)
class ChurnRule(Rule):
    """Settings of the churn gate."""

    max_discordance_percent: float = setting(
        10.0, says="largest share of images on which exactly one of the two models is right", low=0, high=100
    )


@dataclass(frozen=True)
class SaturationRule(Rule):
    """Settings of the saturation gate."""

    max_saturated_percent: float = setting(
        1.0, says="largest share of images whose top-1 logit is the integer type's maximum", low=0, high=100
    )


@dataclass(frozen=True)
class TiesRule(Rule):
    """Settings of the ties gate."""

    max_tied_percent: float = setting(
        5.0, says="largest share of images whose top-1 output is shared by two or more classes", low=0, high=100
    )


@dataclass(frozen=True)
class ParityRule(Rule):
    """Settings of the parity gate."""

    max_argmax_flips_percent: float = setting(
        0.5, says="largest share of images that TensorFlow Lite Micro classifies otherwise", low=0, high=100
    )


def judge_churn(case: Case, rule: ChurnRule) -> GateResult:
    """The two models are right on the same images, up to a limit."""
    lost = int((case.reference.correct & ~case.deployed.correct).sum())
    gained = int((~case.reference.correct & case.deployed.correct).sum())
    n = len(case.reference)
    sentence = f"{lost:,} images were right and are wrong now, {gained:,} the other way round, of {n:,}."
    return judge_share("churn", "Churn", lost + gained, n, rule.max_discordance_percent, sentence, case.tail)


def judge_saturation(case: Case, rule: SaturationRule) -> GateResult | str:
    """Logits are not cut off at the top of the output's range."""
    if not case.deployed.quantized:
        return "the deployed output is float: it cannot saturate"
    if case.deployed.output_kind == "probabilities":
        return "the deployed output is probabilities: their largest value cuts nothing off"
    count, n = int(case.deployed.saturated.sum()), len(case.deployed)
    sentence = f"The largest logit is cut off at the integer type's maximum on {count:,} of {n:,} images."
    return judge_share("saturation", "Saturation", count, n, rule.max_saturated_percent, sentence, case.tail)


def judge_ties(case: Case, rule: TiesRule) -> GateResult:
    """The output is fine enough to tell the best class from the next."""
    tied = case.deployed.tied
    chosen = int((tied & case.deployed.correct).sum())
    count, n = int(tied.sum()), len(case.deployed)
    sentence = f"Two or more classes share the largest output on {count:,} of {n:,} images; the lowest index, which is "
    sentence += f"taken, is right on {chosen:,} of them."
    return judge_share("ties", "Ties", count, n, rule.max_tied_percent, sentence, case.tail)


def judge_parity(case: Case, rule: ParityRule) -> GateResult | str:
    """The kernels that ran classify as TensorFlow Lite Micro does."""
    if isinstance(case.parity, str):
        return case.parity
    if case.parity.compared < 1:
        return "the parity sample is empty"
    count, n = case.parity.argmax_flips, case.parity.compared
    sentence = f"TensorFlow Lite Micro names another class on {count:,} of {n:,} sampled images."
    return judge_share("parity", "Kernel parity", count, n, rule.max_argmax_flips_percent, sentence, case.tail)


def judge_share(
    name: str, title: str, count: int, total: int, limit_percent: float, sentence: str, tail: float
) -> GateResult:
    """A share of images by its exact bounds: PASS, FAIL, or INCONCLUSIVE where the limit lies between them."""
    low, high = share_interval(count, total, tail=tail)
    status = settle((low, high), limit_percent / 100)
    needed = None
    if status is Status.INCONCLUSIVE:
        needed = images_needed(count, total, limit=limit_percent / 100, tail=tail)
    return GateResult(
        name, title, status, 100 * count / total, "%", (100 * low, 100 * high), limit_percent, sentence, needed
    )


def images_needed(count: int, total: int, *, limit: float, tail: float) -> int | None:
    """How many images settle on which side of the limit a share is, if the true share is the one measured."""
    share = count / total

    def settles(images: int) -> bool:
        found = share_interval(unlucky_count(share, images, more=share < limit), images, tail=tail)
        return settle(found, limit) is not Status.INCONCLUSIVE

    return images_to_settle(settles, now=total, formula=images_for_share(share=share, limit=limit, tail=tail))
