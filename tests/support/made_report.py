"""Whole reports of made-up models, for tests of what reads reports."""

from __future__ import annotations

import numpy as np

from tinyedge.gate import DEFAULT_POLICY, judge
from tinyedge.metrics import compare, evaluate
from tinyedge.metrics.calibration import bins_of, reliability
from tinyedge.metrics.outcome import outcome_of
from tinyedge.report.changes import class_changes
from tinyedge.report.schema import Examples, NewlyWrong, Parity, Report, Side

FACTS = {"target": "tflite-int8", "kernels": "LiteRT built-in", "runtime": "LiteRT", "runtime_version": "2.3.0"}


def made_report(
    *,
    labels,
    reference,
    deployed,
    ids=None,
    names=("cat", "dog", "owl", "fox"),
    size_bytes=2000,
    policy=DEFAULT_POLICY,
    facts=None,
):
    """A report as ``validate`` makes it, of these classes named for these labels, all with a confidence of 0.91.

    ``facts`` are what the gates are told of the deployed file and its device.
    """
    labels, reference, deployed = (np.asarray(column) for column in (labels, reference, deployed))
    ids = ids or tuple(f"{i:016x}" for i in range(len(labels)))
    before, after = (_outcome(labels, named, names) for named in (reference, deployed))
    lost = np.flatnonzero(before.correct & ~after.correct).tolist()
    return Report(
        run={"tinyedge": "0.1.0", "created": "2026-11-22T00:00:00+00:00", "target": "tflite-int8"}
        | {"reference_target": "onnx-fp32", "seed": 0, "cpu_flags": ["avx2"]},
        data={"name": "toy", "split": "test", "images": len(labels), "classes": len(names)}
        | {"digest": "d" * 64, "synthetic": True, "source": "made up"},
        reference=_side(before, "float.onnx", 4 * size_bytes),
        deployed=_side(after, "int8.tflite", size_bytes),
        comparison=compare(reference=before, deployed=after),
        classes=class_changes(labels, reference=before.correct, deployed=after.correct, names=tuple(names)),
        newly_wrong=tuple(NewlyWrong(ids[i], i, names[labels[i]], names[deployed[i]], 0.91) for i in lost),
        parity=Parity("tflm-int8", FACTS, 1000, 2, {-1: 40, 0: 9950, 1: 10}),
        parity_note=None,
        policy={"name": policy.name, "digest": policy.digest, "settings": policy.as_dict()},
        verdict=judge(reference=before, deployed=after, policy=policy, facts=facts),
        examples=Examples(
            ids=tuple(ids),
            labels=tuple(labels.tolist()),
            reference=tuple(reference.tolist()),
            deployed=tuple(deployed.tolist()),
            confidence=(0.91,) * len(labels),
            class_names=tuple(names),
            superclasses=tuple(i % 2 for i in range(len(names))),
            superclass_names=("pet", "wild"),
        ),
    )


def _side(seen, file, size_bytes):
    artifact = {"file": file, "sha256": "a" * 64, "format": "tflite", "precision": "int8", "model": "toy"}
    artifact |= {"params": None, "size_bytes": size_bytes, "input": {"shape": [1, 4, 4, 3], "scale": 0.0078125}}
    return Side(artifact, dict(FACTS), evaluate(seen), reliability(bins_of(seen.confidence, seen.correct)))


def _outcome(labels, named, names):
    k = len(names)
    outputs = np.full((len(labels), k), -60, np.int8)
    outputs[np.arange(len(labels)), named] = 60
    probabilities = np.full(outputs.shape, 0.09 / (k - 1))
    probabilities[np.arange(len(labels)), named] = 0.91
    return outcome_of(outputs=outputs, labels=labels, probabilities=probabilities, class_names=tuple(names))
