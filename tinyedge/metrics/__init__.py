"""What is measured: pure functions on columns and counts, and the table ``METRICS`` of what they mean."""

from tinyedge.metrics.catalogue import ALONE, METRICS, PAIR, class_table, compare, compare_counted, evaluate
from tinyedge.metrics.outcome import Outcome, check_pair, outcome_of
from tinyedge.metrics.spec import AloneMetric, ColumnMetric, MetricSpec, PairMetric
from tinyedge.metrics.tally import PairTally, Tally

__all__ = [
    "ALONE",
    "METRICS",
    "PAIR",
    "AloneMetric",
    "ColumnMetric",
    "MetricSpec",
    "Outcome",
    "PairMetric",
    "PairTally",
    "Tally",
    "check_pair",
    "class_table",
    "compare",
    "compare_counted",
    "evaluate",
    "outcome_of",
]
