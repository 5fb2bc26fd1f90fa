"""Boards at the end of a serial line: QEMU with the firmware, a line that is noisy on purpose, and one that lies.

The firmware is the real one, the emulated UART and the pseudo-terminal are the kernel's and QEMU's own; only what the
line does to the bytes is made up, from a seed.
"""

from __future__ import annotations

import os
import pty
import re
import select
import socket
import subprocess
import tempfile
import threading
import time
import tty
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from tinyedge.targets.cortex_m import CortexM4Int8
from tinyedge.targets.firmware_build import UART, build
from tinyedge.targets.firmware_kit import write_facts
from tinyedge.targets.firmware_source import CMSIS_NN, generate
from tinyedge.targets.legalize import legalize
from tinyedge.targets.qemu import PROGRAM


@cache
def firmware(model: Path, sha256: str, core=CortexM4Int8.core, kernels: str = CMSIS_NN, first: str = "") -> bytes:
    """The ELF of a model file, with the UART as its transport and ``first`` before an inference; each is built once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = generate(
            legalize(model.read_bytes(), model), folder, profile=core.profile, kernels=kernels, where=model
        )
        write_facts(folder, sha256, source)
        source.model.write_text(re.sub(r"(bknn_model_infer\([^)]*\) \{)", rf"\1\n{first}", source.model.read_text()))
        return build(source, folder / "firmware.elf", core=core, where=model, transport=UART).elf.read_bytes()


class Emulated:
    """QEMU with firmware; ``close`` it.

    Args:
        elf: its content.
        serial: what its UART is connected to; a pseudo-terminal of its own if ``None``.
        machine: QEMU's name for the board.
    """

    def __init__(self, elf: bytes, serial: str | None = None, machine: str = "mps2-an386") -> None:
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name, "firmware.elf")
        path.write_bytes(elf)
        self._monitor = Path(self._folder.name, "monitor")
        self._process = subprocess.Popen(
            [
                PROGRAM, "-M", machine, "-display", "none", "-kernel", str(path), "-serial", serial or "pty",
                "-monitor", f"unix:{self._monitor},server=on,wait=off",
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        if serial is None:
            found = re.search(r"redirected to (\S+)", self._process.stdout.readline())
            assert found, "QEMU says which one it has"
            self.port = found[1]

    def reset(self) -> None:
        """As its button does."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self._monitor))
            monitor.sendall(b"system_reset\n")
            while b"(qemu)" not in monitor.recv(1000):
                pass
            time.sleep(0.05)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()


@dataclass
class Noise:
    """What a line does to the bytes that go over it; each a probability for a byte, or a frame.

    Args:
        flip: one of its bits.
        drop: it is lost.
        insert: another comes before it.
        double: a frame comes twice.
        silence: it is lost, and all that comes within ``silent_s`` after it.
        silent_s: seconds.
        seed: the same noise each time, for the same bytes.
    """

    flip: float = 0.0
    drop: float = 0.0
    insert: float = 0.0
    double: float = 0.0
    silence: float = 0.0
    silent_s: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        self._silent_until = 0.0
        self._frame = bytearray()
        self.events = 0

    def __call__(self, content: bytes) -> bytes:
        out = bytearray()
        for byte in content:
            self._frame.append(byte)
            if time.monotonic() < self._silent_until:
                continue
            chance = self._random.random()
            limits = (self.flip, self.drop, self.insert, self.silence)
            happens = next((i for i in range(4) if chance < sum(limits[: i + 1])), None)
            self.events += happens is not None
            if happens == 0:
                out.append(byte ^ 1 << self._random.randrange(8))
            elif happens == 2:
                out += bytes([self._random.randrange(256), byte])
            elif happens == 3:
                self._silent_until = time.monotonic() + self.silent_s
            elif happens is None:
                out.append(byte)
            if byte == 0:
                if len(self._frame) > 1 and self._random.random() < self.double:
                    self.events += 1
                    out += b"\0" + self._frame
                self._frame.clear()
        return bytes(out)


class Line:
    """A pseudo-terminal at ``port`` with a board behind it that can be exchanged; ``close`` it.

    Args:
        there: what happens to the bytes on their way to the board.
        back: and on the way back.
    """

    def __init__(self, there: Callable[[bytes], bytes] = bytes, back: Callable[[bytes], bytes] = bytes) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._address = f"{self._folder.name}/line"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._address)
        self._listener.listen()
        self._board: Emulated | None = None
        self._wire: socket.socket | None = None
        self._open = True
        self.passed = 0
        self._on_passed: tuple[int, Callable[[], None]] | None = None
        self._threads = [
            threading.Thread(target=self._carry_there, args=(there,)),
            threading.Thread(target=self._carry_back, args=(back,)),
        ]
        for thread in self._threads:
            thread.start()

    def plug(self, elf: bytes, machine: str = "mps2-an386") -> Emulated:
        """Put another board at the end of it; the last one loses its power."""
        if self._board is not None:
            self._board.close()
            self._wire.close()
        self._board = Emulated(elf, f"unix:{self._address}", machine)
        self._wire, _ = self._listener.accept()
        return self._board

    def after(self, count: int, action: Callable[[], None]) -> None:
        """Do something in the middle: when ``count`` bytes have gone to the board from now."""
        self._on_passed = self.passed + count, action

    def close(self) -> None:
        self._open = False
        for thread in self._threads:
            thread.join()
        if self._board is not None:
            self._board.close()
        if self._wire is not None:
            self._wire.close()
        self._listener.close()
        os.close(self._slave)
        os.close(self._master)
        self._folder.cleanup()

    def _carry_there(self, noise: Callable[[bytes], bytes]) -> None:
        while self._open:
            if not select.select([self._master], [], [], 0.02)[0]:
                continue
            content = os.read(self._master, 512)
            try:
                if self._wire is not None:
                    self._wire.sendall(noise(content))
            except OSError:
                pass  # a board without power hears nothing
            self.passed += len(content)
            if self._on_passed is not None and self.passed >= self._on_passed[0]:
                action, self._on_passed = self._on_passed[1], None
                action()

    def _carry_back(self, noise: Callable[[bytes], bytes]) -> None:
        while self._open:
            wire = self._wire
            try:
                if wire is None or not select.select([wire], [], [], 0.02)[0]:
                    time.sleep(0.001)
                    continue
                content = wire.recv(512)
            except (OSError, ValueError):
                content = b""
            if not content:
                time.sleep(0.01)
                continue
            os.write(self._master, noise(content))
