"""What a model put out for a set of examples: kept as it came from the runtime, saved without pickle."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.artifact import TensorSpec
from tinyedge.errors import PredictionsError
from tinyedge.files import replacing

FORMAT = "tinyedge-predictions/1"


@dataclass(frozen=True)
class Predictions:
    """Outputs for N examples and K classes, in the runtime's own dtype; nothing is repaired.

    Args:
        outputs: ``(N, K)``, float32 or the integers of a quantized output.
        labels: int64 ``(N,)``.
        ids: ``(N,)`` example ids (``Dataset.ids``): two sets pair by these, whatever their order.
        output_kind: ``logits`` or ``probabilities``.
        scale: of quantized outputs, else ``None``.
        zero_point: of quantized outputs, else ``None``.
        provenance: target, kernels, artifact and data hashes, versions: reported, never computed with.

    Raises:
        PredictionsError: for NaN or infinite outputs, or shapes that do not agree.
    """

    outputs: NDArray[Any] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    ids: NDArray[np.str_] = field(repr=False)
    output_kind: str
    scale: float | None = None
    zero_point: int | None = None
    provenance: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        n = len(self.labels)
        if self.outputs.ndim != 2 or len(self.outputs) != n or len(self.ids) != n:
            raise PredictionsError(
                "outputs, labels and ids do not agree",
                found=f"outputs {self.outputs.shape}, {n} labels, {len(self.ids)} ids",
                expected="(N, K), N, N",
            )
        if np.issubdtype(self.outputs.dtype, np.floating) and not np.isfinite(self.outputs).all():
            bad = np.flatnonzero(~np.isfinite(self.outputs).all(axis=1))
            raise PredictionsError(
                "the model puts out NaN or infinity",
                where=f"example {self.ids[bad[0]]} and {len(bad) - 1} more, from {self.provenance.get('target', '?')}",
                found=f"{len(bad)} of {n} examples",
                expected="finite outputs",
                fix="the artifact is broken: export it again, and look at its weights",
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def num_classes(self) -> int:
        """K."""
        return int(self.outputs.shape[1])

    @cached_property
    def logits(self) -> NDArray[np.float32]:
        """``(N, K)`` float32: the outputs as reals (probabilities, where the model ends in a softmax)."""
        spec = TensorSpec("outputs", self.outputs.shape, str(self.outputs.dtype), "NK", self.scale, self.zero_point)
        return spec.dequantize(self.outputs)

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """``(N, K)`` float64, rows summing to 1: the softmax of logits; probabilities are only renormalized.

        A quantized softmax output has rows that sum to 1 within its step only, hence the division.

        Raises:
            PredictionsError: where a row of probabilities is negative or sums to nothing.
        """
        real = self.logits.astype(np.float64)
        if self.output_kind == "logits":
            shifted = np.exp(real - real.max(axis=1, keepdims=True))
            return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
        total = real.sum(axis=1, keepdims=True)
        if (real < 0).any() or (total <= 0).any():
            raise PredictionsError(
                "the outputs are not probabilities",
                found=f"smallest value {real.min():.4g}, smallest row sum {total.min():.4g}",
                expected="no negative value, no empty row",
            )
        return np.asarray(real / total)

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """``(N,)`` class of the largest output; the lowest index where several tie, as firmware's loop does."""
        return np.asarray(self.outputs.argmax(axis=1), np.int64)

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """``(N,)`` whether the predicted class is the label."""
        return np.asarray(self.predicted == self.labels)

    def take(self, index: NDArray[np.int64]) -> Predictions:
        """The examples at ``index``, in that order."""
        return Predictions(
            self.outputs[index],
            self.labels[index],
            self.ids[index],
            self.output_kind,
            self.scale,
            self.zero_point,
            self.provenance,
        )

    def save(self, path: Path) -> None:
        """Write an ``.npz`` that ``load`` reads back without pickle."""
        header = {
            "format": FORMAT,
            "output_kind": self.output_kind,
            "scale": self.scale,
            "zero_point": self.zero_point,
            "provenance": self.provenance,
        }
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            outputs=self.outputs,
            labels=self.labels,
            ids=self.ids,
            header=np.frombuffer(json.dumps(header, sort_keys=True).encode(), np.uint8),
        )
        with replacing(path) as temporary:
            temporary.write_bytes(buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Read what ``save`` wrote.

        Raises:
            PredictionsError: where the file is missing, truncated or something else.
        """
        try:
            # An open stream: given a path, np.load leaves the file open where it is not a zip.
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                header = json.loads(stored["header"].tobytes())
                if header["format"] != FORMAT:
                    raise ValueError(f"format {header['format']!r}")
                arrays = stored["outputs"], stored["labels"], stored["ids"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise PredictionsError(
                "the predictions cannot be read", where=path, found=error, expected=FORMAT
            ) from error
        return cls(*arrays, header["output_kind"], header["scale"], header["zero_point"], header["provenance"])


def paired(reference: Predictions, deployed: Predictions) -> tuple[Predictions, Predictions]:
    """Both sets over the same examples in the reference's order; equal ids (duplicates) pair in order of appearance.

    Raises:
        PredictionsError: where the two are not of the same examples.
    """
    if np.array_equal(reference.ids, deployed.ids):
        return reference, deployed
    order_r = np.argsort(reference.ids, kind="stable")
    order_d = np.argsort(deployed.ids, kind="stable")
    if len(order_r) != len(order_d) or not np.array_equal(reference.ids[order_r], deployed.ids[order_d]):
        common = len(np.intersect1d(reference.ids, deployed.ids))
        raise PredictionsError(
            "reference and deployed were not run on the same examples",
            found=f"{len(reference)} and {len(deployed)} examples, {common} ids in common",
            expected="the same examples, in any order",
            fix="run both on one evaluation set",
        )
    index = np.empty(len(order_r), np.int64)
    index[order_r] = order_d
    return reference, deployed.take(index)
