"""A command that reads images and writes results, well or badly in one way: misbehave.py HOW MODEL IMAGES RESULTS.

A good result is the first values of its image. The standard library only: it starts in a moment.
"""

import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

HEADER = struct.Struct("<4sIIII32sI")
how, _, images_file, results_file = sys.argv[1:]
VALUES = 7
content = Path(images_file).read_bytes()
_, version, code, count, wide, sha256, call = HEADER.unpack_from(content)
size = 4 if code == 4 else 1
given = [content[56 + i * (4 + wide * size) :][: 4 + wide * size] for i in range(count)]
records = [image[: 4 + VALUES * size] for image in given]
magic, values = b"TEOU", VALUES
facts = None
sys.stderr.write("a word of mine\n")

match how.split():
    case ["exit"]:
        sys.stdout.write("no luck\n")
        sys.stdout.flush()
        sys.exit("no licence")
    case ["signal"]:
        os.kill(os.getpid(), signal.SIGSEGV)
    case ["hang"]:
        time.sleep(60)
    case ["hang-below", place]:
        below = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        Path(place).write_text(f"{os.getpid()} {below.pid}")
        below.wait()
    case ["talk"]:
        sys.stderr.write("words " * 20_000)
        sys.exit(3)
    case ["nothing"]:
        sys.exit()
    case ["folder"]:
        Path(results_file).mkdir()
        sys.exit()
    case ["images-back"]:
        Path(results_file).write_bytes(content)
        sys.exit()
    case ["version"]:
        version = 2
    case ["type"]:
        code = 2
    case ["model"]:
        sha256 = bytes(32)
    case ["call"]:
        call ^= 1
    case ["fewer"]:
        del records[-1]
    case ["count"]:  # one result too few, under a header that says that all are there
        del records[-1]
        count += 0
    case ["values"]:
        values, records = VALUES - 1, [record[:-size] for record in records]
    case ["swapped"]:
        records[0], records[1] = records[1], records[0]
    case ["twice"]:
        records[1] = records[0]
    case ["nan"]:
        records[-1] = records[-1][:4] + struct.pack("<f", float("nan")) * VALUES
    case ["facts", text]:
        facts = text.encode().decode("unicode_escape").encode("latin-1")
    case ["log-calls" | "other-facts-each-call" as kind, place]:
        with Path(place).open("a") as file:
            file.write(f"{count}\n")
        if kind != "log-calls":
            facts = b"kernels=%d operators" % len(Path(place).read_text().split())

if how != "count":
    count = len(records)
content = HEADER.pack(magic, version, code, count, values, sha256, call) + b"".join(records)
content += struct.pack("<I", zlib.crc32(content))
match how.split():
    case ["cut", length]:
        content = content[: int(length)]
    case ["long"]:
        content += b"\0"
    case ["flip", bit]:
        at = int(bit) // 8
        content = content[:at] + bytes([content[at] ^ 1 << int(bit) % 8]) + content[at + 1 :]
Path(results_file).write_bytes(content)
if facts is not None:
    Path(f"{results_file}.facts").write_bytes(facts)
