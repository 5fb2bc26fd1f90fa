"""The report as one HTML page that opens offline: no request, no script but its own, everything from files escaped.

The page carries a content security policy that names its one style sheet and its one script by their hashes: whatever
else might come to stand in it does not run. What the script shows is text of a JSON block, never markup.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tinyedge.gate import GateResult
from tinyedge.gate.signed_gap import EITHER_SIGN
from tinyedge.metrics.catalogue import METRICS
from tinyedge.report import charts, device
from tinyedge.report.changes import Group, by_class, by_superclass
from tinyedge.report.pictures import Pictures, listed
from tinyedge.report.schema import Report
from tinyedge.report.words import (
    LONGEST_NAME,
    bounds_of,
    headline,
    limit_of,
    quantity,
    reasons,
    visible,
)

SHOWN_EXAMPLES = 12
"""The most confident of the newly wrong images, on the page itself."""
SHOWN_CLASSES = 12
"""Rows of the table of classes before the rest is asked for."""
_TEMPLATES = "templates"


def render(report: Report, pictures: Pictures | None = None) -> str:
    """The page.

    Args:
        report: what it shows.
        pictures: of newly wrong images; without any it names them.
    """
    style, script = part("report.css"), part("report.js")
    groups, layers = by_class(report.examples), device.layers(report.deployed.target)
    return (
        environment()
        .get_template("report.html")
        .render(
            report=report,
            verdict=report.verdict,
            headline=headline(report.verdict),
            reasons=reasons(report.verdict),
            gates=[_gate(gate) for gate in report.verdict.gates],
            groups=groups,
            classes_plot=charts.classes(groups),
            superclasses=by_superclass(report.examples),
            examples=_examples(report, pictures),
            wrong=sum(group.newly_wrong for group in groups),
            right=sum(group.newly_right for group in groups),
            unlisted=len(report.newly_wrong) - len(listed(report)),
            left_out=None if pictures is None else pictures.left_out,
            reliability=_reliability(report),
            metrics=_metrics(report),
            lsb=None if report.parity is None else charts.lsb(report.parity),
            on_device=device.is_firmware(report.deployed.target),
            device_rows=device.rows(report),
            uses=device.uses(report),
            layers=layers,
            most_share=max((layer.share for layer in layers), default=1.0) or 1.0,
            beside=() if report.kernels is None else device.beside(report.kernels),
            provenance=_provenance(report),
            shown_classes=SHOWN_CLASSES,
            style=Markup(style),  # noqa: S704  # a file of this package
            script=Markup(script),  # noqa: S704
            block=_data(report, groups, pictures),
            policy=content_policy(style, script),
        )
    )


def environment() -> Environment:
    """Templates in which everything is escaped, and what is not there is an error."""
    made = Environment(
        loader=PackageLoader("tinyedge.report", _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Whatever is printed, wherever it came from, is one visible line.
        finalize=lambda value: value if isinstance(value, Markup | int | float) else visible(value),
    )
    made.filters |= {
        "name": _name,
        "share": lambda value, digits=1: f"{100 * value:.{digits}f}\N{NO-BREAK SPACE}%",
        "pp": _points,
        "count": lambda value: f"{value:,}",
        "size": lambda value, unit: quantity(value, unit).removeprefix("+"),
    }
    return made


def _points(value: float, digits: int = 1) -> str:
    """A difference of two shares in percentage points; none has no sign."""
    text = f"{100 * value:+.{digits}f}"
    return f"{_minus(text) if float(text) else text[1:]}\N{NO-BREAK SPACE}pp"


def _name(text: str) -> Markup:
    """A class's name, which may be broken after an underscore."""
    return Markup("_<wbr>").join(visible(text, LONGEST_NAME).split("_"))


def part(name: str) -> str:
    """A style sheet or script of this package."""
    return (files("tinyedge.report") / _TEMPLATES / name).read_text(encoding="utf-8")


def content_policy(style: str, script: str | None = None) -> str:
    """That a page may hold its one style sheet, and its one script where it has any, and nothing else."""
    may = {"style-src": style} if script is None else {"style-src": style, "script-src": script}
    hashes = {name: b64encode(hashlib.sha256(text.encode()).digest()).decode() for name, text in may.items()}
    allowed = "".join(f"{name} 'sha256-{found}'; " for name, found in hashes.items())
    return f"default-src 'none'; img-src data:; {allowed}base-uri 'none'; form-action 'none'"


def _minus(text: str) -> str:
    """A true minus sign is as wide as the plus: columns align."""
    return text.replace("-", "\N{MINUS SIGN}")


