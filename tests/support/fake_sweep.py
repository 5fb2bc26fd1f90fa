"""Sweeps without models: contents are hashes of all that would decide them, so that a wrong input shows."""

import hashlib
import json

from tinyedge.models.family import Member
from tinyedge.sweep.drive import Sweep, Training
from tinyedge.sweep.local import LocalRunner
from tinyedge.sweep.plan import Basis, Model, Plan
from tinyedge.sweep.runner import Delivery, Resources
from tinyedge.sweep.states import state_path
from tinyedge.sweep.work import ExportTask, TrainTask
from tinyedge.train.recipe import PAPER

EPOCHS = 3
TRAINED = {"epochs": EPOCHS, "seconds": 1.0, "test_accuracy": 0.5}
BASIS = Basis("toy", "train-digest", "test-digest", 100, PAPER.shortened(EPOCHS), "fp32")


def plan_of(*widths, seeds=(0, 1, 2), targets=("onnx-fp32", "tflite-int8")):
    return Plan(tuple(Model(Member("scalecnn", width), seed) for width in widths for seed in seeds), targets)


def digest(*parts):
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class FakeRunner(LocalRunner):
    """Performs tasks by hashing; ``failing`` maps a task's name to the error that it raises."""

    def __init__(self, failing=None):
        super().__init__({})
        self.failing = failing or {}
        self.performed = []

    def submit(self, task, inputs, *, seconds):
        self.performed.append(task.name)
        self._task = task
        self._deliveries = self._perform(task, inputs, seconds)

    def _perform(self, task, inputs, seconds):
        if task.name in self.failing:
            raise self.failing[task.name]
        if isinstance(task, TrainTask):
            yield from train(task, inputs, seconds)
        else:
            content = digest(task.name, [hashlib.sha256(c).hexdigest() for c in inputs.values()])
            folder = "models" if isinstance(task, ExportTask) else "outcomes"
            path = f"{folder}/{task.name.replace(' ', '.')}"
            yield Delivery(task.unit.name, {path: content.encode()}, record={"accuracy": 0.5, "seconds": 1.0})


def train(task, inputs, seconds):
    """Each epoch's state depends on the one before and on which seeds share the step, as rounding does."""
    names = [model.name for model in task.models]
    state = {"epoch": 0, "weights": dict.fromkeys(names, "")}
    for content in inputs.values():
        state = json.loads(content)
    while state["epoch"] < EPOCHS:
        weights = {name: digest(name, names, state["weights"][name]) for name in names}
        state = {"epoch": state["epoch"] + 1, "weights": weights}
        if state["epoch"] < EPOCHS:
            files = {state_path(names): json.dumps(state).encode()}
            yield Delivery(task.name, files, note=f"epoch {state['epoch']} of {EPOCHS}")
        if seconds is not None and state["epoch"] < EPOCHS:
            return
    for name in names:
        yield Delivery(f"{name} train", {f"{name}.safetensors": state["weights"][name].encode()}, record=dict(TRAINED))


def sweep(folder, plan, runner=None, *, fuse=3, **options):
    """Run ``plan`` over ``folder`` to the end, with the manifest that a command would write."""
    known = folder.read_manifest()
    folder.write_manifest(BASIS, known[1].joined(plan) if known else plan)
    training = Training("cpu", 1, lambda model: fuse, lambda model: Resources())
    return Sweep(folder, BASIS, plan, runner or FakeRunner(), training, **options).run()


def contents(folder):
    """Every file that a sweep left, but for its lock and what a kill left half-written."""
    return {
        str(p.relative_to(folder.root)): p.read_bytes()
        for p in folder.root.rglob("*")
        if p.is_file() and p.name != ".lock" and ".tmp-" not in p.name
    }
