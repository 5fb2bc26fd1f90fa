"""What every image got, in a compact columnar file that every result can be computed from again.

About 40 KB for 10,000 images of 100 classes, 8 of them for the NLL; docs/metrics.md has the format. The file holds no
labels and no ids: its rows are in the order of the example ids, and reading it takes the dataset, in whatever order,
whose digest it names. Its bytes are a function of the results alone: no times, no counts of processes.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.artifact import Artifact
from tinyedge.data.dataset import Dataset
from tinyedge.errors import PredictionsError
from tinyedge.files import write_atomic
from tinyedge.metrics.calibration import BINS, bin_index, surprise
from tinyedge.metrics.outcome import Outcome, outcome_of
from tinyedge.predictions import Predictions

FORMAT = "tinyedge-outcomes/1"
_STEPS = 65535
"""Of a stored confidence: 15 * 4369, so that each of the 15 bins of the ECE is 4369 whole steps."""
_RESULTS = ("target", "runtime", "runtime_version", "kernels", "rounding", "machine")
"""What of a run's provenance is the same for every run of the same thing."""
_BITS = ("correct", "tied", "saturated")
_HEADER = "header.json"
_AGAIN = "copy the file again from its source, or evaluate again"


@dataclass(frozen=True)
class StoredOutcome:
    """An outcome read back.

    Args:
        outcome: in the order of the dataset that it was read with. Confidence is within 1/65535 of what it was, and in
            the same one of the 15 bins; a wrong image's label probability is within 0.05 % of its logarithm. The Brier
            score, which needs all K outputs, is not known.
        header: format, data, classes, output, target, and the facts that the writer added.
    """

    outcome: Outcome
    header: dict[str, Any] = field(repr=False)


def outcome(predictions: Predictions, data: Dataset) -> Outcome:
    """What metrics and gates look at: ``predictions``, which are of ``data``'s examples, as columns."""
    return outcome_of(
        outputs=predictions.outputs,
        labels=predictions.labels,
        probabilities=predictions.probabilities,
        class_names=data.class_names,
        superclasses=data.superclasses,
        superclass_names=data.superclass_names,
        output_kind=predictions.output_kind,
    )


def outcome_facts(artifact: Artifact) -> dict[str, Any]:
    """What an outcomes file says of the model that was run, whichever command writes it.

    Returns:
        ``model`` (with its seed where that is known), ``params``, ``seed``, ``artifact_sha256``, ``artifact_bytes``.
    """
    origin = artifact.origin.get("training", artifact.origin)
    seed = origin.get("seed") if isinstance(origin, dict) else None
    return {
        "model": artifact.model if seed is None else f"{artifact.model}-seed{seed}",
        "params": artifact.params,
        "seed": seed,
        "artifact_sha256": artifact.sha256,
        "artifact_bytes": artifact.size_bytes,
    }


def write_outcomes(path: Path, predictions: Predictions, data: Dataset, facts: dict[str, Any]) -> None:
    """Write ``outcomes_bytes`` to ``path``: whole, or not at all.

    Raises:
        PredictionsError: as ``outcomes_bytes``.
        UsageError: where nothing can be written there.
    """
    write_atomic(path, outcomes_bytes(predictions, data, facts))


def outcomes_bytes(predictions: Predictions, data: Dataset, facts: dict[str, Any]) -> bytes:
    """The file's content.

    Args:
        predictions: of ``data``'s examples, in any order.
        data: the evaluation set.
        facts: what else to keep, as JSON has it: ``outcome_facts``. Nothing that differs between two runs of the same
            thing.

    Raises:
        PredictionsError: where ``predictions`` are not of ``data``'s examples.
    """
    rows = np.argsort(predictions.ids, kind="stable")
    if not np.array_equal(predictions.ids[rows], np.sort(data.ids)):
        raise PredictionsError(
            "the predictions are not of this evaluation set",
            where=f"{data.name} ({data.split})",
            found=f"{len(predictions)} predictions, "
            f"{len(np.intersect1d(predictions.ids, data.ids))} of the set's ids among theirs",
            expected=f"its {len(data)} examples",
        )
    seen = outcome(predictions.take(rows), data)
    provenance = predictions.provenance
    header = {
        "format": FORMAT,
        "data": {"name": data.name, "split": data.split, "digest": data.digest, "images": len(data)},
        "num_classes": data.num_classes,
        "quantized": seen.quantized,
        "output_kind": predictions.output_kind,
        "run": {key: provenance[key] for key in _RESULTS if key in provenance},
        "facts": facts,
    }
    return _zipped(header, _columns(seen))


def read_outcomes(path: Path, data: Dataset) -> StoredOutcome:
    """Read what ``write_outcomes`` wrote.

    Args:
        path: the file.
        data: the evaluation set that it is of, in any order.

    Raises:
        PredictionsError: where the file is missing, truncated or something else; is of other data; or its columns
            contradict the dataset or each other.
    """
    header, columns = _unzipped(path)
    kept = header["data"]
    if kept["digest"] != data.digest or header["num_classes"] != data.num_classes:
        raise PredictionsError(
            "the outcomes are of another evaluation set",
            where=path,
            found=f"{kept['name']} ({kept['split']}), {kept['images']} images of {header['num_classes']} classes, "
            f"digest {str(kept['digest'])[:12]}",
            expected=f"{data.name} ({data.split}), {len(data)} images of {data.num_classes} classes, "
            f"digest {data.digest[:12]}",
            fix="give the data that the file names, or evaluate again",
        )
    rows = np.argsort(data.ids, kind="stable")
    back = np.empty_like(rows)  # from the file's order to the dataset's
    back[rows] = np.arange(len(rows))
    stored = _stored(columns, data.labels[rows], data.num_classes, path)
    seen = Outcome(
        labels=data.labels,
        **{name: column[back] for name, column in stored.items()},
        brier=None,
        quantized=bool(header["quantized"]),
        class_names=data.class_names,
        superclasses=None if data.superclasses is None else np.asarray(data.superclasses, np.int64),
        superclass_names=data.superclass_names,
        output_kind=str(header.get("output_kind", "logits")),
    )
    return StoredOutcome(seen, header)