def _gate(gate: GateResult) -> dict[str, Any]:
    return {
        "title": gate.title,
        "status": gate.status,
        "warning": gate.warning,
        "figure": _minus(quantity(gate.figure, gate.unit)),
        "bounds": gate.note or _minus(bounds_of(gate)),
        "limit": _minus(limit_of(gate)),
        "detail": gate.detail,
        "needed": gate.images_needed,
        "bar": _bar(gate),
    }


def _bar(gate: GateResult) -> dict[str, Any] | None:
    """Where figure, bounds and limit lie on a line 100 wide; ``None`` without bounds."""
    if gate.interval is None:
        return None
    low, high = gate.interval
    limits = [gate.limit, -gate.limit] if gate.name in EITHER_SIGN else [gate.limit]
    least, most = min(0.0, low, *limits), max(0.0, high, *limits)
    margin = (most - least) * 0.08 or 1.0

    def place(value: float) -> float:
        return round(100 * (value - least + margin) / (most - least + 2 * margin), 1)

    return {
        "low": place(low),
        "high": place(high),
        "figure": place(min(max(gate.figure, least), most)),
        "limits": [place(limit) for limit in limits],
        "zero": place(0.0),
    }


def _reliability(report: Report) -> list[dict[str, Any]]:
    sides = (
        ("Float", report.reference, "reference", charts.REFERENCE),
        ("Deployed", report.deployed, "deployed", charts.DEPLOYED),
    )
    return [
        {"title": title, "plot": charts.reliability(side.reliability, name=name, title=title, color=color)}
        for title, side, name, color in sides
        if side.reliability
    ]


def _metrics(report: Report) -> list[dict[str, str]]:
    """Every metric of both models, as the catalogue calls it."""
    rows = []
    for name, after in report.deployed.metrics.items():
        spec, before = METRICS.get(name), report.reference.metrics.get(name)
        title, unit = (spec.title, spec.unit) if spec else (name, "score")
        rows.append(
            {
                "title": title,
                "before": "" if before is None else _value(before, unit),
                "after": _value(after, unit),
                "change": "" if before is None else _change(after - before, unit),
            }
        )
    return rows


def _value(value: float, unit: str) -> str:
    return _minus(f"{100 * value:.2f}\N{NO-BREAK SPACE}%" if unit == "share" else f"{value:.3f}")


def _change(value: float, unit: str) -> str:
    return _minus(f"{100 * value:+.2f}\N{NO-BREAK SPACE}pp" if unit == "share" else f"{value:+.3f}")


def _examples(report: Report, pictures: Pictures | None) -> list[dict[str, Any]]:
    """The most confident of the newly wrong images."""
    seen, names = report.examples, report.examples.class_names
    return [
        {
            "id": seen.ids[i],
            "label": names[seen.labels[i]],
            "reference": names[seen.reference[i]],
            "deployed": names[seen.deployed[i]],
            "confidence": seen.confidence[i],
            "picture": Markup(pictures.png[i]) if pictures and i in pictures.png else None,  # noqa: S704  # base64
        }
        for i in (example.index for example in report.newly_wrong[:SHOWN_EXAMPLES])
    ]


def _data(report: Report, groups: list[Group], pictures: Pictures | None) -> Markup:
    """What the script shows, as JSON in which nothing can end the block or begin markup."""
    seen = report.examples
    png = {} if pictures is None else pictures.png
    wrong: dict[int, list[list[Any]]] = {}
    for i in listed(report):
        row = [seen.ids[i], seen.reference[i], seen.deployed[i], seen.confidence[i], png.get(i, "")]
        wrong.setdefault(seen.labels[i], []).append(row)
    content = {
        "names": [visible(name, LONGEST_NAME) for name in seen.class_names],
        "classes": {g.index: [g.images, g.reference, g.deployed, g.newly_wrong, g.newly_right] for g in groups},
        "order": [g.index for g in groups],
        "wrong": wrong,
        "pictures": pictures is not None,
    }
    text = json.dumps(content, separators=(",", ":"), allow_nan=False, default=_plain)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))  # noqa: S704  # escaped


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON's")


def _provenance(report: Report) -> list[tuple[str, list[tuple[str, str]]]]:
    """Everything recorded, flat: a title and its names and values."""
    parts: tuple[tuple[str, Mapping[str, Any]], ...] = (
        ("Deployed model", report.deployed.artifact),
        ("Where the deployed model ran", report.deployed.target),
        ("Float model", report.reference.artifact),
        ("Where the float model ran", report.reference.target),
        ("Evaluation data", report.data),
        ("Policy", report.policy),
        ("Run and machine", report.run),
    )
    return [(title, _flat(part)) for title, part in parts]


def _flat(part: Mapping[str, Any], under: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in part.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{under}{key}.")
        elif value is not None:
            shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            rows.append((f"{under}{key}", shown))
    return rows
