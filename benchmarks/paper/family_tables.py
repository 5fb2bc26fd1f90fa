"""The tables of what was found of a family: by width, by pair of widths, by class, by image."""

from __future__ import annotations

import numpy as np
from comparison_tables import bounds, over_words
from ours import law_of, sides
from tables import Cell, Column, Table

from tinyedge.metrics import METRICS
from tinyedge.models.family import Member
from tinyedge.study.estimate import Estimate
from tinyedge.study.exemplars import Exemplars, WidthFlips
from tinyedge.study.members import Family
from tinyedge.study.overlap import Overlap, SeedNoise
from tinyedge.study.scaling import Pair, Scaling

OFTEN = 5
"""Models in which an image has to flip to be listed."""
_WIDTH = (Column("width", "width"), Column("params", "parameters"), Column("seeds", "seeds"))
_OVER = Column("over", "95 % over")


def family_tables(found: Scaling, reference: Family, deployed: Family) -> tuple[Table, ...]:
    """All of them.

    Args:
        found: what was found.
        reference: its outcomes in float.
        deployed: its outcomes in int8, of the same models.
    """
    groups = ("superclasses", "classes") if sides(found)[0].given_up.superclasses else ("classes",)
    return (
        widths_table(found),
        curves_table(found),
        law_table(found),
        overlaps_table(found),
        *(groups_table(found, name) for name in groups),
        cost_table(found),
        flips_table(found),
        often_table(reference, deployed),
    )


def widths_table(found: Scaling) -> Table:
    """The members and their main figures."""
    both = sides(found)
    shown = (
        ("accuracy", "accuracy %", 2, True),
        ("gini", "Gini", 3, False),
        ("bottom5", "bottom-5 %", 1, True),
        ("ece", "ECE %", 2, True),
        ("signed_gap", "gap pp", 2, True),
        ("nll", "NLL", 3, False),
    )
    columns = [
        Column(f"{name}_{arithmetic}", f"{title}, {arithmetic}", digits, percent, name == "signed_gap")
        for name, title, digits, percent in shown
        for arithmetic in ("float", "int8")
    ]
    rows: list[tuple[Cell, ...]] = []
    for i, p in enumerate(both[0].curves["accuracy"].points):
        macs = Member(both[0].setting.family, float(p.label[1:])).plan.macs / 1e6
        values = [side.curves[name].points[i].mean.value for name, *_ in shown for side in both]
        rows.append((p.label, p.params, len(p.seeds), macs, *values))
    note = "Means over seeds, intervals: curves."
    return Table("widths", "The members", (*_WIDTH, Column("mmac", "MMAC", 2), *columns), tuple(rows), note)


def curves_table(found: Scaling) -> Table:
    """Every metric at every width with its interval."""
    reference, deployed = sides(found)
    columns = (
        Column("metric", "metric"),
        *_WIDTH,
        *_with_bounds("float", "float", 4),
        *_with_bounds("int8", "int8", 4),
        Column("float_deviation", "deviation between float seeds", 4),
        _OVER,
    )
    rows = tuple(
        (METRICS[name].title, p.label, p.params, len(p.seeds), *bounds(p.mean), *bounds(q.mean), p.deviation,
         over_words(p.mean))
        for name, curve in reference.curves.items()
        for p, q in zip(curve.points, deployed.curves[name].points, strict=True)
    )  # fmt: skip
    note = "Shares are in 0..1, NLL is in nats. Over seeds where there are several, over images where there is one."
    return Table("curves", "Metrics by width", columns, rows, note)


