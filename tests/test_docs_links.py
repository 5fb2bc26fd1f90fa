"""Every relative link in the documents leads to a file, and to a heading where it names one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md"), *ROOT.glob("benchmarks/**/*.md")])
_LINK = re.compile(r"\]\((?!https?://|mailto:)([^)\s]+)\)")
_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def test_there_are_documents_with_links() -> None:
    assert len(DOCUMENTS) > 40
    assert sum(len(links(path)) for path in DOCUMENTS) > 50


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    dead = [link for link in links(path) if not leads_somewhere(path, link)]
    assert dead == []


def leads_somewhere(path: Path, link: str) -> bool:
    """Whether a document's link is to a file of the repository, and to a heading that is there."""
    name, _, heading = link.partition("#")
    target = (path.parent / name).resolve() if name else path
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not heading or target.suffix != ".md" or heading in anchors(target)


def links(path: Path) -> list[str]:
    """Of a document, without those in code."""
    return _LINK.findall(_CODE.sub("", path.read_text()))


def anchors(path: Path) -> set[str]:
    """What GitHub calls the headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
