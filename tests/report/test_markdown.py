import re
from dataclasses import replace
from html import unescape

import pytest
from markdown_it import MarkdownIt

from tests.support.reports import HOSTILE, on_firmware, report
from tinyedge.report import device
from tinyedge.report.markdown import LIMIT, escaped, render


def tags(html):
    return set(re.findall(r"<\s*/?\s*([a-zA-Z][a-zA-Z0-9]*)", html))


OURS = {"h2", "p", "strong", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "code", "details", "summary"}


def as_html(text):
    """By CommonMark with GitHub's tables and links, and HTML let through: what a forge makes of it at its laxest."""
    return MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text)


@pytest.mark.parametrize("arguments", [{}, {"lost": 0.05, "given_up": True}, {"images": 40}])
def test_verdict_gates_and_provenance_are_there(arguments):
    given = report(**arguments)
    text = render(given)
    assert text.splitlines()[0].startswith("## ")
    assert f"{given.verdict.status}:" in text.splitlines()[0]
    for gate in given.verdict.gates:
        assert f"| {gate.title} |" in text
    for gate in given.verdict.skipped:
        assert gate.title in text
    assert "b" * 64 in text
    html = as_html(text)
    assert html.count("<table>") == html.count("</table>") >= 2
    assert tags(html) <= OURS


@pytest.mark.parametrize("which", range(len(HOSTILE)))
def test_a_hostile_class_name_is_text(which):
    names = (*("abcdefghi"[:3]), HOSTILE[which], *"defghi")
    given = report(names=names, given_up=True)
    text = render(given)
    plain = render(report(names=(*"abc", "harmless", *"defghi"), given_up=True))
    html = as_html(text)
    assert tags(html) <= OURS
    assert "href" not in html
    assert len(text.splitlines()) == len(plain.splitlines())
    assert html.count("<td") == as_html(plain).count("<td")
    for line in text.splitlines():
        assert not line.lstrip().startswith("::")
        assert "##[" not in line
    assert "::" not in text.replace("--:|--:", "").replace("|--:", "")


def test_firmware_its_layers_other_kernels_and_the_board_are_there():
    made = on_firmware(report())
    html = as_html(render(made))
    text = " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())
    for row in device.rows(made):
        assert f"{row.title} {row.text}" in text
    assert "CONV_2D, operator 3 of 3 cmsis_nn.conv2d_s8.v4.0.0 7,500,000 75.0%" in text
    assert "tflite-int8-xnnpack 20 10.00% 3 2 88.00%" in text
    assert "RAM ❌ 17,976 bytes firmware 16,384 16,384 bytes" in text
    assert tags(html) <= OURS
    assert html.count("<details>") == html.count("</details>") == 5


def test_hostile_facts_of_a_device_are_text():
    evil = "</td></details>\n::error::x | `y` @someone"
    layers = [{"name": evil, "kernel": evil, "instructions": 1}]
    made = on_firmware(report(), compiler=evil, layers=layers)
    made = replace(made, kernels=replace(made.kernels, left_out={evil: evil}), board=replace(made.board, title=evil))
    html = as_html(render(made))
    assert tags(html) <= OURS
    assert html.count("<details>") == html.count("</details>") == 5
    assert "::error" not in render(made)
    assert "@someone" not in unescape(re.sub(r"<code>.*?</code>", "", html))


def test_nobody_is_mentioned_and_nothing_is_linked():
    found = escaped("@someone #12 https://evil.example www.evil.example")
    assert "@" not in found
    assert "#1" not in found.replace("&#", "")
    assert "://" not in found
    assert "www.evil" not in found
    # What a reader's page holds after the references are read: a mention is broken by a zero-width space.
    assert "@\u200bsomeone" in as_html(found)


@pytest.mark.parametrize(
    "name", ["GH-1", "TICKET-12", "#1", "@user", "a/b#1", "!1", "~bug", "%1", '%"next"', "$1", "&1"]
)
def test_a_name_in_a_sentence_is_no_reference(name):
    """A forge looks for them in the text of the page, outside of code, when all character references are read."""
    given = report(names=(*"abc", name, *"defghi"), given_up=True)
    page = re.sub(r"<code>.*?</code>", "", as_html(render(given)))
    text = unescape(re.sub(r"<[^>]*>", "", page))
    broken = re.sub(r"([@#!~$&%]|(?<=[A-Z])-)", "\\1\u200b", name)
    assert broken in text, "the class is named where the gates say why"
    assert name not in text


def test_figures_stay_legible():
    assert escaped("51.45% before, 42.79% now: 1,619 lost (p = 0.0005)") == (
        "51.45% before, 42.79% now: 1,619 lost (p = 0.0005)"
    )


def test_it_fits_a_comment_whatever_the_names():
    names = tuple(chr(65 + i) + "<" * 500 for i in range(10))
    text = render(report(names=names, given_up=True))
    assert len(text) <= LIMIT
    assert text.endswith("\n")


def test_what_does_not_fit_is_left_out_and_said(monkeypatch):
    monkeypatch.setattr("tinyedge.report.markdown.LIMIT", 2500)
    text = render(report(lost=0.05, given_up=True))
    assert len(text) <= 2500
    assert text.splitlines()[0].startswith("## ")
    assert text.endswith("see the whole report.\n")
    assert tags(as_html(text)) <= OURS


def test_a_head_that_alone_is_too_long_is_cut_between_lines(monkeypatch):
    monkeypatch.setattr("tinyedge.report.markdown.LIMIT", 500)
    given = report(lost=0.05, given_up=True)
    text = render(given)
    assert len(text) <= 500
    assert text.splitlines()[:2] == render(given).splitlines()[:2]
    assert text.endswith("see the whole report.\n")
