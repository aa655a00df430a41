"""The report's page in a browser, at the size of the demo: on a wide screen, on a telephone, and on paper."""

import re
from collections.abc import Iterator
from pathlib import Path

import axe_core_python
import numpy as np
import pandas as pd
import pypdfium2
import pytest
import yaml
from PIL import Image

from retort.stages.pictures.report_page import report_page
from tests.helpers.browser import Browser, in_a_browser
from tests.helpers.made_up_results import made_up_results
from tests.helpers.report_page import TEMPLATE
from tests.helpers.workspace import REPOSITORY, smoke_config

pytestmark = in_a_browser

AXE = Path(axe_core_python.__file__).with_name("axe.min.js")
TELEPHONE, SCREEN = 390, 1400  # pixels
LEAST = 10  # pixels that letters are high at least
MOST_PAGES = 30
OPENED = "document.querySelectorAll('details').forEach((found) => found.open = true)"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict:
    """Results of the config of the demo, with its ten classes; and of mosaics and more images, which it has not."""
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    more = smoke_config()
    config["typicalities"], config["methods"]["ddps"] = more["typicalities"], more["methods"]["ddps"]
    longer = {"methods": ["random", "dit", "ddps"], "ipc": [5], "protocols": ["hard"], "students": ["resnet8s"]}
    config["runs"].append(longer)
    config["quality"] = {"teacher": "resnet", "measures": ["density-coverage"]}
    return made_up_results(tmp_path_factory.mktemp("demo"), config, [str(i) for i in range(10)])