def law_table(found: Scaling) -> Table:
    """Alpha, R2, local exponents and whether they fall: every interval there is."""
    a, b = (law_of(side) for side in sides(found))
    r2 = [Estimate(law.r2, () if law.r2_seeds is None else (law.r2_seeds,)) for law in (a, b)]
    named = [
        ("alpha", a.alpha, b.alpha),
        ("R2", r2[0], r2[1]),
        *(
            (f"local exponent, {one.between[0]} to {one.between[1]}", one.exponent, two.exponent)
            for one, two in zip(a.local, b.local, strict=True)
        ),
        ("change of the local exponent a tenfold", a.curvature, b.curvature),
        ("alpha less the last local exponent", a.below, b.below),
    ]
    columns = (
        Column("figure", "figure"), *_with_bounds("float", "float", 3), *_with_bounds("int8", "int8", 3), _OVER,
        Column("method", "method"), Column("caution", "caution"),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for name, one, two in named:
        for first, second in zip(one.intervals, two.intervals, strict=True):
            rows.append(
                (name, one.value, first.low, first.high, two.value, second.low, second.high, first.over, first.method,
                 first.caution)
            )  # fmt: skip
        if not one.intervals:
            rows.append((name, one.value, None, None, two.value, *(None,) * 5))
    note = (
        f"Local exponents fall with size: {a.falls} in float, {b.falls} in int8. Saturated at the largest width: "
        f"{a.saturates} in float, {b.saturates} in int8. The method is that of the float interval."
    )
    return Table("law", "The error law", columns, tuple(rows), note)


def overlaps_table(found: Scaling) -> Table:
    """Jaccard of every pair of widths with its baselines."""
    columns = (
        Column("pair", "pair"), Column("pairs", "seed pairs"), *_with_bounds("float", "float", 3),
        *_with_bounds("int8", "int8", 3), _OVER, Column("nested", "nested", 3), Column("independent", "independent", 3),
        Column("redistribution", "below nested", 3), Column("other_seed", "another seed, cut", 3),
        *_with_bounds("below_other_seed", "below that", 3), Column("thinned_seed", "another seed, thinned", 3),
        *_with_bounds("below_thinned_seed", "below that", 3),
    )  # fmt: skip
    reference, deployed = (side.overlaps for side in sides(found))
    pairs: list[tuple[Overlap | SeedNoise, Overlap | SeedNoise]] = []
    pairs += zip(reference.same_width, deployed.same_width, strict=True)
    pairs += zip(reference.neighbours, deployed.neighbours, strict=True)
    pairs.append((reference.ends, deployed.ends))
    rows = tuple(
        (_pair_name(one), one.pairs, *bounds(one.jaccard), *bounds(two.jaccard), over_words(one.jaccard), one.nested,
         one.independent, one.redistribution.value, *_other_seed(one))
        for one, two in pairs
    )  # fmt: skip
    note = (
        "Baselines and the last columns are of the float models, their intervals over seeds. Another seed: of the "
        "smaller width, with as many of its errors as the larger makes: those whose labels it finds the least likely "
        "(cut), or any at random (thinned). A figure below such a baseline is relative to its rule."
    )
    return Table("overlaps", "Overlap of error sets (Jaccard)", columns, rows, note)


def groups_table(found: Scaling, what: str) -> Table:
    """Accuracy by ``superclasses`` or ``classes`` at both ends."""
    reference, deployed = (side.given_up for side in sides(found))
    after = {group.name: group for group in getattr(deployed, what)}
    ends = (reference.small, reference.large)
    columns = (
        Column("name", "name"), Column("images", "images"), *_with_bounds("loss_float", "loss, float, pp", 1, True),
        Column("loss_int8", "loss, int8, pp", 1, True), Column("share", "share of the further errors %", 1, True),
        *(Column(f"{end}_{arithmetic}", f"{end}, {arithmetic} %", 1, True)
          for end in ends for arithmetic in ("float", "int8")),
    )  # fmt: skip
    rows = tuple(
        (g.name, g.images, *bounds(g.loss), after[g.name].loss.value, g.share, g.small, after[g.name].small, g.large,
         after[g.name].large)
        for g in getattr(reference, what)
    )  # fmt: skip
    title = f"Accuracy by {'superclass' if what == 'superclasses' else 'class'}, {ends[0]} and {ends[1]}"
    return Table(what, title, columns, rows, "The loss is from the larger to the smaller; 95 % over images.")


def cost_table(found: Scaling) -> Table:
    """What quantization costs, width by width."""
    shown = (
        ("flips", "flips %", 2, True),
        ("negative_flips", "newly wrong %", 2, True),
        ("discordance", "right or wrong changes %", 2, True),
        ("jaccard", "Jaccard", 3, False),
    )
    changes = ("bottom5", "gini", "ece", "signed_gap", "nll")
    columns = (
        *_WIDTH, *_with_bounds("drop", "accuracy lost, pp", 2, True),
        *(column for name, title, digits, percent in shown for column in _with_bounds(name, title, digits, percent)),
        *(Column(f"{name}_change", f"{METRICS[name].title}, change", 4, signed=True) for name in changes),
        _OVER, Column("seed_discordance", "two float seeds differ on %", 1, True),
    )  # fmt: skip
    rows = []
    for w in pair_of(found).cost.widths:
        cells: list[Cell] = [w.label, w.params, len(w.seeds), *bounds(w.drop)]
        for name, *_ in shown:
            cells += bounds(w.paired[name])
        cells += [w.changes[name].value for name in changes]
        cells += [over_words(w.drop), None if w.seed_discordance is None else w.seed_discordance.value]
        rows.append(tuple(cells))
    note = "Each model against its own float self, mean over the seeds. Changes are int8 less float, shares in 0..1."
    return Table("quantization", "What quantization costs", columns, tuple(rows), note)


def flips_table(found: Scaling) -> Table:
    """In how many models images flip."""
    seen = pair_of(found).exemplars
    columns = (
        Column("of", "of"), Column("models", "models in which an image flips"), Column("images", "images"),
        Column("chance", "by chance, the same for all images", 2),
        Column("chance_by_confidence", "by chance, by confidence", 2),
    )  # fmt: skip
    named: list[tuple[str, WidthFlips | Exemplars]] = [
        (f"{width.label}, {len(width.seeds)} seeds", width) for width in seen.widths if len(width.seeds) > 1
    ]
    rows = tuple(
        (name, k, *row)
        for name, of in (*named, (f"all {seen.models} models", seen))
        for k, row in enumerate(zip(of.counts, of.counts_expected, of.counts_expected_by_confidence, strict=True))
        if max(row) >= 0.005
    )
    return Table("flips", "Images by the number of models in which they flip", columns, rows)


def often_table(reference: Family, deployed: Family) -> Table:
    """The images that flip in most models, by id."""
    pairs = zip(reference.models, deployed.models, strict=True)
    flips = np.stack([a.outcome.predicted != b.outcome.predicted for a, b in pairs])
    counts, names = flips.sum(axis=0), reference.models[0].outcome.class_names
    often = [
        (str(reference.ids[i]), names[reference.labels[i]], int(counts[i])) for i in np.flatnonzero(counts >= OFTEN)
    ]
    columns = (Column("id", "example id"), Column("label", "label"), Column("models", f"flips in, of {len(flips)}"))
    rows = tuple(sorted(often, key=lambda row: (-row[2], row[0])))
    return Table("often", f"Images that flip in {OFTEN} models or more", columns, rows)


def pair_of(found: Scaling) -> Pair:
    """Float against int8."""
    assert found.pair is not None, "the study is always of both"
    return found.pair


def _with_bounds(key: str, title: str, digits: int, percent: bool = False) -> tuple[Column, Column, Column]:
    """A value and the ends of its interval."""
    return (
        Column(key, title, digits, percent),
        Column(f"{key}_low", "low", digits, percent),
        Column(f"{key}_high", "high", digits, percent),
    )


def _pair_name(pair: Overlap | SeedNoise) -> str:
    return f"{pair.label}, two seeds" if isinstance(pair, SeedNoise) else f"{pair.small} and {pair.large}"


def _other_seed(pair: Overlap | SeedNoise) -> tuple[float | None, ...]:
    """The two baselines of another seed, and how far below each of them ours is."""
    other = pair.other_seed if isinstance(pair, Overlap) else None
    if other is None:
        return (None,) * 8
    return other.jaccard, *bounds(other.beyond), other.thinned, *bounds(other.beyond_thinned)
