"""The study's main figures counted again from the committed outcomes: plain numpy, and nothing of tinyedge.study."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
TABLES = ROOT / "benchmarks" / "paper" / "tables"
OUTCOMES = ROOT / "benchmarks" / "results" / "cifar100" / "outcomes"
TARGETS = {"float": "onnx-fp32", "int8": "tflm-int8"}


@pytest.fixture(scope="module")
def counted(cifar100_test) -> dict[str, dict[str, float]]:
    """By arithmetic: the figures."""
    labels = cifar100_test.labels[np.argsort(cifar100_test.ids, kind="stable")]  # the order of the files
    predicted = {name: _read(target) for name, target in TARGETS.items()}
    found = {name: _figures(models, labels) for name, models in predicted.items()}
    pairs = zip(predicted["float"], predicted["int8"], strict=True)
    flips = [np.mean(a["predicted"] != b["predicted"]) for a, b in pairs if a["width"] == 4]
    found["int8"]["flips"] = float(np.mean(flips))
    return found


def _read(target: str) -> list[dict]:
    models = []
    for path in sorted(OUTCOMES.glob(f"scalecnn-*.{target}.npz")):
        with zipfile.ZipFile(path) as archive:
            columns = {name: np.load(BytesIO(archive.read(f"{name}.npy"))) for name in ("predicted", "confidence")}
            facts = json.loads(archive.read("header.json"))["facts"]
        width = int(re.match(r"scalecnn-c(\d+)-seed", facts["model"])[1])
        models.append({**columns, "width": width, "params": facts["params"]})
    return models


def _table(name: str, key: str) -> dict[str, dict[str, str]]:
    return {row[key]: row for row in csv.DictReader((TABLES / f"{name}.csv").read_text().splitlines())}


def _figures(models: list[dict], labels: np.ndarray) -> dict[str, float]:
    widths = sorted({m["width"] for m in models})
    wrong = {w: [m["predicted"] != labels for m in models if m["width"] == w] for w in widths}
    sizes = [next(m["params"] for m in models if m["width"] == w) for w in widths]
    slope = np.polyfit(np.log(sizes), np.log([np.mean(wrong[w]) for w in widths]), 1)[0]
    overlaps = [(a & b).sum() / (a | b).sum() for a in wrong[widths[0]] for b in wrong[widths[-1]]]
    by_class = [np.sort([1 - one[labels == k].mean() for k in range(100)]) for one in wrong[4]]
    ginis = [np.abs(a[:, None] - a[None]).sum() / (2 * 100**2 * a.mean()) for a in by_class]
    eces = []
    for model, one in zip([m for m in models if m["width"] == 4], wrong[4], strict=True):
        confidence = (model["confidence"] + 0.5) / 65535  # steps of 1/65535, cut off; 4369 of them a bin
        bins = np.minimum(model["confidence"].astype(int) // 4369, 14)
        eces.append(sum(abs((confidence - ~one)[bins == b].sum()) for b in range(15)) / len(labels))
    return {
        "alpha": -slope,
        "jaccard": float(np.mean(overlaps)),
        "gini-small": float(np.mean(ginis)),
        "bottom5-small": float(np.mean([a[:5].mean() for a in by_class])),
        "ece-small": float(np.mean(eces)),
    }


@pytest.mark.parametrize("arithmetic", TARGETS)
def test_the_comparison_says_what_is_counted(counted, arithmetic) -> None:
    rows = _table("comparison-numbers", "id")
    names = ("alpha", "jaccard", "gini-small", "bottom5-small")
    assert {name: float(rows[name][arithmetic]) for name in names} == pytest.approx(
        {name: counted[arithmetic][name] for name in names}, abs=1e-6
    )
    # A confidence is stored in steps.
    assert float(rows["ece-small"][arithmetic]) == pytest.approx(counted[arithmetic]["ece-small"], abs=2 / 65535)


def test_flips(counted) -> None:
    assert float(_table("quantization", "width")["c4"]["flips"]) == pytest.approx(counted["int8"]["flips"], abs=1e-6)
