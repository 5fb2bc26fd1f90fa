"""Reports built by hand, with images to go with them; names of classes as hostile as a test wants them."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from tinyedge.gate import DEFAULT_POLICY, GateResult, Status, judge
from tinyedge.gate.power import PowerRow
from tinyedge.metrics import compare, evaluate
from tinyedge.metrics.calibration import bins_of, reliability
from tinyedge.metrics.outcome import outcome_of
from tinyedge.report.changes import class_changes, newly_wrong
from tinyedge.report.kernels import KernelMatrix, KernelPair, KernelPath, Parting
from tinyedge.report.schema import (
    BaselineComparison,
    BoardUse,
    Examples,
    NewlyWrong,
    Parity,
    Release,
    Report,
    Side,
)

NAMES = ("cat", "dog", "lawn_mower", "oak", "maple", "bus", "tram", "sea", "cloud", "plain")
SUPERCLASSES = (0, 0, 1, 2, 2, 1, 1, 3, 3, 3)
SUPERCLASS_NAMES = ("animals", "machines", "trees", "outdoors")
HOSTILE = (
    "<script>document.title='owned'</script>",
    "x\n::error::owned",
    "a|b`c`",
    "</script><img src=x onerror=document.title='owned'>",
    "]]> & \x00\x1b[31m \u202e",
    "$\\frac{1}{0$ @someone #12 https://evil.example www.evil.example",
    "漢字 é",
    '" onmouseover="document.title=1',
    "##[error]owned",
    "{{ 7 * 7 }}{% raw %}",
)


@dataclass(frozen=True)
class Pool:
    """Images with ids, as a dataset has them."""

    name: str
    images: np.ndarray
    ids: np.ndarray


def report(*, names=NAMES, images=2000, lost=0.0, given_up=False, seed=0, superclasses=True, **changes):
    """``images`` of ten classes (or of ``names``), 90 % right. Judged once an argument list: do not change it.

    Args:
        names: of the classes.
        images: how many.
        lost: share of the images that only the reference gets right; as many at most are gained.
        given_up: whether the deployed model never names class 3.
        seed: of who is wrong.
        superclasses: whether there are any.
        changes: parts of the report to replace.
    """
    return replace(_report(names, images, lost, given_up, seed, superclasses), **changes)


@cache
def _report(names, images, lost, given_up, seed, superclasses):
    draw = np.random.default_rng(seed)
    k = len(names)
    labels = np.arange(images) % k
    other = (labels + draw.integers(1, k, images)) % k
    before = np.where(draw.random(images) < 0.9, labels, other)
    after = np.where(draw.random(images) < lost, other, before)
    if given_up:
        after = np.where(after == 3, 4, after)
    sides = [_outcome(predicted, labels, names, seed + i) for i, predicted in enumerate((before, after))]
    reference, deployed = sides
    examples = Examples(
        ids=tuple(f"{i:016x}" for i in range(images)),
        labels=tuple(labels.tolist()),
        reference=tuple(before.tolist()),
        deployed=tuple(after.tolist()),
        confidence=tuple(np.round(deployed.confidence, 5).tolist()),
        class_names=names,
        superclasses=SUPERCLASSES if superclasses and k == 10 else None,
        superclass_names=SUPERCLASS_NAMES if superclasses and k == 10 else (),
    )
    return Report(
        run={
            "tinyedge": "0.1.0",
            "created": "2026-11-22T03:01:32+00:00",
            "target": "tflite-int8",
            "reference_target": "onnx-fp32",
            "packages": {"numpy": "2"},
            "cpu_flags": ["avx2"],
        },
        data={
            "name": "toy",
            "split": "test",
            "images": images,
            "classes": k,
            "digest": "d" * 64,
            "synthetic": True,
        },
        reference=_side(reference, "float.onnx", "a" * 64, "onnx"),
        deployed=_side(deployed, "int8.tflite", "b" * 64, "tflite"),
        comparison=compare(reference=reference, deployed=deployed),
        classes=class_changes(labels, reference=reference.correct, deployed=deployed.correct, names=names),
        newly_wrong=newly_wrong(examples, reference.correct & ~deployed.correct),
        parity=Parity("tflm-int8", {"arena_bytes": 18288}, 1000, 2, {-1: 40, 0: 9950, 1: 10}),
        parity_note=None,
        policy={"name": "default", "digest": "c" * 64, "settings": {"accuracy": {"max_drop_pp": 1.0}}},
        verdict=judge(reference=reference, deployed=deployed, policy=DEFAULT_POLICY),
        examples=examples,
        power=(
            PowerRow("accuracy", "Accuracy", "pp", 1.0, 1.3, 1335, "Tango", 0.7),
            PowerRow("churn", "Churn", "%", 10.0, None, None, "exact"),
        ),
    )


LAYERS = [
    {"name": "CONV_2D, operator 1 of 3", "kernel": "cmsis_nn.conv2d_s8.v4.0.0", "instructions": 2_000_000},
    {"name": "MAX_POOL_2D, operator 2 of 3", "kernel": "cmsis_nn.max_pool2d_s8.v4.0.0", "instructions": 500_000},
    {"name": "CONV_2D, operator 3 of 3", "kernel": "cmsis_nn.conv2d_s8.v4.0.0", "instructions": 7_500_000},
]
FIRMWARE = {
    "flash_bytes": 59_144,
    "ram_bytes": 17_208,
    "arena_bytes": 14_016,
    "stack_bytes": 768,
    "instructions": 9_990_000,
    "layers": LAYERS,
    "compiler": "arm-none-eabi-gcc 12.2.1",
    "instruction_set": "Arm v7E-M",
    "emulator": "QEMU 7.2.22",
    "machine_emulated": "mps2-an386 (Cortex-M4)",
}
RUN_PATH = "cortex-m4-int8:cmsis-nn"


def on_firmware(given, **facts):
    """``given`` as a run of firmware: what it takes, other kernels beside it, and a board with its budget."""
    images, classes = 100, given.data["classes"]
    outputs = images * classes
    names = {RUN_PATH: 0.9, "tflite-int8-reference": 0.9, "tflite-int8-xnnpack": 0.88}
    paths = tuple(KernelPath(name, {"kernels": f"kernels of {name}"}, share, 3) for name, share in names.items())
    parting = Parting(1, 3, "CONV_2D", (1, 8, 8, 4), 8, 8, 0.25, 1, (RUN_PATH, "tflite-int8-xnnpack"))
    pairs = (
        KernelPair(RUN_PATH, "tflite-int8-reference", images, images, 0, {0: outputs}),
        KernelPair(RUN_PATH, "tflite-int8-xnnpack", images, 20, 2, {-3: 90, 0: outputs - 100, 1: 10}, parting),
    )
    board = {"core": "cortex-m4", "clock_hz": 180_000_000, "flash_bytes": 524_288, "ram_bytes": 16_384}
    gates = tuple(
        GateResult(
            f"budget.{key}", f"Budget: {title}", status, figure, unit, None, limit, "A sentence.", note="firmware"
        )
        for key, title, status, figure, unit, limit in (
            ("flash", "flash", Status.PASS, 59_144.0, "bytes", 524_288.0),
            ("ram", "RAM", Status.FAIL, 17_976.0, "bytes", 16_384.0),
            ("instructions", "instructions", Status.PASS, 9_990_000.0, "instructions", 18_000_000.0),
        )
    )
    return replace(
        given,
        deployed=replace(given.deployed, target=given.deployed.target | FIRMWARE | facts),
        kernels=KernelMatrix(images, classes, paths, pairs, {"tflm-int8": "not installed: tflite-micro"}),
        board=BoardUse("nucleo-f446re", "NUCLEO-F446RE", board, 10.0, 18.018, None),
        verdict=replace(given.verdict, gates=given.verdict.gates + gates),
    )


def baseline(classes):
    """A comparison with the last release in which ``classes`` changed."""
    figures = {"accuracy": 0.9, "ece": 0.02, "signed_gap": 0.01, "size_bytes": 2000.0}
    release = Release(
        report="last.json",
        report_sha256="e" * 64,
        created="2026-10-01T00:00:00+00:00",
        artifact="last.tflite",
        artifact_sha256="f" * 64,
        model="toy",
        size_bytes=2000,
        target="tflite-int8",
        status="PASS",
        policy="default",
    )
    flips = (NewlyWrong("0" * 16, 0, classes[0].name, classes[0].name, 0.9),)
    return BaselineComparison(release, 2000, figures, figures | {"accuracy": 0.88}, {}, classes, flips, ())


def pool(given, *, side=8, channels=3, seed=0):
    """Images of ``given``, in another order than the report has them, and one that it has not."""
    ids = np.array([*reversed(given.examples.ids), "f" * 16])
    images = np.random.default_rng(seed).integers(0, 256, (len(ids), side, side, channels), np.uint8)
    return Pool("toy", images, ids)


def _outcome(predicted, labels, names, seed):
    n, k = len(labels), len(names)
    top = np.random.default_rng(seed).uniform(0.8, 1, n)
    probabilities = np.repeat(((1 - top) / (k - 1))[:, None], k, axis=1)
    probabilities[np.arange(n), predicted] = top
    outputs = np.full((n, k), -60, np.int8)
    outputs[np.arange(n), predicted] = 60
    return outcome_of(outputs=outputs, labels=labels, probabilities=probabilities, class_names=names)


def _side(seen, file, sha256, kind):
    artifact = {
        "file": file,
        "sha256": sha256,
        "format": kind,
        "precision": "int8",
        "model": "toy",
        "params": 1000,
        "size_bytes": 2000,
        "origin": {"exporter": "x", "options": {"batch": "1"}},
    }
    target = {"kernels": "LiteRT built-in", "runtime": "LiteRT", "runtime_version": "2.3.0", "arena_bytes": None}
    return Side(artifact, target, evaluate(seen), reliability(bins_of(seen.confidence, seen.correct)))
