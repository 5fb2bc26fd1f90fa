"""Ladders of made-up files: which gate has which figure is written down, no model runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tinyedge.artifact import FAMILY_CONVENTION, Artifact, TensorSpec
from tinyedge.gate import DEFAULT_POLICY, GateResult, Status, Verdict
from tinyedge.repair.bench import Candidate, Judged
from tinyedge.repair.climb import climb
from tinyedge.repair.steps import Kit, Recipe, chosen
from tinyedge.report.repair import Cost, Repair, Split

PASS, FAIL, OPEN = Status.PASS, Status.FAIL, Status.INCONCLUSIVE
GATES = {"accuracy": 1.0, "signed_gap": 3.0, "ties": 5.0, "floors.size": 60_000.0}
"""Name and limit; whatever is beyond it by a tenth fails, what is beyond it by less is open."""
START = Recipe("tflite-int8", "tflite-int8", Path("float.safetensors"), calibration="moving-average")


def verdict(**figures: float) -> Verdict:
    """Of the gates named: their figures, and what those come to."""
    gates = []
    for name, figure in figures.items():
        name = name.replace("__", ".")
        limit, reach = GATES[name], abs(figure)
        status = PASS if reach <= limit else FAIL if reach > 1.1 * limit else OPEN
        interval = None if name == "floors.size" else (figure - 0.1, figure + 0.1)
        unit = "bytes" if name == "floors.size" else "pp"
        gates.append(GateResult(name, name.capitalize(), status, figure, unit, interval, limit, f"It is {figure}."))
    return Verdict(tuple(gates), (), DEFAULT_POLICY.name, DEFAULT_POLICY.digest, 0.95)


def candidate(name: str, *, target: str = "tflite-int8", temperature: float | None = None) -> Candidate:
    """A file that is nowhere."""
    spec = TensorSpec("x", (1, 8, 8, 3), "int8", "NHWC", 1 / 128, 0)
    out = TensorSpec("y", (1, 4), "int8", "NK", 0.1, 0)
    origin = {} if temperature is None else {"temperature": {"folded": temperature}}
    convention = FAMILY_CONVENTION
    return Candidate(
        Artifact(
            Path(f"{name}.tflite"), "tflite", "int8", name.ljust(64, "0"), 2000, 10, spec, out, "logits", convention,
            name, origin,
        ),
        target,
    )  # fmt: skip


@dataclass
class Told:
    """In the place of ``Bench``: what each file's verdicts are, by its name, and what was asked.

    ``judged`` is what the judged images say; ``tuning`` what the others do, the same unless it is given.
    """

    judged: dict[str, Verdict]
    tuning: dict[str, Verdict] = field(default_factory=dict)
    strict: dict[str, Verdict] = field(default_factory=dict)
    discordances: dict[str, float] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def look(self, found: Candidate) -> Verdict:
        name = found.artifact.model
        return self.tuning.get(name, self.judged[name])

    def discordance(self, found: Candidate) -> float:
        return self.discordances.get(found.artifact.model, 0.0)

    def judge(self, found: Candidate, *, shared: bool) -> Judged:
        name = found.artifact.model
        self.asked.append(name)
        nominal = self.judged[name]
        return Judged(self.strict.get(name, nominal) if shared else nominal, nominal, Cost(2000, 18_288))


class Makes:
    """In the place of ``Maker``: a file a recipe, called after what the recipe changed last."""

    def __init__(self, refuses: dict[str, Exception] | None = None) -> None:
        self.made: list[Recipe] = []
        self._refuses = refuses or {}

    def make(self, recipe: Recipe) -> Candidate:
        self.made.append(recipe)
        name = name_of(recipe)
        if name in self._refuses:
            raise self._refuses[name]
        return candidate(name, target=recipe.target, temperature=1.08 if recipe.tempered else None)


def name_of(recipe: Recipe) -> str:
    """What is new in a recipe, e.g. ``minmax+tempered``."""
    parts = [recipe.calibration or "default"]
    parts += [f"n{recipe.count}"] if recipe.count != 1000 else []
    parts += [f"s{recipe.seed}"] if recipe.seed else []
    parts += ["balanced"] if recipe.balanced else []
    parts += ["tempered"] if recipe.tempered else []
    parts += [recipe.exporter] if recipe.exporter != "tflite-int8" else []
    parts += [recipe.tuning] if recipe.tuning else []
    return "+".join(parts)


def climbed(bench, steps, *, refuses=None, go_on=False, start=START, **kit):
    """A ladder over the steps named."""
    settings = {"calibrations": lambda exporter: ("minmax", "mse", "moving-average"), "images": lambda: 50_000}
    return climb(
        candidate("given"),
        start,
        bench=bench,
        maker=Makes(refuses),
        kit=Kit(**(settings | kit)),
        steps=chosen(steps),
        go_on=go_on,
    )


def made_repair(found=None, **changes: object) -> Repair:
    """A whole result: two steps, of which the first makes a gate worse; ``changes`` go in the place of its parts."""
    found = found or ladder()
    return Repair(
        **{
            "run": {"tinyedge": "0.1.0", "file": "bad.tflite", "model": "scalecnn-c6", "params": 46_570}
            | {"target": "tflite-int8", "reference": "c6.onnx", "reference_target": "onnx-fp32", "seed": 0}
            | {"policy": "default", "policy_digest": "d" * 64, "steps": ["ranges", "temperature"]},
            "data": {"name": "toy", "split": "test", "images": 10_000, "classes": 4, "synthetic": True, "digest": "e"},
            "split": Split(2000, 8000, 0, 2, 0.95, 0.975),
            "trials": tuple(found.trials),
            "untried": tuple(found.untried),
            "final": found.final,
            "repaired": "bad-better.tflite" if found.final else None,
            "note": found.note,
        }
        | changes
    )


def ladder():
    """Ranges repair the accuracy and make ties worse, a temperature repairs the gap."""
    bench = Told(
        {
            "given": verdict(accuracy=9.0, signed_gap=3.2, ties=1.0),
            "minmax": verdict(accuracy=0.1, signed_gap=3.2, ties=5.2),
            "mse": verdict(accuracy=0.5, signed_gap=9.0, ties=1.0),
            "minmax+tempered": verdict(accuracy=0.1, signed_gap=0.1, ties=5.2),
        }
    )
    return climbed(bench, ["ranges", "temperature"])
