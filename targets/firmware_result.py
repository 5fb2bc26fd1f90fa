"""What the firmware answers, over every transport: ``struct result`` of ``firmware/main.c``, then the scores."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HEADER = struct.Struct("<IIIIQII")
"""Magic, sequence, bytes of an input and of an output, ticks, bytes of stack and of arena."""
MAGIC = 0x45474454


@dataclass(frozen=True)
class Result:
    """What the firmware says of one image.

    Args:
        scores: int8 ``(K,)``.
        ticks: of its clock for the inference; with SysTick a count of instructions only where they were counted.
        stack_bytes: the deepest that the stack has been; 0 where it does not know.
        layers: the ticks at the end of each layer, where the firmware counts them.
    """

    scores: NDArray[np.int8]
    ticks: int
    stack_bytes: int
    layers: tuple[int, ...] = ()