@pytest.fixture(scope="module")
def file(made, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    report_page(str(TEMPLATE), str(path), **made)
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = Browser()
    yield found
    found.close()


def test_columns_sort_by_click_and_rows_filter(made, file, browser):
    table = pd.read_csv(made["accuracy"])
    browser.open(file, SCREEN)
    heads = "Array.from(document.querySelectorAll('#accuracy-table thead th'))"
    place = f"{heads}.findIndex((head) => head.textContent.includes('top-1, last'))"
    cells = (
        f"Array.from(document.querySelectorAll('#accuracy-table tbody tr'), (row) => row.cells[{place}].textContent)"
    )
    for state in ("descending", "ascending"):
        browser.ask(f"{heads}[{place}].querySelector('button').click()")
        means = [float(text.split()[0]) for text in browser.ask(cells)]
        assert means == sorted(means, reverse=state == "descending")
        assert sorted(means) == pytest.approx(sorted(table["top1_last_mean"]), abs=0.051)
        assert browser.ask(f"{heads}.map((head) => head.ariaSort).filter(Boolean)") == [state]
    browser.ask("form.elements.protocol.value = 'soft'; form.dispatchEvent(new Event('input'))")
    shown = browser.ask(
        "Array.from(table.tBodies[0].rows).filter((row) => !row.hidden).map((row) => row.dataset.protocol)"
    )
    assert shown == ["soft"] * (table["protocol"] == "soft").sum()
    assert browser.ask("form.querySelector('output').textContent") == f"{len(shown)} of {len(table)} rows"
    browser.ask("form.elements.method.value = 'no such'; form.dispatchEvent(new Event('input'))")
    assert browser.ask("form.querySelector('output').textContent") == f"0 of {len(table)} rows"


@pytest.mark.parametrize("width", [SCREEN, 760, TELEPHONE])
def test_nothing_is_wider_than_the_window(file, browser, width):
    browser.open(file, width)
    browser.ask(OPENED)
    assert browser.ask("innerWidth") == width
    assert browser.ask("document.documentElement.scrollWidth") <= width


FINDINGS = """axe.run().then((run) => ({passed: run.passes.length, broken: run.violations.flatMap((found) =>
  found.nodes.map((node) => `${found.id} (${found.impact}): ${node.target} ${node.failureSummary}`))}))"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [SCREEN, TELEPHONE])
def test_axe_finds_nothing(file, browser, width, dark):
    browser.open(file, width, dark=dark)
    browser.ask(AXE.read_text() + "; null")
    browser.ask(OPENED)
    found = browser.ask(FINDINGS)
    assert found["broken"] == []
    assert found["passed"] > 20


REGIONS = """Array.from(document.querySelectorAll(".scroll"), (region) => ({
  wide: region.scrollWidth > region.clientWidth, shown: region.clientWidth > 0, stop: region.tabIndex,
  role: region.getAttribute("role"), label: region.getAttribute("aria-label"),
  says: getComputedStyle(region, "::before").content}))"""


def test_what_scrolls_says_so_and_is_reached_by_keys(file, browser):
    browser.open(file, TELEPHONE)
    browser.ask(f"{OPENED}; new Promise((done) => setTimeout(done, 300))")
    regions = browser.ask(REGIONS)
    assert sum(region["wide"] for region in regions) > 30
    for region in regions:
        assert region["shown"]
        assert ("Scroll sideways" in region["says"]) == region["wide"]
        assert (region["stop"], region["role"]) == (0, "group")
        assert len(region["label"]) > 5
    assert browser.ask("document.querySelectorAll('.scroll table').length") == browser.ask(
        "document.querySelectorAll('table').length"
    )
    browser.open(file, SCREEN)
    assert not any("Scroll" in region["says"] for region in browser.ask(REGIONS) if not region["wide"])


ROWS = """Array.from(document.querySelectorAll("#accuracy-table tbody tr"), (row) => {
  row.scrollIntoView({block: "center", behavior: "instant"});
  const [name, cell] = [row.cells[0], row.querySelector("td.bar")].map((found) => found.getBoundingClientRect());
  const above = document.elementFromPoint(name.left + name.width / 2, name.top + name.height / 2);
  return {name: [name.left, name.right], cell: [cell.left, cell.right], text: row.cells[0].textContent,
    seen: row.cells[0].contains(above)};
})"""


def test_on_a_telephone_the_accuracy_is_seen_and_the_method_stays(file, browser):
    browser.open(file, TELEPHONE)
    rows = browser.ask(ROWS)
    assert len(rows) > 25
    for row in rows:
        assert row["seen"]
        assert 0 <= row["name"][0] < row["name"][1] <= row["cell"][0] + 1
        assert row["cell"][1] <= TELEPHONE
    scrolled = browser.ask(
        "(() => {const r = document.querySelector('#accuracy .scroll'); r.scrollLeft = 1e6; return r.scrollLeft})()"
    )
    assert scrolled > 100
    after = browser.ask(ROWS)
    assert [row["name"] for row in after] == [row["name"] for row in rows]
    assert all(row["seen"] for row in after)
    assert all(row["cell"][0] < 0 for row in after)


LETTERS = """Array.from(document.querySelectorAll("body *")).filter((found) => Array.from(found.childNodes).some(
  (node) => node.nodeType === 3 && node.data.trim())).filter((found) => !found.closest("script, style, title"))
  .map((found) => [found.textContent.trim().slice(0, 40),
    parseFloat(getComputedStyle(found).fontSize) * (found.closest("svg") ? scale(found.getScreenCTM()) : 1)])
  function scale(matrix) { return Math.hypot(matrix.a, matrix.b); }"""
PICTURES = """Array.from(document.querySelectorAll("figure img"),
  (found) => [found.alt, found.getBoundingClientRect().width / Number(found.getAttribute("width"))])"""
DRAWN = {"Clusters": 10 * 130 / 72}  # pixels: letters of draw_discovery; those of sheets have 13


def test_on_a_telephone_no_letters_are_too_small(file, browser):
    browser.open(file, TELEPHONE)
    browser.ask(OPENED)
    letters = browser.ask(LETTERS)
    assert sum("test top-1" in text for text, _ in letters) >= 4  # of the charts
    assert [found for found in letters if found[1] < LEAST] == []
    pictures = browser.ask(PICTURES)
    assert len(pictures) > 30
    for alt, scale in pictures:
        assert DRAWN.get(alt.split()[0], 13) * scale >= LEAST, alt


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_picture_of_the_window_shows_ink_on_paper(file, browser, tmp_path, dark):
    browser.open(file, 1360, 1800, dark=dark)
    browser.picture(tmp_path / "shot.png")
    grey = np.asarray(Image.open(tmp_path / "shot.png").convert("L")).astype(int)
    assert grey.shape == (1800, 1360)
    assert (np.median(grey) < 60) == dark
    assert 0.01 < (np.abs(grey - np.median(grey)) > 80).mean() < 0.3


# ---------------------------------------------------------------- on paper


MARKED = "¶"  # set before each heading of the printed page, so that it is known from other words
MARK = f"document.querySelectorAll('h1, h2, h3, summary').forEach((head) => head.prepend('{MARKED}'))"


class Sheet:
    """One page of a print: its letters and pictures with their boxes (left, bottom, right, top) in points."""

    def __init__(self, page: pypdfium2.PdfPage):
        self.width, self.height = page.get_size()
        text = page.get_textpage()
        letters = [(text.get_text_range(i, 1), text.get_charbox(i)) for i in range(text.count_chars())]
        self.letters = [(letter, box) for letter, box in letters if letter.strip()]
        self.pictures = [found.get_bounds() for found in page.get_objects([pypdfium2.raw.FPDF_PAGEOBJ_IMAGE])]

    def text(self) -> str:
        return "".join(letter for letter, _ in self.letters)

    def lonely(self) -> list[str]:
        """Headings with neither a line nor a picture below them, up to five centimetres to the right."""
        heads = [(i, box) for i, (letter, box) in enumerate(self.letters) if letter == MARKED]
        boxes = [box for letter, box in self.letters if letter != MARKED] + self.pictures
        return [
            "".join(letter for letter, _ in self.letters[i : i + 20])
            for i, (left, bottom, _, _) in heads
            if not any(b[3] < bottom and b[2] > left and b[0] < left + 140 for b in boxes)
        ]


@pytest.fixture(scope="module")
def sheets(file, browser, tmp_path_factory) -> list[Sheet]:
    path = tmp_path_factory.mktemp("print") / "report.pdf"
    browser.open(file, SCREEN)
    browser.ask(MARK)
    browser.printed(path)
    return [Sheet(page) for page in pypdfium2.PdfDocument(path)]


def test_the_demo_prints_on_few_pages(sheets):
    assert 10 < len(sheets) <= MOST_PAGES


def test_no_heading_is_left_alone_on_paper(file, sheets, browser):
    printed = sum(sheet.text().count(MARKED) for sheet in sheets)
    heads = "Array.from(document.querySelectorAll('h1, h2, h3, summary'))"
    assert printed == browser.ask(f"{heads}.length") - browser.ask(
        f"{heads}.filter((head) => head.id === 'files').length"
    )
    assert printed > 70
    assert [sheet.lonely() for sheet in sheets if sheet.lonely()] == []


def test_everything_is_on_paper_and_inside_its_edges(file, sheets, browser, made):
    for sheet in sheets:
        for letter, (left, bottom, right, top) in sheet.letters:
            assert 20 < left <= right < sheet.width - 20, letter
            assert 20 < bottom <= top < sheet.height - 20, letter
        for left, bottom, right, top in sheet.pictures:
            assert 20 < left < right < sheet.width - 20
            assert 20 < bottom < top < sheet.height - 20
    assert sum(len(sheet.pictures) for sheet in sheets) == browser.ask("document.images.length")
    printed = "".join(sheet.text() for sheet in sheets)
    cells = browser.ask(
        "Array.from(document.querySelectorAll('td, th, h2, h3, figcaption, dd'), (cell) => cell.innerText)"
    )
    words = {word for cell in cells for word in cell.replace("(best of its cell)", "").split()}
    assert len(words) > 300
    assert {word for word in words if word not in printed} <= {f"{MARKED}Tables", "files"}  # none on paper


@pytest.mark.parametrize("width", [696, 718], ids=["A4", "letter"])  # between the margins
def test_no_table_is_wider_than_the_paper(file, browser, width):
    browser.open(file, width, media="print")
    browser.ask(OPENED)
    assert browser.ask("document.documentElement.scrollWidth") <= width
    ends = browser.ask(
        "Array.from(document.querySelectorAll('table, img, svg, pre'), (found) => found.getBoundingClientRect().right)"
    )
    assert len(ends) > 100
    assert max(ends) <= width + 0.5


def test_a_table_that_goes_on_repeats_its_head(sheets):
    continued = [
        sheet for sheet in sheets if re.search(r"hard-\w{8}", sheet.text()) and "¶Accuracy" not in sheet.text()
    ]
    assert "top-1,last" in continued[0].text()
