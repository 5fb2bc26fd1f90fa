"""Float against deployed, for a terminal of 80 columns: what it costs at each width, and what it leaves as it was."""

from __future__ import annotations

from rich.table import Table

from tinyedge.study.exemplars import Exemplars, Repeated
from tinyedge.study.peak import SURE, Extreme
from tinyedge.study.scaling import Pair
from tinyedge.study.words import ends_of, figure, percent, quoted


def pair_table(pair: Pair) -> Table:
    """A row a width; disc: discordance with the reference, seeds: of two of its seeds, b-5: the five worst classes."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    titles = ("", "top-1 drop, pp", "Jaccard", "flips %", "disc %", "seeds %", "b-5 pp", "Gini", "ECE pp")
    for title in titles:
        table.add_column(title, justify="right" if title else "left", no_wrap=True)
    for width in pair.cost.widths:
        noise = width.seed_discordance
        table.add_row(
            width.label,
            quoted(width.drop, scale=100, digits=2, sign=True),
            f"{width.paired['jaccard'].value:.3f}",
            f"{100 * width.paired['flips'].value:.2f}",
            f"{100 * width.paired['discordance'].value:.2f}",
            "" if noise is None else f"{100 * noise.value:.1f}",
            *(
                figure(scale * width.changes[name].value, digits, sign=True) if name in width.changes else ""
                for name, scale, digits in (("bottom5", 100, 1), ("gini", 1, 3), ("ece", 100, 2))
            ),
        )
    return table


def pair_rows(pair: Pair, base: str) -> list[tuple[str, str]]:
    """What the table amounts to; ``base`` is what to call the reference."""
    cost, dearest = pair.cost, pair.cost.dearest
    rows = [("drop", f"{quoted(cost.drop, scale=100, digits=2, sign=True)} pp, mean of the widths")]
    if cost.trends:
        slope, flips = (quoted(cost.trends[n], scale=100, digits=2, sign=True) for n in ("accuracy_drop", "flips"))
        rows.append(("by size", f"drop {slope} pp at each tenfold of parameters, flips {flips} pp"))
        places = {"drop": dearest, **cost.dearest_by}
        rows.append(("", f"largest: {'; '.join(f'{name} {_dearest(where)}' for name, where in places.items())}"))
    if cost.redistribution_change is not None and cost.jaccard_change is not None:
        moved = quoted(cost.redistribution_change, digits=4, sign=True)
        rows.append(("moved", f"distance of the ends below nested {moved}, deployed less {base}"))
    added = [w for w in cost.widths if w.added_discordance is not None]
    if added:
        told = "; ".join(
            f"{w.label} {quoted(w.added_discordance, scale=100, digits=2, sign=True)} pp"
            for w in ends_of(added)
            if w.added_discordance is not None
        )
        rows.append(("added", f"to the discordance of two seeds: {told}"))
    return [*rows, *_flip_rows(pair.exemplars), *_rank_rows(pair, base)]


def _dearest(found: Extreme) -> str:
    """Where something is largest, and whether that is decided."""
    if found.share is None:
        return f"at {found.label}"
    open_between = "" if found.share >= SURE or found.range is None else f"; {' to '.join(found.range)} not decided"
    return f"at {found.label} ({percent(found.share)} of draws{open_between})"


def _flip_rows(found: Exemplars) -> list[tuple[str, str]]:
    always = [f"{w.label} {_against_chance(w.flipped)}" for w in found.widths if w.flipped is not None]
    rows = [
        (
            "flips",
            f"in every seed: {'; '.join(always)}"
            if always
            else "one seed a width: which would flip again is not known",
        )
    ]
    if found.every_width is not None:
        rows.append(("", f"images in some seed of every width: {_against_chance(found.every_width)}"))
    if found.joint is not None:
        rows.append(("", f"two models flip the same image {found.joint:.2f} times as often as by that chance"))
    aucs = [w.auc for w in found.widths if w.auc is not None]
    lowest = [w.in_lowest_quarter for w in found.widths if w.in_lowest_quarter is not None]
    if aucs and lowest:
        rows.append(
            (
                "",
                f"among the least confident quarter of the images: {min(lowest):.0%} to {max(lowest):.0%} of the "
                f"flips, by width",
            )
        )
    return rows


def _against_chance(found: Repeated | None) -> str:
    if found is None:
        return "not known"
    return f"{len(found.ids)} ({found.expected_by_confidence:.2f} by chance)"


def _rank_rows(pair: Pair, base: str) -> list[tuple[str, str]]:
    classes = pair.ranks.classes
    seeds = [c.between_seeds.value for c in classes if c.between_seeds is not None]
    two = f", of two {base} seeds {_range(seeds)}" if seeds else ""
    changed = [r.metric for r in pair.ranks.members if r.reference != r.deployed]
    order = (
        f"the widths' order changes by {', '.join(changed)}" if changed else "the widths' order stays, by every metric"
    )
    return [("ranks", f"of classes: Kendall {_range([c.kendall.value for c in classes])}{two}; {order}")]


def _range(values: list[float]) -> str:
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"
