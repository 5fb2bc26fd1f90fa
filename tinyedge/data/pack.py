"""The pack: a dataset as lossless WebP grids beside one manifest."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tinyedge.data.dataset import Dataset


def read_pack(folder: Path, split: str) -> Dataset:
    m = json.loads((folder / "manifest.json").read_text())
    names = [n for n in m["files"] if n.startswith(split)]
    Image.MAX_IMAGE_PIXELS = None
    images, labels = [], []
    for n in sorted(names):
        g = np.asarray(Image.open(folder / n).convert("RGB"))
        t = g.reshape(100, 32, 100, 32, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 32, 32, 3)
        images.append(t)
        labels.append(np.repeat(np.arange(100), 100))
    sup = {c: i for i, (s, cs) in enumerate(m["superclasses"].items()) for c in cs}
    return Dataset("cifar100", split, np.concatenate(images), np.concatenate(labels).astype(np.int64),
        tuple(m["fine_labels"]), tuple(sup[c] for c in m["fine_labels"]), tuple(m["superclasses"]), source=folder.name)
