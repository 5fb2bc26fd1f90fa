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
        device: ``auto``, ``cpu`` or ``cuda``.
    """

    selection: Selection
    recipe: str | None = None
    epochs: int | None = None
    precision: str | None = None
    device: str = "auto"


def settle(folder: SweepFolder, train: Dataset, test: Dataset, asked: Asked) -> tuple[Basis, Plan]:
    """The basis and the plan of this run; the manifest, made or extended, is written.

    Raises:
        SweepError: where the folder's sweep is of another data, recipe, precision or version.
        UsageError: for an unknown family, width, target, recipe or device.
    """
    from tinyedge.train.loop import pick_device, pick_precision

    known = folder.read_manifest()
    recipe = chosen_recipe(asked.recipe, asked.epochs, train.name)
    precision = asked.precision
    device = pick_device(asked.device)
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
        precision=pick_precision(precision or "auto", device),
    )
    if known is not None:
        check_basis(known[0], basis, folder.root)
    plan = asked.selection.plan(known[1] if known else None, train.num_classes)
    folder.write_manifest(basis, known[1].joined(plan) if known else plan)
    return basis, plan


def make_training(device: str, threads: int | None, fuse: int | None) -> Training:
    """How training is cut into tasks: ``fuse`` seeds a step, or as many as pay on the device at that width."""
    from tinyedge.train.autotune import fused_seeds
    from tinyedge.train.loop import pick_device

    kind = pick_device(device).type

    def seeds_a_step(model: Model) -> int:
        return fuse or fused_seeds(model.member, kind)

    return Training(device, threads, seeds_a_step, lambda model: _resources(model, kind, threads or 1))


def _resources(model: Model, device: str, threads: int) -> Resources:
    """Of a training task: the narrow widths leave most of a GPU idle, so that several share one."""
    if device != "cuda":
        return Resources(cpus=threads, memory_bytes=4 << 30)
    return Resources(cpus=threads, gpus=0.25 if model.member.plan.macs < _NARROW_MACS else 1.0, memory_bytes=8 << 30)


_NARROW_MACS = 15_000_000
"""Up to ScaleCNN c = 16; FACTS' floor says that these are bound by launches, not by arithmetic."""
