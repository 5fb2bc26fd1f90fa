"""Repair: from a file that fails its gates to one that fails fewer, the cheapest step on the device first."""

from tinyedge.repair.run import Job, repair
from tinyedge.repair.steps import DEFAULT_STEPS, STEPS, chosen

__all__ = ["DEFAULT_STEPS", "STEPS", "Job", "chosen", "repair"]