def _columns(seen: Outcome) -> dict[str, NDArray[Any]]:
    wrong = ~seen.correct
    return {
        "predicted": seen.predicted.astype(_class_dtype(len(seen.class_names))),
        "confidence": _to_steps(seen.confidence),
        **{name: np.packbits(getattr(seen, name)) for name in _BITS},
        # A right image's label probability is its confidence.
        "wrong_nll": surprise(seen.label_probability[wrong]).astype("<f2"),
    }


def _stored(
    columns: dict[str, NDArray[Any]], labels: NDArray[np.int64], num_classes: int, path: Path
) -> dict[str, NDArray[Any]]:
    """The columns of an ``Outcome``, in the file's order as ``labels`` are."""
    n = len(labels)

    def column(name: str, dtype: str | np.dtype[Any], length: int = n) -> NDArray[Any]:
        found = columns.get(name)
        if found is None or found.dtype != np.dtype(dtype) or found.shape != (length,):
            raise PredictionsError(
                "a column of the outcomes is not what the evaluation set asks for",
                where=f"{path}, {name}",
                found="no such column" if found is None else f"{found.dtype} {found.shape}",
                expected=f"{np.dtype(dtype)} ({length},)",
                fix=_AGAIN,
            )
        return found

    bits = {name: np.unpackbits(column(name, "u1", -(-n // 8)), count=n).astype(np.bool_) for name in _BITS}
    predicted, correct = column("predicted", _class_dtype(num_classes)).astype(np.int64), bits["correct"]
    odd = int((correct != (predicted == labels)).sum())
    if odd or predicted.max() >= num_classes:
        raise PredictionsError(
            "the outcomes contradict the evaluation set",
            where=path,
            found=f"{odd} images whose label contradicts their stored correctness, largest class {predicted.max()}",
            expected=f"0 such images, classes 0 to {num_classes - 1}",
            fix=_AGAIN,
        )
    unlikely = column("wrong_nll", "<f2", int((~correct).sum())).astype(np.float64)
    if not (unlikely >= 0).all() or not np.isfinite(unlikely).all():
        raise PredictionsError(
            "the outcomes contradict themselves",
            where=f"{path}, wrong_nll",
            found=f"{unlikely.min()} to {unlikely.max()}",
            expected="negative logarithms of probabilities, finite",
            fix=_AGAIN,
        )
    confidence = _from_steps(column("confidence", "<u2"))
    label_probability = confidence.copy()
    label_probability[~correct] = np.exp(-unlikely)
    return {"predicted": predicted, "confidence": confidence, "label_probability": label_probability, **bits}


def _to_steps(confidence: NDArray[np.float64]) -> NDArray[np.uint16]:
    """``floor(c 65535)``, in the very bin that the ECE counts c in: c 15 may round up to a bin's edge."""
    low = bin_index(confidence, BINS) * (_STEPS // BINS)
    high = np.where(confidence < 1, low + _STEPS // BINS - 1, _STEPS)
    return np.clip((confidence * _STEPS).astype(np.int64), low, high).astype("<u2")


def _from_steps(stored: NDArray[np.uint16]) -> NDArray[np.float64]:
    """The middle of each step; 1 for the last."""
    return np.where(stored == _STEPS, 1.0, (stored.astype(np.float64) + 0.5) / _STEPS)


def _class_dtype(num_classes: int) -> np.dtype[Any]:
    if num_classes > 1 << 16:
        raise PredictionsError(
            "too many classes for the outcomes' format", found=num_classes, expected="65,536 or fewer"
        )
    return np.dtype("u1") if num_classes <= 1 << 8 else np.dtype("<u2")


def _zipped(header: dict[str, Any], columns: dict[str, NDArray[Any]]) -> bytes:
    """An npz, which ``np.load`` reads too, whose bytes depend on nothing but its content (and zlib)."""
    members = {_HEADER: json.dumps(header, sort_keys=True, allow_nan=False).encode()}
    for name, column in columns.items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, column, allow_pickle=False)
        members[f"{name}.npy"] = buffer.getvalue()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, member in members.items():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3  # else it says on which operating system it was written
            archive.writestr(info, member, zipfile.ZIP_DEFLATED, 9)
    return content.getvalue()


def _unzipped(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            header = json.loads(archive.read(_HEADER))
            if header["format"] != FORMAT:
                raise ValueError(f"format {header['format']!r}")
            columns = {
                name.removesuffix(".npy"): np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)
                for name in archive.namelist()
                if name != _HEADER
            }
            _ = [header["data"][key] for key in ("name", "split", "digest", "images")]
            _ = [header[key] for key in ("num_classes", "quantized")]
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        MemoryError,
        RuntimeError,  # zipfile: another method, or encrypted
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise PredictionsError(
            "the outcomes cannot be read",
            where=path,
            found=f"{type(error).__name__}: {error}",
            expected=FORMAT,
            fix=_AGAIN,
        ) from error
    return header, columns
