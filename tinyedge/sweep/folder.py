"""A sweep's folder: the manifest, a record for each finished unit, and the files; the only module that writes there.

    sweep.json                               what is asked for, and what all units share
    records/<unit>.json                      key, files with their SHA-256, facts: a unit is done where this is
    <model>.safetensors                      checkpoints, and the states of unfinished runs
    models/  outcomes/                       exported files, and what every image got

A record is written after its files, each file whole or not at all: a kill at any point leaves a unit done or not done.
Checkpoints and models may be kept elsewhere: a unit stays done without them, and is missed only where another needs it.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tinyedge.errors import SweepError
from tinyedge.files import check_writable, sha256_file, write_atomic
from tinyedge.sweep.plan import Basis, Plan, Unit, basis_from_json, plan_from_json, plan_to_json

MANIFEST = "sweep.json"
FORMAT = "tinyedge-sweep/1"
RECORD_FORMAT = "tinyedge-record/1"
_STALE_S = 60.0
"""Age of a half-written file that nobody is writing any more: commands that take no lock may write there too."""


@dataclass(frozen=True)
class Record:
    """That a unit is done.

    Args:
        unit: its name.
        key: ``Unit.key``.
        files: SHA-256 by path relative to the folder.
        facts: seconds, device, versions, accuracy: reported, never compared.
    """

    unit: str
    key: str
    files: dict[str, str]
    facts: dict[str, Any]


class SweepFolder:
    """The folder of one sweep, or of single training runs. ``lock`` it before writing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._verified: dict[str, Record] = {}  # hashing every file again at every look would cost minutes

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep every other sweep and training run out while the block runs; a killed process's lock goes with it.

        Raises:
            SweepError: where another one holds it.
            UsageError: where nothing can be written there.
        """
        check_writable(self.root / ".lock")
        with (self.root / ".lock").open("a+") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                stream.seek(0)
                raise SweepError(
                    "another sweep or training run is at work in this folder",
                    where=self.root,
                    found=stream.read().strip() or "a lock",
                    expected="one at a time in a folder",
                    fix="wait for it, or give this one its own --out and join the two later with --merge",
                ) from error
            stream.truncate(0)
            stream.write(f"process {os.getpid()} on {platform.node()}\n")
            stream.flush()
            for place in ("", "records", "models", "outcomes"):
                for half_written in (self.root / place).glob(".*.tmp-*"):
                    if time.time() - half_written.stat().st_mtime > _STALE_S:
                        half_written.unlink()  # a killed sweep's
            yield

    def read_manifest(self) -> tuple[Basis, Plan] | None:
        """What the folder is for; ``None`` where it has no manifest yet.

        Raises:
            SweepError: where the manifest cannot be read.
        """
        path = self.root / MANIFEST
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text())
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']!r}")
            return basis_from_json(content["basis"]), plan_from_json(content["plan"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SweepError(
                "the sweep's manifest cannot be read",
                where=path,
                found=error,
                expected=FORMAT,
                fix="restore the file; or remove it and start the sweep again with the same options: "
                "what is finished stays finished",
            ) from error

    def write_manifest(self, basis: Basis, plan: Plan) -> None:
        """Say what the folder is for."""
        content = {"format": FORMAT, "basis": asdict(basis), "plan": plan_to_json(plan)}
        write_atomic(self.root / MANIFEST, json.dumps(content, indent=1) + "\n")

    def done(self, unit: Unit, basis: Basis) -> Record | None:
        """The unit's record, where it is of the key that the unit has now and its files, if here, are what it says.

        Raises:
            SweepError: where the record cannot be read, or a finished checkpoint has changed since.
        """
        inputs = self.inputs(unit, basis)
        if inputs is None:
            return None
        key = unit.key(basis, inputs)
        known = self._verified.get(unit.name)
        if known is None or known.key != key:
            known = self._read(unit)
            if known is None or known.key != key or not self._holds(known, unit):
                return None
            self._verified[unit.name] = known
        return known

    def inputs(self, unit: Unit, basis: Basis) -> dict[str, str] | None:
        """SHA-256 of the files that the unit reads, by path; ``None`` where they are not there yet."""
        if unit.needs is None:
            return {}
        needed = self.done(unit.needs, basis)
        return None if needed is None else needed.files

    def lacks(self, record: Record) -> bool:
        """Whether files of a finished unit are not in this folder."""
        return not all((self.root / path).is_file() for path in record.files)

    def read(self, path: str) -> bytes:
        """A file of the folder."""
        return (self.root / path).read_bytes()

    def keep(self, files: Mapping[str, bytes]) -> dict[str, str]:
        """Write ``files``, by path relative to the folder; returns their SHA-256.

        Raises:
            UsageError: where one cannot be written, e.g. because the disk is full; the others stay.
        """
        for path, content in files.items():
            write_atomic(self.root / path, content)
        return {path: sha256_file(self.root / path) for path in files}

    def finish(self, unit: Unit, key: str, files: Mapping[str, str], facts: dict[str, Any]) -> Record:
        """Record that ``unit`` is done; its ``files`` are there already."""
        record = Record(unit.name, key, dict(files), facts)
        content = {"format": RECORD_FORMAT, **asdict(record)}
        write_atomic(self.record_path(unit), json.dumps(content, indent=1, sort_keys=True) + "\n")
        self._verified[unit.name] = record
        return record

    def record_path(self, unit: Unit) -> Path:
        """Where the unit's record is."""
        return self.root / "records" / (unit.name.replace(" ", ".") + ".json")

    def _read(self, unit: Unit) -> Record | None:
        path = self.record_path(unit)
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text())
            if content.pop("format") != RECORD_FORMAT:
                raise ValueError("format")
            record = Record(**content)
            if not isinstance(record.files, dict) or not isinstance(record.facts, dict):
                raise TypeError("files or facts")
            return record
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SweepError(
                "a record of the sweep cannot be read",
                where=path,
                found=error,
                expected=RECORD_FORMAT,
                fix="remove it: its unit is then done again",
            ) from error

    def _holds(self, record: Record, unit: Unit) -> bool:
        """Whether the files are what the record says; a trained checkpoint is too dear to be made again unasked."""
        for path, expected in record.files.items():
            file = self.root / path
            if not file.is_file():
                if unit.kind == "predict":  # the outcomes are what all the rest is for
                    return False
                continue
            found = sha256_file(file)
            if found != expected and unit.kind == "train":
                raise SweepError(
                    "a finished checkpoint is not the one that its record describes",
                    where=file,
                    found=found,
                    expected=expected,
                    fix=f"restore it, or remove it and records/{self.record_path(unit).name} to train it again",
                )
            if found != expected:
                return False
        return True
