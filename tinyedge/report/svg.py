"""A matplotlib figure as SVG for a page with a strict content security policy.

Such a page runs no style attribute. Matplotlib's hold nothing but properties that are SVG attributes too, so that they
become those, and nothing of the drawing changes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_PIXELS = 4 / 3  # of a page, in a point
_NOTHING = {"Date": None, "Creator": None, "Format": None, "Type": None}


def settings() -> AbstractContextManager[None]:
    """What holds while a figure is drawn: text stays text, and ids are hashes of what they name, not of the time."""
    return mpl.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "tinyedge", "text.parse_math": False, "font.size": 10}
    )


def inline(
    figure: Figure,
    name: str,
    *,
    label: str,
    described: Mapping[str, str] | None = None,
    marked: Collection[str] = (),
) -> Markup:
    """The figure as an ``<svg>`` element, the same for the same figure.

    Args:
        figure: drawn by matplotlib, its elements named by ``gid`` where they are described.
        name: of the figure: its ids begin with it, so that several can be in one page.
        label: what a screen reader says in place of the drawing.
        described: text that is shown where the pointer rests on the element of that ``gid``.
        marked: elements that a script has to find: they get their ``gid`` as ``data-mark``.
    """
    stream = io.StringIO()
    with settings():
        figure.savefig(stream, format="svg", metadata=_NOTHING)
    root = ElementTree.fromstring(stream.getvalue())  # noqa: S314  # written by matplotlib two lines before
    size = root.get("viewBox", "").split()
    used = set(re.findall(r"#([\w.-]+)", stream.getvalue()))
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}style", f"{_SVG}metadata"):
                parent.remove(child)
        _plain(parent, name, used, described or {}, marked)
    root.attrib = {
        "viewBox": " ".join(size),
        "width": f"{float(size[2]) * _PIXELS:.0f}",
        "height": f"{float(size[3]) * _PIXELS:.0f}",
        "role": "img",
        "aria-label": label,
        "class": f"plot plot-{name}",
        "stroke-linejoin": "round",
        "stroke-linecap": "butt",
    }
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704  # serialised XML: its texts are escaped


def _plain(
    element: ElementTree.Element, name: str, used: set[str], described: Mapping[str, str], marked: Collection[str]
) -> None:
    for declaration in element.attrib.pop("style", "").split(";"):
        attribute, _, value = declaration.partition(":")
        if value and attribute.strip() != "font-family":  # the page's own
            element.set(attribute.strip(), value.strip())
    own = element.attrib.pop("id", "")
    if own in described:
        title = ElementTree.Element(f"{_SVG}title")
        title.text = described[own]
        element.insert(0, title)
    if own in marked:
        element.set("data-mark", own)
    if own in used:
        element.set("id", f"{name}-{own}")
    if _HREF in element.attrib:
        element.set("href", f"#{name}-{element.attrib.pop(_HREF).removeprefix('#')}")
    if "clip-path" in element.attrib:
        element.set("clip-path", element.attrib["clip-path"].replace("#", f"#{name}-"))
