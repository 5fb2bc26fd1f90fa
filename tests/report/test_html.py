import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from tests.support.reports import HOSTILE, LAYERS, NAMES, Pool, baseline, on_firmware, pool, report
from tinyedge.report import device
from tinyedge.report.html import render
from tinyedge.report.pictures import ROW_BYTES, pictures_of


class Page(HTMLParser):
    """Elements with their attributes, and the text of the page without its script and style."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts, self._inside = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside.append(tag)

    def handle_endtag(self, tag):
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data):
        if not self._inside:
            self.texts.append(data)

    @property
    def text(self):
        return " ".join("".join(self.texts).split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def block(text, kind):
    return re.search(rf"<{kind}>(.*?)</{kind.split()[0]}>", text, re.DOTALL)[1]


def data_of(text):
    return json.loads(block(text, 'script type="application/json" id="data"'))


@pytest.fixture(scope="module")
def failing():
    return report(lost=0.05, given_up=True)


@pytest.fixture(scope="module")
def page(failing):
    return render(failing)


def test_the_verdict_comes_first(failing, page):
    text = Page(page).text
    assert text.index("✕ FAIL") < text.index("Do not ship.") < text.index("Gates")
    for gate in failing.verdict.gates:
        assert gate.title in text
        assert " ".join(gate.detail.split()) in text
    for gate in failing.verdict.skipped:
        assert gate.reason in text


def test_every_section_is_there(failing, page):
    text = Page(page).text
    for title in ("What changed, and for whom", "What its confidence means", "Kernels", "What this run can tell"):
        assert title in text
    for digest in ("a" * 64, "b" * 64, "c" * 64, "d" * 64):
        assert digest in text
    assert "Against the last release" not in text
    with_release = render(replace(failing, baseline=baseline(failing.classes)))
    assert "Negative flips" in Page(with_release).text


def test_every_class_has_a_row_and_a_place_in_the_plot(failing, page):
    found = Page(page)
    indices = [str(i) for i in range(len(NAMES))]
    assert sorted(b["data-class"] for b in found.all("button") if "data-class" in b) == indices
    assert sorted(map(str, data_of(page)["order"])) == indices
    assert [g["data-mark"] for g in found.all("g") if "data-mark" in g] == ["area"]


def test_the_policy_names_the_style_and_the_script_by_their_hashes(page):
    (policy,) = [m["content"] for m in Page(page).all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for kind, rule in (("style", "style-src"), ("script", "script-src")):
        digest = base64.b64encode(hashlib.sha256(block(page, kind).encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert "unsafe" not in policy
    assert rules["img-src"] == "data:"


@pytest.mark.parametrize("names", [NAMES, HOSTILE])
def test_nothing_needs_an_address_a_style_attribute_or_a_handler(names):
    given = report(names=names, lost=0.05, given_up=True)
    found = Page(render(given, pictures_of(given, pool(given))))
    ids = [attributes["id"] for _, attributes in found.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    for tag, attributes in found.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "audio", "video", "foreignobject")
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "action", "srcset", "data"):
            if name in attributes:
                assert attributes[name].startswith(("data:image/png;base64,", "#")), attributes
            if attributes.get(name, "").startswith("#"):
                assert attributes[name][1:] in ids


def test_hostile_names_are_text():
    given = report(names=HOSTILE, given_up=True)
    given = replace(given, deployed=replace(given.deployed, artifact=given.deployed.artifact | {"file": HOSTILE[3]}))
    text = render(given)
    found = Page(text)
    assert len(found.all("script")) == 2
    assert found.all("img") == []
    assert HOSTILE[0] in found.text
    assert HOSTILE[3] in found.text
    assert "{{ 7 * 7 }}" in found.text
    assert "\x1b" not in text
    assert "\u202e" not in text
    names = data_of(text)["names"]
    assert names[0] == HOSTILE[0]
    assert names[1] == r"x\n::error::owned"
    assert "<" not in block(text, 'script type="application/json" id="data"')


def test_the_newly_wrong_images_of_each_class(failing, page):
    data = data_of(page)
    seen = failing.examples
    expected = {}
    for i in range(len(seen)):
        if seen.reference[i] == seen.labels[i] != seen.deployed[i]:
            expected.setdefault(str(seen.labels[i]), set()).add(seen.ids[i])
    assert {label: {row[0] for row in rows} for label, rows in data["wrong"].items()} == expected
    for rows in data["wrong"].values():
        confidences = [row[3] for row in rows]
        assert confidences == sorted(confidences, reverse=True)


def test_pictures_are_shown_and_what_is_left_out_is_said(failing):
    images = pool(failing)
    whole = pictures_of(failing, images)
    page = render(failing, whole)
    shown = [row[4] for rows in data_of(page)["wrong"].values() for row in rows]
    assert {png for png in shown if png} == set(whole.png.values())
    assert shown.count("") == whole.left_out > 0, "a class has more than it may show"
    assert f"{whole.left_out} of the {len(shown)} newly wrong images are left out" in Page(page).text
    assert len(Page(page).all("img")) == 12
    some = pictures_of(failing, images, budget_bytes=10_000)
    assert f"{some.left_out} of the" in Page(render(failing, some)).text


def test_a_run_of_ten_thousand_images_with_many_newly_wrong_stays_within_5_mb():
    """Noise, which compresses least, at a usual size; a third is newly wrong, and a hundred names are long."""
    names = tuple(f"{i:03}" + "<&_" * 40 for i in range(100))
    given = report(names=names, images=10_000, lost=0.35, superclasses=False)
    pictures = pictures_of(given, pool(given, side=32))
    assert len(given.newly_wrong) > 2000
    assert pictures.left_out > 0
    assert len(render(given, pictures).encode()) <= 5_000_000


class Repeated:
    """As many images as one asks for, of a few."""

    def __init__(self, images):
        self.images = images

    def __getitem__(self, index):
        return self.images[index % len(self.images)]


def test_a_run_of_a_hundred_thousand_images_with_a_third_newly_wrong_stays_within_5_mb():
    names = tuple(f"class {i:03}" for i in range(100))
    given = report(names=names, images=100_000, lost=0.335, superclasses=False)
    wrong = len(given.newly_wrong)
    assert wrong >= 30_000
    noise = np.random.default_rng(0).integers(0, 256, (50, 32, 32, 3), np.uint8)
    page = render(given, pictures_of(given, Pool("toy", Repeated(noise), np.array(given.examples.ids))))
    rows = data_of(page)["wrong"].values()
    assert {len(mine) for mine in rows} == {200}, "each class has more than it may list"
    assert max(len(json.dumps([*row[:4], ""], separators=(",", ":"))) for mine in rows for row in mine) < ROW_BYTES
    assert len(page.encode()) <= 5_000_000
    assert f"Of the {wrong:,} newly wrong images {wrong - 20_000:,} are not listed" in Page(page).text
    assert "are not listed" not in Page(render(report(lost=0.05))).text


def test_firmware_its_layers_other_kernels_and_the_board_are_there(failing):
    made = on_firmware(failing)
    text = Page(render(made)).text
    assert "Kernels and device" in text
    assert "Kernels and device" not in Page(render(failing)).text
    for row in device.rows(made):
        assert f"{row.title}{row.text}" in text
    for layer in LAYERS:
        assert f"{layer['name']}{layer['kernel']}{layer['instructions']:,}" in text
    assert "tflite-int8-xnnpackkernels of tflite-int8-xnnpackparts at CONV_2D, operator 1 of 32010.00" in text
    assert "Not run: tflm-int8 (not installed: tflite-micro)." in text
    assert "RAM firmware✕ FAIL17,976 bytes16,38416,384 bytes" in text


@pytest.mark.parametrize(("count", "opened"), [(24, True), (65, False)])
def test_a_long_list_of_layers_is_folded(failing, count, opened):
    found = Page(render(on_firmware(failing, layers=LAYERS[:1] * count)))
    assert [attributes for attributes in found.all("details") if "open" in attributes] == [{"open": None}] * opened
    assert f"All {count} layers" in found.text


def test_hostile_facts_of_a_device_are_text(failing):
    evil = "</td><img src=x onerror=alert(1)>\x1b"
    layers = [{"name": evil, "kernel": evil, "instructions": 0}]
    made = on_firmware(failing, compiler=evil, emulator=evil, layers=layers)
    made = replace(made, kernels=replace(made.kernels, left_out={evil: evil}), board=replace(made.board, title=evil))
    text = render(made)
    assert Page(text).all("img") == []
    assert "\x1b" not in text
    assert Page(text).text.count("<img src=x") >= 6


def test_it_says_what_each_kind_of_gate_fails_by(page):
    text = Page(page).text
    assert (
        "the worst class and the bottom five, are tests: they fail where the measured drop is the limit or more" in text
    )


def test_the_same_report_gives_the_same_page(failing, page):
    assert render(failing) == page


@pytest.mark.parametrize(
    "changes", [{"parity": None, "parity_note": "switched off"}, {"power": ()}, {"parity": None, "parity_note": None}]
)
def test_it_does_without_what_a_run_has_not(changes):
    assert "FAIL" in Page(render(report(given_up=True, superclasses=False, **changes))).text


def test_a_model_that_changed_nothing():
    found = Page(render(report()))
    assert "0\N{NO-BREAK SPACE}pp" in "".join(found.texts)
    assert "+0\N{NO-BREAK SPACE}pp" not in "".join(found.texts)
    assert "No image is newly wrong" not in found.text
    assert "Most confident new mistakes" not in found.text
    assert "0 images were right and are wrong now" in found.text


def test_colours_of_the_two_models_are_safe_for_colour_blind_readers(page):
    """Okabe and Ito's, by which no two are the same to anybody; marks differ too."""
    okabe_ito = {"#000000", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"}
    used = {c.lower() for c in re.findall(r'(?:fill|stroke)="(#[0-9a-fA-F]{3,6})"', page)}
    for color in used - okabe_ito:
        values = [int(color[i : i + 2], 16) for i in (1, 3, 5)] if len(color) == 7 else [255, 255, 255]
        assert max(values) - min(values) < 40, f"{color} is no grey"
