"""From a recipe to a file: export, short training, folding a temperature. What was made once is not made again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tinyedge.artifact import Artifact, load_artifact, read_sidecar, write_sidecar
from tinyedge.data.dataset import Dataset
from tinyedge.overlap import KEY
from tinyedge.registry import EXPORTERS, lookup
from tinyedge.repair.bench import Bench, Candidate, silent
from tinyedge.repair.steps import Recipe
from tinyedge.tempered import REFERENCE, identity

OnNote = Callable[[str], None]


class Maker:
    """Makes the files of one run in a folder of its own.

    Args:
        given: the file that is repaired, made by ``recipe``.
        recipe: its own.
        train: the training set, loaded where the first export asks for it.
        bench: what a temperature is fitted on.
        folder: for the files.
        teacher: a checkpoint, for distillation.
        epochs: of a short training; ``None`` is the method's own.
        on_note: one line for a person.
    """

    def __init__(
        self,
        given: Candidate,
        recipe: Recipe,
        *,
        train: Callable[[], Dataset],
        bench: Bench,
        folder: Path,
        teacher: Path | None = None,
        epochs: int | None = None,
        on_note: OnNote = silent,
    ) -> None:
        self._made: dict[Recipe, Candidate] = {recipe: given}
        self._tuned: dict[tuple[Path, str], Path] = {}
        self._train, self._bench, self._folder = train, bench, folder
        self._teacher, self._epochs, self._note = teacher, epochs, on_note

    def make(self, recipe: Recipe) -> Candidate:
        """The file of ``recipe``.

        Raises:
            ExportError, TrainingError, TargetError, PredictionsError: where it cannot be made.
        """
        if recipe not in self._made:
            self._made[recipe] = self._fold(recipe) if recipe.tempered else self._export(recipe)
        return self._made[recipe]

    def checkpoint(self, recipe: Recipe) -> Path:
        """The weights that ``recipe`` is exported from: the checkpoint's, or those of the short training.

        Raises:
            TrainingError: from the training.
        """
        assert recipe.checkpoint is not None, "steps without a checkpoint are not reached"
        if recipe.tuning is None:
            return recipe.checkpoint
        key = (recipe.checkpoint, recipe.tuning)
        if key not in self._tuned:
            self._tuned[key] = self._tune(*key)
        return self._tuned[key]

    def _export(self, recipe: Recipe) -> Candidate:
        from tinyedge.exporters.base import Options
        from tinyedge.exporters.representative import draw_representative
        from tinyedge.exporters.source import from_checkpoint

        exporter = lookup(EXPORTERS, "exporter", recipe.exporter)()
        path = self._path(exporter.suffix)
        images = draw_representative(self._train(), count=recipe.count, seed=recipe.seed, balanced=recipe.balanced)
        source = from_checkpoint(self.checkpoint(recipe))
        options = Options(calibration=recipe.calibration)
        artifact = exporter.export(source, path, representative=images, options=options)
        return Candidate(artifact, recipe.target)

    def _fold(self, recipe: Recipe) -> Candidate:
        from tinyedge.exporters.temperature import fold_temperature
        from tinyedge.metrics.temperature import fit_temperature

        plain = self.make(replace(recipe, tempered=False))
        real = self._bench.float_outputs()
        own = fit_temperature(real.logits, real.labels, kind=real.output_kind)
        temperature = own
        # Integer probabilities are 0 below their step, where no temperature is best: the float model's are not.
        if plain.artifact.output_kind == "logits":
            seen = self._bench.outputs(plain)
            temperature = fit_temperature(seen.logits, seen.labels)
        self._note(f"temperature {temperature:.4f} (the float model's own: {own:.4f}), {len(real):,} tuning images")
        folded = fold_temperature(plain.artifact, temperature, self._path(plain.artifact.path.suffix))
        return Candidate(self._record(folded, own), plain.target)

    def _record(self, folded: Artifact, own: float) -> Artifact:
        """The side-car has the float model's temperature too, which model that is, and what both were fitted on."""
        images = {"images": len(self._bench.tuning), "images_digest": self._bench.tuning.digest}
        of = identity(self._bench.reference.artifact)
        told = folded.origin["temperature"] | {REFERENCE: own, **of, "fitted_on": images}
        seen = read_sidecar(folded.path, folded.sha256)
        more = {KEY: seen[KEY]} if KEY in seen else {}
        write_sidecar(replace(folded, origin=folded.origin | {"temperature": told}), **more)
        return load_artifact(folded.path)

    def _tune(self, checkpoint: Path, method: str) -> Path:
        import torch

        from tinyedge.train.checkpoint import load_checkpoint, save_checkpoint
        from tinyedge.train.tune import tune
        from tinyedge.train.tuning import Tuning

        teacher = load_checkpoint(self._teacher) if method == "distill" and self._teacher is not None else None
        tuned = tune(
            load_checkpoint(checkpoint),
            self._train(),
            self._bench.tuning,
            tuning=Tuning(method, epochs=self._epochs),
            device=torch.device("cuda" if torch.cuda.is_available() else "cpu"),
            teacher=teacher,
            on_note=self._note,
        )
        path = self._folder / f"{tuned.key.name}.safetensors"
        save_checkpoint(path, tuned)
        return path

    def _path(self, suffix: str) -> Path:
        return self._folder / f"{len(self._made)}{suffix}"
