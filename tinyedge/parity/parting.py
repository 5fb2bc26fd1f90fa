"""The first layer at which two paths part: the model cut behind one operator after the other, on each path.

No runtime is asked for its insides: a cut model is a model. Layers are taken in order, never by bisection: a difference
may vanish again, in a ReLU or a pool. The search ends as soon as every pair has parted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.artifact import Artifact
from tinyedge.errors import ArtifactUnsupported, TargetError
from tinyedge.evaluate import Model, open_session
from tinyedge.parity.paths import Path
from tinyedge.report.kernels import Parting

if TYPE_CHECKING:
    from tinyedge.formats.prefix import Layer

LOOKED_AT = 32
"""Images a pair, of those whose outputs differ."""
STEP = "layer by layer"
Pair = tuple[str, str]
Outputs = Mapping[str, NDArray[Any]]


def find_partings(
    artifact: Artifact,
    images: NDArray[np.uint8],
    paths: Sequence[Path],
    outputs: Outputs,
    on_progress: Callable[[str, int, int], None],
    *,
    looked_at: int = LOOKED_AT,
) -> dict[Pair, Parting]:
    """Where each two of ``paths`` part whose outputs differ.

    Args:
        artifact: the whole model.
        images: uint8 ``(N, H, W, C)``.
        paths: those that ran.
        outputs: ``(N, K)`` by path's name, of the whole model on ``images``.
        on_progress: for a progress bar.
        looked_at: images a pair.

    Raises:
        ArtifactCorrupt: where the file cannot be read.
    """
    from tinyedge.formats.prefix import layers, prefix  # a whole schema, which --help can do without

    seen_as = {path.name: _stand_in(path, paths, outputs) for path in paths}
    chosen = _chosen(paths, outputs, looked_at)
    missing: dict[Pair, list[str]] = {pair: [] for pair in chosen}
    found: dict[Pair, Parting] = {}
    steps = layers(artifact.path)
    with tempfile.TemporaryDirectory() as folder:
        for done, layer in enumerate(steps):
            waiting = {pair: index for pair, index in chosen.items() if pair not in found}
            if not waiting:
                break
            on_progress(STEP, done, len(steps))
            index = np.unique(np.concatenate(list(waiting.values())))
            needed = {seen_as[name].name: seen_as[name] for pair in waiting for name in pair}
            whole = layer is steps[-1]
            cut = artifact if whole else prefix(artifact, layer, File(folder))
            values = {
                name: outputs[name][index] if whole else _run(path, cut, images[index]) for name, path in needed.items()
            }
            for pair, own in waiting.items():
                seen_on = seen_as[pair[0]].name, seen_as[pair[1]].name
                sides = [values[name] for name in seen_on]
                lacking = [side for side in sides if isinstance(side, str)]
                if lacking:
                    missing[pair].append(f"{layer.operator}, operator {layer.place}: {lacking[0]}")
                    continue
                at = np.searchsorted(index, own)
                parting = _parting(layer, steps[-1], [side[at] for side in sides], seen_on, missing[pair])
                if parting is not None:
                    found[pair] = parting
    on_progress(STEP, len(steps), len(steps))
    return found


def _stand_in(path: Path, paths: Sequence[Path], outputs: Outputs) -> Path:
    """Firmware is built anew for every layer: a path with the same outputs, byte for byte, stands in for it."""
    if not path.slow:
        return path
    same = (other for other in paths if np.array_equal(outputs[path.name], outputs[other.name]))
    return min(same, key=lambda other: other.slow)  # stable: the first that is fast, else the first


def _chosen(paths: Sequence[Path], outputs: Outputs, count: int) -> dict[Pair, NDArray[np.int64]]:
    """The images that are looked at for each pair that differs: if it can be, those of the pairs before."""
    chosen: dict[Pair, NDArray[np.int64]] = {}
    used = np.zeros(len(next(iter(outputs.values()))), bool)
    names = [path.name for path in paths]
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            differ = (outputs[first] != outputs[second]).any(axis=1)
            if differ.any():
                by_use = np.argsort(~used[differ], kind="stable")
                index = np.sort(np.flatnonzero(differ)[by_use][:count])
                used[index] = True
                chosen[first, second] = index
    return chosen


def _run(path: Path, cut: Artifact, images: NDArray[np.uint8]) -> NDArray[Any] | str:
    """The layer's values, ``(n, N)``, or why there are none."""
    try:
        with open_session(Model(path.target, cut, path.options), processes=1) as session:
            return session.run(images)
    except (TargetError, ArtifactUnsupported) as error:
        return f"{path.name}: {error.what}"


def _parting(
    layer: Layer, last: Layer, values: Sequence[Any], seen_on: tuple[str, str], unseen: Sequence[str]
) -> Parting | None:
    """``values``: two paths' ``(n, N)``."""
    first, second = (side.astype(np.int64) for side in values)
    difference = np.abs(first - second)
    if not difference.any():
        return None
    return Parting(
        layer=layer.place,
        layers=last.place,
        operator=layer.operator,
        shape=layer.shape,
        images=len(difference),
        images_differ=int(difference.any(axis=1).sum()),
        elements_differ=float((difference > 0).mean()),
        largest=int(difference.max()),
        seen_on=seen_on,
        unseen=tuple(unseen),
    )
