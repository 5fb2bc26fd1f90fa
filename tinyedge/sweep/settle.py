"""What a sweep is going to do: what is asked for and what its folder already is, brought together."""

from __future__ import annotations

from dataclasses import dataclass

from tinyedge.data.dataset import Dataset
from tinyedge.sweep.drive import Training
from tinyedge.sweep.folder import SweepFolder
from tinyedge.sweep.merge import check_basis
from tinyedge.sweep.plan import Basis, Model, Plan, Selection
from tinyedge.sweep.runner import Resources
from tinyedge.train.recipe import chosen_recipe


@dataclass(frozen=True)
class Asked:
    """A caller's options; ``None`` where nothing was said.

    Args:
        selection: models and targets.
        recipe: its name.
        epochs: other than the recipe's.
        precision: ``bf16`` or ``fp32``.
    """

    selection: Selection
    recipe: str | None = None
    epochs: int | None = None
    precision: str | None = None

    def plan(self, folder: SweepFolder, num_classes: int) -> Plan:
        """What is to be done; nothing is written.

        Raises:
            SweepError: where the manifest cannot be read.
            UsageError: for an unknown family, width or target.
        """
        known = folder.read_manifest()
        return self.selection.plan(known[1] if known else None, num_classes)


def training_device(name: str, cluster_gpus: float | None) -> str:
    """What trains: ``cpu`` or ``cuda``.

    Args:
        name: ``auto``, ``cpu`` or ``cuda``.
        cluster_gpus: of the cluster that the tasks run on, whatever this machine has; ``None`` where they run here.

    Raises:
        UsageError: for another name.
        TrainingError: where CUDA is asked for here and is not here.
    """
    from tinyedge.train.loop import pick_device

    if cluster_gpus is None or name not in ("auto", "cuda"):
        return pick_device(name).type
    return "cuda" if name == "cuda" or cluster_gpus > 0 else "cpu"


def settle(folder: SweepFolder, train: Dataset, test: Dataset, asked: Asked, device: str) -> tuple[Basis, Plan]:
    """The basis and the plan of this run; the manifest, made or extended, is written.

    Args:
        folder: the sweep's, locked.
        train: the training set.
        test: the evaluation set.
        asked: the caller's options.
        device: as ``training_device`` says; decides the precision where nobody has.

    Raises:
        SweepError: where the folder's sweep is of another data, recipe, precision or version.
        UsageError: for an unknown family, width, target or recipe.
    """
    import torch

    from tinyedge.train.loop import pick_precision

    known = folder.read_manifest()
    recipe = chosen_recipe(asked.recipe, asked.epochs, train.name)
    precision = asked.precision
    if known is not None:
        if (asked.recipe, asked.epochs) == (None, None):
            recipe = known[0].recipe
        precision = precision or known[0].precision
    basis = Basis(
        data=train.name,
        train_digest=train.digest,
        test_digest=test.digest,
        num_classes=train.num_classes,
        recipe=recipe,
        precision=pick_precision(precision or "auto", torch.device(device)),
    )
    if known is not None:
        check_basis(known[0], basis, folder.root)
    plan = asked.plan(folder, train.num_classes)
    folder.write_manifest(basis, known[1].joined(plan) if known else plan)
    return basis, plan


def make_training(device: str, threads: int | None, fuse: int | None) -> Training:
    """How training is cut into tasks.

    Args:
        device: as ``training_device`` says.
        threads: of a task on the CPU.
        fuse: seeds a step; ``None`` for as many as pay on the device at that width.
    """
    from tinyedge.train.autotune import fused_seeds

    def seeds_a_step(model: Model) -> int:
        return fuse or fused_seeds(model.member, device)

    return Training(device, threads, seeds_a_step, lambda model: _resources(model, device, threads or 1))


def _resources(model: Model, device: str, threads: int) -> Resources:
    """Of a training task: the narrow widths leave most of a GPU idle, so that several share one."""
    if device != "cuda":
        return Resources(cpus=threads, memory_bytes=4 << 30)
    return Resources(cpus=threads, gpus=0.25 if model.member.plan.macs < _NARROW_MACS else 1.0, memory_bytes=8 << 30)


_NARROW_MACS = 15_000_000
"""Up to ScaleCNN c = 16; FACTS' floor says that these are bound by launches, not by arithmetic."""
