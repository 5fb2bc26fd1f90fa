"""What goes into a firmware project of one's own: the model as C, the loop, the line, and the board's few functions."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from tinyedge.errors import UsageError
from tinyedge.targets.firmware_build import SOURCES
from tinyedge.targets.firmware_source import Source, generate
from tinyedge.targets.frames import model_id
from tinyedge.targets.legalize import Legal, legalize

_FACTS = "model_facts.h"
_MODEL, _MANIFEST = "model", "bknn_model_manifest.json"
_OWN = {"main.c": "tinyedge_loop.c", "uart.c": "tinyedge_uart.c", "board.h": "board.h"}
_PORT = "port.c"
_GUIDE = "README.md"
_README = """\
# {name} as firmware

Written by `tinyedge firmware`, which writes it anew when asked again; only `{port}` is yours and stays.

| file | is |
|---|---|
| `model/` | the model as C, by BakeNN: {kernels} |
| `tinyedge_loop.c` | one image in, one result out |
| `tinyedge_uart.c` | frames with a checksum on a serial line |
| `model_facts.h` | which model this is: `tinyedge validate` refuses a board with another one |
| `board.h` | what these need of a board |
| `{port}` | **to be written by you**: open the line, get a byte, put a byte |

1. Write the three functions in `{port}` for your board.
2. Add to your project: every `.c` below this folder, the include folders
   {includes}, and the defines {defines}.
   C11, `-O2`, for a core with the instruction set of the {cpu}.
3. Call `tinyedge_run()` at the end of your `main()`; it does not return.
4. Flash the board, and run `tinyedge validate --target serial-int8 --port /dev/ttyACM0 --deployed {name} ...`
   or `tinyedge evaluate --model {name} --target serial-int8 --port /dev/ttyACM0`.

Memory beside your own: {arena:,} bytes of arena, {inputs:,} for an image, {outputs:,} for its scores, 0.4 KiB for
the line.
Model file: SHA-256 {sha256}. Licences: Apache-2.0; CMSIS's, where it is used, in `model/third_party`.
"""


def write_facts(folder: Path, sha256: str, source: Source) -> None:
    """Write the header that ``uart.c`` takes the model's identity from.

    Args:
        folder: where the compiler finds it.
        sha256: of the model file, in hexadecimal.
        source: the model as C.
    """
    digits = ", ".join(f"0x{byte:02x}" for byte in model_id(sha256))
    (folder / _FACTS).write_text(
        f"/* SHA-256 of the model file: {sha256} */\n"
        f"#define MODEL_ID {{{digits}}}\n"
        f"#define MODEL_KERNELS {json.dumps(source.kernels)}\n"
    )


def write_kit(model: Path, sha256: str, folder: Path, *, profile: str, kernels: str) -> Source:
    """Write everything into ``folder``; a ``port.c`` that is there is left as it is.

    Args:
        model: the model file, int8.
        sha256: its hash, in hexadecimal.
        folder: is made where it is not there.
        profile: BakeNN's name for the instruction set.
        kernels: ``cmsis-nn`` or ``portable``.

    Raises:
        UsageError: where ``folder`` holds something else under these names; nothing is written then.
        ArtifactCorrupt, TargetRefused: for the model.
    """
    _check_ours(folder)
    legal = legalize(model.read_bytes(), model)
    source = _replace_model(legal, folder, profile=profile, kernels=kernels, where=model)
    write_facts(folder, sha256, source)
    for own, name in _OWN.items():
        shutil.copyfile(SOURCES / own, folder / name)
    if not (folder / _PORT).exists():
        shutil.copyfile(SOURCES / _PORT, folder / _PORT)
    includes = [".", *(path.relative_to(folder).as_posix() for path in source.includes)]
    (folder / _GUIDE).write_text(
        _README.format(
            name=model.name,
            port=_PORT,
            kernels=source.kernels,
            includes=", ".join(f"`{path}`" for path in includes),
            defines=", ".join(f"`{name}`" for name in source.defines) or "(none)",
            cpu=profile,
            arena=source.arena_bytes,
            inputs=source.sizes[0],
            outputs=source.sizes[1],
            sha256=sha256,
        )
    )
    return source


def _check_ours(folder: Path) -> None:
    """What is in the way must be of an earlier run, which the model's manifest tells."""
    if (folder / _MODEL / _MANIFEST).is_file():
        return
    for name in (_MODEL, _FACTS, *_OWN.values(), _GUIDE):
        if (folder / name).exists():
            place = "model" if name == _MODEL else "file"
            raise UsageError(
                f"there is something else in the {place}'s place",
                where=folder / name,
                found=f"no {_MODEL}/{_MANIFEST} in that folder",
                expected="a new folder, or one that tinyedge firmware has written",
                fix="--out another folder",
            )


def _replace_model(legal: Legal, folder: Path, *, profile: str, kernels: str, where: Path) -> Source:
    """The new one whole, as other kernels are other files; the old one stays until the new one is there."""
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / _MODEL
    with tempfile.TemporaryDirectory(prefix=".tinyedge-", dir=folder) as scratch:
        new, old = Path(scratch) / _MODEL, Path(scratch) / "old"
        source = generate(legal, new, profile=profile, kernels=kernels, where=where)
        if final.exists():
            final.rename(old)
        new.rename(final)

    def moved(path: Path) -> Path:
        return final / path.relative_to(new)

    return replace(
        source,
        model=moved(source.model),
        others=tuple(map(moved, source.others)),
        includes=tuple(map(moved, source.includes)),
    )
