"""Firmware at the end of a noisy serial line: frames sent, broken and resent, and whether a wrong answer came through.

The board is QEMU with the real firmware, the line a pseudo-terminal; only what happens to the bytes is made up, from a
seed. Right is what LiteRT's reference kernels say of the same image, byte for byte.

python benchmarks/firmware/noise.py --data cifar100 --images 200 > benchmarks/firmware/noise.md
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

from tinyedge.data import load_dataset
from tinyedge.models.family import Member
from tinyedge.registry import TARGETS, lookup
from tinyedge.targets.serial import SerialInt8
from tinyedge.zoo import find

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
from boards import Emulated, Line, Noise, firmware

RATES = (0.0, 1e-5, 1e-4, 3e-4, 5e-4)
BYTES_TO_A_RESET = 70_000


@dataclass(frozen=True)
class Level:
    """What a line does, both ways, and whether the board is reset in between."""

    name: str
    noise: Noise
    resets: bool = False


def bad_bytes(rate: float) -> Noise:
    """Half of the bad bytes have a wrong bit, a quarter is lost, a quarter comes with another in front of it."""
    return Noise(flip=rate / 2, drop=rate / 4, insert=rate / 4)


LEVELS = (
    *(Level(f"{rate:g} of the bytes bad" if rate else "none", bad_bytes(rate)) for rate in RATES),
    Level("0.2 of the frames twice", Noise(double=0.2)),
    Level("silences of 0.5 s, 1e-5 of the bytes", Noise(silence=1e-5, silent_s=0.5)),
    Level("resets", Noise(), resets=True),
    Level("1e-4 bad, 0.2 twice, silences, resets", replace(bad_bytes(1e-4), double=0.2, silence=1e-5), resets=True),
)
COLUMNS = ("frames_sent", "frames_resent", "frames_corrupted", "frames_corrupted_there", "frames_refused")


def main() -> None:
    """Run the shipped model over each line, and print one row each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="shapes")
    parser.add_argument("--width", type=float, default=4)
    parser.add_argument("--images", type=int, default=200)
    asked = parser.parse_args()
    artifact = find(Member("scalecnn", asked.width), asked.data).load("tflite-int8")
    whole = load_dataset(asked.data, "test").sample(asked.images * len(LEVELS), seed=0)
    with lookup(TARGETS, "target", "tflite-int8-reference")().open(artifact) as session:
        expected = session.run(whole.images)
    elf = firmware(artifact.path, artifact.sha256)
    print(f"{artifact.path.name} on serial-int8 (cortex-m4, QEMU), {len(whole):,} images of {whole.name}, test.\n")
    print("| noise, both ways | events | images | " + " | ".join(COLUMNS) + " | resets, survived | accepted wrong |")
    print("|---" * (5 + len(COLUMNS)) + "|")
    for number, level in enumerate(LEVELS):
        part = slice(number * asked.images, (number + 1) * asked.images)
        there, back = replace(level.noise, seed=2 * number), replace(level.noise, seed=2 * number + 1)
        line, resets = Line(there, back), []
        try:
            board = line.plug(elf)
            if level.resets:
                reset_again_and_again(line, board, elf, resets)
            with SerialInt8(line.port).open(artifact) as session:
                outputs, facts = session.run(whole.images[part]), session.facts()
        finally:
            line.close()
        wrong = int((outputs != expected[part]).any(axis=1).sum())
        events = there.events + back.events
        row = [level.name, f"{events:,}", f"{len(outputs):,}", *(f"{facts[name]:,}" for name in COLUMNS)]
        print("| " + " | ".join([*row, f"{len(resets)}, {facts['resets']}", str(wrong)]) + " |", flush=True)


def reset_again_and_again(line: Line, board: Emulated, elf: bytes, done: list[str]) -> None:
    """The button and the power in turn."""
    state = [board]
    kinds = cycle(["button", "power"])

    def reset() -> None:
        kind = next(kinds)
        if kind == "button":
            state[0].reset()
        else:
            state[0] = line.plug(elf)
        done.append(kind)
        line.after(BYTES_TO_A_RESET, reset)

    line.after(BYTES_TO_A_RESET, reset)


if __name__ == "__main__":
    main()
