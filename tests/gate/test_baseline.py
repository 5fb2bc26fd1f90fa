import numpy as np
import pytest

from tinyedge.errors import PredictionsError
from tinyedge.gate import Status, judge, load_policy
from tinyedge.gate.baseline import BaselineRule, judge_step
from tinyedge.gate.result import Shipped
from tinyedge.metrics.outcome import outcome_of

LABELS = np.arange(10_000) % 10


def outcome(named):
    outputs = np.zeros((len(named), 10), np.float32)
    outputs[np.arange(len(named)), named] = 1
    probabilities = np.full(outputs.shape, 0.01)
    probabilities[np.arange(len(named)), named] = 0.91
    names = tuple(f"class {i}" for i in range(10))
    return outcome_of(outputs=outputs, labels=LABELS, probabilities=probabilities, class_names=names)


def wrong(*spans):
    """Named as labelled but for the images of these spans."""
    named = LABELS.copy()
    for low, high in spans:
        named[low:high] = (LABELS[low:high] + 1) % 10
    return named


def judged(before, now, policy="", *, size_bytes=1000, last_bytes=1000):
    verdict = judge(
        reference=outcome(wrong((0, 900))),
        deployed=outcome(now),
        policy=load_policy(policy),
        facts={"size_bytes": size_bytes},
        baseline=Shipped(LABELS, before, last_bytes),
    )
    return [gate for gate in verdict.gates if gate.name.startswith("baseline.")]


def test_without_a_baseline_it_is_skipped_and_says_so():
    verdict = judge(reference=outcome(wrong((0, 900))), deployed=outcome(wrong((0, 901))))
    assert [(s.name, s.reason) for s in verdict.skipped if s.name == "baseline"] == [
        ("baseline", "no baseline was given")
    ]


@pytest.mark.parametrize(
    ("now", "accuracy", "flips"),
    [
        (wrong((0, 1000)), Status.PASS, Status.PASS),
        (wrong((0, 1100)), Status.INCONCLUSIVE, Status.PASS),  # 1.0 pp, the limit itself
        (wrong((0, 1300)), Status.FAIL, Status.PASS),  # 3.0 pp
        (wrong((600, 1600)), Status.PASS, Status.FAIL),  # as accurate, 6 % flipped each way
        (wrong((500, 1500)), Status.PASS, Status.INCONCLUSIVE),  # 5 %, the limit itself
        (wrong((0, 500)), Status.PASS, Status.PASS),
    ],
)
def test_a_step_back_fails(now, accuracy, flips):
    found = judged(wrong((0, 1000)), now)
    assert [gate.status for gate in found] == [accuracy, flips]


def test_negative_flips_are_those_that_were_right():
    drop, flips = judged(wrong((0, 1000)), wrong((100, 1300)))
    assert flips.figure == 3.0
    assert drop.figure == pytest.approx(2.0)
    assert "300 of 10,000 images were right in the last release and are wrong now" in flips.detail
    assert "90.00%, this one is on 88.00%: 300 images lost, 100 gained" in drop.detail


def test_all_flips_are_judged_where_they_are_limited():
    policy, before = "[baseline]\nmax_flips_percent = 0.5\n", wrong((0, 1000))
    assert [g.name for g in judged(before, before)] == ["baseline.accuracy", "baseline.negative_flips"]
    same = judged(before, before, policy)[2]
    assert (same.name, same.figure, same.status) == ("baseline.flips", 0.0, Status.PASS)
    other = before.copy()
    other[:200] = (LABELS[:200] + 2) % 10  # another wrong class: neither accuracy nor negative flips see it
    drop, negative, flips = judged(before, other, policy)
    assert (drop.figure, negative.figure, flips.figure) == (0.0, 0.0, 2.0)
    assert (drop.status, negative.status, flips.status) == (Status.PASS, Status.PASS, Status.FAIL)
    assert "200 of 10,000 images" in flips.detail


def test_the_files_growth_is_judged_where_it_is_limited():
    policy = "[baseline]\nmax_size_growth_percent = 10"
    same = wrong((0, 1000))
    assert len(judged(same, same)) == 2
    assert judged(same, same, policy, size_bytes=1100)[2].status is Status.PASS
    assert judged(same, same, policy, size_bytes=500)[2].figure == -50
    grown = judged(same, same, policy, size_bytes=1111)[2]
    assert (grown.status, grown.figure) == (Status.FAIL, pytest.approx(11.1))
    assert grown.detail == "The model file had 1,000 bytes in the last release and has 1,111 now."
    with pytest.raises(PredictionsError, match="growth"):
        judged(same, same, policy, last_bytes=None)


def test_other_examples_are_refused():
    with pytest.raises(PredictionsError, match="last release"):
        judge(
            reference=outcome(wrong((0, 900))),
            deployed=outcome(wrong((0, 901))),
            baseline=Shipped(LABELS[::-1], LABELS, None),
        )


def test_the_bounds_hold_what_they_promise():
    """A true step back of exactly the limits passes about one time in twenty."""
    rng = np.random.default_rng(5)
    passed = np.zeros(2)
    for _ in range(200):
        draw = rng.random(len(LABELS))
        # 5 % lost, 4 % gained: a drop of 1 pp and 5 % negative flips.
        before = np.where((draw > 0.05) & (draw < 0.09), (LABELS + 1) % 10, LABELS)
        now = np.where(draw < 0.05, (LABELS + 1) % 10, LABELS)
        found = judge_step(
            before=Shipped(LABELS, before, 1), now=Shipped(LABELS, now, 1), rule=BaselineRule(), tail=0.05
        )
        passed += [gate.status is Status.PASS for gate in found]
    assert (passed <= 19).all()  # 200 x .05 = 10, and three standard deviations
    assert (passed >= 1).all()
