"""The page in a real browser, offline."""

import shutil
from dataclasses import replace

import pytest
from playwright.sync_api import sync_playwright

from tests.support.reports import HOSTILE, NAMES, on_firmware, pool, report
from tinyedge.report.changes import by_class
from tinyedge.report.formats import write_reports

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
LONG = tuple(f"{i}" + "unbreakable" * 20 for i in range(10))


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM)
        yield running
        running.close()


@pytest.fixture(scope="module")
def given():
    return report(lost=0.05, given_up=True)


@pytest.fixture(scope="module")
def hostile():
    made = report(names=HOSTILE, lost=0.05, given_up=True)
    return replace(made, deployed=replace(made.deployed, artifact=made.deployed.artifact | {"file": HOSTILE[3]}))


class Visit:
    """A page, what its console says, and what it asks for over any network."""

    def __init__(self, page):
        self.page, self.said, self.asked = page, [], []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def strangers(self):
        return [url for url in self.asked if not url.startswith(("file:", "data:image/png;base64,"))]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The file of a report, written once."""
    files = {}

    def file(made):
        key = (made.examples.class_names, made.deployed.artifact["file"])
        if key not in files:
            (files[key],) = write_reports(made, ["html"], tmp_path_factory.mktemp("page"), pool(made))
        return files[key]

    return file


@pytest.fixture
def visit(browser, written):
    contexts = []

    def go(made, *, width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, offline=True, **options)
        contexts.append(context)
        opened = Visit(context.new_page())
        opened.page.goto(written(made).as_uri())
        return opened

    yield go
    for context in contexts:
        context.close()


def place_of(page, given, index):
    """Where class ``index`` is in the plot, which is scrolled into view."""
    area = page.locator("[data-mark='area']")
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    order = [group.index for group in by_class(given.examples)]
    return box["x"] + box["width"] * (order.index(index) + 0.5) / len(order), box["y"] + box["height"] / 2


@pytest.mark.parametrize("which", ["given", "hostile"])
def test_it_opens_without_a_word_in_the_console_and_without_a_request(which, request, visit):
    opened = visit(request.getfixturevalue(which))
    assert opened.page.locator("h1").inner_text().strip().endswith("FAIL")
    assert opened.page.locator("svg.plot").count() == 4
    for plot in opened.page.locator("svg.plot").all():
        assert plot.bounding_box()["width"] > 200
    assert opened.said == []
    assert opened.strangers() == []
    assert len([url for url in opened.asked if url.startswith("file:")]) == 1


def test_the_style_holds(visit, given):
    """The policy lets the page's own style sheet through: were its hash wrong, all would be black on white."""
    verdict = visit(given).page.locator("section.verdict")
    assert verdict.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(253, 238, 228)"


def test_pointing_at_a_class_names_it_with_its_figures(visit, given):
    page = visit(given).page
    worst = by_class(given.examples)[0]
    assert page.locator("#tip").is_hidden()
    page.mouse.move(*place_of(page, given, worst.index))
    told = page.locator("#tip").inner_text()
    assert worst.name in told
    assert f"{worst.newly_wrong} newly wrong" in told
    assert f"{100 * worst.reference:.0f} % to {100 * worst.deployed:.0f} %" in told
    page.locator("h1").hover()
    assert page.locator("#tip").is_hidden()


def test_clicking_a_class_lists_its_newly_wrong_images(visit, given):
    opened = visit(given)
    page = opened.page
    worst = by_class(given.examples)[0]
    page.mouse.click(*place_of(page, given, worst.index))
    dialog = page.locator("dialog")
    assert dialog.is_visible()
    assert dialog.locator("h2").inner_text() == worst.name
    cards = dialog.locator("li")
    assert cards.count() == worst.newly_wrong
    first = max((e for e in given.newly_wrong if e.label == worst.name), key=lambda e: (e.confidence, -e.index))
    text = " ".join(cards.first.inner_text().split())
    assert text == (
        f"true {worst.name} float {worst.name} deployed {first.deployed} {100 * first.confidence:.0f} % "
        f"image {first.id[:8]}"
    )
    assert cards.first.locator("img").evaluate("e => e.complete && e.naturalWidth") == 8
    assert opened.said == []
    assert opened.strangers() == []


def test_everything_works_by_keyboard(visit, given):
    page = visit(given).page
    groups = by_class(given.examples)
    page.locator("#class-plot").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert groups[1].name in page.locator("#tip").inner_text()
    page.keyboard.press("ArrowLeft")
    assert groups[0].name in page.locator("#tip").inner_text()
    page.keyboard.press("End")
    assert groups[-1].name in page.locator("#tip").inner_text()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    assert page.locator("dialog h2").inner_text() == groups[0].name
    page.keyboard.press("Escape")
    assert page.locator("dialog").is_hidden()
    assert page.evaluate("document.activeElement.id") == "class-plot"
    button = page.locator("button[data-class]").nth(2)
    button.focus()
    page.keyboard.press("Enter")
    assert page.locator("dialog h2").inner_text() == groups[2].name
    page.keyboard.press("Escape")
    assert button.evaluate("e => e === document.activeElement")


