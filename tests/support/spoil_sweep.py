"""Changes to a sweep's folder that a hand or a half-done copy makes."""

import json
import zipfile
from pathlib import Path

from tinyedge.files import sha256_file


def edit_json(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def edit_outcomes(runs: Path, model: str, target: str, change) -> None:
    """Change the header of a model's outcomes, and the record's hash with it, as another run would have written it."""
    path = runs / "outcomes" / f"{model}.{target}.npz"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members["header.json"])
    change(header)
    members["header.json"] = json.dumps(header).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    record = runs / "records" / f"{model}.predict.{target}.json"
    edit_json(record, lambda r: r["files"].update({f"outcomes/{path.name}": sha256_file(path)}))


def drop(runs: Path, model: str, target: str) -> None:
    """Forget that a model ran on a target."""
    (runs / "records" / f"{model}.predict.{target}.json").unlink()
