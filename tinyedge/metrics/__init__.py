"""What is measured: pure functions on arrays, and the table ``METRICS`` of what they mean."""

from tinyedge.metrics.catalogue import ALONE, METRICS, PAIR, class_table, compare, evaluate
from tinyedge.metrics.outcome import Outcome, check_pair, outcome_of
from tinyedge.metrics.spec import AloneMetric, MetricSpec, PairMetric

__all__ = [
    "ALONE",
    "METRICS",
    "PAIR",
    "AloneMetric",
    "MetricSpec",
    "Outcome",
    "PairMetric",
    "check_pair",
    "class_table",
    "compare",
    "evaluate",
    "outcome_of",
]