def test_the_rest_of_the_classes_is_a_click_away(visit):
    made = report(names=tuple(f"class {i}" for i in range(30)), lost=0.05, superclasses=False)
    page = visit(made).page
    rows = page.locator("#class-table tbody tr")
    assert sum(row.is_visible() for row in rows.all()) == 12
    toggle = page.locator("#all-classes")
    assert toggle.inner_text() == "All 30 classes"
    toggle.click()
    assert sum(row.is_visible() for row in rows.all()) == 30
    assert toggle.get_attribute("aria-expanded") == "true"


def test_without_a_script_all_of_it_can_be_read(visit):
    made = report(names=tuple(f"class {i}" for i in range(30)), lost=0.05, superclasses=False)
    page = visit(made, java_script_enabled=False).page
    assert sum(row.is_visible() for row in page.locator("#class-table tbody tr").all()) == 30
    assert page.locator("dialog").is_hidden()


def test_hostile_names_do_nothing(visit, hostile):
    opened = visit(hostile)
    page = opened.page
    title = page.title()
    for i, name in enumerate(HOSTILE):
        page.locator(f'button[data-class="{i}"]').click()
        heading = page.locator("dialog h2")
        assert heading.locator("*").count() == 0
        if name.isprintable() and len(name) < 64:
            assert heading.evaluate("e => e.textContent") == name
        page.keyboard.press("Escape")
        page.mouse.move(*place_of(page, hostile, i))
        assert page.locator("#tip b *").count() == 0
    assert page.title() == title
    assert "owned" not in title.replace(HOSTILE[3], "")
    assert page.locator("script").count() == 2
    assert page.locator("img:not([src^='data:image/png'])").count() == 0
    assert opened.said == []
    assert opened.strangers() == []


def test_the_policy_stops_what_is_not_the_page_s_own(visit, given):
    page = visit(given).page
    found = page.evaluate(
        """async () => {
          const stopped = [];
          document.addEventListener("securitypolicyviolation", (e) => stopped.push(e.effectiveDirective));
          const script = document.createElement("script");
          script.textContent = "document.title = 'owned'";
          document.body.append(script);
          document.body.insertAdjacentHTML("beforeend", "<p style='color: red' id='styled'>x</p>");
          const image = new Image();
          image.src = "https://example.invalid/x.png";
          await fetch("https://example.invalid/").catch(() => 0);
          await new Promise((done) => setTimeout(done, 100));
          return [stopped.sort(), document.title, getComputedStyle(document.getElementById("styled")).color];
        }"""
    )
    assert found[0] == ["connect-src", "img-src", "script-src-elem", "style-src-attr"]
    assert found[1] != "owned"
    assert found[2] != "rgb(255, 0, 0)"


@pytest.mark.parametrize(
    ("names", "width"),
    [(NAMES, 380), (HOSTILE, 380), (LONG, 380), (LONG, 800), (HOSTILE, 1280)],
    ids=["plain-380", "hostile-380", "long-380", "long-800", "hostile-1280"],
)
def test_nothing_is_wider_than_the_window(visit, names, width):
    page = visit(report(names=names, lost=0.05, given_up=True), width=width).page
    for details in page.locator("details").all():
        details.evaluate("e => { e.open = true; }")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("button[data-class]").first.click()
    box = page.locator("dialog").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert page.locator("dialog").evaluate("e => e.scrollWidth - e.clientWidth") == 0
    # Every figure of a gate is within the window too, whatever scrolls inside the page.
    page.keyboard.press("Escape")
    for cell in page.locator(".gates td[data-label]").all():
        box = cell.bounding_box()
        assert box is None or box["x"] + box["width"] <= width + 1


@pytest.mark.parametrize("width", [390, 1280])
def test_what_firmware_takes_fits_the_window(visit, given, width):
    made = on_firmware(given)
    made = replace(made, deployed=replace(made.deployed, artifact=made.deployed.artifact | {"file": "fw.tflite"}))
    opened = visit(made, width=width)
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("rows", "uses", "layers", "beside-kernels"):
        box = page.locator(f"table.{name}").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    assert page.locator(".layers tbody tr").count() == 3
    bars = [path.get_attribute("d") for path in page.locator(".layers .share path:last-child").all()]
    assert bars == ["M0 5H40.0", "M0 5H10.0", "M0 5H150.0"]
    assert page.locator("table.uses .status.fail").is_visible()
    assert opened.said == []
    assert opened.strangers() == []


def test_print_shows_every_class_and_no_control(visit):
    made = report(names=tuple(f"class {i}" for i in range(30)), lost=0.05, superclasses=False)
    page = visit(made).page
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 718, "height": 1000})  # an A4 page less its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 718
    assert page.locator(".gates thead").is_visible()
    assert sum(row.is_visible() for row in page.locator("#class-table tbody tr").all()) == 30
    assert page.locator("#all-classes").is_hidden()
    assert page.locator(".hint").is_hidden()
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_a_thousand_classes(visit):
    names = tuple(f"class {i}" for i in range(1000))
    made = report(names=names, images=3000, lost=0.05, superclasses=False)
    opened = visit(made)
    opened.page.mouse.move(*place_of(opened.page, made, 500))
    assert opened.page.locator("#tip b").inner_text() == "class 500"
    assert opened.said == []
